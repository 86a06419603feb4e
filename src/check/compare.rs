//! The imports and exports of a module against a target.

use super::exports::{post_returns, required, support};
use super::finding::{Checked, Draft, Finding, listed};
use super::index::{Found, Index};
use super::target::{Provided, Target};
use crate::abi::{Allocation, CoreSignature, ImportName, Names, Needs, Track};
use crate::adapt::{Foreign, Item, PREVIEW1, Survey};
use crate::diagnostic::{Code, nearest};
use indexmap::IndexMap;
use semver::Version;
use std::collections::{BTreeSet, HashMap};

/// Compares what `survey` found in a module with what `target` provides and requires; `allocation` says where such a host
/// puts lists and strings.
pub fn check(survey: &Survey, target: &Target, allocation: Allocation) -> Checked {
    let imports = Imports { index: Index::new(target, allocation), survey, findings: Vec::new(), exact: Vec::new() };
    let (mut findings, index, exact) = imports.compare();
    findings.extend(target.required.iter().filter_map(|forms| required(survey, &index, forms)));
    let imports = exact.into_iter().map(|(name, provided)| (name.to_string(), provided.needs));
    let exports = target.required.iter().flatten().filter(|form| survey.exports.contains_key(&form.name));
    let exports = exports.map(|form| (form.name.clone(), form.provided.needs));
    let mut used: Vec<(String, Needs)> = imports.chain(exports).collect();
    if allocation != Allocation::Reentrant {
        // Nobody calls the realloc.
        used.iter_mut().for_each(|(_, needs)| needs.realloc = false);
    }
    findings.extend(support(survey, target.names, &used));
    findings.extend(post_returns(survey, target.names));
    Checked { imports: survey.imports.len(), exports: target.required.len(), findings }
}

/// The functions of `target` that a module imports, whatever version it names.
pub(super) fn used<'t, 's>(survey: &'s Survey, target: &'t Target) -> Vec<(&'s ImportName, &'t Provided)> {
    let index = Index::new(target, Allocation::default());
    let functions = survey.imports.iter().filter(|(_, item)| matches!(item, Item::Func(_)));
    functions
        .filter_map(|(name, _)| match index.find(name) {
            Found::Exact(have) | Found::OtherVersion { have, .. } => Some((name, have)),
            Found::Interface { .. } | Found::Nothing => None,
        })
        .collect()
}

/// The imports of a module, while they are compared.
struct Imports<'s, 't> {
    index: Index<'t>,
    survey: &'s Survey,
    findings: Vec<Finding>,
    /// Those that the target provides.
    exact: Vec<(&'s ImportName, &'t Provided)>,
}

type Compared<'s, 't> = (Vec<Finding>, Index<'t>, Vec<(&'s ImportName, &'t Provided)>);

impl<'s, 't> Imports<'s, 't> {
    fn compare(mut self) -> Compared<'s, 't> {
        // A module of another version, or of an unknown interface, is one finding, however many functions it has.
        let mut versions: IndexMap<&str, (&str, Vec<&str>)> = IndexMap::new();
        let mut unknowns: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for (name, item) in &self.survey.imports {
            let Item::Func(have) = item else {
                let wrong = Draft::new(Code::WrongKind, name.to_string()).set("import", name.to_string());
                let wanted = "functions alone: the guest owns its memory and tables";
                self.findings.push(wrong.set("found", item.kind()).set("wanted", wanted).done());
                continue;
            };
            match self.index.find(name) {
                Found::Exact(provided) => {
                    self.findings.extend(signature(name, provided, have.as_ref()));
                    self.findings.extend(unstable(name, provided));
                    self.exact.push((name, provided));
                }
                Found::OtherVersion { have: provided, module } => {
                    if let Some(later) = since_later(name, module, provided) {
                        self.findings.push(later);
                    } else {
                        versions.entry(&name.module).or_insert((module, Vec::new())).1.push(&name.name);
                    }
                    self.findings.extend(signature(name, provided, have.as_ref()));
                    self.exact.push((name, provided));
                }
                Found::Interface { module, functions } => {
                    let finding = gated(&self.index, name, Some(module));
                    self.findings.push(finding.unwrap_or_else(|| missing(name, module, &functions)));
                }
                Found::Nothing => match gated(&self.index, name, None) {
                    Some(finding) => self.findings.push(finding),
                    None => unknowns.entry(&name.module).or_default().push(&name.name),
                },
            }
        }
        self.findings.extend(versions.into_iter().map(|(guest, (host, functions))| version(guest, host, &functions)));
        if !unknowns.is_empty() {
            let known = Known::new(self.survey, self.index.target);
            self.findings.extend(unknowns.into_iter().map(|(module, functions)| known.unknown(module, &functions)));
        }
        (self.findings, self.index, self.exact)
    }
}

fn signature(name: &ImportName, want: &Provided, have: Option<&CoreSignature>) -> Option<Finding> {
    (have != Some(&want.core)).then(|| {
        Draft::new(Code::SignatureMismatch, name.to_string())
            .set("import", name.to_string())
            .set("wanted", want.core.to_string())
            .set("found", text(have))
            .maybe("slots", have.map(|have| want.differences(have)))
            .done()
    })
}

pub(super) fn text(core: Option<&CoreSignature>) -> String {
    core.map_or_else(|| "a type that no canonical function has".to_owned(), CoreSignature::to_string)
}

fn unstable(name: &ImportName, provided: &Provided) -> Option<Finding> {
    let feature = provided.unstable.as_ref()?;
    let draft = Draft::new(Code::UnstableUsed, name.to_string()).set("import", name.to_string());
    Some(draft.set("feature", feature.as_str()).done())
}

fn gated(index: &Index<'_>, name: &ImportName, module: Option<&str>) -> Option<Finding> {
    let feature = index.gate(name)?;
    let draft = Draft::new(Code::GateOff, name.to_string()).set("import", name.to_string()).set("feature", feature);
    Some(draft.maybe("host-has", module).done())
}

/// An older guest that imports what its own version did not have.
fn since_later(name: &ImportName, host: &str, provided: &Provided) -> Option<Finding> {
    let (since, guest) = (provided.since.as_ref()?, Track::of(&name.module).1?);
    let older: Option<Version> = Track::of(host).1;
    (guest < *since && older.is_none_or(|host| guest < host)).then(|| {
        Draft::new(Code::SinceLater, name.to_string())
            .set("import", name.to_string())
            .set("since", since.to_string())
            .set("host-has", host)
            .done()
    })
}

/// Newer guests are refused: they may call what the host does not have. Older ones work under an alias.
fn version(guest: &str, host: &str, functions: &[&str]) -> Finding {
    // A host by a canonical version stands for all of its track.
    let is_newer = Track::of(host).1.is_some_and(|host| Track::of(guest).1 > Some(host));
    let code = if is_newer { Code::VersionNewer } else { Code::VersionDiffers };
    let draft = Draft::new(code, guest).set("guest", guest).set("host-has", host).set("functions", listed(functions));
    if is_newer { draft.done() } else { draft.set("host", host).done() }
}

fn missing(name: &ImportName, module: &str, functions: &[&str]) -> Finding {
    let is_drop = name.name.starts_with("[resource-drop]");
    let code = if is_drop { Code::DropMissing } else { Code::ImportMissing };
    let draft = Draft::new(code, name.to_string()).set("import", name.to_string()).set("host-has", module);
    draft.maybe("near", nearest(&name.name, functions.iter().copied())).done()
}

/// What there is to say of modules that the target does not have. A module may import from very many: it is read once.
struct Known<'t> {
    target: &'t Target,
    /// The modules of the target.
    modules: BTreeSet<&'t str>,
    /// Whose host functions those of a module look like.
    foreign: HashMap<String, &'static Foreign>,
}

impl<'t> Known<'t> {
    fn new(survey: &Survey, target: &'t Target) -> Self {
        let mut foreign = HashMap::new();
        for known in Foreign::of(survey) {
            for import in known.imports(survey) {
                let module = import.split(' ').next().unwrap_or_default();
                foreign.entry(module.to_owned()).or_insert(known);
            }
        }
        Known { target, modules: target.provided.keys().map(|n| n.module.as_str()).collect(), foreign }
    }

    fn unknown(&self, module: &str, functions: &[&str]) -> Finding {
        let code = match module {
            PREVIEW1 => Code::Preview1Left,
            "wasi_unstable" => Code::OldSnapshot,
            _ if module.starts_with("cm32p2") && self.target.names != Names::Cm32p2 => Code::BuildTargetNames,
            _ => Code::UnknownModule,
        };
        let draft =
            Draft::new(code, module).set("target", self.target.name.as_str()).set("functions", listed(functions));
        match code {
            Code::BuildTargetNames => draft.set("module", module).done(),
            Code::UnknownModule => {
                let near = nearest(module, self.modules.iter().copied());
                draft.set("module", module).maybe("advice", self.advice(module)).maybe("near", near).done()
            }
            _ => draft.done(),
        }
    }

    /// What helps, as `lowlift adapt` says it.
    fn advice(&self, module: &str) -> Option<String> {
        if module == Allocation::arena().0.module {
            return Some(
                "a host that was generated with `--alloc arena` has it: say `--alloc arena` here, too".to_owned(),
            );
        }
        match self.foreign.get(module) {
            Some(foreign) => Some(format!("{}: {}", foreign.found, foreign.hint)),
            // No interface is called like this.
            None if !module.contains(':') => Some(
                "this looks like a host of its own: describe these functions in WIT and bind the module to it"
                    .to_owned(),
            ),
            None => None,
        }
    }
}
