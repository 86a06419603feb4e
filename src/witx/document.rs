//! A [`Document`] from the text that was printed of it.

use super::model::{
    BUILTINS, Document, File, Func, FuncRole, Module, Param, Stability, TypeKind, TypeName, WitParam, Witx,
};
use super::print::ALL;
use super::sexpr::{Node, NodeKind, wrong};
use crate::abi::{Abi, Direction, Forms, Lowering, Names, Needs, ResourceOp};
use crate::diagnostic::{Diagnostic, Result};
use std::collections::HashMap;

/// A file that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'f> {
    pub(super) path: &'f str,
    pub(super) text: &'f str,
}

impl Source<'_> {
    pub(super) fn wrong(self, node: &Node<'_>, message: impl Into<String>) -> Box<Diagnostic> {
        wrong(self.path, self.text, node.span.clone(), message)
    }
}

/// The items of `(@cabi WORD …)` after the word.
pub(super) fn cabi<'n, 't>(node: &'n Node<'t>, word: &str) -> Option<&'n [Node<'t>]> {
    let (first, rest) = node.tail("@cabi")?.split_first()?;
    (first.word() == Some(word)).then_some(rest)
}

pub(super) fn func_name<'n>(tail: &'n [Node<'_>]) -> Option<&'n str> {
    tail.iter().find_map(|n| n.tail("export"))?.first()?.string()
}

pub(super) fn document(trees: &[(Source<'_>, Vec<Node<'_>>)]) -> Result<Document> {
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
