//! Made-up packages all of whose names are words that C, C++, their headers or POSIX have taken, or that are told apart only by
//! what C does not tell apart.

use super::corpus::{parse, world};
use crate::random::Xorshift;
use lowlift::witx::Derivation;
use std::fmt::Write;

/// In the spelling of WIT: `int-least8-t` becomes `int_least8_t`.
const WORDS: &str = "\
abs align alignas alloc and arena asm assert at atomic auto base begin bits32 bool bool-t break c call call-t \
case catch char char16-t class clock clock-t co-await complex concept const const-cast constexpr continue data \
default defined delete div-t do double dynamic-cast E2-BIG EOF ERANGE element else end engine enum environ errno \
exit explicit export exports extern FALSE FILE f32 fail false field final float for fpos-t free friend from func \
get goto handle host I INT8-C INT8-MAX INT-MAX i32 if import import-t imports in inline instance instance-t int \
int8-t int-fast16-t int-least8-t intmax-t intptr-t is is-err is-some jmp-buf len len2 linux list list-t long \
m3-err main major malloc max max-align-t mem memcpy memory memory-t memset min minor mode-t module mutable NAN \
NDEBUG NULL name namespace new noexcept not nullptr off-t offset0 offsetof ok operator option or out own pad0 \
pid-t post-return printf private protected pthread-t ptr ptrdiff-t public raise record register register-t rep \
requires restrict result result-t ret return rewind SIG-DFL SIGINT SIZE-MAX set short sig-atomic-t signed size \
size-t sizeof slot slot-t some ssize-t stat static static-assert std stderr stdin stdout string string-t strlen \
struct stub switch TRUE tag template this thread-local throw time time-t trap true try tuple typedef typeid \
typename typeof UINT8-C UINT32-MAX uid-t uint8 uint8-t uint32-t uintptr-t union unix unsigned using utf8 v \
va-list val virtual void volatile WCHAR-MAX wasm wasm-byte-t wchar-t while wint-t x x-at x-y x-y-t xor xy";

const DOCS: &[&str] = &[
    "*/ int y; /*",
    "ends ??/",
    "??= define x",
    "#define int long",
    "// one \\",
    "/* open",
    "\"quote",
    "%:include <x>",
    "a \\u0041 é b",
    "$p $P_IMPORTS",
    "??)?\u{2028}",
    "*",
    "/",
    "_Pragma(\"x\")",
];

/// What the generated code has at file scope, as far as it can be told here: a parameter may be called like it.
const OWN: &[&str] =
    &["gen-call-t", "gen-slot-t", "gen-span", "gen-string-t", "gen-string-new", "gen-at", "gen-fail", "gen-get32"];

/// Words, each once.
struct Some<'r> {
    random: &'r mut Xorshift,
    given: Vec<&'static str>,
}

impl Some<'_> {
    fn name(&mut self) -> String {
        loop {
            let words: Vec<&'static str> = WORDS.split(' ').collect();
            let word = words[self.random.below(words.len())];
            // WIT does not tell them apart by case.
            if !self.given.iter().any(|other| other.eq_ignore_ascii_case(word)) {
                self.given.push(word);
                return format!("%{word}");
            }
        }
    }

    fn typed(&mut self, types: &[&str]) -> String {
        let many = 1 + self.random.below(4);
        let one = |_| format!("{}: {}", self.name(), types[self.random.below(types.len())]);
        (0..many).map(one).collect::<Vec<_>>().join(", ")
    }

    /// Parameters, some of which have names of other things of the output.
    fn params(&mut self, types: &[&str], prefix: &str) -> String {
        let mut text = self.typed(types);
        if self.random.below(4) == 0 {
            let _ = write!(text, ", {}: u8", OWN[self.random.below(OWN.len())]);
        }
        let named = types.iter().filter_map(|ty| ty.strip_prefix('%')).nth(self.random.below(4));
        if let Some(ty) = named {
            let _ = write!(text, ", {prefix}-{ty}-t: string");
        }
        text
    }
}

fn scope(random: &mut Xorshift) -> Some<'_> {
    Some { random, given: Vec::new() }
}

fn docs(random: &mut Xorshift) -> String {
    (0..random.below(4)).map(|_| format!("/// {}\n", DOCS[random.below(DOCS.len())])).collect()
}

const TYPES: [&str; 8] =
    ["u8", "string", "f64", "list<u16>", "option<char>", "result<u64, string>", "tuple<u8, u32>", "bool"];

fn interface(name: &str, package: &str, random: &mut Xorshift) -> String {
    let place = format!("{package}-{}", &name[1..]);
    let mut outer = scope(random);
    let [record, variant, enumeration, flags, resource, alias] = [(); 6].map(|()| outer.name());
    let functions: Vec<String> = (0..4).map(|_| outer.name()).collect();
    let types: Vec<&str> = TYPES.into_iter().chain([&*record, &*variant, &*enumeration, &*flags, &*resource]).collect();
    let plain: Vec<&str> = TYPES.into_iter().chain([&*enumeration, &*flags]).collect();
    let mut text = format!("{}interface {name} {{\n", docs(random));
    let list = |random: &mut Xorshift, n: usize| {
        let mut names = scope(random);
        (0..n).map(|_| names.name()).collect::<Vec<_>>().join(", ")
    };
    let _ = writeln!(text, "{}  record {record} {{ {} }}", docs(random), scope(random).typed(&plain));
    let mut cases = scope(random);
    let cases =
        format!("{}({}), {}, {}(string)", cases.name(), plain[cases.random.below(10)], cases.name(), cases.name());
    let _ = writeln!(text, "{}  variant {variant} {{ {cases} }}", docs(random));
    let _ = writeln!(text, "{}  enum {enumeration} {{ {} }}", docs(random), list(random, 9));
    let _ = writeln!(text, "{}  flags {flags} {{ {} }}", docs(random), list(random, 9));
    let _ = writeln!(text, "{}  type {alias} = list<{record}>;", docs(random));
    let mut methods = scope(random);
    let (method, function) = (methods.name(), methods.name());
    let _ = writeln!(text, "{}  resource {resource} {{", docs(random));
    let _ = writeln!(text, "    constructor({});", scope(random).typed(&plain));
    let _ = writeln!(text, "    {method}: func({}) -> {variant};", scope(random).params(&types, &place));
    let _ = writeln!(text, "    {function}: static func({}) -> {alias};\n  }}", scope(random).typed(&types));
    for function in functions {
        let result = types[random.below(types.len())];
        let _ =
            writeln!(text, "{}  {function}: func({}) -> {result};", docs(random), scope(random).params(&types, &place));
    }
    text + "}\n"
}

/// A package with a world that imports and exports.
pub(super) fn package(random: &mut Xorshift) -> Derivation {
    let mut names = scope(random);
    let [namespace, package] = [(); 2].map(|()| names.name().to_ascii_lowercase());
    let [first, second, own] = [(); 3].map(|()| names.name());
    let mut text = format!("package {namespace}:{package};\n");
    let place = format!("{}-{}", &namespace[1..], &package[1..]);
    text.push_str(&interface(&first, &place, random));
    text.push_str(&interface(&second, &place, random));
    let _ = writeln!(text, "{}world {own} {{\n  import {first};\n  import {second};\n  export {second};", docs(random));
    let mut items = scope(random);
    // Beside functions, a world has the names of its interfaces.
    items.given.extend(WORDS.split(' ').filter(|word| [&first, &second].iter().any(|name| name[1..] == **word)));
    // The guest's memory is exported under it.
    items.given.push("memory");
    for _ in 0..3 {
        let (import, export) = (items.name(), items.name());
        let _ = writeln!(text, "  import {import}: func({}) -> string;", scope(items.random).typed(&TYPES));
        let _ = writeln!(text, "  export {export}: func({}) -> tuple<u8, string>;", scope(items.random).typed(&TYPES));
    }
    text.push_str("}\n");
    world(&parse("words.wit", text), &own[1..])
}
