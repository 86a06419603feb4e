//! What must hold of every input. The fuzzer calls these, and so does `cargo test`, with fewer inputs.

use lowlift::abi::{Abi, Forms, Names};
use lowlift::diagnostic::{Code, Diagnostic, Place};
use lowlift::link::{Handles, Wasi, link};
use lowlift::profile::Profile;
use lowlift::wit::{Gates, Sources, WitFile, load};
use lowlift::witx::{Document, Options, Reading, Scope, derive, print, read, verify};

/// Texts up to this length are verified too, which takes longer than all else.
const MAX_VERIFIED: usize = 4_000;

/// How far an input came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is no text.
    NotText,
    /// It was refused, with a code.
    Refused,
    /// It was read, and is WITX of another origin.
    Plain,
    /// It went all the way.
    Whole,
}

/// WITX: what is read as derived is printed and read again as the same.
pub(crate) fn witx_read(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::NotText };
    match read(&[("input.witx".to_owned(), text.to_owned())]) {
        Err(error) => refused(&error, text),
        Ok(Reading::Plain(_)) => Outcome::Plain,
        Ok(Reading::Derived(derivation)) => {
            read_again(&print(&derivation.document), &derivation.document);
            Outcome::Whole
        }
    }
}

/// WIT, after a byte that chooses names and forms: what is derived is printed and read again as the same, and proven.
pub(crate) fn wit_derive(data: &[u8]) -> Outcome {
    let Some((&mode, text)) = data.split_first() else { return Outcome::NotText };
    let Ok(text) = std::str::from_utf8(text) else { return Outcome::NotText };
    let (names, forms) = match mode % 5 {
        0 => (Names::Legacy, Forms::Sync),
        1 => (Names::Legacy, Forms::Async),
        2 => (Names::Legacy, Forms::All),
        3 => (Names::Canonical, Forms::Sync),
        _ => (Names::Cm32p2, Forms::Sync),
    };
    let main = vec![WitFile { path: "input.wit".to_owned(), text: text.to_owned() }];
    let sources = Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() };
    let loaded = match load(&sources, &Gates { features: Vec::new(), all: mode >= 128 }) {
        Ok(loaded) => loaded,
        Err(error) => return refused(&error, text),
    };
    let worlds = loaded.resolve.worlds.iter().filter(|(_, w)| w.package.is_some_and(|p| loaded.packages.contains(&p)));
    let scopes = worlds.map(|(id, _)| Scope::World(id)).chain([Scope::Packages(loaded.packages.clone())]);
    let mut outcome = Outcome::Whole;
    for scope in scopes {
        let derived = match derive(&loaded.resolve, &scope, &Options { abi: Abi { names, forms }, aliases: Vec::new() })
        {
            Ok(derived) => derived,
            Err(error) => {
                assert!([Code::NotExpressible, Code::LayoutOverflow].contains(&error.code), "{error:?}");
                outcome = refused(&loaded.with_text(error), text);
                continue;
            }
        };
        let files = print(&derived.document);
        read_again(&files, &derived.document);
        if text.len() <= MAX_VERIFIED
            && let Err(error) = verify(&loaded.resolve, &scope, &derived, &files)
        {
            panic!("{scope:?}: {error:?}");
        }
    }
    outcome
}

fn read_again(files: &[(String, String)], document: &Document) {
    match read(files) {
        Ok(Reading::Derived(again)) => assert!(again.document == *document, "another document: {files:?}"),
        Ok(Reading::Plain(_)) => panic!("no longer derived: {files:?}"),
        Err(error) => panic!("does not read back: {error:?}"),
    }
}

/// A refusal has a code of its own, and points into the text if anywhere.
fn refused(error: &Diagnostic, text: &str) -> Outcome {
    for error in std::iter::once(error).chain(&error.others) {
        assert_ne!(error.code, Code::Internal, "{error:?}");
        if let Some(Place::Text { source, span, .. }) = &error.place {
            assert!(source.is_empty() || source.get(span.clone()).is_some(), "{error:?} in {text:?}");
        }
    }
    Outcome::Refused
}

/// A component, after a byte that chooses how to link it: what is linked validates, for the target if there is one.
pub(crate) fn link_component(data: &[u8]) -> Outcome {
    let Some((&mode, component)) = data.split_first() else { return Outcome::NotText };
    let bit = |n: u8| mode & (1 << n) != 0;
    let options = lowlift::link::Options {
        single_memory: bit(0),
        target: bit(1).then(|| Profile::built_in("mvp")).flatten(),
        wasi: if bit(2) { Wasi::Preview1 } else { Wasi::Keep },
        handles: if bit(3) { Handles::Module } else { Handles::Host },
        no_guards: bit(4),
        strip: bit(5),
        explain: bit(6),
        verify: bit(7),
        ..lowlift::link::Options::default()
    };
    let features = options.target.as_ref().map_or_else(wasmparser::WasmFeatures::all, |target| target.features);
    match link(component, options) {
        Ok(linked) => {
            let valid = wasmparser::Validator::new_with_features(features).validate_all(&linked.wasm);
            valid.unwrap_or_else(|e| panic!("mode {mode}: {e}"));
            Outcome::Whole
        }
        Err(error) => {
            for error in std::iter::once(&*error).chain(&error.others) {
                assert!(!error.code.is_ours(), "mode {mode}: {error:?}");
            }
            Outcome::Refused
        }
    }
}
