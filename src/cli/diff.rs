//! `lowlift diff`: what changed at the level of the core ABI.

use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io};
use crate::abi::{Abi, Names};
use crate::adapt::{FileKind, survey};
use crate::check::{Broken, Change, Verdict, breaks, diff, verdict};
use crate::diagnostic::{Code, Diagnostic, Result, printable};
use crate::witx::{Derivation, Options, Reading, derive, print as print_witx, read};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift diff wasi:http@0.2.0 wasi:http@0.2.12
  lowlift diff old/wit new/wit -w my-world
  lowlift diff witx-of-the-host new/wit --modules app.core.wasm
  lowlift diff wasi:io@0.2.0 wasi:io@0.2.12 --format markdown";

/// Show what changed at the level of the core ABI, and which modules that breaks.
///
/// Functions gone, added, with another signature; layouts, and the first byte that moved; names. Each change has a code and a
/// verdict: breaking, additive, none. Packages are compared as imports; with --world, exports too. Exit code 0: nothing
/// breaks; 1: something does (with --modules: one of them).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A built-in package, a WIT file or folder, a component, or a folder of derived WITX.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The same, newer.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Compare this world of both, with its exports.
    #[arg(short, long, value_name = "NAME")]
    world: Option<String>,
    /// Core modules or components that were built against OLD: say which of them break, and by what.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    modules: Vec<PathBuf>,
    #[command(flatten)]
    wit: WitArgs,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let world = args.world.as_deref();
    let options = Options::default();
    let old = derivation(&args.old, world, &args.wit, &options)?;
    let new = derivation(&args.new, world, &args.wit, &options)?;
    same_abi(&old, &new)?;
    let changes = diff(&old, &new);
    let mut modules = Vec::new();
    for path in &args.modules {
        let (input, kind) = io::read_wasm(Some(path))?;
        let wasm = match kind {
            FileKind::Component => super::link::component(&input, kind, Default::default())?.wasm,
            _ => input.bytes,
        };
        let survey = survey(&wasm).map_err(|e| e.in_file(&input.name, "core module"))?;
        modules.push((input.name, breaks(&changes, &survey)));
    }
    let report = Report {
        old: args.old.display().to_string(),
        new: args.new.display().to_string(),
        changes: &changes,
        modules: &modules,
    };
    let text = match shared.format {
        Format::Json => report.json(),
        Format::Markdown => report.markdown(),
        _ => report.text(shared.quiet),
    };
    io::print(text.as_bytes())?;
    let broken = match modules.is_empty() {
        true => verdict(&changes) == Verdict::Breaking,
        false => modules.iter().any(|(_, broken)| !broken.is_empty()),
    };
    Ok(if broken { Outcome::Findings } else { Outcome::Fine })
}

/// The document behind a name: derived WITX is read, anything else is derived, printed and read.
pub(super) fn derivation(path: &Path, world: Option<&str>, wit: &WitArgs, options: &Options) -> Result<Derivation> {
    let name = path.display().to_string();
    let files = match super::wit::witx_files(path)? {
        Some(files) => files,
        None => {
            let loaded = wit.load(path)?;
            let scope = super::witx::scope(&loaded, world)?;
            let derived = derive(&loaded.resolve, &scope, options).map_err(|e| loaded.with_text(e))?;
            print_witx(&derived.document)
        }
    };
    match read(&files)? {
        Reading::Derived(derivation) => Ok(*derivation),
        Reading::Plain(_) => Err(Diagnostic::new(Code::WitxParse, "this WITX was not derived by lowlift")
            .in_file(&name, "WITX")
            .hint("signatures and layouts follow from the annotations of derived WITX: derive it with `lowlift witx`")),
    }
}

/// Names and forms of calls must be of one scheme: between others everything is gone and everything is new.
fn same_abi(old: &Derivation, new: &Derivation) -> Result<()> {
    let (was, is) = (old.document.abi, new.document.abi);
    let is_short = |abi: Abi| abi.names == Names::Cm32p2;
    if was.forms == is.forms && is_short(was) == is_short(is) {
        return Ok(());
    }
    let text = |abi: Abi| format!("names {}, forms {}", abi.names.name(), abi.forms.name());
    Err(Diagnostic::new(Code::Usage, "these were derived with other names or forms of calls")
        .fact("old", text(was))
        .fact("new", text(is))
        .hint("derive both with the same `--names` and `--abi`; WIT is derived with neither"))
}

struct Report<'r> {
    old: String,
    new: String,
    changes: &'r [Change],
    modules: &'r [(String, Vec<Broken>)],
}

impl Report<'_> {
    fn count(&self, verdict: Verdict) -> usize {
        self.changes.iter().filter(|c| c.verdict == verdict).count()
    }

    fn summary(&self) -> String {
        format!(
            "{} → {}: {} breaking, {} additive, {} without effect",
            self.old,
            self.new,
            self.count(Verdict::Breaking),
            self.count(Verdict::Additive),
            self.count(Verdict::None)
        )
    }

    fn json(&self) -> String {
        let modules: Vec<_> =
            self.modules.iter().map(|(name, broken)| json!({ "module": name, "breaks": broken })).collect();
        let json = json!({
            "old": self.old,
            "new": self.new,
            "verdict": verdict(self.changes),
            "changes": self.changes,
            "modules": modules,
        });
        format!("{json:#}\n")
    }

    fn text(&self, quiet: bool) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        for change in self.changes {
            let item = if change.item == change.interface { String::new() } else { format!(" {}", change.item) };
            let what = printable(&format!("{}{item}: {}", change.interface, detail(change)));
            let _ = writeln!(out, "{:<8}  {}  {what}", change.verdict.name(), change.code);
        }
        for (name, broken) in self.modules {
            let verdict =
                if broken.is_empty() { "fine".to_owned() } else { io::count(broken.len(), "name") + " broken" };
            let _ = writeln!(out, "{}: {verdict}", printable(name));
            for item in broken {
                let _ = writeln!(out, "  {}  {}: {}", item.code, printable(&item.item), printable(&item.because));
            }
        }
        if !quiet {
            let _ = writeln!(out, "{}", self.summary());
        }
        out
    }

    fn markdown(&self) -> String {
        let mut out = format!("### {}\n\n", cell(&self.summary()));
        if !self.changes.is_empty() {
            out.push_str("| verdict | code | interface | item | change |\n|---|---|---|---|---|\n");
        }
        for change in self.changes {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                change.verdict.name(),
                change.code,
                cell(&change.interface),
                cell(&change.item),
                cell(&detail(change))
            );
        }
        for (name, broken) in self.modules {
            let _ = write!(out, "\n**{}**: {}\n", cell(name), if broken.is_empty() { "fine" } else { "breaks" });
            for item in broken {
                let _ = writeln!(out, "- {} {}: {}", item.code, cell(&item.item), cell(&item.because));
            }
        }
        out
    }
}

/// What a change is, in a line.
fn detail(change: &Change) -> String {
    let mut text = match (&change.old, &change.new) {
        (None, Some(new)) if change.code == Code::CasesAdded => format!("also {new}"),
        (Some(old), None) if change.code == Code::CasesGone => format!("no more {old}"),
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (Some(old), None) => format!("was {old}"),
        (None, Some(new)) => new.clone(),
        (None, None) => String::new(),
    };
    if let Some(first) = &change.first_byte {
        let part = if first.part.is_empty() { String::new() } else { format!(" ({})", first.part) };
        let _ = write!(text, "; first at byte {}{part}", first.offset);
    }
    if !change.functions.is_empty() {
        let _ = write!(text, "; passes through {}", io::count(change.functions.len(), "function"));
    }
    text
}

/// A cell of a Markdown table.
fn cell(text: &str) -> String {
    printable(text).replace('|', "\\|").replace('<', "&lt;")
}
