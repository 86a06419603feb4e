//! `lowlift check`: compare modules with what a host provides and an engine takes.

mod options;
mod rules;
mod target;

use super::bindgen::AllocationArg;
use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io, watch};
use crate::adapt::{FileKind, sniff};
use crate::check::{Baseline, Host, Module, Report, component, module, own};
use crate::diagnostic::{Code, Diagnostic, Result};
use options::Options;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift check app.core.wasm --against wasi:http/proxy@0.2.12
  lowlift check app.core.wasm --against witx --profile wamr-interp
  lowlift check build/*.wasm --against wasi@0.2.12 --format sarif > lowlift.sarif
  lowlift check app.core.wasm --profile board.toml --write-baseline known.json
  lowlift check --explain signature-mismatch";

/// Compare modules with what a host provides and what its engine takes, before they are shipped.
///
/// Components are linked first. The table `[check]` of `lowlift.toml` is read where it is there. Exit code 0: fine; 1:
/// findings.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Core modules or components; standard input if absent or `-`.
    #[arg(value_name = "MODULE")]
    inputs: Vec<PathBuf>,
    /// What the host provides: a built-in world, interface or package (`wasi:http/proxy@0.2.12`), a WIT, or a folder of WITX.
    #[arg(long, value_name = "TARGET")]
    against: Option<PathBuf>,
    /// The world, where the WIT has several.
    #[arg(short, long, value_name = "NAME")]
    world: Option<String>,
    #[command(flatten)]
    wit: WitArgs,
    /// What the engine takes: a built-in profile, or a file that ends in `.toml`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Where the host puts lists and strings, as its code was generated: by calling the guest's realloc, or into a region
    /// that the guest names.
    #[arg(long, value_enum, conflicts_with = "component")]
    alloc: Option<AllocationArg>,
    /// Judge components as they are, without linking them.
    #[arg(long)]
    component: bool,
    /// The configuration, instead of `lowlift.toml` in the current folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Findings that are known: they are counted and do not fail.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings as a baseline, and do not fail for them.
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Make findings of a rule errors.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    deny: Vec<String>,
    /// Make findings of a rule warnings.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    warn: Vec<String>,
    /// Turn a rule off.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    allow: Vec<String>,
    /// List all rules.
    #[arg(long, conflicts_with_all = ["inputs", "explain", "watch"])]
    list: bool,
    /// Explain a rule, by its name or code.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["inputs", "watch"])]
    explain: Option<String>,
    /// Check again whenever a file changes, until interrupted.
    #[arg(long, conflicts_with = "write_baseline")]
    watch: bool,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    if args.list {
        return rules::list(shared);
    }
    if let Some(rule) = &args.explain {
        return rules::explain(rule, shared);
    }
    if args.watch {
        return watched(args, shared);
    }
    let (outcome, _) = once(args, shared)?;
    Ok(outcome)
}

/// One run; gives the files that it read, too.
fn once(args: &Args, shared: &Shared) -> std::result::Result<(Outcome, Vec<PathBuf>), super::Failure> {
    let mut options = Options::read(args)?;
    let inputs: Vec<Option<&Path>> = match args.inputs.as_slice() {
        [] => vec![None],
        paths => paths.iter().map(|p| Some(p.as_path())).collect(),
    };
    let mut modules = inputs.into_iter().map(|path| judged(path, args, &options)).collect::<Result<Vec<_>>>()?;
    for module in &mut modules {
        options.severities.weigh(&mut module.checked.findings);
    }
    if let Some(path) = &args.write_baseline {
        let baseline = Baseline::of(&modules);
        io::write_file(path, baseline.text().as_bytes())?;
        shared.note(format!("{} written to {}", io::count(baseline.len(), "finding"), path.display()));
        options.baseline = Some(baseline);
    }
    let stale = options.baseline.as_ref().map(|b| b.mark(&mut modules)).unwrap_or_default();
    let against = options.target.as_ref().map(|target| target.name.clone());
    let report = Report { against, profile: options.profile.as_ref().map(|p| p.name.clone()), modules, stale };
    io::print(written(&report, shared)?.as_bytes())?;
    options.files.extend(args.inputs.iter().cloned());
    Ok((if report.failed() { Outcome::Findings } else { Outcome::Fine }, options.files))
}

fn written(report: &Report, shared: &Shared) -> Result<String> {
    Ok(match shared.format {
        Format::Json => report.json(),
        Format::Markdown => report.markdown(),
        Format::Sarif => report.sarif(),
        Format::Junit => report.junit()?,
        _ => report.text(shared.color(std::io::stdout().is_terminal()), shared.verbose, shared.quiet),
    })
}

/// One input.
fn judged(path: Option<&Path>, args: &Args, options: &Options) -> Result<Module> {
    let input = io::read(path)?;
    let is_text = sniff(&input.bytes) == FileKind::Wat;
    let (input, kind) = io::as_wasm(input)?;
    let host = Host {
        target: options.target.as_ref(),
        profile: options.profile.as_ref(),
        budget: options.budget,
        allocation: options.allocation,
    };
    let in_file = |e: Box<Diagnostic>| e.in_file(&input.name, kind.to_string());
    if args.component {
        let (checked, what) = component(&input.bytes, &host)
            .map_err(|e| component_wanted(e, &input).in_file(&input.name, kind.to_string()))?;
        return Ok(Module { name: input.name, what, binary: !is_text, checked });
    }
    if kind != FileKind::Component {
        let (checked, survey) = module(&input.bytes, &host, None).map_err(in_file)?;
        return Ok(Module { name: input.name, what: survey.describe(), binary: !is_text, checked });
    }
    let linked = super::link::component(&input, kind, Default::default())?;
    // Types that cannot be read are not judged.
    let own = own(&input.name, &input.bytes).ok();
    let (checked, survey) = module(&linked.wasm, &host, own.as_ref()).map_err(in_file)?;
    let what = survey.describe().replacen("core module", "linked component", 1);
    Ok(Module { name: input.name, what, binary: false, checked })
}

/// What helps whoever gave a module with `--component`.
fn component_wanted(error: Box<Diagnostic>, input: &io::Input) -> Box<Diagnostic> {
    if error.code != Code::ModuleGiven {
        return error;
    }
    error
        .hint("leave `--component` away: core modules are judged as they are")
        .hint(format!("`lowlift adapt {} -o app.component.wasm`, if it is a preview1 module", input.name))
}

/// Runs again and again, until the process ends.
fn watched(args: &Args, shared: &Shared) -> Run {
    if args.inputs.is_empty() || args.inputs.iter().any(|path| path == Path::new("-")) {
        return Err(Diagnostic::new(Code::Usage, "standard input cannot be watched").hint("name the modules").into());
    }
    let mut files: Vec<PathBuf> = args.inputs.iter().chain(&args.against).chain(&args.config).cloned().collect();
    loop {
        // What changes while it is read is seen afterwards.
        let mut seen = watch::stamps(&files);
        match once(args, shared) {
            Ok((_, read)) if read != files => {
                files = read;
                seen = watch::stamps_since(&files, seen);
            }
            Ok(_) => {}
            Err(super::Failure::Said(error)) => shared.say(&error),
            Err(error) => return Err(error),
        }
        shared.note("watching for changes");
        watch::wait(&files, &seen);
    }
}
