//! What must hold of every input. The fuzzer calls these, and so does `cargo test`, with fewer inputs.

mod adapt;
mod bindgen;
mod check;
#[allow(dead_code, clippy::duplicate_mod, reason = "the tests of generated C have it too, and use the rest")]
#[path = "../../tests/all/bindgen/lexer.rs"]
mod lexer;
mod link;
mod settings;
#[cfg(feature = "serve")]
mod values;
mod wit;
mod witx;

use lowlift::diagnostic::{Color, Diagnostic, Place, to_json, to_text};

/// What is done with an input.
pub(crate) type Target = fn(&[u8]) -> Outcome;

/// All targets.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("witx_read", witx::witx_read),
    ("wit_derive", wit::wit_derive),
    ("wit_binary", wit::wit_binary),
    ("wit_forms", wit::wit_forms),
    ("bindgen_text", bindgen::bindgen_text),
    ("link_component", link::link_component),
    ("link_named", link::link_named),
    ("adapt_module", adapt::adapt_module),
    ("migrate_file", adapt::migrate_file),
    ("check_module", check::check_module),
    ("read_settings", settings::read_settings),
    #[cfg(feature = "serve")]
    ("values", values::values),
];

/// The target of a name.
pub(crate) fn find(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

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

/// A refusal has a code of its own, points into the text if anywhere, and can be told.
fn refused(error: &Diagnostic) -> Outcome {
    for error in std::iter::once(error).chain(&error.others) {
        assert!(!error.code.is_ours(), "{error:?}");
        if let Some(Place::Text { source, span, .. }) = &error.place {
            assert!(source.is_empty() || source.get(span.clone()).is_some(), "{error:?}");
        }
        tells(error);
    }
    Outcome::Refused
}

/// What is said of an input makes a terminal do nothing.
fn tells(error: &Diagnostic) {
    let text = to_text(error, Color::Never, true);
    obeys_nothing(&text);
    to_text(error, Color::Always, false);
    to_json(error);
}

/// No control characters but ends of lines, and none that turn text around.
fn obeys_nothing(text: &str) {
    let obeyed = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c != '\n' && (c.is_control() || turns)
    };
    assert!(!text.contains(obeyed), "{:?} in {text:?}", text.chars().find(|c| obeyed(*c)));
}
