//! `lowlift check`: compare a module with what a host provides.

use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io};
use crate::adapt::{FileKind, survey};
use crate::check::{Checked, Target, check};
use crate::diagnostic::{Code, Diagnostic, Result, printable, to_json, to_junit, to_sarif, to_text};
use crate::wit::{built_in_packages, select_world};
use crate::witx::{Reading, read};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift check app.core.wasm --against wasi:http/proxy@0.2.12
  lowlift check app.core.wasm --against witx --format json
  lowlift check build/*.wasm --against wasi@0.2.12 --format sarif > lowlift.sarif";

/// Compare the imports and exports of modules with what a host provides.
///
/// Components are linked first. Exit code 0: fine; 1: findings.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Core modules or components; standard input if absent or `-`.
    #[arg(value_name = "MODULE")]
    inputs: Vec<PathBuf>,
    /// A built-in world, interface or package (`wasi:http/proxy@0.2.12`), a WIT, or a folder of derived WITX.
    #[arg(long, value_name = "TARGET")]
    against: PathBuf,
    /// The world, where the WIT has several.
    #[arg(short, long, value_name = "NAME")]
    world: Option<String>,
    #[command(flatten)]
    wit: WitArgs,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let target = target(args)?;
    let inputs: Vec<Option<&Path>> = match args.inputs.as_slice() {
        [] => vec![None],
        paths => paths.iter().map(|p| Some(p.as_path())).collect(),
    };
    let modules = inputs.into_iter().map(|path| module(path, &target)).collect::<Result<Vec<_>>>()?;
    let report = Report { target: &target.name, modules: &modules };
    let text = match shared.format {
        Format::Json => report.json(),
        Format::Markdown => report.markdown(),
        Format::Sarif => format!("{:#}\n", to_sarif(&report.findings().concat())),
        Format::Junit => {
            let names = modules.iter().map(|(name, _)| name.clone());
            to_junit("lowlift check", &names.zip(report.findings()).collect::<Vec<_>>())?
        }
        _ => report.text(shared),
    };
    io::print(text.as_bytes())?;
    let failed = modules.iter().any(|(_, checked)| checked.failed());
    Ok(if failed { Outcome::Findings } else { Outcome::Fine })
}

/// One module, with the place of each finding.
fn module(path: Option<&Path>, target: &Target) -> Result<(String, Checked)> {
    let (input, kind) = io::read_wasm(path)?;
    let wasm = match kind {
        FileKind::Component => super::link::component(&input, kind, Default::default())?.wasm,
        _ => input.bytes,
    };
    let survey = survey(&wasm).map_err(|e| e.in_file(&input.name, "core module"))?;
    let mut checked = check(&survey, target);
    let place = |finding: Box<Diagnostic>| finding.in_file(&input.name, survey.describe());
    checked.findings = checked.findings.into_iter().map(place).collect();
    Ok((input.name, checked))
}

struct Report<'r> {
    target: &'r str,
    modules: &'r [(String, Checked)],
}

impl Report<'_> {
    fn findings(&self) -> Vec<Vec<Diagnostic>> {
        self.modules.iter().map(|(_, checked)| checked.findings.iter().map(|f| (**f).clone()).collect()).collect()
    }

    fn json(&self) -> String {
        let module = |(name, checked): &(String, Checked)| {
            json!({
                "module": name,
                "imports": checked.imports,
                "exports": checked.exports,
                "ok": !checked.failed(),
                "findings": checked.findings.iter().map(|f| to_json(f)).collect::<Vec<_>>(),
            })
        };
        let json = json!({
            "against": self.target,
            "ok": !self.modules.iter().any(|(_, checked)| checked.failed()),
            "modules": self.modules.iter().map(module).collect::<Vec<_>>(),
        });
        format!("{json:#}\n")
    }

    fn text(&self, shared: &Shared) -> String {
        let color = shared.color(std::io::stdout().is_terminal());
        let mut text = String::new();
        for (name, checked) in self.modules {
            for finding in &checked.findings {
                text.push_str(&to_text(finding, color, shared.verbose));
                text.push_str("\n\n");
            }
            if !shared.quiet {
                text.push_str(&self.verdict(name, checked));
                text.push('\n');
            }
        }
        text
    }

    fn verdict(&self, name: &str, checked: &Checked) -> String {
        let verdict = match (checked.failed(), checked.findings.len()) {
            (_, 0) => "fine".to_owned(),
            (true, n) => io::count(n, "finding"),
            (false, n) => format!("fine, with {}", io::count(n, "warning")),
        };
        let (imports, exports) = (io::count(checked.imports, "import"), io::count(checked.exports, "export"));
        format!("{} against {}: {imports}, {exports}: {verdict}", printable(name), printable(self.target))
    }

    /// For the comment of a pull request.
    fn markdown(&self) -> String {
        let cell = |text: &str| printable(text).replace('|', "\\|").replace('<', "&lt;").replace('\n', " ");
        let mut text = String::from("### lowlift check\n");
        for (name, checked) in self.modules {
            text.push_str(&format!("\n{}\n", cell(&self.verdict(name, checked))));
            if !checked.findings.is_empty() {
                text.push_str("\n| code | finding | details |\n|---|---|---|\n");
            }
            for finding in &checked.findings {
                let facts = finding.facts.iter().map(|(label, text)| format!("{label}: {text}"));
                let details: Vec<String> = facts.chain(finding.hints.iter().cloned()).collect();
                let details = cell(&details.join("; "));
                text.push_str(&format!("| {} | {} | {details} |\n", finding.code, cell(&finding.message)));
            }
        }
        text
    }
}

/// What `--against` names: a folder of WITX, a WIT on disk, or something built in.
fn target(args: &Args) -> Result<Target> {
    let path = &args.against;
    let name = path.display().to_string();
    if let Some(files) = super::wit::witx_files(path)? {
        return Ok(match read(&files)? {
            Reading::Derived(derivation) => Target::of_derivation(&name, &derivation),
            Reading::Plain(functions) => Target::of_functions_of_witx(&name, functions),
        });
    }
    if path.exists() {
        let loaded = args.wit.load(path)?;
        if args.world.is_none() && loaded.world.is_none() {
            let worlds: usize = loaded.packages.iter().map(|&p| loaded.resolve.packages[p].worlds.len()).sum();
            if worlds == 0 {
                return Target::of_packages(&name, &loaded.resolve, &loaded.packages);
            }
        }
        let world = select_world(&loaded, args.world.as_deref())?;
        return Target::of_world(&name, &loaded.resolve, world);
    }
    built_in_target(&name, args)
}

/// `wasi:http/proxy@0.2.12` is a world, `wasi:http/types@0.2.12` an interface, `wasi:http@0.2.12` a package.
fn built_in_target(name: &str, args: &Args) -> Result<Target> {
    if !name.contains(':') {
        // Not a package name: `wasi`, or a path with nothing there.
        let loaded = args.wit.load(Path::new(name))?;
        return Target::of_packages(name, &loaded.resolve, &loaded.packages);
    }
    let (bare, version) = match name.split_once('@') {
        Some((bare, version)) => (bare, format!("@{version}")),
        None => (name, String::new()),
    };
    let Some((package, item)) = bare.split_once('/') else {
        let loaded = args.wit.load(Path::new(name))?;
        return match &args.world {
            Some(world) => Target::of_world(name, &loaded.resolve, select_world(&loaded, Some(world))?),
            None => Target::of_packages(name, &loaded.resolve, &loaded.packages),
        };
    };
    let loaded = args.wit.load(Path::new(&format!("{package}{version}")))?;
    let package = &loaded.resolve.packages[loaded.packages[0]];
    if let Some(&world) = package.worlds.get(item) {
        return Target::of_world(name, &loaded.resolve, world);
    }
    if let Some(&interface) = package.interfaces.get(item) {
        return Target::of_interfaces(name, &loaded.resolve, [interface]);
    }
    let items = package.worlds.keys().chain(package.interfaces.keys()).map(String::as_str);
    let items: Vec<&str> = items.collect();
    let mut error =
        Diagnostic::new(Code::UnknownWorld, format!("`{}` has no world or interface `{item}`", package.name))
            .fact("has", items.join(", "))
            .fact("built in", built_in_packages().join(", "));
    if let Some(near) = crate::diagnostic::nearest(item, items.iter().copied()) {
        error = error.hint(format!("did you mean `{}/{near}`?", bare.split('/').next().unwrap_or(bare)));
    }
    Err(error)
}
