//! What lowlift says: a code, a message, a place, facts, hints; as text or JSON.
//!
//! Every error below `cli` is a [`Diagnostic`]. Messages quote untrusted names, so rendering escapes control characters.

mod code;
mod panics;
mod render;
mod rule;

pub use code::Code;
pub use panics::panic_is_expected;
pub(crate) use panics::quietly;
pub(crate) use render::printable;
pub use render::{Color, to_json, to_text};
pub(crate) use rule::fill;
pub use rule::{Level, Rule};

use std::fmt;
use std::ops::Range;

/// The result of everything that can be refused.
pub type Result<T, E = Box<Diagnostic>> = std::result::Result<T, E>;

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The verb did what was asked, and something deserves a look.
    Warning,
    /// The verb did not do what was asked, or found what it was asked to find.
    Error,
}

/// Where in its input a diagnostic points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A whole file, with a short description of what it is.
    File {
        /// As the user named it.
        path: String,
        /// Such as `core module, 3 imports from …`; may be empty.
        what: String,
    },
    /// A range of bytes in a text.
    Text {
        /// As the user named it.
        path: String,
        /// The whole text.
        source: String,
        /// Byte offsets within `source`.
        span: Range<usize>,
    },
    /// A byte of a binary.
    Binary {
        /// As the user named it.
        path: String,
        /// Counted from the first byte of the file.
        offset: usize,
    },
}

/// One message: see the module documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What was found, in one line.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// Labelled facts, such as `("needs", "fd_write, proc_exit")`.
    pub facts: Vec<(&'static str, String)>,
    /// Concrete next steps.
    pub hints: Vec<String>,
    /// The reason that another library gave, shown with `-v`.
    pub cause: Option<String>,
    /// Further mistakes of the same input, each a message of its own.
    pub others: Vec<Diagnostic>,
}

impl Diagnostic {
    /// A new error of this code.
    pub fn new(code: Code, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            place: None,
            facts: Vec::new(),
            hints: Vec::new(),
            cause: None,
            others: Vec::new(),
        })
    }

    /// Makes it a warning.
    pub fn warning(mut self: Box<Self>) -> Box<Self> {
        self.severity = Severity::Warning;
        self
    }

    /// Adds the place, unless a closer one is known already.
    pub fn at(mut self: Box<Self>, place: Place) -> Box<Self> {
        self.place.get_or_insert(place);
        self
    }

    /// Adds the file as place, unless a closer one is known already; a binary place without a path gets this one.
    pub fn in_file(mut self: Box<Self>, path: &str, what: impl Into<String>) -> Box<Self> {
        match &mut self.place {
            Some(Place::Binary { path: p, .. } | Place::Text { path: p, .. }) if p.is_empty() => path.clone_into(p),
            Some(_) => {}
            place @ None => *place = Some(Place::File { path: path.to_owned(), what: what.into() }),
        }
        self
    }

    /// Adds a labelled fact.
    pub fn fact(mut self: Box<Self>, label: &'static str, text: impl Into<String>) -> Box<Self> {
        self.facts.push((label, text.into()));
        self
    }

    /// Names the item that the message is about, unless a closer one is known already.
    pub fn in_item(self: Box<Self>, name: &str) -> Box<Self> {
        if self.facts.iter().any(|(label, _)| *label == "in") { self } else { self.fact("in", format!("`{name}`")) }
    }

    /// Adds a next step.
    pub fn hint(mut self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        self.hints.push(text.into());
        self
    }

    /// Adds the reason that another library gave.
    pub fn cause(mut self: Box<Self>, cause: impl fmt::Display) -> Box<Self> {
        self.cause = Some(format!("{cause:#}"));
        self
    }

    /// Adds further mistakes of the same input, with theirs.
    pub fn and(mut self: Box<Self>, mut other: Diagnostic) -> Box<Self> {
        let further = std::mem::take(&mut other.others);
        self.others.push(other);
        self.others.extend(further);
        self
    }

    /// A validator's refusal, with its offset as the place.
    pub fn invalid_wasm(error: &wasmparser::BinaryReaderError) -> Box<Diagnostic> {
        Diagnostic::new(Code::InvalidWasm, format!("invalid WebAssembly: {}", error.message()))
            .at(Place::Binary { path: String::new(), offset: error.offset() })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Of `candidates`, the nearest to `wanted` that a person could have meant.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names come from anyone: comparing takes time and memory by the product of their lengths.
    const MAX_NAME: usize = 64;
    const MAX_CANDIDATES: usize = 5000;
    if wanted.len() > MAX_NAME {
        return None;
    }
    let candidates = candidates.into_iter().filter(|c| c.len() <= MAX_NAME).take(MAX_CANDIDATES);
    let scored = candidates.map(|c| (strsim::normalized_damerau_levenshtein(wanted, c), c));
    // Ties go to the first in the alphabet, so that the order of a map does not show.
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))?;
    (best.0 > 0.7).then_some(best.1)
}
