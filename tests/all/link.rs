//! The linker, judged by wasmtime: a component and its re-wrapped lowering behave the same.
//!
//! `fixtures/link/pass` holds components whose leading comments say what to call and what comes back
//! (`;; call: run(1, "a") -> 2`, or `-> trap`), which imports that calls (`;; trace: log("a")`), and where a new instance
//! begins (`;; fresh`), and what exactly the output may hold (`;; holds: functions 1`); `fixtures/link/refuse` holds
//! components with the code that refuses them.

use crate::wave::{any, show, split, value};
use crate::{guest, root};
use lowlift::link::{Floor, Options, link, rewrap};
use std::path::PathBuf;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Func, Instance, Linker, LinkerInstance, Val};
use wasmtime::{Engine, Store, StoreContextMut};

pub(crate) fn fixtures(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root(folder)).expect("the folder exists").map(|e| e.expect("an entry").path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "wat"));
    files.sort();
    files.into_iter().map(|p| (p.clone(), std::fs::read_to_string(&p).expect("text"))).collect()
}

fn verified() -> Options {
    Options { verify: true, ..Options::default() }
}

/// What a module defines, in numbers.
fn contents(wasm: &[u8]) -> String {
    use wasmparser::Payload::*;
    let counts = wasmparser::Parser::new(0).parse_all(wasm).filter_map(|payload| match payload.expect("valid") {
        TypeSection(section) => Some(("types", section.count())),
        FunctionSection(section) => Some(("functions", section.count())),
        TableSection(section) => Some(("tables", section.count())),
        MemorySection(section) => Some(("memories", section.count())),
        TagSection(section) => Some(("tags", section.count())),
        GlobalSection(section) => Some(("globals", section.count())),
        ElementSection(section) => Some(("elements", section.count())),
        DataSection(section) => Some(("data", section.count())),
        _ => None,
    });
    counts.map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}

/// A call and what it must give.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) want: String,
}

/// A line of a fixture.
pub(crate) enum Line {
    Call(Call),
    /// What follows is done by a new instance.
    Fresh,
    /// The call before called this import meanwhile.
    Trace(String),
}

pub(crate) fn lines(text: &str) -> Vec<Line> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix(";; "));
    lines
        .filter_map(|line| match line.split_once(' ').unwrap_or((line, "")) {
            ("call:", call) => {
                let (call, want) = call.rsplit_once("->").expect("a result");
                let (name, args) = call.trim().split_once('(').expect("arguments");
                let args = args.trim_end().strip_suffix(')').expect("a closing parenthesis");
                Some(Line::Call(Call { name: name.to_owned(), args: split(args), want: want.trim().to_owned() }))
            }
            ("fresh", "") => Some(Line::Fresh),
            ("trace:", call) => Some(Line::Trace(call.to_owned())),
            _ => None,
        })
        .collect()
}

/// The calls of a fixture that is no component.
pub(crate) fn calls(text: &str) -> Vec<Call> {
    let call = |line| if let Line::Call(call) = line { Some(call) } else { None };
    lines(text).into_iter().filter_map(call).collect()
}

/// The results and the calls of imports that a fixture expects, in order.
fn expected(lines: &[Line]) -> Vec<String> {
    let outcome = |line: &Line| match line {
        Line::Call(call) => Some(call.want.clone()),
        Line::Trace(call) => Some(format!("import {call}")),
        Line::Fresh => None,
    };
    lines.iter().filter_map(outcome).collect()
}

/// A host that gives every function that is wanted, and notes who calls it with what.
fn listening(engine: &Engine, component: &Component) -> Linker<Vec<String>> {
    let mut linker = Linker::new(engine);
    for (name, item) in component.component_type().imports(engine) {
        match item.ty {
            ComponentItem::ComponentInstance(interface) => {
                let mut instance = linker.instance(name).expect("new");
                interface.exports(engine).for_each(|(name, item)| listen(&mut instance, name, item.ty));
            }
            ty => listen(&mut linker.root(), name, ty),
        }
    }
    linker
}

fn listen(linker: &mut LinkerInstance<'_, Vec<String>>, name: &str, ty: ComponentItem) {
    let ComponentItem::ComponentFunc(_) = ty else { return };
    let function = name.to_owned();
    let hear =
        move |mut store: StoreContextMut<'_, Vec<String>>, ty: ComponentFunc, args: &[Val], results: &mut [Val]| {
            let args: Vec<String> = args.iter().map(show).collect();
            store.data_mut().push(format!("import {function}({})", args.join(", ")));
            results.iter_mut().zip(ty.results()).for_each(|(result, ty)| *result = any(&ty));
            Ok(())
        };
    linker.func_new(name, hear).expect("new");
}

/// Runs the calls in order, and gives what came of each after the calls of imports that it made. An instance that
/// trapped stays as it is until a fresh one is wanted.
pub(crate) fn outcomes(engine: &Engine, wasm: &[u8], lines: &[Line]) -> Vec<String> {
    let component = Component::from_binary(engine, wasm).unwrap_or_else(|e| panic!("the engine refuses: {e:#}"));
    let linker = listening(engine, &component);
    let mut store = Store::new(engine, Vec::new());
    let mut instance = linker.instantiate(&mut store, &component).ok();
    let mut outcomes = std::mem::take(store.data_mut());
    for line in lines {
        match line {
            Line::Trace(_) => {}
            Line::Fresh => {
                store = Store::new(engine, Vec::new());
                instance = linker.instantiate(&mut store, &component).ok();
                outcomes.append(store.data_mut());
            }
            Line::Call(Call { name, args, .. }) => {
                let outcome = match &instance {
                    Some(instance) => call(&mut store, instance, name, args),
                    None => "trap".to_owned(),
                };
                // What is called back comes after the call that caused it, as in the fixture.
                outcomes.push(outcome);
                outcomes.append(store.data_mut());
            }
        }
    }
    outcomes
}

fn call(store: &mut Store<Vec<String>>, instance: &Instance, name: &str, args: &[String]) -> String {
    let (interface, function) = match name.split_once('#') {
        None => (None, name),
        Some((interface, function)) => {
            (Some(instance.get_export_index(&mut *store, None, interface).expect("the interface")), function)
        }
    };
    let index = instance.get_export_index(&mut *store, interface.as_ref(), function);
    let index = index.unwrap_or_else(|| panic!("no function {name}"));
    let func: Func = instance.get_func(&mut *store, index).expect("a function");
    let ty = func.ty(&*store);
    let args: Vec<Val> = ty.params().zip(args).map(|((_, ty), text)| value(&ty, text)).collect();
    let mut results = vec![Val::Bool(false); ty.results().len()];
    match func.call(&mut *store, &args, &mut results) {
        Ok(()) => results.first().map_or_else(|| "()".to_owned(), show),
        Err(error) if error.is::<wasmtime::Trap>() || !format!("{error:#}").contains("mismatch") => "trap".to_owned(),
        Err(error) => panic!("{name}: {error:#}"),
    }
}

#[test]
fn lowered_components_behave_as_the_originals() {
    let engine = Engine::default();
    let mut compared = 0;
    for (path, text) in fixtures("fixtures/link/pass") {
        let name = path.display();
        let component = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let lines = lines(&text);
        let want = expected(&lines);
        assert!(!want.is_empty(), "{name} calls nothing");
        assert_eq!(outcomes(&engine, &component, &lines), want, "{name}: the original");
        let linked = link(&component, verified()).unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.cause));
        let again = link(&component, Options::default()).expect("links twice");
        assert_eq!(linked.wasm, again.wasm, "{name}: the output is deterministic");
        let wrapped = rewrap(&linked.wasm).expect("wraps");
        if let Some(holds) = text.lines().find_map(|line| line.strip_prefix(";; holds: ")) {
            let plain = Options { no_guards: true, ..Options::default() };
            let plain = link(&component, plain).expect("links without guards");
            assert_eq!(contents(&plain.wasm), holds, "{name}: what the output holds");
        }
        assert_eq!(outcomes(&engine, &wrapped, &lines), want, "{name}: lowered");
        let single = Options { single_memory: true, ..verified() };
        let single = link(&component, single).unwrap_or_else(|e| panic!("{name}, one memory: {e} {:?}", e.cause));
        assert!(single.report.memories <= 1, "{name}");
        let wrapped = rewrap(&single.wasm).expect("wraps");
        assert_eq!(outcomes(&engine, &wrapped, &lines), want, "{name}: lowered to one memory");
        compared += want.len();
    }
    println!("{compared} calls gave the same");
}

#[test]
fn what_cannot_be_lowered_is_refused_by_its_code() {
    for (path, text) in fixtures("fixtures/link/refuse") {
        let name = path.display();
        let code = text.lines().next().and_then(|l| l.strip_prefix(";; code: ")).expect("a code").trim().to_owned();
        let component = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let error = link(&component, verified()).err().unwrap_or_else(|| panic!("{name} was linked"));
        assert_eq!(error.code.id(), code, "{name}: {error} {:?}", error.cause);
        assert!(!error.code.is_ours(), "{name}: {error}");
    }
}

#[test]
fn real_components_lose_their_shims_and_keep_their_world() {
    for (name, shims, tables) in [
        ("http-hello-rust", 6, 0),
        ("http-echo-rust", 32, 1),
        ("http-hello-c", 6, 0),
        ("http-echo-c", 19, 1),
        ("cli-rust", 20, 1),
    ] {
        let component = guest(name);
        let linked = link(&component, verified()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(linked.report.shims_resolved, shims, "{name}");
        assert_eq!((linked.report.tables, linked.report.memories), (tables, 1), "{name}");
        assert!(linked.report.floor <= Floor::Lime1, "{name}: {:?}", linked.report.floor);
        assert!(linked.report.size_ratio <= 1.0, "{name}: {}", linked.report.size_ratio);
    }
}

#[test]
fn adapted_preview1_modules_link() {
    use lowlift::adapt::{choose, survey, wrap};
    for name in ["p1-command", "p1-reactor"] {
        let module = guest(name);
        let survey = survey(&module).expect("valid");
        let adapter = choose(&survey, None).expect("an adapter fits");
        let adapted = wrap(&module, &survey, adapter.as_ref()).expect("wraps");
        let linked = link(&adapted.component, verified()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(linked.report.tables <= 1, "{name}: the shim's table is gone");
        assert!(linked.report.imports.iter().all(|f| f.module.starts_with("wasi:")), "{name}");
    }
}

/// Truncated and flipped components: a coded refusal or a valid module, never a panic.
#[test]
fn hostile_components_are_refused() {
    let component = guest("http-hello-rust");
    let mut refused = 0;
    let steps = (0..component.len()).step_by(97);
    let truncated = steps.clone().map(|i| component[..i].to_vec());
    let flipped = steps.map(|i| {
        let mut bytes = component.clone();
        bytes[i] ^= 0x55;
        bytes
    });
    for bytes in truncated.chain(flipped) {
        match link(&bytes, Options::default()) {
            Ok(linked) => drop(wasmparser::Validator::new().validate_all(&linked.wasm).expect("valid")),
            Err(error) => {
                assert!(!error.code.is_ours(), "{error} {:?}", error.cause);
                refused += 1;
            }
        }
    }
    assert!(refused > 80);
}

/// Two imports with a realloc each: while one runs, `cabi_realloc` must be that import's own.
#[test]
fn each_import_allocates_with_its_own_realloc() {
    let component = wat::parse_str(
        r#"(component
          (import "text" (func $text (result string)))
          (core module $main
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1000))
          (core module $other
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 2000))
          (core instance $main (instantiate $main))
          (core instance $other (instantiate $other))
          (core func $a (canon lower (func $text) (memory $main "memory") (realloc (func $main "realloc"))))
          (core func $b (canon lower (func $text) (memory $main "memory") (realloc (func $other "realloc"))))
          (core module $run
            (import "host" "a" (func $a (param i32)))
            (import "host" "b" (func $b (param i32)))
            (import "main" "memory" (memory 1))
            (func (export "run") (result i32)
              (call $a (i32.const 0)) (call $b (i32.const 16)) (call $a (i32.const 32))
              (i32.add (i32.load (i32.const 0))
                (i32.add (i32.mul (i32.load (i32.const 16)) (i32.const 10))
                  (i32.mul (i32.load (i32.const 32)) (i32.const 100))))))
          (core instance $run (instantiate $run
            (with "host" (instance (export "a" (func $a)) (export "b" (func $b))))
            (with "main" (instance $main))))
          (func (export "run") (result u32) (canon lift (core func $run "run"))))"#,
    )
    .expect("text");
    let linked = link(&component, verified()).expect("links");
    assert_eq!((linked.report.reallocs, linked.report.wrapped_imports, linked.report.imports.len()), (2, 1, 1));

    let engine = Engine::default();
    let module = wasmtime::Module::new(&engine, &linked.wasm).expect("compiles");
    let mut linker = wasmtime::Linker::<()>::new(&engine);
    linker
        .func_wrap("$root", "text", |mut caller: wasmtime::Caller<'_, ()>, at: u32| -> wasmtime::Result<()> {
            let realloc = caller.get_export("cabi_realloc").and_then(wasmtime::Extern::into_func).expect("exported");
            let realloc = realloc.typed::<(u32, u32, u32, u32), u32>(&caller)?;
            let pointer = realloc.call(&mut caller, (0, 0, 1, 2))?;
            let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory).expect("exported");
            memory.write(&mut caller, at as usize, &pointer.to_le_bytes())?;
            Ok(())
        })
        .expect("new");
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).expect("instantiates");
    let run = instance.get_typed_func::<(), u32>(&mut store, "run").expect("exported");
    assert_eq!(run.call(&mut store, ()).expect("no trap"), 1000 + 20_000 + 100_000);
}

/// C imports a resource that Rust exports: strings, records, variants, lent and given handles.
#[test]
fn a_composition_of_two_languages_does_the_same() {
    let component = guest("shelf");
    let lines = lines(
        r#"
        ;; call: tell(["a", "bb", "a", "ccc", "bb"]) -> "left: a=4 bb=5; right: bb=2 ccc=4; common=1; left+right: a=4 bb=7 ccc=4"
        ;; call: tell([]) -> "left:; right:; common=0; left+right:"
        ;; call: refused(0) -> "empty name"
        ;; call: refused(7) -> "put, 1 on it"
        ;; call: refused(100) -> "too many: 100"
        ;; call: living() -> 0"#,
    );
    let want = expected(&lines);
    let engine = Engine::default();
    assert_eq!(outcomes(&engine, &component, &lines), want, "the original");
    let linked = link(&component, verified()).expect("links");
    assert_eq!(outcomes(&engine, &rewrap(&linked.wasm).expect("wraps"), &lines), want, "lowered");
}
