//! WIT, as text and in binary form.

use super::witx::read_again;
use super::{Outcome, refused};
use lowlift::abi::{Abi, Forms, Names};
use lowlift::check::diff;
use lowlift::diagnostic::{Code, Diagnostic};
use lowlift::layout::{html, sheet, svg, text};
use lowlift::wit::{Gates, Loaded, Sources, WitFile, load};
use lowlift::witx::{
    Derivation, Derived, Options, Rebuilt, Scope, derive, json, markdown, print, print_plain, verify, verify_wiggle,
    wiggle,
};

/// Texts up to this length are verified too, which takes longer than all else.
const MAX_VERIFIED: usize = 4_000;

/// WIT, after a byte that chooses names and forms: what is derived is printed and read again as the same, and proven.
pub(super) fn wit_derive(data: &[u8]) -> Outcome {
    let Some((&mode, text)) = data.split_first() else { return Outcome::NotText };
    let Ok(text) = std::str::from_utf8(text) else { return Outcome::NotText };
    let loaded = match parse(text, mode) {
        Ok(loaded) => loaded,
        Err(error) => return refused(&error),
    };
    each_scope(&loaded, mode, |scope, derived| {
        let files = print(&derived.document);
        read_again(&files, &derived.document);
        if text.len() <= MAX_VERIFIED
            && let Err(error) = verify(&loaded.resolve, scope, derived, &files)
        {
            panic!("{scope:?}: {error:?}");
        }
    })
}

/// The same of a WIT package or component in binary form, without the proof.
pub(super) fn wit_binary(data: &[u8]) -> Outcome {
    let Some((&mode, bytes)) = data.split_first() else { return Outcome::NotText };
    let source = Sources::Binary { path: "input.wasm".to_owned(), bytes: bytes.to_owned() };
    match load(&source, &gates(mode)) {
        Ok(loaded) => each_scope(&loaded, mode, |_, derived| read_again(&print(&derived.document), &derived.document)),
        Err(error) => refused(&error),
    }
}

/// WIT in every other form: JSON, Markdown, WITX for wiggle, pictures; and nothing changed between it and itself.
pub(super) fn wit_forms(data: &[u8]) -> Outcome {
    let Some((&mode, text)) = data.split_first() else { return Outcome::NotText };
    let Ok(text) = std::str::from_utf8(text) else { return Outcome::NotText };
    match parse(text, mode) {
        Ok(loaded) => each_scope(&loaded, mode, |_, derived| forms(derived)),
        Err(error) => refused(&error),
    }
}

fn forms(derived: &Derived) {
    let document = &derived.document;
    let rebuilt = Rebuilt::of(document).expect("what was derived is whole");
    serde_json::to_string(&json(document, &rebuilt)).expect("the model is JSON");
    super::obeys_nothing(&markdown(document, &rebuilt));
    let wiggled = wiggle(document);
    verify_wiggle(document, &wiggled).unwrap_or_else(|error| panic!("{error:?}"));
    print_plain(&wiggled.document);
    let derivation = Derivation::of(document.clone()).expect("what was derived is whole");
    assert!(diff(&derivation, &derivation).is_empty(), "it differs from itself");
    match sheet(&derivation, None) {
        Ok(sheet) => {
            super::obeys_nothing(&text(&sheet));
            well_formed(&svg(&sheet));
            html(&sheet);
        }
        Err(error) => drop(refused(&error)),
    }
}

/// Text that left its place would be markup.
fn well_formed(svg: &str) {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    if let Err(error) = roxmltree::Document::parse_with_options(svg, options) {
        panic!("{error}: {svg}");
    }
}

fn gates(mode: u8) -> Gates {
    let features = if mode & 0x40 == 0 { Vec::new() } else { vec!["active".to_owned(), "f".to_owned()] };
    Gates { features, all: mode >= 128 }
}

/// The WIT of one text.
pub(super) fn parse(text: &str, mode: u8) -> Result<Loaded, Box<Diagnostic>> {
    let main = vec![WitFile { path: "input.wit".to_owned(), text: text.to_owned() }];
    load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &gates(mode))
}

/// Derives every world, and everything, by the names and forms of the mode.
pub(super) fn each_scope(loaded: &Loaded, mode: u8, mut look: impl FnMut(&Scope, &Derived)) -> Outcome {
    let (names, forms) = match mode % 5 {
        0 => (Names::Legacy, Forms::Sync),
        1 => (Names::Legacy, Forms::Async),
        2 => (Names::Legacy, Forms::All),
        3 => (Names::Canonical, Forms::Sync),
        _ => (Names::Cm32p2, Forms::Sync),
    };
    let worlds = loaded.resolve.worlds.iter().filter(|(_, w)| w.package.is_some_and(|p| loaded.packages.contains(&p)));
    let scopes = worlds.map(|(id, _)| Scope::World(id)).chain([Scope::Packages(loaded.packages.clone())]);
    let mut outcome = Outcome::Whole;
    for scope in scopes {
        match derive(&loaded.resolve, &scope, &Options { abi: Abi { names, forms }, aliases: Vec::new() }) {
            Ok(derived) => look(&scope, &derived),
            Err(error) => {
                assert!([Code::NotExpressible, Code::LayoutOverflow].contains(&error.code), "{error:?}");
                outcome = refused(&loaded.with_text(error));
            }
        }
    }
    outcome
}
