//! The report for people.

use super::model::{Examined, Report};
use crate::diagnostic::printable;
use std::fmt::Write;

/// Names that are shown of a list.
const SHOWN: usize = 12;

/// Writes all of it; with `details` also imports, exports and what was tried.
pub fn text(report: &Report, details: bool) -> String {
    let mut out = String::new();
    for file in &report.files {
        // Writing to a string does not fail.
        let _ = one(&mut out, file, details);
        out.push('\n');
    }
    out.push_str(&report.summary());
    out.push('\n');
    if report.links > 0 {
        let _ =
            writeln!(out, "{} symbolic link{} not followed", report.links, if report.links == 1 { "" } else { "s" });
    }
    out
}

fn one(out: &mut String, file: &Examined, details: bool) -> std::fmt::Result {
    let mut line = |label: &str, text: &str| writeln!(out, "{label:<9}{}", printable(text).replace('\n', " "));
    line(file.verdict.name(), &file.path)?;
    let kind = match file.kind {
        super::Kind::Module => "core module",
        super::Kind::Component => "component",
    };
    let what = if file.what.is_empty() { String::new() } else { format!(", {}", file.what) };
    line("  is", &format!("{kind}{what}, {} bytes", file.size))?;
    if !file.toolchain.is_empty() {
        line("  by", &list(file.toolchain.iter().map(String::as_str)))?;
    }
    line("  why", &file.why)?;
    for import in file.imports.iter().filter(|_| details) {
        line("  imports", &format!(" {}: {}", import.module, list(import.functions.iter().map(String::as_str))))?;
    }
    if details && !file.exports.is_empty() {
        line("  exports", &format!(" {}", list(file.exports.iter().map(String::as_str))))?;
    }
    for attempt in &file.tried {
        let outcome = match (&attempt.size, &attempt.refused) {
            (Some(size), _) => format!("{size} bytes, valid"),
            (None, refused) => refused.clone().unwrap_or_default(),
        };
        line("  tried", &format!("{}: {outcome}", attempt.step))?;
    }
    for change in &file.changes {
        line("  changes", &format!(" {}: {}", change.id, change.what))?;
    }
    for hint in &file.hints {
        line("  hint", hint)?;
    }
    for command in &file.commands {
        line("  do", command)?;
    }
    if let Some(written) = &file.written {
        line("  wrote", written)?;
    }
    Ok(())
}

fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = names.take(SHOWN).collect();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
