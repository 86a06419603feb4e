//! S-expressions of the text format, with the documentation that stands before each: what the `witx` crate skips
//! (`(@cabi …)`) is kept here. The tokens are the `wast` crate's.

use crate::diagnostic::{Code, Diagnostic, Place, Result};
use std::ops::Range;
use wast::lexer::{Lexer, TokenKind};

/// Lists nest no deeper than this.
const MAX_DEPTH: usize = 200;

/// A list or a token.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// Bytes of the text.
    pub(super) span: Range<usize>,
    pub(super) kind: NodeKind<'t>,
}

#[derive(Debug)]
pub(super) enum NodeKind<'t> {
    /// `( … )`.
    List {
        /// The `;;;` lines right before it, without the marks.
        docs: Option<String>,
        items: Vec<Node<'t>>,
    },
    /// `$id`, without the `$`.
    Id(&'t str),
    /// A string.
    String(String),
    /// `@word`, without the `@`.
    Annotation(&'t str),
    /// A keyword or number.
    Word(&'t str),
}

impl<'t> Node<'t> {
    pub(super) fn list(&self) -> Option<&[Node<'t>]> {
        match &self.kind {
            NodeKind::List { items, .. } => Some(items),
            _ => None,
        }
    }

    pub(super) fn docs(&self) -> Option<&String> {
        match &self.kind {
            NodeKind::List { docs, .. } => docs.as_ref(),
            _ => None,
        }
    }

    pub(super) fn word(&self) -> Option<&'t str> {
        match self.kind {
            NodeKind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn id(&self) -> Option<&'t str> {
        match self.kind {
            NodeKind::Id(id) => Some(id),
            _ => None,
        }
    }

    pub(super) fn string(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is `(@… )`.
    pub(super) fn is_annotation(&self) -> bool {
        let first = self.list().and_then(|items| items.first());
        matches!(first, Some(Node { kind: NodeKind::Annotation(_), .. }))
    }

    /// The items after the head, if this is a list with that head: a keyword, or an annotation with its `@`.
    pub(super) fn tail(&self, head: &str) -> Option<&[Node<'t>]> {
        let (first, rest) = self.list()?.split_first()?;
        let is_head = match first.kind {
            NodeKind::Word(word) => word == head,
            NodeKind::Annotation(word) => head.strip_prefix('@') == Some(word),
            _ => false,
        };
        is_head.then_some(rest)
    }
}

/// A list that is still open: where it began, what stood before it, what it holds so far.
type Open<'t> = (usize, Option<String>, Vec<Node<'t>>);

/// Reads a text. Fails with [`Code::WitxParse`] and a place.
pub(super) fn parse<'t>(path: &str, text: &'t str) -> Result<Vec<Node<'t>>> {
    let lexer = Lexer::new(text);
    let (mut open, mut top, mut docs): (Vec<Open<'t>>, Vec<Node<'t>>, Vec<&str>) = Default::default();
    let mut position = 0;
    loop {
        let token =
            lexer.parse(&mut position).map_err(|e| wrong(path, text, char_at(text, e.span().offset()), e.message()))?;
        let Some(token) = token else { break };
        let source = token.src(text);
        let span = token.offset..token.offset + source.len();
        let kind = match token.kind {
            TokenKind::Whitespace | TokenKind::BlockComment => continue,
            TokenKind::LineComment => {
                // A line that is not documentation parts what stands before it from what follows.
                match source.strip_prefix(";;;") {
                    Some(line) => docs.push(line.strip_prefix(' ').unwrap_or(line)),
                    None => docs.clear(),
                }
                continue;
            }
            TokenKind::LParen => {
                if open.len() == MAX_DEPTH {
                    return Err(wrong(path, text, span, format!("nested more than {MAX_DEPTH} deep")));
                }
                open.push((token.offset, super::text::docs(&docs.join("\n")), Vec::new()));
                docs.clear();
                continue;
            }
            TokenKind::RParen => {
                let Some((start, docs, items)) = open.pop() else {
                    return Err(wrong(path, text, span, "a `)` too many"));
                };
                let node = Node { span: start..span.end, kind: NodeKind::List { docs, items } };
                open.last_mut().map_or(&mut top, |(_, _, items)| items).push(node);
                continue;
            }
            TokenKind::Id => NodeKind::Id(&source[1..]),
            TokenKind::Annotation => NodeKind::Annotation(&source[1..]),
            TokenKind::String => match String::from_utf8(token.string(text).into_owned()) {
                Ok(text) => NodeKind::String(text),
                Err(_) => return Err(wrong(path, text, span, "a string that is not UTF-8")),
            },
            TokenKind::Keyword | TokenKind::Reserved | TokenKind::Integer(_) | TokenKind::Float(_) => {
                NodeKind::Word(source)
            }
        };
        open.last_mut().map_or(&mut top, |(_, _, items)| items).push(Node { span, kind });
    }
    match open.pop() {
        Some((start, ..)) => Err(wrong(path, text, start..start + 1, "a `(` that is never closed")),
        None => Ok(top),
    }
}

/// The character that holds a byte; behind the end, the last one.
pub(super) fn char_at(text: &str, byte: usize) -> Range<usize> {
    let start = text.floor_char_boundary(byte.min(text.len().saturating_sub(1)));
    start..text.ceil_char_boundary(start + 1)
}

/// A mistake in a WITX text.
pub(super) fn wrong(path: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Box<Diagnostic> {
    Diagnostic::new(Code::WitxParse, message).at(Place::Text { path: path.to_owned(), source: text.to_owned(), span })
}
