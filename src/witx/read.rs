//! Reading WITX: derived files back into a [`Document`], with nothing but their text; any other WITX into its functions.

use super::document::{Source, cabi, document, func_name};
use super::model::Document;
use super::rebuild::Rebuilt;
use super::sexpr::{Node, char_at, parse, wrong};
use crate::abi::{Core, CoreSignature, ImportName};
use crate::diagnostic::{Code, Diagnostic, Place, Result, quietly};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use witx::{InterfaceFunc, WasmType};

/// A token takes some hundred bytes while it is read. All of WASI 0.2.12 is a two-hundredth of this.
const MAX_TEXT: usize = 64 << 20;

/// What a set of WITX files is.
#[derive(Debug)]
pub enum Reading {
    /// Derived by lowlift: whole, and checked against itself.
    Derived(Box<Derivation>),
    /// Any other WITX: functions and signatures alone.
    Plain(Vec<WitxFunction>),
}

/// A derived document that was read back.
#[derive(Debug)]
pub struct Derivation {
    /// The document.
    pub document: Document,
    /// Its layouts and signatures.
    pub rebuilt: Rebuilt,
}

impl Derivation {
    /// The same of a document that was derived just now.
    pub fn of(document: Document) -> Result<Derivation> {
        let rebuilt = Rebuilt::of(&document)?;
        Ok(Derivation { document, rebuilt })
    }
}

/// A function that a WITX document declares.
#[derive(Debug, Clone)]
pub struct WitxFunction {
    /// The import module, and the field.
    pub name: ImportName,
    /// Its core signature.
    pub core: CoreSignature,
}

/// Reads WITX files, given as name and text. Fails with [`Code::WitxParse`] where the text is no WITX, and with
/// [`Code::WitxLies`] where derived files contradict themselves: a signature, size or offset that does not follow from
/// the types they name.
pub fn read(files: &[(String, String)]) -> Result<Reading> {
    let size: usize = files.iter().map(|(_, text)| text.len()).sum();
    if size > MAX_TEXT {
        return Err(Diagnostic::new(
            Code::WitxParse,
            format!("{size} bytes of WITX: more than {MAX_TEXT} are not read"),
        ));
    }
    let mut trees = Vec::new();
    for (name, text) in files {
        trees.push((Source { path: name, text }, parse(name, text)?));
    }
    let parsed = judge(&trees)?;
    let is_derived = trees.iter().any(|(_, nodes)| nodes.iter().any(|n| cabi(n, "document").is_some()));
    if !is_derived {
        return Ok(Reading::Plain(plain(&parsed)?));
    }
    let document = document(&trees)?;
    let rebuilt = Rebuilt::of(&document).and_then(|rebuilt| {
        rebuilt.compare(&document, &parsed)?;
        Ok(rebuilt)
    });
    let rebuilt = rebuilt.map_err(|e| place(e, &trees))?;
    Ok(Reading::Derived(Box::new(Derivation { document, rebuilt })))
}

/// The files as the `witx` crate reads them.
pub(super) fn parsed(files: &[(String, String)]) -> Result<witx::Document> {
    let trees = files.iter().map(|(path, text)| Ok((Source { path, text }, parse(path, text)?)));
    judge(&trees.collect::<Result<Vec<_>>>()?)
}

/// The text of all files as one, in an order in which every `use` comes before its user.
fn in_order<'f>(trees: &'f [(Source<'f>, Vec<Node<'f>>)]) -> Vec<usize> {
    let by_name: HashMap<&str, usize> =
        trees.iter().enumerate().map(|(i, (s, _))| (s.path.rsplit('/').next().unwrap_or(s.path), i)).collect();
    let mut order = Vec::new();
    let mut seen = vec![false; trees.len()];
    // Depth first, with a stack of its own: a chain of uses may be long.
    for start in 0..trees.len() {
        let mut stack = vec![(start, false)];
        while let Some((i, done)) = stack.pop() {
            if done {
                order.push(i);
                continue;
            }
            if std::mem::replace(&mut seen[i], true) {
                continue;
            }
            stack.push((i, true));
            let uses = trees[i].1.iter().filter_map(|n| n.tail("use")?.first()?.string()).collect::<Vec<_>>();
            stack.extend(uses.iter().rev().filter_map(|name| by_name.get(name).map(|&i| (i, false))));
        }
    }
    order
}

/// Parses everything with the `witx` crate, which is the judge of what WITX is. Its parser recurses, so depth is bounded
/// before.
fn judge(trees: &[(Source<'_>, Vec<Node<'_>>)]) -> Result<witx::Document> {
    let names: HashSet<&str> = trees.iter().filter_map(|(s, _)| s.path.rsplit('/').next()).collect();
    for (source, nodes) in trees {
        let mut uses = nodes.iter().filter_map(|n| Some((n, n.tail("use")?)));
        if let Some((node, _)) =
            uses.find(|(_, t)| !t.first().and_then(Node::string).is_some_and(|name| names.contains(name)))
        {
            return Err(source.wrong(node, "this names no file that is here"));
        }
    }
    let mut validation = witx::DocValidation::new();
    let mut definitions = Vec::new();
    for i in in_order(trees) {
        quietly("the `witx` crate", || judge_file(&trees[i], &mut validation, &mut definitions))??;
    }
    Ok(validation.into_document(definitions))
}

const NOT_ACCEPTED: &str = "the `witx` crate does not accept this";

fn judge_file(
    (source, nodes): &(Source<'_>, Vec<Node<'_>>),
    validation: &mut witx::DocValidation,
    definitions: &mut Vec<witx::Definition>,
) -> Result<()> {
    let refuse = |e: wast_of_witx::Error| {
        let span = e.span().linecol_in(source.text);
        let place = char_at(source.text, offset_of(source.text, span));
        wrong(source.path, source.text, place, "the `witx` crate does not read this").cause(e.message())
    };
    let buffer = wast_of_witx::parser::ParseBuffer::new(source.text).map_err(refuse)?;
    let document: witx::parser::TopLevelDocument<'_> = wast_of_witx::parser::parse(&buffer).map_err(refuse)?;
    // That crate skips annotations.
    let nodes = nodes.iter().filter(|n| !n.is_annotation());
    for (item, node) in document.items.iter().zip(nodes) {
        let witx::parser::TopLevelSyntax::Decl(decl) = &item.item else { continue };
        // The text is there for places alone, and the search for each costs as much as what stands before it: without the
        // text that is nothing, and the place is found by the name.
        let mut scope = validation.scope("", Path::new(source.path));
        scope.validate_decl(decl, &item.comments, definitions).map_err(|e| {
            wrong(source.path, source.text, node.span.start..first_line(source.text, &node.span), NOT_ACCEPTED)
                .cause(e.to_string())
                .fact("reason", e.to_string())
        })?;
    }
    Ok(())
}

/// The byte behind a line and column, counted from 0.
fn offset_of(text: &str, (line, column): (usize, usize)) -> usize {
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    (start + column).min(text.len())
}

fn plain(parsed: &witx::Document) -> Result<Vec<WitxFunction>> {
    let mut out = Vec::new();
    for module in parsed.modules() {
        for func in module.funcs() {
            let name = ImportName { module: module.name.as_str().to_owned(), name: func.name.as_str().to_owned() };
            let core = signature(&func)
                .ok_or_else(|| Diagnostic::new(Code::WitxParse, format!("`{name}` has no defined core signature")))?;
            out.push(WitxFunction { name, core });
        }
    }
    Ok(out)
}

/// The signature by the rules of WITX 0.9. That crate panics where it has none, for instance on several results.
pub(super) fn signature(func: &InterfaceFunc) -> Option<CoreSignature> {
    let (params, results) = quietly("the `witx` crate", || func.wasm_signature()).ok()?;
    let core = |ty: WasmType| match ty {
        WasmType::I32 => Core::I32,
        WasmType::I64 => Core::I64,
        WasmType::F32 => Core::F32,
        WasmType::F64 => Core::F64,
    };
    let cores = |types: Vec<WasmType>| types.into_iter().map(core).collect::<Vec<_>>();
    Some(CoreSignature::new(cores(params), cores(results)))
}

/// A contradiction is found in the model; its place is that of the item it is about.
fn place(error: Box<Diagnostic>, trees: &[(Source<'_>, Vec<Node<'_>>)]) -> Box<Diagnostic> {
    let Some(item) = error.facts.iter().find(|(label, _)| *label == "item").map(|(_, item)| item.clone()) else {
        return error;
    };
    let is_item = |node: &Node<'_>| {
        let typename = node.tail("typename").and_then(|t| t.first()?.id()) == Some(&item);
        typename || node.tail("@interface").is_some_and(|t| func_name(t) == Some(&item))
    };
    let found = trees.iter().find_map(|(source, nodes)| {
        let inner = nodes.iter().flat_map(|n| n.list().unwrap_or_default());
        Some((source, nodes.iter().chain(inner).find(|n| is_item(n))?))
    });
    match found {
        Some((source, node)) => {
            // The head of the item is enough to find it.
            let span = node.span.start..first_line(source.text, &node.span);
            error.at(Place::Text { path: source.path.to_owned(), source: source.text.to_owned(), span })
        }
        None => error,
    }
}

fn first_line(text: &str, span: &Range<usize>) -> usize {
    text[span.clone()].find('\n').map_or(span.end, |n| span.start + n)
}
