//! A document for people, as Markdown: one table of functions per module, one of all types.

use super::model::{Document, Func, FuncRole, Stability, TypeName};
use super::rebuild::{FuncAbi, Rebuilt};
use std::fmt::Write;

/// Describes `document`, whose ABI is `rebuilt`.
pub fn markdown(document: &Document, rebuilt: &Rebuilt) -> String {
    let mut out = format!("# {}\n\n", prose(&document.title));
    let names = document.abi.names;
    let _ = writeln!(
        out,
        "Core functions by the Canonical ABI; names: {}, forms: {}. The guest exports `{}`, and where it is needed `{}`.",
        names.name(),
        document.abi.forms.name(),
        names.memory(),
        names.realloc(),
    );
    let mut current = None;
    for (module, func, abi) in rebuilt.functions(document) {
        if current != Some(&module.id) {
            current = Some(&module.id);
            let name = if module.core_name.is_empty() { "Exports".to_owned() } else { code(&module.core_name) };
            let _ = write!(out, "\n## {name}\n\n");
            if let Some(docs) = &module.docs {
                let _ = write!(out, "{}\n\n", prose(docs));
            }
            out.push_str("| function | core signature | WIT | needs |\n|---|---|---|---|\n");
        }
        let _ = writeln!(out, "{}", function(func, abi));
    }
    if !document.types.is_empty() {
        out.push_str("\n## Types in memory\n\n| type | kind | size | align | defined in |\n|---|---|---|---|---|\n");
    }
    for ty in &document.types {
        let _ = writeln!(out, "{}", type_row(ty));
    }
    out
}

fn function(func: &Func, abi: &FuncAbi) -> String {
    let wit = match &func.role {
        FuncRole::Call { wit, .. } => code(wit),
        _ => String::new(),
    };
    let mut needs = Vec::new();
    needs.extend(func.needs.memory.then_some("memory".to_owned()));
    needs.extend(func.needs.realloc.then_some("realloc".to_owned()));
    needs.extend(stability(&func.stability));
    format!("| {} | {} | {wit} | {} |", code(&func.name), code(&abi.core.to_string()), needs.join(", "))
}

fn type_row(ty: &TypeName) -> String {
    let (size, align) = ty.layout.map_or((String::new(), String::new()), |(s, a)| (s.to_string(), a.to_string()));
    let owner = ty.owner.as_deref().map(code).unwrap_or_default();
    format!("| {} | {} | {size} | {align} | {owner} |", code(&ty.wit), ty.kind.name())
}

fn stability(stability: &Stability) -> Option<String> {
    let parts = [
        stability.since.as_ref().map(|v| format!("since {v}")),
        stability.unstable.as_ref().map(|f| format!("unstable: {f}")),
        stability.deprecated.as_ref().map(|v| format!("deprecated in {v}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().map(|p| prose(&p)).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Code within a table: a bar ends a cell even there.
fn code(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c == '`' || c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("`{}`", plain.replace('|', "\\|"))
}

/// Text from a WIT: what would be markup is shown as it is.
fn prose(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
