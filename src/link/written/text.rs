//! A core module in the text format, put together from functions that name what they use.

use super::super::ir::Def;
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::{Code, Diagnostic, Result};
use indexmap::{IndexMap, IndexSet};
use std::fmt::Write;

/// A module that is being written. Functions are numbered in the order in which they are given; helpers come after them.
#[derive(Default)]
pub(super) struct Text {
    imports: IndexMap<(Def, String), String>,
    globals: IndexMap<String, String>,
    functions: Vec<String>,
    helpers: IndexMap<String, String>,
}

impl Text {
    /// The name of an imported function.
    pub(super) fn import(&mut self, def: &Def, core: &CoreSignature) -> String {
        self.item(def, "f", &format!("func (@name){}", signature(core)))
    }

    /// The name of an imported memory.
    pub(super) fn memory(&mut self, def: &Def) -> String {
        self.item(def, "m", "memory (@name) 0")
    }

    /// The name of an imported mutable `i32`.
    pub(super) fn global(&mut self, def: &Def) -> String {
        self.item(def, "g", "global (@name) (mut i32)")
    }

    fn item(&mut self, def: &Def, letter: &str, ty: &str) -> String {
        let next = self.imports.len();
        self.imports.entry((def.clone(), ty.to_owned())).or_insert_with(|| format!("${letter}{next}")).clone()
    }

    /// Adds a global, unless it is there.
    pub(super) fn define(&mut self, name: &str, text: &str) {
        self.globals.entry(name.to_owned()).or_insert_with(|| text.to_owned());
    }

    /// Adds a function.
    pub(super) fn function(&mut self, text: String) {
        self.functions.push(text);
    }

    /// Adds a function that others call, unless it is there.
    pub(super) fn helper(&mut self, name: &str, text: String) {
        self.helpers.entry(name.to_owned()).or_insert(text);
    }

    /// The module, and what its imports are given.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Vec<Def>)> {
        let mut text = String::from("(module $lowlift\n");
        let mut args = Vec::new();
        for (i, ((def, ty), name)) in self.imports.into_iter().enumerate() {
            let _ = writeln!(text, "(import \"\" \"{i}\" ({}))", ty.replace("(@name)", &name));
            args.push(def);
        }
        for function in self.globals.values().chain(&self.functions).chain(self.helpers.values()) {
            text.push_str(function);
            text.push('\n');
        }
        text.push(')');
        Ok((assemble(&text)?, args))
    }
}

/// Assembles a module that the linker wrote itself.
pub(super) fn assemble(text: &str) -> Result<Vec<u8>> {
    let ours = |e: wast::Error| Diagnostic::new(Code::Internal, "a function of the linker's own is malformed").cause(e);
    let buffer = wast::parser::ParseBuffer::new(text).map_err(ours)?;
    wast::parser::parse::<wast::Wat<'_>>(&buffer).and_then(|mut m| m.encode()).map_err(ours)
}

/// ` (param …) (result …)`
pub(super) fn signature(core: &CoreSignature) -> String {
    let list = |word: &str, types: &[Core]| match types {
        [] => String::new(),
        types => format!(" ({word} {})", types.iter().map(|t| t.name()).collect::<Vec<_>>().join(" ")),
    };
    format!("{}{}", list("param", &core.params), list("result", &core.results))
}

/// ` (local.get 0) (local.get 1)…`
pub(super) fn parameters(core: &CoreSignature) -> String {
    (0..core.params.len()).fold(String::new(), |mut text, i| {
        let _ = write!(text, " (local.get {i})");
        text
    })
}

/// Items in the order in which they were first asked for.
#[derive(Debug)]
pub(super) struct Interned<T>(IndexSet<T>);

impl<T> Default for Interned<T> {
    fn default() -> Interned<T> {
        Interned(IndexSet::new())
    }
}

impl<T: std::hash::Hash + Eq> Interned<T> {
    /// The number of an item.
    pub(super) fn number(&mut self, item: T) -> Result<u32> {
        let too_many = |_| Diagnostic::new(Code::TooLarge, "more than 2^32 items");
        u32::try_from(self.0.insert_full(item).0).map_err(too_many)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
