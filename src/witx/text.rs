//! WIT as text, and documentation as lines.

use crate::abi::{Resolve, Table};
use wit_component::WitPrinter;
use wit_parser::{Function, Type};

/// Documentation as it is printed and read back: no trailing blanks, no blank lines at either end.
pub(super) fn docs(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let trimmed = out.trim_matches('\n');
    // The text format refuses control characters, and bidirectional ones, in comments as elsewhere.
    let is_refused = |c: char| c != '\n' && (c.is_control() || is_confusing(c));
    match trimmed.contains(is_refused) {
        _ if trimmed.is_empty() => None,
        true => Some(trimmed.replace(is_refused, "\u{fffd}")),
        false => Some(trimmed.to_owned()),
    }
}

/// Characters that the text format's lexer refuses because they reorder what people read.
pub(super) fn is_confusing(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// A type as WIT writes it; `…` where that would be beyond all reading.
pub(super) fn type_text(resolve: &Resolve, table: &mut Table<'_>, ty: &Type) -> String {
    // The printer writes an anonymous type out wherever it stands.
    if table.ty(ty).is_ok_and(|id| table.get(id).is_large()) {
        return "…".to_owned();
    }
    let mut printer = WitPrinter::default();
    match printer.print_type_name(resolve, ty) {
        Ok(()) => printer.output.to_string(),
        Err(_) => "…".to_owned(),
    }
}

/// A function as WIT writes it: `get: func(name: string) -> list<u8>`, with the text of each type.
pub(super) fn function_text(function: &Function, mut text: impl FnMut(&Type) -> String) -> String {
    let params: Vec<String> = function.params.iter().map(|p| format!("{}: {}", p.name, text(&p.ty))).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", text(ty))).unwrap_or_default();
    let is_async = if function.kind.is_async() { "async " } else { "" };
    format!("{}: {is_async}func({}){result}", function.name, params.join(", "))
}
