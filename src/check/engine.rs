//! What an engine takes, against a module: features and limits. And what is left of the preview1 adapter.

use super::budget::of_profile;
use super::features::features;
use super::finding::{Draft, Finding};
use crate::diagnostic::{Code, Result};
use crate::link::View;
use crate::profile::Profile;
use indexmap::IndexMap;
use wasmparser::{TypeRef, WasmFeatures};

/// What `profile` does not take of a module.
pub(super) fn engine(wasm: &[u8], view: &View<'_>, profile: &Profile) -> Result<Vec<Finding>> {
    let mut findings = features(wasm, view, profile)?;
    findings.extend(memories(view, profile));
    findings.extend(names(view, profile));
    findings.extend(params(view, profile));
    if let Some(wanted) = profile.limits.functions.filter(|limit| view.funcs.len() > *limit as usize) {
        let draft = Draft::new(Code::TooManyFunctions, "functions").set("found", view.funcs.len().to_string());
        findings.push(draft.set("profile", profile.name.as_str()).set("wanted", wanted.to_string()).done());
    }
    findings.extend(of_profile(view, profile));
    Ok(findings)
}

/// Several memories, and shared ones.
fn memories(view: &View<'_>, profile: &Profile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let takes = match profile.limits.memories {
        _ if !profile.features.contains(WasmFeatures::MULTI_MEMORY) => 1,
        Some(limit) => limit as usize,
        None => usize::MAX,
    };
    if view.memories.len() > takes {
        let draft = Draft::new(Code::TwoMemories, "memories").set("found", view.memories.len().to_string());
        findings.push(draft.set("profile", profile.name.as_str()).set("wanted", takes.to_string()).done());
    }
    let is_lacking = !profile.features.contains(WasmFeatures::THREADS);
    for (index, _) in view.memories.iter().enumerate().filter(|(_, memory)| memory.shared && is_lacking) {
        let memory = format!("memory {index}");
        let draft = Draft::new(Code::SharedMemory, memory.as_str()).set("profile", profile.name.as_str());
        findings.push(draft.set("memory", memory).done());
    }
    findings
}

/// Names that are too long, each once.
fn names(view: &View<'_>, profile: &Profile) -> Vec<Finding> {
    let Some(limit) = profile.limits.name_length else { return Vec::new() };
    let imports = view.imports.iter().flat_map(|i| [(i.module, "the module of imports"), (i.name, "an import")]);
    let named = imports.chain(view.exports.iter().map(|e| (e.name, "an export")));
    let long: IndexMap<&str, &str> = named.filter(|(name, _)| name.len() > limit as usize).collect();
    long.into_iter()
        .map(|(name, role)| {
            let draft = Draft::new(Code::NameTooLong, name).set("name", name).set("found", name.len().to_string());
            draft.set("profile", profile.name.as_str()).set("wanted", limit.to_string()).set("as", role).done()
        })
        .collect()
}

/// Imports with too many parameters, one by one, and the module's own functions together.
fn params(view: &View<'_>, profile: &Profile) -> Vec<Finding> {
    let Some(limit) = profile.limits.params else { return Vec::new() };
    let count = |func: &u32| view.func_type(*func).map_or(0, |ty| ty.params().len());
    let all = u32::try_from(view.funcs.len()).unwrap_or(u32::MAX);
    let imported = u32::try_from(view.imported_funcs).unwrap_or(u32::MAX);
    let is_over = |func: &u32| count(func) > limit as usize;
    let draft = |func: u32, subject: &str, shown: String| {
        let draft = Draft::new(Code::TooManyParams, subject).set("function", shown).set("wanted", limit.to_string());
        draft.set("found", count(&func).to_string()).set("profile", profile.name.as_str())
    };
    let named = view.imports.iter().filter(|i| matches!(i.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
    let imports = (0..imported).zip(named).filter(|(func, _)| is_over(func)).map(|(func, import)| {
        let name = format!("{} {}", import.module, import.name);
        draft(func, &name, format!("`{name}`")).done()
    });
    let mut findings: Vec<Finding> = imports.collect();
    let own: Vec<u32> = (imported..all).filter(is_over).collect();
    if let Some(&first) = own.first() {
        let more = (own.len() > 1).then(|| format!("{} of the module's own", own.len() - 1));
        findings.push(draft(first, "functions of the module", view.call(first)).maybe("more", more).done());
    }
    findings
}

/// Functions with symbols of the adapter's crate, in a module that is no adapter itself.
pub(super) fn adapter(view: &View<'_>) -> Option<Finding> {
    let imports_wit = view.imports.iter().any(|i| matches!(i.ty, TypeRef::Func(_)) && i.module.contains(':'));
    let names: Vec<&str> = view.names().filter(|name| is_of_adapter(name)).collect();
    let first = names.first().filter(|_| imports_wit)?;
    let shown: String = first.chars().take(80).collect();
    let more = if names.len() > 1 { format!(", and {} more", names.len() - 1) } else { String::new() };
    Some(Draft::new(Code::AdapterLeft, "adapter").set("functions", format!("`{shown}`{more}")).done())
}

/// Whether a symbol belongs to the crate `wasi_snapshot_preview1`: by the legacy or the new mangling, or demangled. A module
/// of that name inside another crate, which `wasi` has, is none.
fn is_of_adapter(symbol: &str) -> bool {
    const CRATE: &str = "22wasi_snapshot_preview1";
    if symbol.starts_with(&format!("_ZN{CRATE}")) || symbol.starts_with("wasi_snapshot_preview1::") {
        return true;
    }
    // `_R…Cs` is the root of a crate, followed by a number in base 62 and `_`.
    symbol.starts_with("_R")
        && symbol.match_indices(CRATE).any(|(at, _)| {
            let before = symbol[..at].trim_end_matches('_');
            let number = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
            at > before.len() && before[number.len()..].contains("Cs")
        })
}

#[cfg(test)]
mod tests {
    use super::is_of_adapter;

    #[test]
    fn symbols_of_the_adapter_are_told_from_those_of_its_users() {
        for symbol in [
            "_ZN22wasi_snapshot_preview15State3new17h0123456789abcdefE",
            "_RNvCsfbqZUwBfKtv_22wasi_snapshot_preview121stream_error_to_errno",
            "_RNvMs1_CsfbqZUwBfKtv_22wasi_snapshot_preview1NtB7_9BumpAlloc5alloc",
            "wasi_snapshot_preview1::State::new",
        ] {
            assert!(is_of_adapter(symbol), "{symbol}");
        }
        for symbol in [
            "_ZN4wasi13lib_generated22wasi_snapshot_preview18fd_write17h0123456789abcdefE",
            "_RNvNtNtCs1_4wasi13lib_generated22wasi_snapshot_preview18fd_write",
            "__imported_wasi_snapshot_preview1_fd_write",
            "wasi::lib_generated::wasi_snapshot_preview1::fd_write",
            "fd_write",
        ] {
            assert!(!is_of_adapter(symbol), "{symbol}");
        }
    }
}
