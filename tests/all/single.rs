//! Several memories in one, judged by wasmtime: the module and its joined form answer the same.
//!
//! `fixtures/link/single` holds core modules whose leading comments say what to call and what comes back
//! (`;; call: peek(0x10) -> 7`, or `-> trap`; `;; instantiate: trap`; `;; memory: "text"` is how the exported memory
//! begins). `fixtures/link/single-refuse` holds modules with the code that refuses them.

use crate::guest;
use crate::link::{calls, fixtures};
use lowlift::link::{Options, link, single_memory};
use wasmparser::{Operator, Parser, Payload, Validator, WasmFeatures};
use wasmtime::{Engine, Extern, Instance, Linker, Module, Ref, Store, Table, Trap, Val};

/// What a call gives: the bits of its results, or a trap.
pub(crate) type Outcome = Option<Vec<u128>>;

/// A module and its joined form, each instantiated.
pub(crate) struct Pair {
    several: (Store<()>, Instance),
    single: (Store<()>, Instance),
}

/// Joins the memories; the result must be valid for engines that know no more than one.
pub(crate) fn joined(wasm: &[u8]) -> Vec<u8> {
    let single = single_memory(wasm).unwrap_or_else(|e| panic!("{e} {:?}", e.cause));
    let features = WasmFeatures::WASM3.difference(WasmFeatures::MULTI_MEMORY);
    Validator::new_with_features(features).validate_all(&single).unwrap_or_else(|e| panic!("{e}"));
    single
}

fn is_trap(error: &wasmtime::Error) {
    assert!(error.downcast_ref::<Trap>().is_some(), "no trap: {error:#}");
}

impl Pair {
    /// None if both trap while they are instantiated.
    pub(crate) fn new(engine: &Engine, wasm: &[u8]) -> Option<Pair> {
        let start = |wasm: &[u8]| {
            let module = Module::new(engine, wasm).unwrap_or_else(|e| panic!("{e:#}"));
            let mut store = Store::new(engine, ());
            let instance = Linker::new(engine).instantiate(&mut store, &module).map_err(|e| is_trap(&e)).ok()?;
            Some((store, instance))
        };
        match (start(wasm), start(&joined(wasm))) {
            (Some(several), Some(single)) => Some(Pair { several, single }),
            (None, None) => None,
            (several, _) => panic!("several memories trap: {}, one does not agree", several.is_none()),
        }
    }

    /// Calls both; they must agree.
    pub(crate) fn call(&mut self, name: &str, args: &[Val]) -> Outcome {
        let several = call(&mut self.several, name, args);
        let single = call(&mut self.single, name, args);
        assert_eq!(several, single, "{name}{args:x?}: several memories, and one");
        several
    }
}

fn call((store, instance): &mut (Store<()>, Instance), name: &str, args: &[Val]) -> Outcome {
    let func = instance.get_func(&mut *store, name).unwrap_or_else(|| panic!("no function {name}"));
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, args, &mut results).map_err(|e| is_trap(&e)).ok()?;
    Some(results.iter().map(bits).collect())
}

fn bits(value: &Val) -> u128 {
    match value {
        Val::I32(v) => v.cast_unsigned().into(),
        Val::I64(v) => v.cast_unsigned().into(),
        Val::F32(v) => (*v).into(),
        Val::F64(v) => (*v).into(),
        Val::V128(v) => v.as_u128(),
        other => panic!("no number: {other:?}"),
    }
}

fn number(text: &str) -> u64 {
    let parsed = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    parsed.unwrap_or_else(|_| panic!("no number: {text}"))
}

fn word(value: u64) -> Val {
    Val::I32(u32::try_from(value).expect("32 bits").cast_signed())
}

#[test]
fn joined_memories_behave_as_several() {
    let engine = Engine::default();
    let mut compared = 0;
    for (path, text) in fixtures("fixtures/link/single") {
        let name = path.display();
        let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let pair = Pair::new(&engine, &wasm);
        assert_eq!(pair.is_none(), text.contains("\n;; instantiate: trap\n"), "{name}");
        let Some(mut pair) = pair else { continue };
        let calls = calls(&text);
        assert!(!calls.is_empty(), "{name} calls nothing");
        for call in &calls {
            let args: Vec<Val> = call.args.iter().map(|text| word(number(text))).collect();
            let want = match call.want.as_str() {
                "trap" => None,
                "()" => Some(vec![]),
                text => Some(vec![number(text).into()]),
            };
            assert_eq!(pair.call(&call.name, &args), want, "{name}: {}({})", call.name, call.args.join(", "));
            compared += 1;
        }
        if let Some(want) = text.lines().find_map(|line| line.strip_prefix(";; memory: ")) {
            for (store, instance) in [&mut pair.several, &mut pair.single] {
                let memory = instance.get_memory(&mut *store, "memory").expect("exported");
                assert!(memory.data(&store).starts_with(want.trim_matches('"').as_bytes()), "{name}");
            }
        }
    }
    println!("{compared} calls gave the same");
}

/// Loads and stores: name, bytes, and the type of the value that is stored, if any.
pub(crate) const ACCESSES: &[(&str, u64, &str)] = &[
    ("i32.load", 4, ""),
    ("i64.load", 8, ""),
    ("f32.load", 4, ""),
    ("f64.load", 8, ""),
    ("i32.load8_s", 1, ""),
    ("i32.load8_u", 1, ""),
    ("i32.load16_s", 2, ""),
    ("i32.load16_u", 2, ""),
    ("i64.load8_s", 1, ""),
    ("i64.load8_u", 1, ""),
    ("i64.load16_s", 2, ""),
    ("i64.load16_u", 2, ""),
    ("i64.load32_s", 4, ""),
    ("i64.load32_u", 4, ""),
    ("i32.store", 4, "i32"),
    ("i64.store", 8, "i64"),
    ("f32.store", 4, "f32"),
    ("f64.store", 8, "f64"),
    ("i32.store8", 1, "i32"),
    ("i32.store16", 2, "i32"),
    ("i64.store8", 1, "i64"),
    ("i64.store16", 2, "i64"),
    ("i64.store32", 4, "i64"),
    ("v128.load", 16, ""),
    ("v128.load8x8_s", 8, ""),
    ("v128.load8x8_u", 8, ""),
    ("v128.load16x4_s", 8, ""),
    ("v128.load16x4_u", 8, ""),
    ("v128.load32x2_s", 8, ""),
    ("v128.load32x2_u", 8, ""),
    ("v128.load8_splat", 1, ""),
    ("v128.load16_splat", 2, ""),
    ("v128.load32_splat", 4, ""),
    ("v128.load64_splat", 8, ""),
    ("v128.load32_zero", 4, ""),
    ("v128.load64_zero", 8, ""),
    ("v128.store", 16, "v128"),
    ("v128.load8_lane", 1, "v128"),
    ("v128.load16_lane", 2, "v128"),
    ("v128.load32_lane", 4, "v128"),
    ("v128.load64_lane", 8, "v128"),
    ("v128.store8_lane", 1, "v128"),
    ("v128.store16_lane", 2, "v128"),
    ("v128.store32_lane", 4, "v128"),
    ("v128.store64_lane", 8, "v128"),
];

/// A function `name` that makes one access at its parameter and gives 128 bits: what was loaded, or what the memory
/// holds there after a store.
pub(crate) fn access(name: &str, (op, _, value): (&str, u64, &str), memory: usize, offset: u64) -> String {
    let lane = if op.ends_with("_lane") { "1" } else { "" };
    let operand = match value {
        "" => "",
        "i32" => "(i32.const 0x89abcdef)",
        "i64" => "(i64.const 0x0123456789abcdef)",
        "f32" => "(f32.const nan:0x200001)",
        "f64" => "(f64.const nan:0x4000000000001)",
        _ => "(v128.const i64x2 0x1122334455667788 0x99aabbccddeeff00)",
    };
    let done = format!("({op} {memory} offset={offset} {lane} (local.get 0) {operand})");
    let body = match (op.contains("store"), &op[..3]) {
        (true, _) => done,
        (_, "i32") => format!("(i64x2.replace_lane 0 (v128.const i64x2 0 0) (i64.extend_i32_u {done}))"),
        (_, "i64") => format!("(i64x2.splat {done})"),
        (_, "f32") => format!("(f32x4.splat {done})"),
        (_, "f64") => format!("(f64x2.splat {done})"),
        _ => done,
    };
    let result = if op.contains("store") { "" } else { "(result v128)" };
    format!("(func (export \"{name}\") (param i32) {result} {body})\n")
}

/// The whole contents of a memory in a number, by a function `name`.
pub(crate) fn hash(name: &str, memory: usize) -> String {
    format!(
        "(func (export \"{name}\") (result i64) (local $at i32) (local $end i32) (local $hash i64)
          (local.set $end (i32.shl (memory.size {memory}) (i32.const 16)))
          (block $out (loop $next
            (br_if $out (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $hash (i64.rotl (i64.mul (i64.xor (local.get $hash) (i64.load {memory} (local.get $at)))
              (i64.const 0x9e3779b97f4a7c15)) (i64.const 29)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br $next)))
          (i64.add (local.get $hash) (i64.extend_i32_u (local.get $end))))\n"
    )
}

#[test]
fn every_access_is_checked_to_the_byte() {
    const SIZE: u64 = 65536;
    const MEMORIES: usize = 3;
    let offsets = |width: u64| [0, 1, SIZE - width, SIZE - width + 1, 0x8000_0000, 0xffff_ffff - width, 0xffff_ffff];
    let mut text = "(module (memory 1) (memory 1) (memory 1)\n".to_owned();
    for memory in 0..MEMORIES {
        text += &hash(&format!("hash{memory}"), memory);
        text += &format!("(data (memory {memory}) (i32.const 65520) \"{}\")\n", "\\81\\92\\a3\\b4".repeat(4));
        for &access_of in ACCESSES {
            for offset in offsets(access_of.1) {
                text += &access(&format!("{} {memory} {offset}", access_of.0), access_of, memory, offset);
            }
        }
    }
    let wasm = wat::parse_str(text + ")").expect("text");
    let mut pair = Pair::new(&Engine::default(), &wasm).expect("no trap");
    let (mut fine, mut traps) = (0, 0);
    for memory in 0..MEMORIES {
        for &(op, width, _) in ACCESSES {
            for offset in offsets(width) {
                let name = format!("{op} {memory} {offset}");
                let last = SIZE.saturating_sub(offset + width);
                let sums = (1u64 << 32).saturating_sub(offset);
                for at in [0, last.saturating_sub(1), last, last + 1, SIZE, 2 * SIZE, sums, sums + SIZE, 0xffff_ffff] {
                    let Ok(at) = u32::try_from(at) else { continue };
                    let outcome = pair.call(&name, &[word(at.into())]);
                    assert_eq!(outcome.is_some(), u64::from(at) + offset + width <= SIZE, "{name} at {at}");
                    *(if outcome.is_some() { &mut fine } else { &mut traps }) += 1;
                }
            }
            for other in 0..MEMORIES {
                pair.call(&format!("hash{other}"), &[]);
            }
        }
    }
    assert!(fine > 1000 && traps > 5000, "{fine} fine, {traps} traps");
}

/// Segments before the one that fails have been written. A function that got out through a table tells.
#[test]
fn segments_are_written_up_to_the_one_that_traps() {
    let wasm = wat::parse_str(
        r#"(module
          (import "host" "table" (table 1 funcref))
          (memory 1) (memory 1)
          (func $peek (result i32) (i32.load 1 (i32.const 0)))
          (elem (i32.const 0) $peek)
          (data (memory 1) (i32.const 0) "ab")
          (data (memory 0) (i32.const 65535) "cd")
          (data (memory 1) (i32.const 2) "ef"))"#,
    )
    .expect("text");
    let engine = Engine::default();
    for wasm in [wasm.clone(), joined(&wasm)] {
        let mut store = Store::new(&engine, ());
        let ty = wasmtime::TableType::new(wasmtime::RefType::FUNCREF, 1, None);
        let table = Table::new(&mut store, ty, Ref::Func(None)).expect("a table");
        let mut linker = Linker::new(&engine);
        linker.define(&store, "host", "table", Extern::Table(table)).expect("new");
        let module = Module::new(&engine, &wasm).expect("compiles");
        is_trap(&linker.instantiate(&mut store, &module).expect_err("the segment is out of bounds"));
        let Some(Ref::Func(Some(peek))) = table.get(&mut store, 0) else { panic!("the element was written") };
        let peek = peek.typed::<(), u32>(&store).expect("its type");
        assert_eq!(peek.call(&mut store, ()).expect("no trap"), u32::from_le_bytes(*b"ab\0\0"));
    }
}

/// Where all memories together would pass 4 GiB, growing fails, as the standard allows, and changes nothing.
#[test]
fn memories_share_four_gigabytes() {
    let wasm = wat::parse_str(
        r#"(module
          (memory 40000) (memory 1) (memory 0 1)
          (func (export "grow1") (param i32) (result i32) (memory.grow 1 (local.get 0)))
          (func (export "size1") (result i32) memory.size 1)
          (func (export "peek1") (param i32) (result i32) (i32.load8_u 1 (local.get 0))))"#,
    )
    .expect("text");
    let pair = Pair::new(&Engine::default(), &wasm).expect("no trap");
    let mut one = pair.single;
    let mut call = |name: &str, args: &[Val]| call(&mut one, name, args);
    assert_eq!(call("grow1", &[word(25536)]), Some(vec![u32::MAX.into()]));
    assert_eq!(call("size1", &[]), Some(vec![1]));
    assert_eq!(call("peek1", &[word(65536)]), None);
    assert_eq!(call("grow1", &[word(25535)]), Some(vec![1]));
    assert_eq!(call("peek1", &[word(25536 * 65536 - 1)]), Some(vec![0]));
    assert_eq!(call("peek1", &[word(25536 * 65536)]), None);
    assert_eq!(call("grow1", &[word(1)]), Some(vec![u32::MAX.into()]));
}

#[test]
fn what_cannot_be_joined_is_refused_by_its_code() {
    for (path, text) in fixtures("fixtures/link/single-refuse") {
        let name = path.display();
        let code = text.lines().next().and_then(|l| l.strip_prefix(";; code: ")).expect("a code").trim().to_owned();
        let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let error = single_memory(&wasm).err().unwrap_or_else(|| panic!("{name} was joined"));
        assert_eq!(error.code.id(), code, "{name}: {error}");
        assert!(error.hints.len() == 1 || code == "LL0105", "{name}: a next step");
    }
}

#[test]
fn a_single_memory_stays_as_it_is() {
    for text in ["(module)", "(module (memory 1 2))", "(module (import \"host\" \"memory\" (memory 1)))"] {
        let wasm = wat::parse_str(text).expect("text");
        assert_eq!(single_memory(&wasm).expect("nothing to do"), wasm, "{text}");
    }
    let component = guest("http-hello-c");
    let plain = link(&component, Options::default()).expect("links");
    let single = link(&component, Options { single_memory: true, ..Options::default() }).expect("links");
    assert_eq!((plain.wasm, plain.report.memories_merged), (single.wasm, single.report.memories_merged));
}

/// What is added has names; what was there keeps its own, and its place; what pointed into the code is gone.
#[test]
fn names_and_custom_sections_stay() {
    let wasm = wat::parse_str(
        r#"(module $it
          (import "host" "f" (func $f))
          (memory $a 1) (memory $b (export "memory") 1) (memory $c 1)
          (global $g i32 (i32.const 0))
          (func $grow (export "grow") (param $pages i32) (result i32)
            (memory.fill $c (i32.const 0) (i32.const 0) (i32.const 1))
            (memory.grow $b (local.get $pages)))
          (@custom "kept" (after code) "bytes")
          (@custom ".debug_info" (after code) "offsets"))"#,
    )
    .expect("text");
    let text = wasmprinter::print_bytes(joined(&wasm)).expect("prints");
    let wanted = [
        "(module $it",
        "(func $f ",
        "(memory $b ",
        "(global $g ",
        "(func $grow ",
        "(param $pages i32)",
        "(func $\"memory 1 grow\" ",
        "(global $\"memory 0 base\" ",
        "(global $\"memory 1 size\" ",
        "(@custom \"kept\" (after code) \"bytes\")",
    ];
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    for gone in ["$a ", "$c ", "$\"memory 1 base\"", ".debug_info"] {
        assert!(!text.contains(gone), "{gone}\n{text}");
    }
}

/// A body that touches no memory is the same, byte by byte; one that does gets as few locals as it needs.
#[test]
fn bodies_change_only_where_they_touch_memory() {
    let wasm = wat::parse_str(
        r#"(module (memory 1) (memory 1)
          (func (export "plain") (param i64) (result i64) (local f32 f32 i32) (i64.add (local.get 0) (i64.const 7)))
          (func (export "load") (param i32) (result i32) (i32.load 1 (i32.load 0 (local.get 0))))
          (func (export "store") (i64.store 1 (i32.const 0) (i64.const 0)) (i64.store 0 (i32.const 8) (i64.const 1)))
          (func (export "size") (result i32) (memory.size 1)))"#,
    )
    .expect("text");
    let bodies = |wasm: &[u8]| -> Vec<(Vec<u8>, u32)> {
        let payloads = Parser::new(0).parse_all(wasm).map(|p| p.expect("valid"));
        let bodies = payloads.filter_map(|p| if let Payload::CodeSectionEntry(body) = p { Some(body) } else { None });
        let locals = |body: &wasmparser::FunctionBody<'_>| {
            body.get_locals_reader().expect("valid").into_iter().map(|l| l.expect("valid").0).sum()
        };
        bodies.map(|body| (body.as_bytes().to_vec(), locals(&body))).collect()
    };
    let (before, after) = (bodies(&wasm), bodies(&joined(&wasm)));
    assert_eq!(before[0], after[0]);
    let locals: Vec<u32> = after.iter().map(|(_, locals)| *locals).collect();
    assert_eq!(locals, [3, 1, 2, 0]);
}

/// Truncated and flipped modules: a coded refusal or a valid module, never a panic.
#[test]
fn hostile_modules_are_refused() {
    let (mut refused, mut joined) = (0, 0);
    for (_, text) in fixtures("fixtures/link/single") {
        let wasm = wat::parse_str(&text).expect("text");
        let truncated = (0..wasm.len()).step_by(7).map(|i| wasm[..i].to_vec());
        let flipped = (0..wasm.len()).flat_map(|i| {
            [0x01, 0x40, 0xff].map(|mask| {
                let mut bytes = wasm.clone();
                bytes[i] ^= mask;
                bytes
            })
        });
        for bytes in truncated.chain(flipped) {
            match single_memory(&bytes) {
                Ok(single) => {
                    Validator::new().validate_all(&single).expect("valid");
                    joined += 1;
                }
                Err(error) => {
                    assert!(!error.code.is_ours(), "{error} {:?}", error.cause);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 2000 && joined > 1000, "{refused} refused, {joined} joined");
}

/// The table of accesses that the tests use is complete.
#[test]
fn all_plain_accesses_are_tried() {
    let text: String = ACCESSES.iter().map(|&of| access(of.0, of, 0, 0)).collect();
    let wasm = wat::parse_str(format!("(module (memory 1) {text})")).expect("text");
    let mut tried = std::collections::BTreeSet::new();
    for payload in Parser::new(0).parse_all(&wasm) {
        let Payload::CodeSectionEntry(body) = payload.expect("valid") else { continue };
        for op in body.get_operators_reader().expect("valid") {
            let op: Operator<'_> = op.expect("valid");
            let name = format!("{op:?}");
            if name.contains("memarg") {
                tried.insert(name.split(' ').next().expect("a name").to_owned());
            }
        }
    }
    macro_rules! names {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            [$((stringify!($proposal), stringify!($op), stringify!($($($arg)*)?))),*]
        };
    }
    let all = wasmparser::for_each_operator!(names);
    for (proposal, op, args) in all.iter().filter(|(_, _, args)| args.contains("memarg")) {
        assert_eq!(tried.contains(*op), *proposal != "threads", "{op} {args}");
    }
}
