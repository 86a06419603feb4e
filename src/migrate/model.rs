//! What a migration tells. As JSON its schema is `docs/migrate.schema.json`.

use crate::diagnostic::Diagnostic;
use schemars::JsonSchema;
use serde::Serialize;

/// All files of a run, by path.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Report {
    /// Modules and components.
    pub files: Vec<Examined>,
    /// How many there are of each verdict.
    pub totals: Totals,
    /// Files that are not WebAssembly, or WIT packages.
    pub passed_over: usize,
    /// Symbolic links below the folders that were named; none is followed.
    pub links: usize,
    /// Why not everything was looked at, if so.
    pub cut: Option<String>,
}

/// How many files there are of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the verdicts")]
pub struct Totals {
    pub adapt: usize,
    pub link: usize,
    pub as_it_is: usize,
    pub run: usize,
    pub rebuild: usize,
    pub broken: usize,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A core module.
    Module,
    /// A component.
    Component,
}

/// Which way leads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was wrapped into a component.
    Adapt,
    /// It was lowered to one core module.
    Link,
    /// There is nothing to do.
    AsItIs,
    /// It is best run as it is, by a host of preview1: `lowlift run`, `lowlift serve`.
    Run,
    /// Only another build helps.
    Rebuild,
    /// It is not valid.
    Broken,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Adapt => "adapt",
            Verdict::Link => "link",
            Verdict::AsItIs => "as it is",
            Verdict::Run => "run",
            Verdict::Rebuild => "rebuild",
            Verdict::Broken => "broken",
        }
    }
}

/// A module or component, what was tried with it, and what follows.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Examined {
    /// As commands name it.
    pub path: String,
    /// Bytes.
    pub size: usize,
    /// Module or component.
    pub kind: Kind,
    /// Program, library, HTTP handler.
    pub what: String,
    /// Languages and tools of its `producers` section.
    pub toolchain: Vec<String>,
    /// What it imports, by module; of a component, what the core module that it links to imports.
    pub imports: Vec<ImportsOf>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Which way leads on.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// What was tried, in order.
    pub tried: Vec<Attempt>,
    /// What is not as it was on that way.
    pub changes: Vec<Change>,
    /// The commands.
    pub commands: Vec<String>,
    /// What else would help.
    pub hints: Vec<String>,
    /// The file that `--apply` wrote.
    pub written: Option<String>,
}

/// Imports from one module.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ImportsOf {
    /// Its name.
    pub module: String,
    /// Names of what is imported, sorted.
    pub functions: Vec<String>,
}

/// A step that was done in memory.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Attempt {
    /// `adapt`, `link`, `link --wasi preview1`.
    pub step: &'static str,
    /// Bytes of the validated result; none if it was refused.
    pub size: Option<usize>,
    /// Code and message of the refusal.
    pub refused: Option<String>,
}

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Such as `exit-codes`.
    pub id: &'static str,
    /// What changes.
    pub what: String,
}

/// A file to write: validated.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its path, beside that of the input.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl Report {
    /// Adds a file and counts it.
    pub fn push(&mut self, examined: Examined) {
        let totals = &mut self.totals;
        *match examined.verdict {
            Verdict::Adapt => &mut totals.adapt,
            Verdict::Link => &mut totals.link,
            Verdict::AsItIs => &mut totals.as_it_is,
            Verdict::Run => &mut totals.run,
            Verdict::Rebuild => &mut totals.rebuild,
            Verdict::Broken => &mut totals.broken,
        } += 1;
        self.files.push(examined);
    }

    /// Whether something needs another build, or was not looked at.
    pub fn has_findings(&self) -> bool {
        self.totals.rebuild + self.totals.broken > 0 || self.cut.is_some()
    }

    /// One line.
    pub fn summary(&self) -> String {
        let Totals { adapt, link, as_it_is, run, rebuild, broken } = self.totals;
        let counts = [
            (adapt, Verdict::Adapt),
            (link, Verdict::Link),
            (as_it_is, Verdict::AsItIs),
            (run, Verdict::Run),
            (rebuild, Verdict::Rebuild),
            (broken, Verdict::Broken),
        ];
        let said: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, verdict)| format!("{n} {}", verdict.name())).collect();
        let files = self.files.len();
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(", ")) };
        format!("{files} module{}{said}; {} other file{} passed over", s(files), self.passed_over, s(self.passed_over))
    }
}

fn s(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

impl Examined {
    pub(super) fn new(path: &str, size: usize, kind: Kind) -> Examined {
        Examined {
            path: path.to_owned(),
            size,
            kind,
            what: String::new(),
            toolchain: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            verdict: Verdict::Broken,
            why: String::new(),
            tried: Vec::new(),
            changes: Vec::new(),
            commands: Vec::new(),
            hints: Vec::new(),
            written: None,
        }
    }

    pub(super) fn attempt(&mut self, step: &'static str, outcome: Result<usize, &Diagnostic>) {
        let refused = outcome.as_ref().err().map(|error| super::said(error));
        self.tried.push(Attempt { step, size: outcome.ok(), refused });
    }

    pub(super) fn refused(&mut self, verdict: Verdict, error: &Diagnostic) {
        self.verdict = verdict;
        self.why.clone_from(&error.message);
        self.hints.extend(error.hints.iter().cloned());
    }

    pub(super) fn change(&mut self, id: &'static str, what: impl Into<String>) {
        self.changes.push(Change { id, what: what.into() });
    }

    /// A path beside its own.
    pub(super) fn output(&self, extension: &str) -> String {
        let stem = self.path.strip_suffix(".wasm").or_else(|| self.path.strip_suffix(".wat")).unwrap_or(&self.path);
        let stem = stem.strip_suffix(".component").or_else(|| stem.strip_suffix(".core")).unwrap_or(stem);
        format!("{stem}.{extension}")
    }

    /// How `file` is run, if it is something that runs.
    pub(super) fn run_commands(&mut self, file: &str) {
        let verb = match self.what.as_str() {
            "program" => "run",
            "HTTP handler" => "serve",
            _ => return,
        };
        self.commands.push(format!("lowlift {verb} {}", quoted(file)));
    }

    pub(super) fn quoted(&self) -> String {
        quoted(&self.path)
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    // A name that starts with a dash is no option.
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
