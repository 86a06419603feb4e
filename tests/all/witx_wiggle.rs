//! The profile of `wiggle`, judged by the `witx` crate. `cargo xtask wiggle` has it compiled.

use crate::root;
use lowlift::wit::{Gates, Loaded, Sources, WitFile, built_in, load, select_world};
use lowlift::witx::{
    Document, Options, Reading, Scope, Wiggle, Witx, WitxFunction, derive, print_plain, read, verify_wiggle, wiggle,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use witx::Layout;

fn wasi() -> Document {
    let all = built_in("wasi", &Gates::default()).expect("built in");
    derived(&all, &Scope::Packages(all.packages.clone()))
}

fn derived(loaded: &Loaded, scope: &Scope) -> Document {
    derive(&loaded.resolve, scope, &Options::default()).expect("derives").document
}

fn functions(document: &Document) -> Vec<WitxFunction> {
    match read(&print_plain(document)).expect("reads back") {
        Reading::Plain(functions) => functions,
        Reading::Derived(_) => panic!("no annotation is left"),
    }
}

fn fixture(name: &str, world: &str) -> Document {
    let text = std::fs::read_to_string(root("fixtures/witx").join(name)).expect("the fixture");
    let main = vec![WitFile { path: name.to_owned(), text }];
    let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
    let loaded: Loaded = load(&sources, &Gates::default()).expect("the WIT is valid");
    let world = select_world(&loaded, Some(world)).expect("the world");
    derived(&loaded, &Scope::World(world))
}

fn all() -> [Document; 3] {
    [wasi(), fixture("kinds.wit", "all"), fixture("names.wit", "try")]
}

fn parsed(document: &Document) -> witx::Document {
    let files = print_plain(document);
    let lines = files.iter().flat_map(|(_, text)| text.lines()).filter(|line| !line.starts_with("(use "));
    witx::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap_or_else(|e| panic!("{}", e.report()))
}

/// Size, alignment and offsets of every typename. A list is a pointer and a length, whether spelled out or not.
fn layouts(document: &witx::Document) -> BTreeMap<String, (usize, usize, Vec<usize>)> {
    let layout = |ty: &witx::NamedType| {
        let offsets = match &**ty.type_() {
            witx::Type::List(_) => vec![0, 4],
            witx::Type::Record(r) if r.bitflags_repr().is_none() => {
                r.member_layout().iter().map(|member| member.offset).collect()
            }
            witx::Type::Variant(v) => vec![v.payload_offset()],
            _ => Vec::new(),
        };
        (ty.mem_size_align().size, ty.mem_size_align().align, offsets)
    };
    document.typenames().map(|ty| (ty.name.as_str().to_owned(), layout(&ty))).collect()
}

#[test]
fn layouts_and_signatures_are_those_of_the_original() {
    for original in all() {
        let made = wiggle(&original);
        verify_wiggle(&original, &made).expect("equal");
        let (want, have) = (parsed(&original), parsed(&made.document));
        let renamed: HashMap<_, _> = made.renamed.iter().cloned().collect();
        let have_layouts = layouts(&have);
        for (id, layout) in layouts(&want) {
            let here = renamed.get(&id).unwrap_or(&id);
            assert_eq!(have_layouts.get(here), Some(&layout), "{}: {id}", original.title);
        }
        let have = functions(&made.document);
        let kept: HashMap<_, _> = have.iter().map(|f| (f.name.to_string(), &f.core)).collect();
        let want = functions(&original);
        assert_eq!(want.len(), have.len() + made.omitted.len(), "nothing is lost silently");
        for function in &want {
            match kept.get(&function.name.to_string()) {
                Some(core) => assert_eq!(**core, function.core, "{}", function.name),
                None => assert!(made.omitted.iter().any(|o| o.function == function.name.name), "{}", function.name),
            }
        }
    }
}

#[test]
fn of_wasi_only_functions_that_return_a_core_value_are_omitted() {
    let made = wiggle(&wasi());
    let kept: Vec<_> = made.document.files.iter().flat_map(|f| &f.modules).flat_map(|m| &m.funcs).collect();
    let drops = kept.iter().filter(|f| f.name.starts_with("[resource-drop]")).count();
    assert_eq!((made.document.files.len(), kept.len() - drops, drops, made.omitted.len()), (31, 131, 25, 46));
    assert!(made.omitted.iter().all(|o| o.reason == "it returns a core value"));
    assert_eq!(made.renamed, []);
}

/// What a type expression may contain: names of types that are defined before, and keywords other than these.
fn plain(ty: &Witx, defined: &HashSet<&str>) -> bool {
    match ty {
        Witx::Name(id) => defined.contains(id.as_str()),
        Witx::Builtin(name) => !["string", "char"].contains(name),
        _ => false,
    }
}

#[test]
fn the_profile_is_kept() {
    for original in all() {
        let Wiggle { document, .. } = wiggle(&original);
        let mut defined = HashSet::new();
        let mut aliases = HashSet::new();
        for ty in &document.types {
            let kept = match &ty.def {
                Witx::Handle | Witx::Flags(..) | Witx::Enum(..) => true,
                Witx::Record(fields) => fields.iter().all(|(_, ty)| plain(ty, &defined)),
                Witx::Variant(_, cases) => cases.iter().flat_map(|(_, ty)| ty).all(|ty| plain(ty, &defined)),
                Witx::Name(id) if aliases.contains(id.as_str()) => false,
                other => plain(other, &defined),
            };
            assert!(kept, "{}: {ty:?}", document.title);
            assert!(defined.insert(ty.id.as_str()), "{} is defined twice", ty.id);
            if matches!(ty.def, Witx::Name(_) | Witx::Builtin(_)) {
                aliases.insert(ty.id.as_str());
            }
        }
        for func in document.files.iter().flat_map(|f| &f.modules).flat_map(|m| &m.funcs) {
            assert!(func.result.is_none(), "{}", func.name);
            for param in &func.params {
                let kept = match &param.ty {
                    Witx::Builtin("string") => true,
                    Witx::List(ty) | Witx::Pointer(ty) | Witx::ConstPointer(ty) => plain(ty, &defined),
                    ty => plain(ty, &defined),
                };
                assert!(kept, "{}: {param:?}", func.name);
            }
        }
    }
}

#[test]
fn names_that_rust_or_wiggle_cannot_take_are_replaced() {
    let made = wiggle(&fixture("names.wit", "try"));
    let text: String = print_plain(&made.document).into_iter().map(|(_, text)| text).collect();
    let names = [("names-a-b.c", "names-a-b.c-2"), ("try.from", "try.from-2"), ("try.trait", "try.trait-2")];
    assert_eq!(made.renamed, names.map(|(old, new)| (old.to_owned(), new.to_owned())));
    for line in [
        "(field $mem-2 u8)",
        "(field $type u64)",
        "    $a-1-2\n",
        "    $self-2\n",
        "(param $arg1-2 u64)",
        "(param $name-0-2 u32)",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let omitted: Vec<_> = made.omitted.iter().map(|o| (o.module.as_str(), o.function.as_str(), o.reason)).collect();
    assert_eq!(
        omitted,
        [
            ("test:names/a-b", "gen", "its Rust name is taken"),
            ("test:names/a-b", "set-hostcall-fuel", "its Rust name is taken"),
            ("types", "f", "its module's Rust name is taken"),
            ("$root", "g", "it returns a core value"),
        ]
    );
}

/// The proof can fail.
#[test]
fn a_difference_is_found() {
    let original = wasi();
    let made = wiggle(&original);
    let changes: [fn(&mut Wiggle); 5] = [
        |made| drop(made.omitted.pop()),
        |made| drop(made.document.files[0].modules[0].funcs.pop()),
        |made| made.document.files[1].modules[0].funcs[0].name.push('s'),
        |made| made.document.files[1].modules[0].funcs[0].params[0].ty = Witx::Builtin("u64"),
        |made| {
            let record = |def: &Witx| matches!(def, Witx::Record(fields) if fields.len() > 2);
            let ty = made.document.types.iter_mut().find(|ty| record(&ty.def)).expect("a record");
            ty.def = Witx::Record(Vec::new());
        },
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut changed = made.clone();
        change(&mut changed);
        assert!(verify_wiggle(&original, &changed).is_err(), "change {i}");
    }
}
