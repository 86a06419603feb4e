//! Text and JSON.

use super::{Diagnostic, Place, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

/// Whether text output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// ANSI colours.
    Always,
    /// None.
    Never,
}

/// Renders one diagnostic for people. `verbose` adds the cause that another library gave.
pub fn to_text(diagnostic: &Diagnostic, color: Color, verbose: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&diagnostic.message)).id(diagnostic.code.id());
    let mut group = Group::with_title(title);
    group = match &diagnostic.place {
        Some(Place::File { path, what }) if what.is_empty() => group.element(Origin::path(printable(path))),
        Some(Place::File { path, what }) => {
            group.element(Origin::path(format!("{} ({})", printable(path), printable(what))))
        }
        Some(Place::Binary { path, offset }) => {
            group.element(Origin::path(format!("{} (byte {offset:#x})", printable(path))))
        }
        Some(Place::Text { path, source, span }) => {
            let span = clamp(source, span);
            group.element(
                Snippet::source(source.as_str()).path(printable(path)).annotation(AnnotationKind::Primary.span(span)),
            )
        }
        None => group,
    };
    for (label, text) in &diagnostic.facts {
        group = group.element(Level::NOTE.with_name(*label).message(printable(text)));
    }
    if let (true, Some(cause)) = (verbose, &diagnostic.cause) {
        group = group.element(Level::NOTE.with_name("cause").message(printable(cause)));
    }
    for hint in &diagnostic.hints {
        group = group.element(Level::HELP.with_name("hint").message(printable(hint)));
    }
    group = group.element(Level::NOTE.with_name("more").message(format!("`lowlift explain {}`", diagnostic.code)));
    let renderer = match color {
        Color::Always => Renderer::styled(),
        Color::Never => Renderer::plain(),
    };
    renderer.render(&[group])
}

/// Renders one diagnostic for programs. `line` and `column` count from 1, `offset` from 0.
pub fn to_json(diagnostic: &Diagnostic) -> Value {
    let place = match &diagnostic.place {
        None => Value::Null,
        Some(Place::File { path, what }) => json!({ "path": path, "what": what }),
        Some(Place::Binary { path, offset }) => json!({ "path": path, "offset": offset }),
        Some(place @ Place::Text { path, .. }) => {
            let (line, column) = line_and_column(place).unwrap_or((1, 1));
            json!({ "path": path, "line": line, "column": column })
        }
    };
    let facts: serde_json::Map<String, Value> =
        diagnostic.facts.iter().map(|(label, text)| ((*label).to_owned(), json!(text))).collect();
    json!({
        "code": diagnostic.code.id(),
        "severity": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": diagnostic.message,
        "place": place,
        "facts": facts,
        "hints": diagnostic.hints,
        "cause": diagnostic.cause,
    })
}

/// Line and column of a place in a text, counted from 1.
fn line_and_column(place: &Place) -> Option<(usize, usize)> {
    let Place::Text { source, span, .. } = place else { return None };
    let before = &source[..clamp(source, span).start];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    Some((line, column))
}

/// A span that lies within the source, on character boundaries, whatever the parser said.
fn clamp(source: &str, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let floor = |i: usize| {
        let mut i = i.min(source.len());
        while !source.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Names from a module can hold anything, also sequences that a terminal obeys.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            c if c.is_control() || is_bidi_control(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
