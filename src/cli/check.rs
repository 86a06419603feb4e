//! `lowlift check`: compare a module with what a host provides.

use super::wit::WitArgs;
use super::{Format, Outcome, Run, Shared, io};
use crate::adapt::{FileKind, survey};
use crate::check::{Checked, Target, check};
use crate::diagnostic::{Code, Diagnostic, Result, to_json, to_text};
use crate::wit::{built_in_packages, select_world};
use crate::witx::{Reading, read};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lowlift check app.core.wasm --against wasi:http/proxy@0.2.12
  lowlift check app.core.wasm --against witx --format json";

/// Compare the imports and exports of a module with what a host provides.
///
/// Components are linked first. Exit code 0: fine; 1: findings.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A core module or component; standard input if absent or `-`.
    #[arg(value_name = "MODULE")]
    input: Option<PathBuf>,
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
    let (input, kind) = io::read_wasm(args.input.as_deref())?;
    let module = match kind {
        FileKind::Component => super::link::component(&input, kind, Default::default())?.wasm,
        _ => input.bytes,
    };
    let survey = survey(&module).map_err(|e| e.in_file(&input.name, "core module"))?;
    let mut checked = check(&survey, &target);
    for finding in &mut checked.findings {
        let placed = finding.clone().in_file(&input.name, survey.describe());
        *finding = placed;
    }
    print(&input.name, &target, &checked, shared)?;
    Ok(if checked.failed() { Outcome::Findings } else { Outcome::Fine })
}

fn print(name: &str, target: &Target, checked: &Checked, shared: &Shared) -> Result<(), super::Failure> {
    let text = match shared.format {
        Format::Json => {
            let json = json!({
                "module": name,
                "against": target.name,
                "imports": checked.imports,
                "exports": checked.exports,
                "ok": !checked.failed(),
                "findings": checked.findings.iter().map(|f| to_json(f)).collect::<Vec<_>>(),
            });
            format!("{json:#}\n")
        }
        _ => {
            let color = shared.color(std::io::stdout().is_terminal());
            let mut text = String::new();
            for finding in &checked.findings {
                text.push_str(&to_text(finding, color, shared.verbose));
                text.push_str("\n\n");
            }
            let verdict = match (checked.failed(), checked.findings.len()) {
                (_, 0) => "fine".to_owned(),
                (true, n) => io::count(n, "finding"),
                (false, n) => format!("fine, with {}", io::count(n, "warning")),
            };
            if !shared.quiet {
                text.push_str(&format!(
                    "{name} against {}: {}, {}: {verdict}\n",
                    target.name,
                    io::count(checked.imports, "import"),
                    io::count(checked.exports, "export"),
                ));
            }
            text
        }
    };
    io::print(text.as_bytes())
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
