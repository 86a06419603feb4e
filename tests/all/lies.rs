//! Derived WITX that was edited: what contradicts itself is refused, with the place.

use lowlift::abi::{Abi, Forms, Names};
use lowlift::diagnostic::{Code, Diagnostic, Place};
use lowlift::wit::{Gates, Sources, WitFile, load, select_world};
use lowlift::witx::{Options, Reading, Scope, derive, print, read};

const WIT: &str = "package a:b@1.0.0;
interface i {
    resource r { m: func(x: option<u64>) -> result<string, e>; }
    resource s;
    enum e { one, two }
    flags f { read, write }
    record p { x: u8, y: u32, s: string }
    variant v { wide(u64), long(tuple<u32, u32, u32, u32, u32, u32, u32>), none }
    type same = p;
    type fixed = list<u16, 3>;
    type pairs = map<u8, string>;
    get: func(p: p, f: f, b: borrow<r>, o: r) -> list<p>;
    many: func(a: p, b: p, c: p, d: p, e: fixed) -> v;
    number: func(a: u64, b: f32, c: bool) -> u32;
    later: async func(s: stream<e>, p: pairs, q: same) -> future<string>;
}
world w { import i; export i; export run: func(x: list<string>) -> string; }";

type Files = Vec<(String, String)>;

fn derived() -> Files {
    let main = vec![WitFile { path: "test.wit".to_owned(), text: WIT.to_owned() }];
    let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
    let loaded = load(&sources, &Gates::default()).expect("the WIT is valid");
    let world = select_world(&loaded, Some("w")).expect("the world");
    let options = Options { abi: Abi { names: Names::Legacy, forms: Forms::All }, aliases: Vec::new() };
    print(&derive(&loaded.resolve, &Scope::World(world), &options).expect("derives").document)
}

/// One file, with the first `from` that stands after `after` replaced.
fn edited(files: &Files, file: &str, after: &str, from: &str, to: &str) -> Files {
    let mut files = files.clone();
    let text = &mut files.iter_mut().find(|(name, _)| name == file).expect("the file").1;
    let start = text.find(after).unwrap_or_else(|| panic!("`{after}` stands in {file}"));
    let at = start + text[start..].find(from).unwrap_or_else(|| panic!("`{from}` stands after `{after}`"));
    text.replace_range(at..at + from.len(), to);
    files
}

fn refusal(what: &str, files: &Files) -> Box<Diagnostic> {
    let error = match read(files) {
        Err(error) => error,
        Ok(reading) => panic!("{what} is accepted: {}", matches!(reading, Reading::Derived(_))),
    };
    assert!([Code::WitxLies, Code::WitxParse].contains(&error.code), "{what}: {error:?}");
    match &error.place {
        Some(Place::Text { path, source, span }) => {
            let text = &files.iter().find(|(name, _)| name == path).unwrap_or_else(|| panic!("{what}: {path}")).1;
            assert!(source == text && source.get(span.clone()).is_some_and(|s| !s.is_empty()), "{what}: {error:?}");
        }
        place => panic!("{what} has no place in a text: {place:?}: {error:?}"),
    }
    error
}

const TYPES: &str = "types.witx";
const IMPORTS: &str = "b-i.witx";
const EXPORTS: &str = "exports.witx";

#[test]
fn a_type_that_contradicts_itself_is_refused() {
    let files = derived();
    assert!(matches!(read(&files).expect("as derived"), Reading::Derived(_)));
    for (after, from, to) in [
        // Sizes, alignments and discriminants that the WIT's type does not have.
        ("$b-i.p", "(size 16)", "(size 20)"),
        ("$b-i.p", "(align 4)", "(align 8)"),
        ("$b-i.v", "(size 40)", "(size 32)"),
        ("$b-i.e", "tag u8", "tag u16"),
        ("$b-i.e", "tag u8", "tag u64"),
        ("$b-i.e", " (@witx tag u8)", ""),
        ("$b-i.f", "repr u8", "repr u32"),
        ("$option<u64>", "tag u8", "tag u32"),
        ("$b-i.e", "(size 1)", "(size 4294967296)"),
        ("$b-i.e", "(size 1)", "(size one)"),
        ("$b-i.e", "(size 1)", ""),
        ("$b-i.e", "(align 1)", ""),
        // Members of another size, or another kind.
        ("$b-i.p", "(field $y u32)", "(field $y u64)"),
        ("$b-i.p", "(field $x u8)", "(field $x $b-i.v)"),
        ("$b-i.p", "(field $x u8)", "(field $x (record (field $y u8)))"),
        ("$b-i.p", "(field $x u8)", "(field $x)"),
        ("$b-i.p", "(field $x u8)", "(field $x usize)"),
        ("$option<u64>", "(case $some u64)", "(case $some u8)"),
        ("$option<u64>", "(case $none)", "(case $none u64)\n    (case $nil)"),
        ("$option<u64>", "$none", "$nothing"),
        ("$result<string", "$err", "$error"),
        ("$b-i.many.params", "(field $e $b-i.fixed)", "(field $e $b-i.f)"),
        ("$b-i.later.params", "(field $s $stream<b-i.e>)", "(field $s $future<string>)"),
        // The padded case.
        ("$b-i.v", "(pad 0)", "(pad 1)"),
        ("$b-i.v", "(pad 0)", "(pad 2)"),
        ("$b-i.v", "(tuple u64 u64 u64 u64)", "(tuple u64 u64 u64)"),
        ("$b-i.v", "(tuple u64 u64 u64 u64)", "u64"),
        // Arrays.
        ("$b-i.fixed", "(of u16 3)", "(of u16 4)"),
        ("$b-i.fixed", "(of u16 3)", "(of s16 3)"),
        ("$b-i.fixed", "(of u16 3)", ""),
        ("$b-i.fixed", "(tuple u16 u16 u16)", "(tuple u16 u16 s16)"),
        ("$b-i.fixed", "(tuple u16 u16 u16)", "(tuple u16 u16)"),
        // Kinds.
        ("$b-i.p", "@cabi record", "@cabi variant"),
        ("$b-i.p", "@cabi record", "@cabi recrod"),
        ("$b-i.same", "@cabi type", "@cabi own"),
        ("$b-i.pairs", "@cabi map", "@cabi list"),
        ("$b-i.pairs", "(tuple u8 string)", "string"),
        ("$stream<b-i.e>", "@cabi stream", "@cabi resource"),
        ("$bool", "@cabi bool", "@cabi flags"),
        ("$bool", "$false", "$falsehood"),
        ("$own<b-i.r>", "$b-i.r)", "$b-i.p)"),
        ("$b-i.r", "(handle)", "u32"),
        // Annotations that are gone.
        ("$b-i.e", "(@cabi enum \"e\" (in \"a:b/i@1.0.0\") (size 1) (align 1))", ""),
        ("$b-i.e", "\"e\"", ""),
        // Order and number.
        ("(typename $b-i.same", "(typename $b-i.same", "(typename $b-i.p"),
        ("$b-i.same", "$b-i.p)", "$b-i.same)"),
        ("$b-i.p", "(field $y u32)", "(field $y $b-i.v)"),
        ("(typename $b-i.e", "(typename $b-i.e", "(typename $b-i.e2"),
        ("(typename $b-i.e", "(typename $b-i.e", ")"),
        ("(typename $b-i.e", "(typename $b-i.e", "("),
        ("(typename $b-i.e", "(typename", "(type"),
    ] {
        refusal(&format!("{after}: {from} → {to}"), &edited(&files, TYPES, after, from, to));
    }
}

#[test]
fn a_function_that_contradicts_its_types_is_refused() {
    let files = derived();
    for (file, after, from, to) in [
        // Core parameters and results.
        (IMPORTS, "\"number\"", "(param $a u64)", "(param $a u32)"),
        (IMPORTS, "\"number\"", "(param $c u32)", "(param $c u8)"),
        (IMPORTS, "\"number\"", "(param $c u32)", "(param $c $bool)"),
        (IMPORTS, "\"number\"", "(param $c u32)", ""),
        (IMPORTS, "\"number\"", "(result $ret u32)", "(result $ret s32)"),
        (IMPORTS, "\"number\"", "(result $ret u32)", "(result $ret u64)"),
        (IMPORTS, "\"number\"", "(result $ret u32)", "(result $ret u32) (result $more u32)"),
        (IMPORTS, "\"number\"", "(result $ret u32)", ""),
        (IMPORTS, "\"get\"", "(param $b $b-i.r)", "(param $b $b-i.s)"),
        (IMPORTS, "\"get\"", "(param $b $b-i.r)", "(param $b u32)"),
        (IMPORTS, "\"later\"", "(param $p $b-i.pairs)", "(param $p string)"),
        (EXPORTS, "\"run\"", "(param $x (list string))", "(param $x (list u8))"),
        // Pointers.
        (IMPORTS, "\"get\"", "(@witx pointer (list $b-i.p))", "(@witx pointer u8)"),
        (IMPORTS, "\"get\"", "(@witx pointer (list $b-i.p))", "(@witx const_pointer (list $b-i.p))"),
        (IMPORTS, "\"many\"", "(@witx const_pointer $b-i.many.params)", "(@witx const_pointer $b-i.get.params)"),
        (IMPORTS, "\"many\"", "(@witx const_pointer $b-i.many.params)", "u32"),
        (IMPORTS, "[stream-read-0]", "(@witx pointer $b-i.e)", "(@witx pointer u64)"),
        (IMPORTS, "[stream-write-0]", "(@witx const_pointer $b-i.e)", "(@witx pointer $b-i.e)"),
        // What the WIT is said to have.
        (IMPORTS, "\"number\"", "(@cabi param $a u64 1)", "(@cabi param $a u32 1)"),
        (IMPORTS, "\"number\"", "(@cabi param $a u64 1)", "(@cabi param $a u64 2)"),
        (IMPORTS, "\"number\"", "(@cabi param $a u64 1)", "(@cabi param $a u64)"),
        (IMPORTS, "\"number\"", "(@cabi param $a u64 1)", ""),
        (IMPORTS, "\"number\"", "(@cabi result u32)", "(@cabi result string)"),
        (IMPORTS, "\"number\"", "(@cabi result u32)", ""),
        (IMPORTS, "\"many\"", "(@cabi param $a $b-i.p)", "(@cabi param $a $b-i.same)"),
        (IMPORTS, "\"many\"", "(@cabi param $a $b-i.p)", "(@cabi param $z $b-i.p)"),
        (IMPORTS, "\"many\"", "(@cabi param $a $b-i.p)", "(@cabi param $a $b-i.nope)"),
        (EXPORTS, "#[method]r.m", " rep)", ")"),
        (EXPORTS, "a:b/i@1.0.0#get\"", "$own<b-i.r> 1)", "$own<b-i.r> 1 rep)"),
        // What it needs, and what it is.
        (IMPORTS, "\"get\"", "import memory realloc", "import memory"),
        (IMPORTS, "\"get\"", "import memory realloc", "import"),
        (IMPORTS, "\"number\"", "(@cabi import)", "(@cabi import realloc)"),
        (IMPORTS, "\"number\"", "(@cabi import)", "(@cabi imports)"),
        (IMPORTS, "\"number\"", "(@cabi import)", "(@cabi import-async)"),
        (IMPORTS, "\"number\"", "(@cabi import)", "(@cabi initialize)"),
        (IMPORTS, "\"number\"", "(@cabi import)", ""),
        (IMPORTS, "\"number\"", "(@cabi wit \"number: func(a: u64, b: f32, c: bool) -> u32\")", ""),
        (IMPORTS, "[stream-read-0]", "channel \"read\"", "channel \"new\""),
        (IMPORTS, "[stream-read-0]", "channel \"read\"", "channel \"nope\""),
        (IMPORTS, "[stream-read-0]", "channel \"read\" $stream<b-i.e>", "channel \"read\" $future<string>"),
        (IMPORTS, "[stream-read-0]", "$stream<b-i.e> memory", "$stream<b-i.e>"),
        (IMPORTS, "[stream-new-0]", "(result $ret u64)", "(result $ret u32)"),
        (IMPORTS, "[resource-drop]", "resource-drop $b-i.r", "resource-drop $b-i.p"),
        (IMPORTS, "[resource-drop]", "resource-drop $b-i.r", "resource-drop $b-i.s"),
        (EXPORTS, "cabi_post_a:b/i@1.0.0#number", "(param $ret u32)", "(param $ret u64)"),
        (EXPORTS, "cabi_post_a:b/i@1.0.0#number", "cabi_post_", "cabi_past_"),
        (EXPORTS, "[task-return]many", "(param $ret.1 u64)", "(param $ret.1 u32)"),
        (EXPORTS, "[callback]", "(param $payload u32)", ""),
        (EXPORTS, "cabi_realloc", "(result $ret.ptr u32)", ""),
        ("root.witx", "[waitable-set-wait]", "(param $set u32)", ""),
        ("root.witx", "[waitable-set-wait]", "[waitable-set-wait]", "[waitable-set-nope]"),
        ("root.witx", "[waitable-set-wait]", "built-in memory", "built-in"),
        // Names.
        (IMPORTS, "\"number\"", "\"number\"", "\"numbers\""),
        (IMPORTS, "\"number\"", "\"number\"", "\"get\""),
        (IMPORTS, "(module", "(export \"number\")", ""),
        (EXPORTS, "$export:a:b/i@1.0.0", "$export:a:b/i@1.0.0", "$exports"),
        (IMPORTS, "$a:b/i@1.0.0", "(@cabi imports \"a:b/i@1.0.0\" interface)", ""),
        (IMPORTS, "$a:b/i@1.0.0", "(@cabi imports", "(@cabi improts"),
        ("all.witx", "(@cabi", "(names legacy)", "(names newest)"),
        ("all.witx", "(@cabi", "(forms all)", ""),
        ("all.witx", "(use \"b-i.witx\")", "(use \"b-i.witx\")", "(use \"b-j.witx\")"),
        (IMPORTS, "(use", "(use \"types.witx\")", "(use types)"),
    ] {
        refusal(&format!("{after}: {from} → {to}"), &edited(&files, file, after, from, to));
    }
}

#[test]
fn what_is_there_twice_or_too_late_is_refused() {
    let files = derived();
    let block = |file: &str, head: &str, tail: &str| {
        let text = &files.iter().find(|(name, _)| name == file).expect("the file").1;
        let start = text.find(head).expect("the head");
        text[start..start + text[start..].find(tail).expect("the tail") + tail.len()].to_owned()
    };
    let changed = |file: &str, change: &dyn Fn(&str) -> String| {
        let mut files = files.clone();
        files.iter_mut().filter(|(name, _)| name == file).for_each(|(_, text)| *text = change(text));
        files
    };
    let record = block(TYPES, "(typename $b-i.p\n", "\n)\n");
    let function = block(IMPORTS, "  (@interface func (export \"number\")", "\n  )\n");
    refusal("a type twice", &changed(TYPES, &|text| format!("{text}{record}")));
    refusal("a type too late", &changed(TYPES, &|text| text.replace(&record, "") + &record));
    refusal("a type that is gone", &changed(TYPES, &|text| text.replace(&record, "")));
    refusal("a function twice", &changed(IMPORTS, &|text| text.replace(&function, &function.repeat(2))));
    refusal(
        "a module twice",
        &changed(IMPORTS, &|text| format!("{text}{}", &text[text.find("(module").expect("one")..])),
    );
    refusal("half a file", &changed(IMPORTS, &|text| text[..text.len() / 2].to_owned()));
    let mut without = files.clone();
    without.retain(|(name, _)| name != TYPES);
    refusal("no types", &without);
}

/// What says something else, but nothing that contradicts itself: the WIT alone knows better, and `--verify` asks it.
#[test]
fn what_is_consistent_is_another_document() {
    let files = derived();
    let Reading::Derived(original) = read(&files).expect("as derived") else { panic!("it is derived") };
    for (file, after, from, to) in [
        // Names of members and of what it was derived from.
        (TYPES, "$b-i.p", "(field $x u8)", "(field $z u8)"),
        (TYPES, "$b-i.e", "$one", "$eins"),
        (TYPES, "$b-i.e", "\"e\"", "\"f\""),
        (TYPES, "$b-i.e", "(in \"a:b/i@1.0.0\") ", ""),
        ("all.witx", "(@cabi", "a:b/w@1.0.0", "x:y/z@1.0.0"),
        // Types of the same size, which no function takes apart.
        (TYPES, "$b-i.p", "(field $x u8)", "(field $x s8)"),
        (TYPES, "$own<b-i.r>", "@cabi own", "@cabi borrow"),
        // Sizes are computed where they are not claimed.
        (TYPES, "$b-i.p", " (size 16) (align 4)", ""),
        // The name of a slot.
        (IMPORTS, "\"number\"", "(param $a u64)", "(param $z u64)"),
    ] {
        let what = format!("{after}: {from} → {to}");
        match read(&edited(&files, file, after, from, to)).unwrap_or_else(|e| panic!("{what}: {e:?}")) {
            Reading::Derived(other) => assert_ne!(other.document, original.document, "{what}"),
            Reading::Plain(_) => panic!("{what} is no longer derived"),
        }
    }
    // Files that use each other, or themselves: each is read once, and what it needs stands before it anyway.
    for name in ["all.witx", IMPORTS] {
        let cyclic = edited(&files, IMPORTS, "(use", "types.witx", name);
        assert!(matches!(read(&cyclic), Ok(Reading::Derived(other)) if other.document == original.document));
    }
    // Without the head it is plain WITX, of which nothing but signatures is believed.
    let plain = edited(&files, "all.witx", "(@cabi", "@cabi document", "@other document");
    assert!(matches!(read(&plain), Ok(Reading::Plain(functions)) if functions.len() > 100));
}
