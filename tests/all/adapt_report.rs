//! What `adapt` tells of an adapter, and what it replaces, against the component that comes out: its core modules are asked
//! what they import, and wasmtime's WASI runs it.

use crate::preview1::{Given, NOTHING, run_component};
use crate::random::Xorshift;
use crate::{guest, root};
use lowlift::abi::Track;
use lowlift::adapt::{Adaptation, Adapter, Item, Options, PREVIEW1, Pattern, adapt, survey};
use lowlift::diagnostic::{Code, Diagnostic};
use std::collections::BTreeSet;
use wasi_preview1_component_adapter_provider as provider;
use wasmparser::{Encoding, Parser, Payload};

const ADAPTERS: [(Adapter, &[u8]); 3] = [
    (Adapter::Command, provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
    (Adapter::Reactor, provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
    (Adapter::Proxy, provider::WASI_SNAPSHOT_PREVIEW1_PROXY_ADAPTER),
];

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|name| Pattern::parse(name).expect("a name")).collect()
}

fn module(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).expect("text")
}

fn adapted(bytes: &[u8], options: &Options<'_>) -> Result<Adaptation, Box<Diagnostic>> {
    adapt(bytes, options)
}

/// Functions of WASI that any core module of a component imports.
fn imported(component: &[u8]) -> BTreeSet<(Track, String)> {
    let mut out = BTreeSet::new();
    let mut core = false;
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("valid") {
            Payload::Version { encoding, .. } => core = encoding == Encoding::Module,
            Payload::ImportSection(section) if core => {
                let imports = section.into_imports().map(|import| import.expect("valid"));
                let wasi = imports.filter(|import| import.module.starts_with("wasi:"));
                out.extend(wasi.map(|import| (Track::of(import.module).0, import.name.to_owned())));
            }
            _ => {}
        }
    }
    out
}

/// The encoder leaves out of an adapter what is not reached: what it leaves in is what the report says.
#[test]
fn every_function_of_every_adapter_reaches_what_the_component_imports() {
    let mut compared = 0;
    for (adapter, bytes) in ADAPTERS {
        let start = if adapter == Adapter::Command { r#"(func (export "_start"))"# } else { "" };
        for (name, item) in &survey(bytes).expect("valid").exports {
            let Item::Func(Some(signature)) = item else { continue };
            if name.contains('#') || name.starts_with("cabi_") {
                continue;
            }
            let list = |word: &str, types: &[lowlift::abi::Core]| {
                types.iter().map(|ty| format!("({word} {ty})")).collect::<Vec<_>>().join(" ")
            };
            let ty = format!("{} {}", list("param", &signature.params), list("result", &signature.results));
            let fields = format!(r#"(import "{PREVIEW1}" "{name}" (func {ty})) (memory (export "memory") 1) {start}"#);
            let options = Options { adapter: Some(adapter.clone()), ..Options::default() };
            let done = adapted(&module(&fields), &options).unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.cause));
            let calls = done.report.functions.iter().flat_map(|f| &f.calls);
            let told = calls.map(|call| (Track::of(&call.interface).0, call.function.clone())).collect::<BTreeSet<_>>();
            assert_eq!(told, imported(&done.adapted.component), "{} {name}", adapter.name());
            let interfaces: Vec<&str> = done.report.interfaces.iter().map(|i| i.name.as_str()).collect();
            assert_eq!(interfaces, done.adapted.imports, "{name}");
            for interface in &done.report.interfaces {
                let why = !interface.by.is_empty() || !interface.types_for.is_empty();
                assert!(why, "{name}: {} is imported for no reason", interface.name);
            }
            compared += 1;
        }
    }
    assert!(compared > 130, "{compared}");
}

#[test]
fn an_adapter_is_known_by_what_it_exports_and_imports() {
    let write = format!(
        r#"(import "{PREVIEW1}" "fd_write" (func (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1)"#
    );
    let (program, library) = (module(&format!(r#"{write} (func (export "_start"))"#)), module(&write));
    let own = |bytes: &[u8]| Options { adapter: Some(Adapter::Own(bytes.to_vec())), ..Options::default() };
    for (adapter, bytes) in ADAPTERS {
        let is_command = adapter == Adapter::Command;
        for (module, fits) in [(&program, is_command), (&library, !is_command)] {
            match adapted(module, &own(bytes)) {
                Ok(done) => {
                    assert!(fits, "{} must not fit", adapter.name());
                    assert_eq!(done.adapted.exports.is_empty(), !is_command, "{}", adapter.name());
                }
                Err(error) => assert!(!fits && error.code == Code::WrongAdapter, "{} {error}", adapter.name()),
            }
        }
    }
    let wants = |field: &str| module(&format!(r#"(import "{PREVIEW1}" {field}) (func (export "_start"))"#));
    let error = adapted(&wants(r#""fd_frob" (func)"#), &Options::default()).expect_err("no such function");
    assert_eq!((error.code, error.facts[0].1.as_str()), (Code::WrongAdapter, "fd_frob"));
    let no_types = module(r#"(import "env" "memory" (memory 0)) (func (export "fd_write"))"#);
    assert_eq!(adapted(&library, &own(&no_types)).expect_err("no types").code, Code::NotAnAdapter);
    assert_eq!(adapted(&library, &own(&library)).expect_err("no adapter").code, Code::NotAnAdapter);
    assert_eq!(adapted(&library, &own(b"junk")).expect_err("no module").code, Code::InvalidWasm);
}

/// Whatever its file is called.
#[test]
fn an_adapter_is_a_file_of_any_name() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("app.wasm"), guest("p1-command")).expect("written");
    for (name, bytes, code) in [
        ("wasi-snapshot-preview1.command (48).bin", ADAPTERS[0].1, 0),
        ("command", ADAPTERS[1].1, 2),
        ("the-reactor-one", ADAPTERS[1].1, 2),
    ] {
        std::fs::write(folder.path().join(name), bytes).expect("written");
        let file = format!("./{name}");
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_lowlift"));
        let run = program.args(["adapt", "app.wasm", "-o", "out.wasm", "--adapter", file.as_str()]);
        let done = run.current_dir(folder.path()).output().expect("starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{name}: {said}");
        assert_eq!(said.contains("LL0204"), code == 2, "{name}: {said}");
    }
}

/// Each interface that the guest pulls in, stubbed out by itself and with its package: refused for its types, or gone.
#[test]
fn what_is_stubbed_out_is_not_imported() {
    let guest = guest("p1-command");
    let whole = adapted(&guest, &Options::default()).expect("adapts");
    let (mut gone, mut refused) = (0, 0);
    for interface in &whole.adapted.imports {
        let package = interface.split('/').next().expect("a package");
        for name in [interface.as_str(), package] {
            let stub = patterns(&[name]);
            match adapted(&guest, &Options { stub: stub.clone(), ..Options::default() }) {
                Ok(done) => {
                    assert!(!done.adapted.imports.iter().any(|i| stub[0].matches(i)), "{name}");
                    assert!(done.adapted.imports.iter().all(|i| whole.adapted.imports.contains(i)), "{name}");
                    assert_eq!(done.adapted.exports, whole.adapted.exports);
                    gone += 1;
                }
                Err(error) => {
                    assert_eq!(error.code, Code::CannotStub, "{name}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(gone > 10 && refused > 2, "{gone} {refused}");
}

#[test]
fn answers_of_stubs_are_those_of_a_host_that_has_nothing() {
    let guest = guest("p1-command");
    let given = Given { args: &["prog", "exit=3", "two"], env: &[("A", "b")], stdin: "one\n" };
    let bare = Given { args: &[], env: &[], stdin: "one\n" };
    let run = |stub: &[&str], given| {
        let done = adapted(&guest, &Options { stub: patterns(stub), ..Options::default() }).expect("adapts");
        run_component(&done.adapted.component, given)
    };
    let want = run(&[], bare);
    assert!(want.stdout.contains("random ok"), "{want:?}");
    assert_eq!(run(&["wasi:cli/environment"], given), want, "arguments and variables are not there");
    assert_eq!(run(&["wasi:filesystem", "wasi:cli/environment"], given), want, "directories neither");
    let no_terminals = [
        "wasi:cli/terminal-stdin",
        "wasi:cli/terminal-stdout",
        "wasi:cli/terminal-stderr",
        "wasi:cli/terminal-input",
        "wasi:cli/terminal-output",
    ];
    assert_eq!(run(&no_terminals, given), run(&[], given), "as there is none");
    assert_eq!(run(&[], NOTHING), run(&["wasi:filesystem"], NOTHING));
}

/// What has no honest answer traps, and the engine names it.
#[test]
fn a_stub_that_traps_says_what_it_was() {
    let random = wat::parse_file(root("fixtures/cli/inputs/random.wat")).expect("text");
    let options = Options { stub: patterns(&["wasi:random"]), ..Options::default() };
    let done = adapted(&random, &options).expect("adapts");
    let stub = done.report.stubbed.iter().find(|s| s.function == "get-random-bytes").expect("stubbed out");
    assert_eq!(stub.answer, "trap");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stubbed.wasm");
    std::fs::write(&path, &done.adapted.component).expect("written");
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_lowlift")).arg("run").arg(&path).output().expect("starts");
    assert_eq!(run.status.code(), Some(134));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("trap: wasi:random/random@0.2.12 get-random-bytes (stubbed out)"), "{said}");
    let failed = std::panic::catch_unwind(|| run_component(&done.adapted.component, NOTHING)).expect_err("it traps");
    let said = failed.downcast_ref::<String>().expect("a message");
    assert!(said.contains("wasi:random/random@0.2.12 get-random-bytes (stubbed out)"), "{said}");
}

#[test]
fn a_denied_interface_is_refused_with_all_that_pull_it_in() {
    let guest = guest("p1-command");
    let options = Options { deny: patterns(&["wasi:random", "wasi:clocks/monotonic-clock"]), ..Options::default() };
    let error = adapted(&guest, &options).expect_err("refused");
    let all: Vec<(Code, String)> =
        std::iter::once(&*error).chain(&error.others).map(|e| (e.code, e.facts[0].1.clone())).collect();
    let by = |name: &str| (Code::Denied, format!("{PREVIEW1} {name}"));
    assert_eq!(all, [by("clock_time_get"), by("random_get")]);
    let options = Options { deny: patterns(&["wasi:sockets", "wasi:http@0.2"]), ..Options::default() };
    adapted(&guest, &options).expect("neither is imported");
    let options = Options { deny: patterns(&["wasi:sokets"]), ..Options::default() };
    let error = adapted(&guest, &options).expect_err("a typing error");
    assert_eq!((error.code, error.hints[0].as_str()), (Code::Usage, "did you mean `wasi:sockets`?"));
}

/// Mutated modules and adapters, through everything: a coded refusal or a valid component, never a panic.
#[test]
fn hostile_modules_are_refused() {
    let text = std::fs::read_to_string(root("fixtures/cli/inputs/snapshot0.wat")).expect("a fixture");
    let seeds = [guest("p1-command"), guest("p1-reactor"), wat::parse_str(text).expect("text")];
    let mut random = Xorshift(0x5eed);
    let (mut done, mut refused) = (0, 0);
    for round in 0..400 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len().min(2000));
            bytes[at] = random.next() as u8;
        }
        let stub = if round % 2 == 0 { patterns(&["wasi:random", "wasi:clocks"]) } else { Vec::new() };
        match adapted(&bytes, &Options { stub, ..Options::default() }) {
            Ok(adapted) => {
                assert!(!adapted.report.text().is_empty());
                done += 1;
            }
            Err(error) => {
                assert!(!error.code.is_ours(), "round {round}: {error} {:?}", error.cause);
                refused += 1;
            }
        }
    }
    assert!(done > 0 && refused > 100, "{done} {refused}");
    let library = module(&format!(
        r#"(import "{PREVIEW1}" "fd_tell" (func (param i32 i32) (result i32))) (memory (export "memory") 1)"#
    ));
    for round in 0..60 {
        let mut bytes = provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER.to_vec();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        let options =
            Options { adapter: Some(Adapter::Own(bytes)), stub: patterns(&["wasi:filesystem"]), ..Options::default() };
        if let Err(error) = adapted(&library, &options) {
            assert!(!error.code.is_ours(), "round {round}: {error} {:?}", error.cause);
        }
    }
}
