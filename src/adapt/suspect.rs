//! Guests that break under the adapter.
//!
//! The adapter keeps its state in the module's memory. Where the module exports no `cabi_realloc`, it takes a page of its own
//! by `memory.grow`, behind the back of the module's allocator. Most allocators grow by the answer of `memory.grow` and never
//! notice. Some do notice, or overwrite the page.

use super::survey::Survey;
use crate::diagnostic::{Code, Diagnostic};

/// Why a module is expected to trap, or to go wrong, once it is adapted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// What tells, such as `producers: Go`.
    pub by: String,
    /// What happens.
    pub why: &'static str,
}

/// A toolchain whose allocator takes memory for its own.
struct Toolchain {
    producers: &'static [&'static str],
    sections: &'static [&'static str],
    /// All of them.
    exports: &'static [&'static str],
    why: &'static str,
}

const TOOLCHAINS: &[Toolchain] = &[
    Toolchain {
        producers: &["TinyGo"],
        sections: &[],
        exports: &[],
        why: "TinyGo's heap reaches up to the size of memory, the adapter's page included",
    },
    Toolchain {
        producers: &["Go "],
        sections: &["go:buildid", "go.buildid"],
        exports: &[],
        why: "Go's runtime counts the pages that it grows by and takes the adapter's page for one of them",
    },
    Toolchain {
        producers: &["AssemblyScript"],
        sections: &[],
        exports: &["__new", "__pin"],
        why: "AssemblyScript's allocator takes all pages up to the size of memory, the adapter's included",
    },
];

/// Looks for what is known to break. It says nothing about modules that bring a `cabi_realloc`.
pub fn suspicion(survey: &Survey) -> Option<Suspicion> {
    if survey.exports.contains_key("cabi_realloc") {
        return None;
    }
    if let Some(memory) = survey.memory
        && memory.maximum == Some(memory.initial)
    {
        let why = "the adapter needs a page of memory and cannot get it: its first call traps";
        return Some(Suspicion {
            by: format!("a memory that stays at {} page{}", memory.initial, if memory.initial == 1 { "" } else { "s" }),
            why,
        });
    }
    TOOLCHAINS.iter().find_map(|toolchain| {
        let Toolchain { producers, sections, exports, why } = toolchain;
        let producer = survey.producers.iter().find(|p| producers.iter().any(|start| p.starts_with(start)));
        let section = survey.sections.iter().find(|s| sections.contains(&s.as_str()));
        let exported = !exports.is_empty() && exports.iter().all(|e| survey.exports.contains_key(*e));
        let by = match (producer, section) {
            (Some(producer), _) => format!("producers: {}", producer.trim()),
            (_, Some(section)) => format!("the section `{section}`"),
            _ if exported => format!("the exports {}", exports.join(", ")),
            _ => return None,
        };
        Some(Suspicion { by, why })
    })
}

impl Suspicion {
    /// As a warning about the module called `file`.
    pub fn warning(&self, file: &str) -> Box<Diagnostic> {
        Diagnostic::new(Code::BreaksUnderAdapter, "this guest is known to break under the preview1 adapter")
            .warning()
            .fact("told by", self.by.as_str())
            .fact("why", self.why)
            .hint(format!("`lowlift run {file}` (or `serve`) runs the module as it is, on a preview1 host"))
            .hint("`lowlift link COMPONENT --wasi preview1` takes the adapter out of a component again")
    }
}
