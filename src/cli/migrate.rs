//! `lowlift migrate`: which way leads on from preview1, for a module or a tree of them.

use super::{Format, Outcome, Run, Shared, io};
use crate::adapt::{FileKind, sniff};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::migrate::{Output, Report, examine, html, text};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift migrate app.wasm
  lowlift migrate build --format html > report.html
  lowlift migrate build --apply --out-dir migrated

Exit codes: 0 every module has a way on; 1 some need another build, or not all was looked at; 2 usage, reading, writing.";

/// Report what modules are, which way leads on from preview1 (adapt, link, run as it is, rebuild), and what changes on it.
///
/// Every way is tried in memory before it is named: modules are adapted and the result is linked, components are linked, and
/// all results are validated. Folders are searched for WebAssembly by the first bytes of files; symbolic links in them are not
/// followed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Modules, components, and folders of them.
    #[arg(value_name = "FILE|DIR", required = true)]
    inputs: Vec<PathBuf>,
    /// Write what was adapted or linked, beside its input.
    #[arg(long)]
    apply: bool,
    /// Write below this folder instead.
    #[arg(long, value_name = "DIR", requires = "apply")]
    out_dir: Option<PathBuf>,
    /// Overwrite what is there.
    #[arg(long, requires = "apply")]
    force: bool,
}

/// Bounds of a run: files and folders that are seen, bytes that are read, and how deep folders are.
const MAX_ENTRIES: usize = 100_000;
const MAX_BYTES: u64 = 4 << 30;
const MAX_DEPTH: usize = 64;
/// The first bytes of a file, by which its kind is told.
const START: u64 = 4096;

/// A file to look at, and its path below what was named.
struct Found {
    path: PathBuf,
    below: PathBuf,
}

/// What a search came upon.
#[derive(Default)]
struct Search {
    found: Vec<Found>,
    entries: usize,
    passed_over: usize,
    links: usize,
    cut: Option<String>,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let mut search = Search::default();
    for input in &args.inputs {
        search.input(input)?;
    }
    let mut report =
        Report { passed_over: search.passed_over, links: search.links, cut: search.cut.take(), ..Report::default() };
    let (mut seen, mut bytes) = (BTreeSet::new(), 0);
    for found in search.found {
        if !seen.insert(found.path.clone()) {
            continue;
        }
        bytes += std::fs::metadata(&found.path).map_or(0, |m| m.len());
        if bytes > MAX_BYTES {
            report.cut = Some(format!("more than {MAX_BYTES} bytes"));
            break;
        }
        one(args, &found, &mut report)?;
    }
    report.files.sort_by(|a, b| a.path.cmp(&b.path));
    let out = match shared.format {
        Format::Json => super::link::json(&report)?,
        Format::Html => html(&report),
        _ => text(&report, shared.verbose),
    };
    io::print(out.as_bytes())?;
    if let Some(cut) = &report.cut {
        let warning = Diagnostic::new(Code::MigrateCut, format!("not everything was looked at: {cut}"));
        shared.say(&warning.warning().hint("name the folders that matter one by one"));
    }
    Ok(if report.has_findings() { Outcome::Findings } else { Outcome::Fine })
}

fn one(args: &Args, found: &Found, report: &mut Report) -> Result<()> {
    let input = io::read(Some(&found.path))?;
    let name = input.name.clone();
    let text = sniff(&input.bytes) == FileKind::Wat;
    let bytes = match io::as_wasm(input) {
        Ok((input, _)) => input.bytes,
        // A text that does not parse may be of another kind that looks alike.
        Err(_) if text && !args.inputs.contains(&found.path) => {
            report.passed_over += 1;
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let Some((mut examined, output)) = examine(&name, &bytes) else {
        report.passed_over += 1;
        return Ok(());
    };
    if let (true, Some(output)) = (args.apply, output) {
        examined.written = Some(write(args, found, &output)?);
    }
    report.push(examined);
    Ok(())
}

/// Writes a result, and says where.
fn write(args: &Args, found: &Found, output: &Output) -> Result<String> {
    let beside = PathBuf::from(&output.name);
    let path = match &args.out_dir {
        None => beside,
        Some(dir) => {
            let folder = dir.join(found.below.parent().unwrap_or(Path::new("")));
            std::fs::create_dir_all(&folder).map_err(|e| {
                Diagnostic::new(Code::CannotWrite, format!("cannot be made: {e}"))
                    .in_file(&folder.display().to_string(), "")
            })?;
            folder.join(beside.file_name().unwrap_or(OsStr::new("out.wasm")))
        }
    };
    let name = path.display().to_string();
    // A dangling link is there too.
    if !args.force && std::fs::symlink_metadata(&path).is_ok() {
        return Err(Diagnostic::new(Code::OutputExists, "this is there already, and nothing was overwritten")
            .in_file(&name, "")
            .hint("`--force` overwrites it; `--out-dir DIR` writes elsewhere"));
    }
    io::write_file(&path, &output.bytes)?;
    Ok(name)
}

impl Search {
    /// A file or folder that was named; a link is followed here.
    fn input(&mut self, path: &Path) -> Result<()> {
        let fail = |e: std::io::Error| io::cannot_read(&path.display().to_string(), &e);
        if !std::fs::metadata(path).map_err(fail)?.is_dir() {
            let below = path.file_name().map(PathBuf::from).unwrap_or_default();
            self.found.push(Found { path: path.to_owned(), below });
            return Ok(());
        }
        self.folder(path, Path::new(""), 0)
    }

    fn folder(&mut self, path: &Path, below: &Path, depth: usize) -> Result<()> {
        let fail = |e: std::io::Error| io::cannot_read(&path.display().to_string(), &e);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                self.cut = Some(format!("more than {MAX_ENTRIES} files and folders"));
                return Ok(());
            }
            entries.push(entry.map_err(fail)?);
        }
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let below = below.join(entry.file_name());
            let kind = entry.file_type().map_err(fail)?;
            if kind.is_symlink() {
                self.links += 1;
            } else if kind.is_file() {
                match is_wasm(&entry.path())? {
                    true => self.found.push(Found { path: entry.path(), below }),
                    false => self.passed_over += 1,
                }
            } else if !kind.is_dir() {
                self.passed_over += 1;
            } else if depth == MAX_DEPTH {
                self.cut = Some(format!("folders deeper than {MAX_DEPTH}"));
            } else {
                self.folder(&entry.path(), &below, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// By the first bytes; text counts by its name too, since much of it is not for us.
fn is_wasm(path: &Path) -> Result<bool> {
    let fail = |e: std::io::Error| io::cannot_read(&path.display().to_string(), &e);
    let mut start = Vec::new();
    std::fs::File::open(path).map_err(fail)?.take(START).read_to_end(&mut start).map_err(fail)?;
    Ok(match sniff(&start) {
        FileKind::Module | FileKind::Component => true,
        FileKind::Wat => path.extension().is_some_and(|e| e == "wat"),
        _ => false,
    })
}
