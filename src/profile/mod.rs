//! Engine profiles: what an engine takes, as data. Features of core WebAssembly, limits, and whether a host function may
//! call back into the guest.
//!
//! A profile is a TOML file; those of [`Profile::built_in`] are files of this folder, and every line of them says where it is
//! known from. A profile that is smaller than its engine is safe, one that is larger is not: tests run a probe of each line on
//! the engines that can be had.

mod features;
mod parse;

pub use features::{FEATURES, name_of, set};

use wasmparser::WasmFeatures;

/// What an engine takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The built-in name, or the path of the file.
    pub name: String,
    /// Which engine, build and version it speaks of, in a sentence.
    pub about: Option<String>,
    /// Features of core WebAssembly; the validator is given exactly these.
    pub features: WasmFeatures,
    /// What the engine refuses beyond them.
    pub limits: Limits,
    /// Whether a host function may call the guest while the guest waits for it, as a host must that allocates a result with
    /// `cabi_realloc`.
    pub reentrant: bool,
    /// Every line of the file (a feature, a limit such as `max-params`, `reentrant`) and where it is known from. All lines of
    /// built-in profiles have a source; a profile of the user's own may do without.
    pub sources: Vec<(String, Option<String>)>,
}

/// Limits; none where the engine has none that matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an import's module, an import's field, or an export's name.
    pub name_length: Option<u32>,
    /// Parameters of a function.
    pub params: Option<u32>,
    /// Functions, imported ones included.
    pub functions: Option<u32>,
    /// Memories, imported ones included.
    pub memories: Option<u32>,
    /// Pages of 64 KiB that a memory has at the start.
    pub memory_pages: Option<u32>,
    /// Tables, imported ones included.
    pub tables: Option<u32>,
    /// Elements that a table has at the start.
    pub table_elements: Option<u32>,
    /// Bytes of all data segments together.
    pub data: Option<u32>,
    /// Bytes of the stack that the guest keeps in its memory, as toolchains set it up.
    pub stack: Option<u32>,
}

macro_rules! built_in {
    ($($name:literal,)*) => {
        /// Name and text of every built-in profile.
        const BUILT_IN: &[(&str, &str)] = &[$(($name, include_str!(concat!("builtin/", $name, ".toml")))),*];
    };
}

built_in! {
    "mvp",
    "lime1",
    "wasm2",
    "wasm3-spec",
    "browser",
    "dlr",
    "node",
    "spacewasm",
    "tinywasm",
    "toywasm",
    "wamr-aot",
    "wamr-interp",
    "wasm3",
    "wasm3-0.4",
    "wasmi",
    "wasmtime",
    "wazero",
}

impl Profile {
    /// The profile of this name: a level of the specification, or an engine.
    pub fn built_in(name: &str) -> Option<Profile> {
        let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Profile::parse(name, text).ok()
    }

    /// The names of all built-in profiles, levels first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }
}
