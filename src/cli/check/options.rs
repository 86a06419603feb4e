//! What was typed and what `lowlift.toml` says become what is done.

use super::super::io;
use super::super::wit::WitArgs;
use super::Args;
use super::target::Source;
use crate::abi::Allocation;
use crate::check::{Baseline, Budget, Config, Severities, Target};
use crate::diagnostic::{Code, Diagnostic, Level, Result, Rule, nearest};
use crate::profile::Profile;
use std::path::{Path, PathBuf};

/// The configuration that is read where none is named.
const DEFAULT: &str = "lowlift.toml";

/// What to do.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) target: Option<Target>,
    pub(super) profile: Option<Profile>,
    pub(super) budget: Budget,
    pub(super) allocation: Allocation,
    pub(super) severities: Severities,
    pub(super) baseline: Option<Baseline>,
    /// Every file and folder that was read for it.
    pub(super) files: Vec<PathBuf>,
}

impl Options {
    /// Reads everything that is named. What the command line says goes before what the configuration says.
    pub(super) fn read(args: &Args) -> Result<Options> {
        let severities = typed(args)?;
        let (config, folder, mut files) = config(args)?;
        // What a configuration names lies beside it.
        let beside = |path: &Path| folder.join(path);
        let against = match (&args.against, &config.against) {
            (Some(path), _) => Some((path.display().to_string(), path.clone())),
            (None, Some(name)) => Some((name.clone(), beside(Path::new(name)))),
            (None, None) => None,
        };
        let profile = match (&args.profile, &config.profile) {
            (Some(name), _) => Some(name.clone()),
            (None, Some(name)) if is_file(name) => Some(beside(Path::new(name)).display().to_string()),
            (None, name) => name.clone(),
        };
        if against.is_none() && profile.is_none() && config.budget == Budget::default() {
            return Err(Diagnostic::new(Code::Usage, "there is nothing to check against")
                .hint("`--against wasi:http/proxy@0.2.12` compares with a host, `--profile wamr-interp` with an engine")
                .hint("`against`, `profile` and `budget` in the table `[check]` of `lowlift.toml` are read too"));
        }
        let features = if args.wit.features.is_empty() { config.features } else { args.wit.features.clone() };
        let wit = WitArgs { features, all_features: args.wit.all_features };
        let world = args.world.as_deref().or(config.world.as_deref());
        let source = against.as_ref().map(|(name, path)| Source { name, path, world, wit: &wit });
        let baseline = args.baseline.clone().or_else(|| config.baseline.as_deref().map(beside));
        // One that is about to be written need not be there.
        let baseline = baseline.filter(|_| args.write_baseline.is_none());
        files.extend(against.iter().map(|(_, path)| path.clone()));
        files.extend(profile.iter().filter(|name| is_file(name)).map(PathBuf::from));
        files.extend(baseline.clone());
        Ok(Options {
            target: source.map(|source| source.target()).transpose()?,
            profile: profile.as_deref().map(named).transpose()?,
            budget: config.budget,
            allocation: args.alloc.map(Allocation::from).or(config.allocation).unwrap_or_default(),
            severities: config.severities.under(severities),
            baseline: baseline.as_deref().map(read_baseline).transpose()?,
            files,
        })
    }
}

/// A built-in profile, or one from a file.
fn named(profile: &str) -> Result<Profile> {
    if is_file(profile) || Profile::built_in(profile).is_some() {
        return super::super::link::profile(profile);
    }
    let error = Diagnostic::new(Code::Usage, format!("there is no profile `{profile}`"));
    let error = error.fact("profiles", Profile::names().collect::<Vec<_>>().join(", "));
    Err(match nearest(profile, Profile::names()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("a profile of your own is a file whose name ends in `.toml`"),
    })
}

fn is_file(profile: &str) -> bool {
    Path::new(profile).extension().is_some_and(|e| e == "toml")
}

/// Severities from the command line.
fn typed(args: &Args) -> Result<Severities> {
    let mut severities = Severities::default();
    for (names, level) in [(&args.deny, Level::Error), (&args.warn, Level::Warning), (&args.allow, Level::Off)] {
        for name in names {
            let rule = Rule::wanted(name)?;
            if severities.set(rule, level).is_some_and(|other| other != level) {
                return Err(Diagnostic::new(Code::Usage, format!("`{}` is given two severities", rule.id)));
            }
        }
    }
    Ok(severities)
}

/// The configuration, its folder, and its path.
fn config(args: &Args) -> Result<(Config, PathBuf, Vec<PathBuf>)> {
    let path = match &args.config {
        Some(path) => path.clone(),
        None if Path::new(DEFAULT).is_file() => PathBuf::from(DEFAULT),
        None => return Ok(Default::default()),
    };
    let text = text(&path)?;
    let name = path.display().to_string();
    let config = match Config::parse(&name, &text)? {
        Some(config) => config,
        None if args.config.is_some() => {
            let error = Diagnostic::new(Code::ConfigInvalid, "there is no table `[check]`").in_file(&name, "");
            return Err(error);
        }
        // It is the server's.
        None => Config::default(),
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok((config, folder, vec![path]))
}

fn read_baseline(path: &Path) -> Result<Baseline> {
    let found = text(path).map_err(|e| match e.code {
        Code::CannotRead => e.hint(format!("`--write-baseline {}` writes it", path.display())),
        _ => e,
    })?;
    Baseline::parse(&path.display().to_string(), &found)
}

fn text(path: &Path) -> Result<String> {
    let input = io::read(Some(path))?;
    String::from_utf8(input.bytes).map_err(|e| {
        let message = format!("not UTF-8 after byte {}", e.utf8_error().valid_up_to());
        Diagnostic::new(Code::ConfigInvalid, message).in_file(&input.name, "")
    })
}
