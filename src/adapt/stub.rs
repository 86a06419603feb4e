//! `--stub`: functions of an interface that is not to be imported.
//!
//! A function is answered where WASI has an answer that says "there is none" or "that is not allowed", and that no caller can
//! take for something else: an empty list of directories, arguments or variables; no terminal; an error of the denying kind.
//! All others trap: a clock, a source of random bytes, a stream cannot be made up. What traps is named after what it was.

use super::pattern::Pattern;
use super::rewrite::{Edit, rewrite};
use super::survey::{Item, Survey};
use crate::abi::{Abi, Core, CoreSignature, ImportName, Kind, Table, Track, TyId, world_functions};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use std::collections::BTreeMap;
use wasm_encoder::{Function, MemArg};
use wit_component::metadata;

/// A function that is no longer imported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
pub struct Stubbed {
    /// The interface, as it was imported.
    pub interface: String,
    /// The function.
    pub function: String,
    /// `trap`, `empty list`, `none`, or `error access` and the like.
    pub answer: String,
}

/// How the name of what stands in the place of a function ends.
pub const STUBBED: &str = "(stubbed out)";

/// Questions whose answer may be "nothing".
const NOTHING: [(&str, &str); 7] = [
    ("wasi:cli/environment", "get-arguments"),
    ("wasi:cli/environment", "get-environment"),
    ("wasi:cli/environment", "initial-cwd"),
    ("wasi:cli/terminal-stderr", "get-terminal-stderr"),
    ("wasi:cli/terminal-stdin", "get-terminal-stdin"),
    ("wasi:cli/terminal-stdout", "get-terminal-stdout"),
    ("wasi:filesystem/preopens", "get-directories"),
];

/// Cases of WASI's errors that deny, and carry nothing.
const DENIALS: [&str; 4] = ["access", "access-denied", "HTTP-request-denied", "closed"];

/// Replaces what `module` imports from interfaces that are meant.
pub(super) fn stub(module: &[u8], survey: &Survey, patterns: &[Pattern]) -> Result<(Vec<u8>, Vec<Stubbed>)> {
    let meant = |name: &ImportName| patterns.iter().any(|pattern| pattern.matches(&name.module));
    let functions = survey.imports.iter().filter(|(_, item)| matches!(item, Item::Func(_)));
    let chosen: Vec<(u32, &ImportName, &Item)> =
        (0..).zip(functions).filter(|(_, (name, _))| meant(name)).map(|(i, (name, item))| (i, name, item)).collect();
    if chosen.is_empty() {
        return Ok((module.to_vec(), Vec::new()));
    }
    let answers = if survey.memory.is_some_and(|m| !m.memory64) { answers(module)? } else { BTreeMap::new() };
    let (mut edits, mut stubbed) = (BTreeMap::new(), Vec::new());
    for (index, name, item) in chosen {
        let answer = answers.get(&key(name)).filter(|answer| is(item, &answer.signature));
        let said = answer.map_or("trap".to_owned(), |answer| answer.name.clone());
        let body = answer.map_or_else(trap, Answer::body);
        edits.insert(index, Edit::Instead { body, name: format!("{} {} {STUBBED}", name.module, name.name) });
        stubbed.push(Stubbed { interface: name.module.clone(), function: name.name.clone(), answer: said });
    }
    stubbed.sort();
    Ok((rewrite(module, edits)?, stubbed))
}

fn is(item: &Item, signature: &CoreSignature) -> bool {
    matches!(item, Item::Func(Some(found)) if found == signature)
}

/// Names of one track are the same interface.
fn key(name: &ImportName) -> (Track, String) {
    (Track::of(&name.module).0, name.name.clone())
}

fn trap() -> Function {
    let mut body = Function::new([]);
    body.instructions().unreachable().end();
    body
}

/// What is stored through the return pointer, which comes last.
struct Answer {
    name: String,
    signature: CoreSignature,
    /// Offset, bytes and value.
    stores: Vec<(u32, u32, u32)>,
}

impl Answer {
    fn body(&self) -> Function {
        let mut body = Function::new([]);
        let mut code = body.instructions();
        let pointer = self.signature.params.len().saturating_sub(1) as u32;
        for &(offset, bytes, value) in &self.stores {
            let place = MemArg { offset: offset.into(), align: 0, memory_index: 0 };
            code.local_get(pointer).i32_const(value.cast_signed());
            match bytes {
                1 => code.i32_store8(place),
                2 => code.i32_store16(place),
                _ => code.i32_store(place),
            };
        }
        code.end();
        body
    }
}

/// The answers that there are, by the types that the module carries.
fn answers(module: &[u8]) -> Result<BTreeMap<(Track, String), Answer>> {
    let decoded = quietly("reading the component type", || metadata::decode(module))?;
    let (_, bound) = decoded
        .map_err(|e| Diagnostic::new(Code::TypeInformation, "the `component-type` section cannot be read").cause(e))?;
    let mut table = Table::new(&bound.resolve);
    let mut out = BTreeMap::new();
    for function in world_functions(&mut table, bound.world, Abi::default())? {
        let Some((_, signature)) = function.call() else { continue };
        let (true, Some(result)) = (signature.result_spilled, signature.result) else { continue };
        let pointer = function.core.params.last() == Some(&Core::I32) && function.core.results.is_empty();
        let (track, _) = Track::of(&function.name.module);
        if !pointer || !track.interface.starts_with("wasi:") {
            continue;
        }
        let nothing = NOTHING.contains(&(track.interface.as_str(), function.name.name.as_str()));
        if let Some((name, stores)) = answer(&table, result, nothing) {
            out.insert(key(&function.name), Answer { name, signature: function.core.clone(), stores });
        }
    }
    Ok(out)
}

type Stored = (String, Vec<(u32, u32, u32)>);

fn answer(table: &Table<'_>, result: TyId, nothing: bool) -> Option<Stored> {
    match &table.get(result).kind {
        // A pointer to nothing is aligned and not null.
        Kind::List(element) if nothing => {
            Some(("empty list".to_owned(), vec![(0, 4, table.get(*element).align), (4, 4, 0)]))
        }
        Kind::Variant(variant) => match variant.cases.as_slice() {
            [none, some] if nothing && none.name == "none" && some.name == "some" => {
                Some(("none".to_owned(), vec![(0, variant.tag.size(), 0)]))
            }
            [ok, error] if ok.name == "ok" && error.name == "error" => {
                let Kind::Variant(kinds) = &table.get(error.ty?).kind else { return None };
                let find = |name: &str| kinds.cases.iter().position(|case| case.name == name && case.ty.is_none());
                let (name, case) = DENIALS.iter().find_map(|name| Some((name, find(name)?)))?;
                let error = (variant.payload, kinds.tag.size(), u32::try_from(case).ok()?);
                Some((format!("error {name}"), vec![(0, variant.tag.size(), 1), error]))
            }
            _ => None,
        },
        _ => None,
    }
}
