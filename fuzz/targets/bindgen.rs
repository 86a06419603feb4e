//! Generated host code.

use super::{Outcome, lexer, refused, wit};
use lowlift::bindgen::{Allocation, Engine, Language, Options, generate};
use lowlift::link::NameMap;
use lowlift::witx::{Derivation, Reading, read};

const ENGINES: [Engine; 8] = [
    Engine::None,
    Engine::Wamr,
    Engine::Wasm3,
    Engine::WasmCApi,
    Engine::Toywasm,
    Engine::Wasm2c,
    Engine::Wasmi,
    Engine::Wasmtime,
];

/// WIT or derived WITX, after two bytes that choose how to read it and what to generate: the code is made of whole tokens, its
/// brackets close, and there is no other the second time.
pub(super) fn bindgen_text(data: &[u8]) -> Outcome {
    let Some((&[mode, kind], text)) = data.split_first_chunk() else { return Outcome::NotText };
    let Ok(text) = std::str::from_utf8(text) else { return Outcome::NotText };
    if kind & 0x80 != 0 {
        return match read(&[("input.witx".to_owned(), text.to_owned())]) {
            Err(error) => refused(&error),
            Ok(Reading::Plain(_)) => Outcome::Plain,
            Ok(Reading::Derived(derivation)) => code(&derivation, kind),
        };
    }
    match wit::parse(text, mode) {
        Ok(loaded) => {
            let mut last = Outcome::Refused;
            wit::each_scope(&loaded, mode, |_, derived| {
                let derivation = Derivation::of(derived.document.clone()).expect("what was derived is whole");
                last = code(&derivation, kind);
            });
            last
        }
        Err(error) => refused(&error),
    }
}

fn code(derivation: &Derivation, kind: u8) -> Outcome {
    let engine = ENGINES[usize::from(kind & 0x0f) % ENGINES.len()];
    let names = match kind >> 6 & 1 {
        0 => None,
        _ => Some(NameMap::Short),
    };
    let allocation = match kind >> 4 & 3 {
        0 => Allocation::None,
        1 => Allocation::Arena,
        _ => Allocation::Reentrant,
    };
    let options = Options {
        language: engine.language(),
        engine,
        allocation,
        names,
        prefix: None,
        omit_refused: kind & 0x30 != 0x20,
    };
    match generate(derivation, &options) {
        Err(error) => refused(&error),
        Ok(generated) => {
            for (name, text) in &generated.files {
                assert!(!text.is_empty(), "{name} is empty");
                super::obeys_nothing(text);
                match options.language {
                    Language::C => c(name, text),
                    Language::Rust => rust(name, text),
                }
            }
            let again = generate(derivation, &options).expect("generated before");
            assert!(again.files == generated.files, "other code the second time");
            Outcome::Whole
        }
    }
}

fn c(name: &str, text: &str) {
    match lexer::tokens(text) {
        Ok(tokens) => assert!(lexer::balanced(&tokens), "{name}: {text}"),
        Err(error) => panic!("{name}: {error}: {text}"),
    }
}

fn rust(name: &str, text: &str) {
    if let Err(error) = syn::parse_file(text) {
        panic!("{name}: {error}: {text}");
    }
}
