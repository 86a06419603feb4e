//! Reading WITX: derived files back into a [`Document`], with nothing but their text; any other WITX into its functions.

use super::model::{
    BUILTINS, Document, File, Func, FuncRole, Module, Param, Stability, TypeKind, TypeName, WitParam, Witx,
};
use super::print::ALL;
use super::rebuild::Rebuilt;
use super::sexpr::{Node, NodeKind, char_at, parse, wrong};
use crate::abi::{Abi, Core, CoreSignature, Direction, Forms, ImportName, Lowering, Names, Needs, ResourceOp};
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

/// A file that is being read.
#[derive(Debug, Clone, Copy)]
struct Source<'f> {
    path: &'f str,
    text: &'f str,
}

impl Source<'_> {
    fn wrong(self, node: &Node<'_>, message: impl Into<String>) -> Box<Diagnostic> {
        wrong(self.path, self.text, node.span.clone(), message)
    }
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

/// The items of `(@cabi WORD …)` after the word.
fn cabi<'n, 't>(node: &'n Node<'t>, word: &str) -> Option<&'n [Node<'t>]> {
    let (first, rest) = node.tail("@cabi")?.split_first()?;
    (first.word() == Some(word)).then_some(rest)
}

fn func_name<'n>(tail: &'n [Node<'_>]) -> Option<&'n str> {
    tail.iter().find_map(|n| n.tail("export"))?.first()?.string()
}

fn document(trees: &[(Source<'_>, Vec<Node<'_>>)]) -> Result<Document> {
    let mut document = Document { title: String::new(), abi: Abi::default(), types: Vec::new(), files: Vec::new() };
    for &(source, ref nodes) in trees {
        let name = source.path.rsplit('/').next().unwrap_or(source.path);
        let mut modules = Vec::new();
        for node in nodes {
            let reader = Reader { source };
            if let Some(items) = cabi(node, "document") {
                (document.title, document.abi) = reader.head(node, items)?;
            } else if let Some(items) = node.tail("typename") {
                document.types.push(reader.type_name(node, items)?);
            } else if let Some(items) = node.tail("module") {
                modules.push(reader.module(node, items)?);
            } else if node.tail("use").is_none() {
                return Err(source.wrong(node, "derived WITX holds types and modules alone"));
            }
        }
        if name != ALL && name != "types.witx" || !modules.is_empty() {
            document.files.push(File { name: name.to_owned(), modules });
        }
    }
    // As they were derived, whatever order they were found in.
    let all = trees.iter().find(|(source, _)| source.path.rsplit('/').next() == Some(ALL));
    let order: HashMap<&str, usize> = all
        .iter()
        .flat_map(|(_, nodes)| nodes)
        .filter_map(|n| n.tail("use")?.first()?.string())
        .enumerate()
        .map(|(i, name)| (name, i))
        .collect();
    document.files.sort_by_key(|file| order.get(file.name.as_str()).copied().unwrap_or(usize::MAX));
    Ok(document)
}

/// Reads the items of one file.
#[derive(Clone, Copy)]
struct Reader<'f> {
    source: Source<'f>,
}

impl Reader<'_> {
    fn wrong(self, node: &Node<'_>, message: impl Into<String>) -> Box<Diagnostic> {
        self.source.wrong(node, message)
    }

    fn head(self, node: &Node<'_>, items: &[Node<'_>]) -> Result<(String, Abi)> {
        let title = items.first().and_then(Node::string).ok_or_else(|| self.wrong(node, "a title is wanted"))?;
        let word = |head: &str| items.iter().find_map(|n| n.tail(head)?.first()?.word());
        let names = [Names::Legacy, Names::Canonical, Names::Cm32p2].into_iter();
        let names = names.into_iter().find(|n| Some(n.name()) == word("names"));
        let forms = [Forms::Sync, Forms::Async, Forms::All].into_iter().find(|f| Some(f.name()) == word("forms"));
        match (names, forms) {
            (Some(names), Some(forms)) => Ok((title.to_owned(), Abi { names, forms })),
            _ => Err(self.wrong(node, "unknown names or forms: written by a newer lowlift?")),
        }
    }

    fn type_name(self, node: &Node<'_>, items: &[Node<'_>]) -> Result<TypeName> {
        let [id, note, def] = items else { return Err(self.wrong(node, "an id, an annotation and a type are wanted")) };
        let id = id.id().ok_or_else(|| self.wrong(id, "an id is wanted"))?;
        let Some([word, wit, rest @ ..]) = note.tail("@cabi") else {
            return Err(self.wrong(note, "`(@cabi …)` is wanted"));
        };
        let number = |head: &str| {
            let found = rest.iter().find_map(|n| Some((n, n.tail(head)?)));
            let parsed = found.map(|(n, tail)| match tail {
                [number] => number.word().and_then(|word| word.parse::<u32>().ok()).ok_or(n),
                _ => Err(n),
            });
            parsed.transpose().map_err(|n| self.wrong(n, "a number is wanted"))
        };
        let padded = number("pad")?.map(|n| n as usize);
        let layout = match (number("size")?, number("align")?) {
            (Some(size), Some(align)) => Some((size, align)),
            (None, None) => None,
            _ => return Err(self.wrong(note, "a size and an alignment are wanted, or neither")),
        };
        let of = rest.iter().find_map(|n| n.tail("of"));
        let payload = || of.and_then(<[_]>::first).map(|ty| self.ty(ty)).transpose();
        let kind = match word.word().unwrap_or_default() {
            "type" => TypeKind::Alias,
            "bool" => TypeKind::Bool,
            "char" => TypeKind::Char,
            "record" => TypeKind::Record,
            "tuple" => TypeKind::Tuple,
            "flags" => TypeKind::Flags,
            "enum" => TypeKind::Enum,
            "variant" => TypeKind::Variant { padded },
            "option" => TypeKind::Option { padded },
            "result" => TypeKind::Result { padded },
            "map" => TypeKind::Map,
            "resource" => TypeKind::Resource,
            "own" => TypeKind::Own,
            "borrow" => TypeKind::Borrow,
            "error-context" => TypeKind::ErrorContext,
            "params" => TypeKind::Params,
            "stream" => TypeKind::Stream(payload()?),
            "future" => TypeKind::Future(payload()?),
            "fixed-list" => {
                let length = of.and_then(|of| of.get(1)?.word()?.parse().ok());
                let (Some(element), Some(length)) = (payload()?, length) else {
                    return Err(self.wrong(note, "`(of TYPE LENGTH)` is wanted"));
                };
                TypeKind::FixedList(element, length)
            }
            _ => return Err(self.wrong(word, "an unknown kind of type: written by a newer lowlift?")),
        };
        Ok(TypeName {
            id: id.to_owned(),
            docs: node.docs().cloned(),
            kind,
            wit: wit.string().ok_or_else(|| self.wrong(wit, "a string is wanted"))?.to_owned(),
            owner: string_of(rest, "in"),
            layout,
            def: self.ty(def)?,
            stability: stability(rest),
        })
    }

    fn module(self, node: &Node<'_>, items: &[Node<'_>]) -> Result<Module> {
        let [id, note, rest @ ..] = items else { return Err(self.wrong(node, "an id and an annotation are wanted")) };
        let (direction, words) = match (cabi(note, "imports"), cabi(note, "exports")) {
            (Some(words), _) => (Direction::Import, words),
            (None, Some(words)) => (Direction::Export, words),
            _ => return Err(self.wrong(note, "`(@cabi imports …)` or `(@cabi exports)` is wanted")),
        };
        let mut funcs = Vec::new();
        for item in rest {
            match item.tail("@interface") {
                Some(tail) => funcs.push(self.func(item, tail)?),
                None if item.tail("import").is_some() => {}
                None => return Err(self.wrong(item, "a function is wanted")),
            }
        }
        let core_name = words.first().and_then(Node::string).unwrap_or_default().to_owned();
        let is_interface = words.iter().any(|n| n.word() == Some("interface"));
        let interface = string_of(words, "interface").or_else(|| is_interface.then(|| core_name.clone()));
        Ok(Module {
            id: id.id().ok_or_else(|| self.wrong(id, "an id is wanted"))?.to_owned(),
            core_name,
            direction,
            interface,
            docs: node.docs().cloned(),
            stability: stability(words),
            funcs,
        })
    }

    fn func(self, node: &Node<'_>, items: &[Node<'_>]) -> Result<Func> {
        let name = func_name(items).ok_or_else(|| self.wrong(node, "a name is wanted"))?;
        let (mut params, mut result, mut wit, mut wit_params, mut wit_result) =
            (Vec::new(), None, None, Vec::new(), None);
        let mut head = None;
        for item in items {
            if let Some(words) = cabi(item, "wit") {
                wit = words.first().and_then(Node::string).map(str::to_owned);
            } else if let Some([name, ty, words @ ..]) = cabi(item, "param") {
                wit_params.push(self.wit_param(name, ty, words)?);
            } else if let Some([ty]) = cabi(item, "result") {
                wit_result = Some(self.ty(ty)?);
            } else if let Some(words) = item.tail("@cabi") {
                head = Some((item, words));
            } else if let Some([name, ty]) = item.tail("param") {
                params.push(self.param(name, ty)?);
            } else if let Some([name, ty]) = item.tail("result") {
                result = Some(self.param(name, ty)?);
            }
        }
        let Some((note, [word, words @ ..])) = head else { return Err(self.wrong(node, "`(@cabi …)` is wanted")) };
        let ty = |i: usize| words.get(i).ok_or_else(|| self.wrong(note, "a type is wanted")).and_then(|n| self.ty(n));
        let word = word.word().unwrap_or_default();
        let lowering = Lowering::ALL.into_iter().find(|l| l.name() == word);
        let ops = [ResourceOp::Drop, ResourceOp::New, ResourceOp::Rep, ResourceOp::Dtor];
        let role = match (lowering, word, ops.into_iter().find(|op| op.name() == word)) {
            (Some(lowering), ..) => {
                let wit = wit.ok_or_else(|| self.wrong(node, "`(@cabi wit …)` is wanted"))?;
                FuncRole::Call { lowering, wit, params: wit_params, result: wit_result }
            }
            (.., Some(op)) => FuncRole::Resource(op, ty(0)?),
            (_, "post-return", _) => FuncRole::PostReturn,
            (_, "callback", _) => FuncRole::Callback,
            (_, "task-return", _) => FuncRole::TaskReturn { result: wit_result },
            (_, "channel", _) => {
                let op = words.first().and_then(Node::string).ok_or_else(|| self.wrong(note, "a name is wanted"))?;
                FuncRole::Channel(op.to_owned(), ty(1)?)
            }
            (_, "built-in", _) => FuncRole::BuiltIn,
            (_, "realloc-function", _) => FuncRole::Realloc,
            (_, "initialize", _) => FuncRole::Initialize,
            _ => return Err(self.wrong(note, "an unknown kind of function: written by a newer lowlift?")),
        };
        let needs = |what: &str| words.iter().any(|n| n.word() == Some(what));
        Ok(Func {
            name: name.to_owned(),
            docs: node.docs().cloned(),
            role,
            params,
            result,
            needs: Needs { memory: needs("memory"), realloc: needs("realloc") },
            stability: stability(words),
        })
    }

    fn wit_param(self, name: &Node<'_>, ty: &Node<'_>, words: &[Node<'_>]) -> Result<WitParam> {
        let Param { name, ty } = self.param(name, ty)?;
        let slots = words.iter().find_map(|n| n.word()?.parse().ok());
        Ok(WitParam { name, ty, slots, rep: words.iter().any(|n| n.word() == Some("rep")) })
    }

    fn param(self, name: &Node<'_>, ty: &Node<'_>) -> Result<Param> {
        let name = name.id().ok_or_else(|| self.wrong(name, "an id is wanted"))?;
        Ok(Param { name: name.to_owned(), ty: self.ty(ty)? })
    }

    fn ty(self, node: &Node<'_>) -> Result<Witx> {
        let unknown = || self.wrong(node, "a type that derived WITX does not use");
        let items = match &node.kind {
            NodeKind::Id(id) => return Ok(Witx::Name((*id).to_owned())),
            NodeKind::Word(word) => {
                return BUILTINS.into_iter().find(|b| b == word).map(Witx::Builtin).ok_or_else(unknown);
            }
            NodeKind::List { items, .. } => items.as_slice(),
            NodeKind::String(_) | NodeKind::Annotation(_) => return Err(unknown()),
        };
        let (head, rest) = items.split_first().ok_or_else(unknown)?;
        let one = || match rest {
            [ty] => self.ty(ty).map(Box::new),
            _ => Err(unknown()),
        };
        // The representation comes first, always.
        let tagged = |word: &str| match rest.split_first() {
            Some((tag, members)) => match tag.tail("@witx") {
                Some([kind, tag]) if kind.word() == Some(word) => {
                    let tag = ["u8", "u16", "u32"].into_iter().find(|t| Some(*t) == tag.word());
                    tag.map(|tag| (tag, members)).ok_or_else(unknown)
                }
                _ => Err(unknown()),
            },
            None => Err(unknown()),
        };
        let ids = |nodes: &[Node<'_>]| {
            nodes.iter().map(|n| n.id().map(str::to_owned).ok_or_else(unknown)).collect::<Result<Vec<_>>>()
        };
        Ok(match (&head.kind, rest) {
            (NodeKind::Word("list"), _) => Witx::List(one()?),
            (NodeKind::Word("handle"), []) => Witx::Handle,
            (NodeKind::Word("tuple"), types) => {
                Witx::Tuple(types.iter().map(|ty| self.ty(ty)).collect::<Result<Vec<_>>>()?)
            }
            (NodeKind::Word("record"), fields) => {
                let field = |n: &Node<'_>| match n.tail("field") {
                    Some([name, ty]) => self.param(name, ty).map(|p| (p.name, p.ty)),
                    _ => Err(self.wrong(n, "a field is wanted")),
                };
                Witx::Record(fields.iter().map(field).collect::<Result<Vec<_>>>()?)
            }
            (NodeKind::Word("flags"), _) => {
                let (repr, members) = tagged("repr")?;
                Witx::Flags(repr, ids(members)?)
            }
            (NodeKind::Word("enum"), _) => {
                let (tag, members) = tagged("tag")?;
                Witx::Enum(tag, ids(members)?)
            }
            (NodeKind::Word("variant"), _) => {
                let (tag, members) = tagged("tag")?;
                let case = |n: &Node<'_>| match n.tail("case") {
                    Some([name]) => Ok((name.id().ok_or_else(unknown)?.to_owned(), None)),
                    Some([name, ty]) => self.param(name, ty).map(|p| (p.name, Some(p.ty))),
                    _ => Err(self.wrong(n, "a case is wanted")),
                };
                Witx::Variant(tag, members.iter().map(case).collect::<Result<Vec<_>>>()?)
            }
            (NodeKind::Annotation("witx"), [word, ty]) if word.word() == Some("pointer") => {
                Witx::Pointer(self.ty(ty)?.into())
            }
            (NodeKind::Annotation("witx"), [word, ty]) if word.word() == Some("const_pointer") => {
                Witx::ConstPointer(self.ty(ty)?.into())
            }
            _ => return Err(unknown()),
        })
    }
}

fn string_of(items: &[Node<'_>], head: &str) -> Option<String> {
    items.iter().find_map(|n| n.tail(head)?.first()?.string()).map(str::to_owned)
}

fn stability(items: &[Node<'_>]) -> Stability {
    Stability {
        since: string_of(items, "since"),
        unstable: string_of(items, "unstable"),
        deprecated: string_of(items, "deprecated"),
    }
}
