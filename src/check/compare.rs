//! The rules.

use super::target::Target;
use crate::abi::{Core, CoreSignature, ImportName, Names, Track};
use crate::adapt::{Item, Survey};
use crate::diagnostic::{Code, Diagnostic, Severity, nearest};
use indexmap::IndexMap;
use semver::Version;
use std::collections::HashMap;

/// The outcome for one module.
#[derive(Debug)]
pub struct Checked {
    /// Functions that were compared.
    pub imports: usize,
    /// Exports that were compared.
    pub exports: usize,
    /// What was found, in the order of the module.
    pub findings: Vec<Box<Diagnostic>>,
}

impl Checked {
    /// Whether any finding is an error.
    pub fn failed(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }
}

/// Compares what `survey` found in a module with what `target` provides and requires.
pub fn check(survey: &Survey, target: &Target) -> Checked {
    let index = Index::new(target);
    let mut findings = Vec::new();
    // A module of another version, or of an unknown interface, is one finding, however many functions it has.
    let mut versions: IndexMap<&str, (&str, Vec<&str>)> = IndexMap::new();
    let mut unknowns: IndexMap<&str, Vec<&str>> = IndexMap::new();
    let (mut needs_memory, mut needs_realloc) = (None, None);
    for (name, item) in &survey.imports {
        let Item::Func(have) = item else {
            findings.push(
                Diagnostic::new(Code::WrongKind, format!("`{name}` is imported as a {}", item.kind()))
                    .fact("wanted", "functions alone: the guest owns its memory and tables"),
            );
            continue;
        };
        match index.find(name) {
            Found::Exact(provided) => {
                findings.extend(signature(name, &provided.core, have.as_ref()));
                if provided.needs.memory {
                    needs_memory.get_or_insert(name);
                }
                if provided.needs.realloc {
                    needs_realloc.get_or_insert(name);
                }
            }
            Found::OtherVersion { have: provided, module } => {
                versions.entry(&name.module).or_insert((module, Vec::new())).1.push(&name.name);
                findings.extend(signature(name, &provided.core, have.as_ref()));
            }
            Found::Interface { module, functions } => findings.push(missing(name, module, &functions)),
            Found::Nothing => unknowns.entry(&name.module).or_default().push(&name.name),
        }
    }
    findings.extend(versions.into_iter().map(|(guest, (host, functions))| version(guest, host, &functions)));
    findings.extend(unknowns.into_iter().map(|(module, functions)| unknown(module, &functions, target)));
    findings.extend(target.required.iter().filter_map(|forms| required(survey, &index, forms)));
    let realloc = CoreSignature::new([Core::I32; 4], [Core::I32]);
    findings.extend(support(survey, target.names.memory(), needs_memory, |item| matches!(item, Item::Memory { .. })));
    let allocates = |item: &Item| *item == Item::Func(Some(realloc.clone()));
    findings.extend(support(survey, target.names.realloc(), needs_realloc, allocates));
    Checked { imports: survey.imports.len(), exports: target.required.len(), findings }
}

/// A required export, in whichever form the guest has it.
fn required(survey: &Survey, index: &Index<'_>, forms: &[(String, CoreSignature)]) -> Option<Box<Diagnostic>> {
    let (name, _) = forms.first()?;
    let present = forms.iter().find_map(|(name, want)| Some((name, want, index.export(survey, name)?)));
    let Some((name, want, (found, item))) = present else {
        let finding = Diagnostic::new(Code::ExportMissing, format!("`{name}` is not exported"));
        return Some(match nearest(name, survey.exports.keys().map(String::as_str)) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding,
        });
    };
    let Item::Func(have) = item else {
        let kind = item.kind();
        return Some(Diagnostic::new(Code::ExportSignature, format!("`{found}` is exported as a {kind}")));
    };
    if have.as_ref() != Some(want) {
        return Some(
            Diagnostic::new(Code::ExportSignature, format!("`{found}` is exported with another signature"))
                .fact("wanted", want.to_string())
                .fact("found", text(have.as_ref())),
        );
    }
    let differs = format!("`{found}` is exported, `{name}` is wanted");
    (found != name).then(|| Diagnostic::new(Code::VersionDiffers, differs).warning())
}

/// The target by interface track, so that versions are told from unknown names.
struct Index<'t> {
    target: &'t Target,
    /// Modules of each track, with their versions.
    tracks: HashMap<Track, Vec<(&'t str, Option<Version>)>>,
    /// The same by name alone, for other tracks.
    names: HashMap<String, &'t str>,
}

enum Found<'t> {
    Exact(&'t super::Provided),
    OtherVersion { have: &'t super::Provided, module: &'t str },
    Interface { module: &'t str, functions: Vec<&'t str> },
    Nothing,
}

impl<'t> Index<'t> {
    fn new(target: &'t Target) -> Self {
        let mut tracks: HashMap<Track, Vec<(&str, Option<Version>)>> = HashMap::new();
        let mut names = HashMap::new();
        let mut modules: Vec<&str> = target.provided.keys().map(|n| n.module.as_str()).collect();
        modules.sort_unstable();
        modules.dedup();
        for module in modules {
            let (track, version) = Track::of(module);
            names.insert(track.interface.clone(), module);
            tracks.entry(track).or_default().push((module, version));
        }
        Index { target, tracks, names }
    }

    fn find(&self, name: &ImportName) -> Found<'t> {
        if let Some(provided) = self.target.provided.get(name) {
            return Found::Exact(provided);
        }
        let (track, _) = Track::of(&name.module);
        let same_track = self.tracks.get(&track).and_then(|modules| modules.last()).map(|(m, _)| *m);
        let module = same_track.or_else(|| self.names.get(&track.interface).copied());
        let Some(module) = module else { return Found::Nothing };
        let there = ImportName { module: module.to_owned(), name: name.name.clone() };
        match (self.target.provided.get(&there), same_track) {
            (Some(have), Some(_)) => Found::OtherVersion { have, module },
            _ => {
                let of_module = self.target.provided.keys().filter(|n| n.module == module);
                Found::Interface { module, functions: of_module.map(|n| n.name.as_str()).collect() }
            }
        }
    }

    /// An export by its exact name, or by the track of its interface.
    fn export<'s>(&self, survey: &'s Survey, name: &str) -> Option<(&'s String, &'s Item)> {
        if let Some(found) = survey.exports.get_key_value(name) {
            return Some(found);
        }
        let (interface, function) = name.split_once('#')?;
        let wanted = Track::of(interface).0;
        survey
            .exports
            .iter()
            .find(|(export, _)| export.split_once('#').is_some_and(|(i, f)| f == function && Track::of(i).0 == wanted))
    }
}

fn signature(name: &ImportName, want: &CoreSignature, have: Option<&CoreSignature>) -> Option<Box<Diagnostic>> {
    (have != Some(want)).then(|| {
        Diagnostic::new(Code::SignatureMismatch, format!("`{name}` has another signature"))
            .fact("wanted", want.to_string())
            .fact("found", text(have))
    })
}

fn text(core: Option<&CoreSignature>) -> String {
    core.map_or_else(|| "a type that no canonical function has".to_owned(), CoreSignature::to_string)
}

/// Newer guests are refused: they may call what the host does not have. Older ones work under an alias.
fn version(guest: &str, host: &str, functions: &[&str]) -> Box<Diagnostic> {
    let finding = |code, message: String| {
        Diagnostic::new(code, message).fact("host has", host).fact("functions", functions.join(", "))
    };
    // A host by a canonical version stands for all of its track.
    if Track::of(host).1.is_some_and(|host| Track::of(guest).1 > Some(host)) {
        return finding(Code::VersionNewer, format!("`{guest}` is newer than the host"))
            .hint("rebuild the guest against the older WIT, or update the host");
    }
    finding(Code::VersionDiffers, format!("`{guest}` is known under another version"))
        .hint(format!("register `{host}` as `{guest}` too, if the engine matches names as strings"))
        .warning()
}

fn missing(name: &ImportName, module: &str, functions: &[&str]) -> Box<Diagnostic> {
    let is_drop = name.name.starts_with("[resource-drop]");
    let code = if is_drop { Code::DropMissing } else { Code::ImportMissing };
    let mut finding = Diagnostic::new(code, format!("`{name}` is not provided")).fact("host has", module.to_owned());
    if let Some(near) = nearest(&name.name, functions.iter().copied()) {
        finding = finding.hint(format!("the nearest name there is `{near}`"));
    }
    finding
}

fn unknown(module: &str, functions: &[&str], target: &Target) -> Box<Diagnostic> {
    let finding = Diagnostic::new(Code::UnknownModule, format!("`{module}` is unknown to {}", target.name))
        .fact("functions", functions.join(", "));
    if module == crate::adapt::PREVIEW1 {
        return finding.hint("the preview1 adapter is not linked in: `lowlift adapt`, then `lowlift link`");
    }
    if module.starts_with("cm32p2") && target.names != Names::Cm32p2 {
        return finding
            .hint("the module has the names of build targets: compare it with `lowlift witx --names cm32p2`");
    }
    match nearest(module, target.provided.keys().map(|n| n.module.as_str())) {
        Some(near) => finding.hint(format!("the nearest interface is `{near}`")),
        None => finding,
    }
}

fn support(
    survey: &Survey,
    export: &str,
    needed_by: Option<&ImportName>,
    fits: impl Fn(&Item) -> bool,
) -> Option<Box<Diagnostic>> {
    let needed_by = needed_by?;
    let is_there = survey.exports.get(export).is_some_and(fits);
    (!is_there).then(|| {
        Diagnostic::new(Code::SupportMissing, format!("`{export}` is not exported"))
            .fact("needed by", needed_by.to_string())
    })
}
