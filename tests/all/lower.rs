//! Lowering to a target, judged by wasmtime: a module and its lowered form give the same results, traps and memory, and the
//! lowered one holds nothing that the target lacks.

use crate::random::Xorshift;
use lowlift::link::lower;
use lowlift::profile::Profile;
use wasmparser::{Parser, Payload, Validator};
use wasmtime::{Engine, Instance, Module, Store, Val};

fn target(name: &str) -> Profile {
    Profile::built_in(name).unwrap_or_else(|| panic!("no profile {name}"))
}

fn lowered(wasm: &[u8], name: &str) -> Vec<u8> {
    let target = target(name);
    let out = lower(wasm, &target).unwrap_or_else(|e| panic!("{name}: {e} {:?} {:?}", e.facts, e.cause));
    Validator::new_with_features(target.features).validate_all(&out.wasm).expect("valid under exactly the target");
    if name == "mvp" {
        is_strictly_mvp(&out.wasm);
    }
    out.wasm
}

/// What the validator lets through although 1.0 has no such encoding.
fn is_strictly_mvp(wasm: &[u8]) {
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("valid") {
            Payload::DataCountSection { .. } => panic!("a data count section"),
            Payload::ElementSection(section) => {
                for element in section.into_iter_with_offsets() {
                    assert_eq!(wasm[element.expect("valid").0], 0, "the first form of element segments");
                }
            }
            Payload::DataSection(section) => {
                for data in section.into_iter_with_offsets() {
                    assert_eq!(wasm[data.expect("valid").0], 0, "the first form of data segments");
                }
            }
            _ => {}
        }
    }
}

/// An instance of a module without imports.
struct Run {
    store: Store<()>,
    instance: Instance,
}

impl Run {
    fn new(engine: &Engine, wasm: &[u8]) -> Run {
        let module = Module::new(engine, wasm).expect("compiles");
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("instantiates");
        Run { store, instance }
    }

    /// Results as bits, or the trap.
    fn call(&mut self, name: &str, args: &[Val]) -> Result<Vec<u64>, String> {
        let func = self.instance.get_func(&mut self.store, name).unwrap_or_else(|| panic!("no export {name}"));
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        match func.call(&mut self.store, args, &mut results) {
            Ok(()) => Ok(results.iter().map(bits).collect()),
            Err(e) => Err(e.downcast_ref::<wasmtime::Trap>().expect("a trap").to_string()),
        }
    }

    fn memory(&mut self) -> Vec<u8> {
        match self.instance.get_memory(&mut self.store, "memory") {
            Some(memory) => memory.data(&self.store).to_vec(),
            None => Vec::new(),
        }
    }
}

fn bits(value: &Val) -> u64 {
    match value {
        Val::I32(v) => u64::from(v.cast_unsigned()),
        Val::I64(v) => v.cast_unsigned(),
        Val::F32(v) => u64::from(*v),
        Val::F64(v) => *v,
        other => panic!("no number: {other:?}"),
    }
}

/// The module and its lowered form, side by side.
pub(crate) struct Pair {
    original: Run,
    lowered: Run,
}

impl Pair {
    pub(crate) fn new(engine: &Engine, text: &str) -> Pair {
        let wasm = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}"));
        Validator::new().validate_all(&wasm).unwrap_or_else(|e| panic!("{e}\n{text}"));
        Pair { original: Run::new(engine, &wasm), lowered: Run::new(engine, &lowered(&wasm, "mvp")) }
    }

    pub(crate) fn same(&mut self, name: &str, args: &[Val]) -> Result<Vec<u64>, String> {
        let want = self.original.call(name, args);
        let have = self.lowered.call(name, args);
        assert_eq!(have, want, "{name}({args:?})");
        want
    }

    pub(crate) fn params(&mut self, name: &str) -> Vec<wasmtime::ValType> {
        let run = &mut self.original;
        let func = run.instance.get_func(&mut run.store, name).unwrap_or_else(|| panic!("no export {name}"));
        func.ty(&run.store).params().collect()
    }

    pub(crate) fn same_memory(&mut self) {
        assert!(self.original.memory() == self.lowered.memory(), "the memories differ");
    }
}

pub(crate) fn i32(value: u32) -> Val {
    Val::I32(value.cast_signed())
}

#[test]
fn sign_extension_becomes_shifts() {
    let ops = ["i32.extend8_s", "i32.extend16_s", "i64.extend8_s", "i64.extend16_s", "i64.extend32_s"];
    let text: String = ops
        .iter()
        .map(|op| format!("(func (export \"{op}\") (param {0}) (result {0}) ({op} (local.get 0)))", &op[..3]))
        .collect();
    let mut pair = Pair::new(&Engine::default(), &format!("(module {text})"));
    let mut random = Xorshift(7);
    let edges = [0u64, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];
    let values = edges.into_iter().chain((0..200).map(|_| random.next()));
    for value in values {
        for op in ops {
            let arg = if op.starts_with("i32") { Val::I32(value as i32) } else { Val::I64(value.cast_signed()) };
            pair.same(op, &[arg]).expect("no trap");
        }
    }
}

#[test]
fn saturating_conversions_are_exact() {
    let mut text = String::new();
    let mut ops = Vec::new();
    for (to, from, sign) in itertools(["i32", "i64"], ["f32", "f64"], ["s", "u"]) {
        let op = format!("{to}.trunc_sat_{from}_{sign}");
        text += &format!("(func (export \"{op}\") (param {from}) (result {to}) ({op} (local.get 0)))");
        ops.push(op);
    }
    let mut pair = Pair::new(&Engine::default(), &format!("(module {text})"));
    let mut values =
        vec![0.0, -0.0, 0.5, -0.5, 0.999_999, -0.999_999, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for exponent in [7, 8, 15, 31, 32, 52, 53, 62, 63, 64, 65, 127, 1023] {
        let power = 2f64.powi(exponent);
        for value in [power, power.next_up(), power.next_down(), power - 1.0, power + 1.0, power - 0.5, power + 0.5] {
            values.extend([value, -value]);
        }
        let single = power as f32;
        values.extend([single.next_up(), single.next_down(), -single.next_up(), -single.next_down()].map(f64::from));
    }
    let mut random = Xorshift(11);
    values.extend((0..300).map(|_| f64::from_bits(random.next())));
    for value in values {
        for op in &ops {
            let arg = if op.contains("_f32") { Val::F32((value as f32).to_bits()) } else { Val::F64(value.to_bits()) };
            pair.same(op, &[arg]).expect("never traps");
        }
    }
}

fn itertools<'t>(
    a: [&'t str; 2],
    b: [&'t str; 2],
    c: [&'t str; 2],
) -> impl Iterator<Item = (&'t str, &'t str, &'t str)> {
    a.into_iter().flat_map(move |a| b.into_iter().flat_map(move |b| c.into_iter().map(move |c| (a, b, c))))
}

#[test]
fn bulk_memory_becomes_loops() {
    let mut pair = Pair::new(
        &Engine::default(),
        r#"(module (memory (export "memory") 1 2)
             (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
             (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
             (func (export "grow") (result i32) (memory.grow (i32.const 1)))
             (func (export "seed") (param i32 i32) (i32.store (local.get 0) (local.get 1))))"#,
    );
    let mut random = Xorshift(3);
    for at in (0..65536).step_by(4) {
        pair.same("seed", &[i32(at), i32(random.next() as u32)]).expect("no trap");
    }
    let edges = [0u32, 1, 7, 8, 65528, 65535, 65536, 65537, 131_072, 0x8000_0000, u32::MAX - 1, u32::MAX];
    let mut traps = 0;
    for round in 0..600 {
        if round == 300 {
            assert_eq!(pair.same("grow", &[]), Ok(vec![1]));
        }
        let mut pick = |near: u32| match random.below(8) {
            0 => edges[random.below(edges.len())],
            1 => random.below(70000) as u32,
            _ => near.wrapping_add(random.below(64) as u32),
        };
        // Small distances, so that ranges overlap in every way.
        let (to, from) = (pick(1000), pick(1000));
        let count = pick(0);
        traps += usize::from(pair.same("copy", &[i32(to), i32(from), i32(count)]).is_err());
        let (to, value, count) = (pick(2000), pick(200), pick(0));
        traps += usize::from(pair.same("fill", &[i32(to), i32(value), i32(count)]).is_err());
        if round % 20 == 0 {
            pair.same_memory();
        }
    }
    pair.same_memory();
    assert!((100..900).contains(&traps), "{traps}");
}

fn fixtures(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        std::fs::read_dir(crate::root(folder)).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|p| (p.display().to_string(), std::fs::read_to_string(&p).expect("text"))).collect()
}

fn notes<'t>(text: &'t str, label: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |l| l.strip_prefix(";; ")?.strip_prefix(label)?.strip_prefix(": "))
}

/// `;; call: f(1, 2) -> 3`, on the original and on the lowered module. Where several results are wanted, `f0` gives the
/// first, `f1` the second and so on: exports cannot have several.
#[test]
fn fixtures_behave_as_before() {
    let engine = Engine::default();
    let mut calls = 0;
    for (path, text) in fixtures("fixtures/lower/pass") {
        let mut pair = Pair::new(&engine, &text);
        for call in notes(&text, "call") {
            let (call, want) = call.split_once(" -> ").expect("a result");
            let (name, args) = call.trim_end_matches(')').split_once('(').expect("arguments");
            let args: Vec<Val> =
                args.split(", ").filter(|a| !a.is_empty()).map(|a| i32(a.parse().expect("a number"))).collect();
            let wants: Vec<&str> = want.split(", ").collect();
            for (i, want) in wants.iter().enumerate() {
                let name = if wants.len() > 1 { format!("{name}{i}") } else { name.to_owned() };
                let have = match pair.same(&name, &args) {
                    Ok(values) if values.is_empty() => "()".to_owned(),
                    Ok(values) => values[0].to_string(),
                    Err(_) => "trap".to_owned(),
                };
                assert_eq!(have, *want, "{path}: {call}");
                calls += 1;
            }
        }
        pair.same_memory();
    }
    assert!(calls > 50, "{calls}");
}

/// `;; target:`, `;; code:`, and what the facts and hints say.
#[test]
fn what_has_no_replacement_is_refused_by_name() {
    for (path, text) in fixtures("fixtures/lower/refuse") {
        let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        let name = notes(&text, "target").next().expect("a target");
        let error = lower(&wasm, &target(name)).err().unwrap_or_else(|| panic!("{path} was lowered"));
        assert_eq!(error.code.id(), notes(&text, "code").next().expect("a code"), "{path}: {error}");
        let facts: Vec<String> = error.facts.iter().map(|(label, text)| format!("{label}: {text}")).collect();
        for want in notes(&text, "fact") {
            assert!(facts.iter().any(|fact| fact.starts_with(want)), "{path}: {want}\n{facts:#?}");
        }
        for want in notes(&text, "hint") {
            assert!(error.hints.iter().any(|hint| hint.starts_with(want)), "{path}: {want}\n{:?}", error.hints);
        }
    }
}

/// Truncated and flipped modules: a coded refusal, or a module that the target takes. Never a panic.
#[test]
fn hostile_modules_are_refused() {
    let mut random = Xorshift(5);
    let (mut fine, mut refused) = (0, 0);
    let targets = ["mvp", "lime1", "wasm2", "wasmi"].map(target);
    for (path, text) in fixtures("fixtures/lower/pass").into_iter().chain(fixtures("fixtures/lower/refuse")) {
        let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        for round in 0..400 {
            let mut bytes = wasm.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            if round % 10 == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            let target = &targets[round % targets.len()];
            match lower(&bytes, target) {
                Ok(out) => {
                    let mut validator = Validator::new_with_features(target.features);
                    drop(validator.validate_all(&out.wasm).expect("valid under exactly the target"));
                    fine += 1;
                }
                Err(error) => {
                    assert!(!error.code.is_ours(), "{path}, {round}: {error} {:?}", error.cause);
                    refused += 1;
                }
            }
        }
    }
    assert!(fine > 100 && refused > 1000, "{fine} {refused}");
}

/// A few bytes that ask for much.
#[test]
fn what_would_grow_without_bound_is_refused() {
    let mvp = target("mvp");
    let many = |n: usize, text: &str| text.repeat(n);
    let wide = format!("(type $wide (func (param {}) (result {0})))", many(900, "i32 "));
    let nested = format!(
        "(module {wide} (func (result i32) (local i32) {} {} unreachable))",
        many(900, "i32.const 0 "),
        many(200, "block (type $wide) ") + &many(200, "end ")
    );
    let inits: String =
        (0..3000).map(|n| format!("(memory.init $d (i32.const 0) (i32.const {n}) (i32.const 60000))")).collect();
    let stored = format!("(module (memory 1) (data $d \"{}\") (func {inits}))", many(70_000, "x"));
    let branches = format!(
        "(module {wide} (func (result i32) {} loop (type $wide) {} unreachable end unreachable))",
        many(900, "i32.const 0 "),
        many(5000, "local.get 0 br_if 0 ").replace("local.get 0", "i32.const 1")
    );
    for text in [nested, stored, branches] {
        let wasm = wat::parse_str(&text).expect("text");
        let error = lower(&wasm, &mvp).map(|out| out.wasm.len()).expect_err("refused");
        assert_eq!(error.code.id(), "LL0314", "{error}");
    }
}
