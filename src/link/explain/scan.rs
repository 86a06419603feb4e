//! What can be read off the bytes: canonical definitions of the component, sections of modules, features of the output.

use super::super::plan::Plan;
use super::super::report::Floor;
use super::model::{Encoding, Need, Section};
use super::names::brief;
use std::collections::{BTreeMap, HashMap};
use wasmparser::{
    BinaryReaderError, CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentName,
    ComponentNameSectionReader, ComponentOuterAliasKind, ComponentTypeRef, ExternalKind, KnownCustom, Name, Parser,
    Payload, Validator, WasmFeatures,
};

/// Counts of what a component holds, at any depth.
#[derive(Default)]
pub(super) struct Canonical {
    pub(super) modules: u32,
    pub(super) components: u32,
    pub(super) lifts: u32,
    pub(super) lowers: u32,
    pub(super) builtins: u32,
    pub(super) post_returns: u32,
    encodings: [u32; 3],
    /// What components call their core modules, by the order of modules in the file.
    names: HashMap<u32, String>,
}

/// The core modules of a component, by its own index space; none for those that are not in the file, or not here.
type Scope = Vec<Option<u32>>;

impl Canonical {
    /// Reads a validated component.
    pub(super) fn of(component: &[u8]) -> Canonical {
        let mut counts = Canonical::default();
        let mut scopes: Vec<Scope> = Vec::new();
        for payload in Parser::new(0).parse_all(component).flatten() {
            match payload {
                Payload::Version { .. } => scopes.push(Scope::new()),
                Payload::End(_) => drop(scopes.pop()),
                Payload::ModuleSection { .. } => {
                    scopes.last_mut().into_iter().for_each(|scope| scope.push(Some(counts.modules)));
                    counts.modules += 1;
                }
                Payload::ComponentSection { .. } => counts.components += 1,
                Payload::ComponentCanonicalSection(section) => {
                    section.into_iter().flatten().for_each(|function| counts.canonical(&function));
                }
                Payload::CustomSection(section) => {
                    if let (Some(scope), KnownCustom::ComponentName(names)) = (scopes.last(), section.as_known()) {
                        counts.name(scope, names);
                    }
                }
                payload => others(&payload, &mut scopes),
            }
        }
        counts
    }

    /// What a component calls a core module; `module` counts modules in the order of the file.
    pub(super) fn module_name(&self, module: u32) -> Option<&str> {
        self.names.get(&module).map(String::as_str)
    }

    fn name(&mut self, scope: &Scope, names: ComponentNameSectionReader<'_>) {
        for name in names.into_iter().flatten() {
            let ComponentName::CoreModules(map) = name else { continue };
            for naming in map.into_iter().flatten() {
                if let Some(Some(module)) = scope.get(naming.index as usize) {
                    self.names.insert(*module, brief(naming.name));
                }
            }
        }
    }

    fn canonical(&mut self, function: &CanonicalFunction) {
        let options = match function {
            CanonicalFunction::Lift { options, .. } => {
                self.lifts += 1;
                let post_return = |option: &CanonicalOption| matches!(option, CanonicalOption::PostReturn(_));
                self.post_returns += u32::from(options.iter().any(post_return));
                options
            }
            CanonicalFunction::Lower { options, .. } => {
                self.lowers += 1;
                options
            }
            _ => {
                self.builtins += 1;
                return;
            }
        };
        let encoding = options.iter().find_map(|option| match option {
            CanonicalOption::UTF8 => Some(0),
            CanonicalOption::UTF16 => Some(1),
            CanonicalOption::CompactUTF16 => Some(2),
            _ => None,
        });
        // UTF-8 is meant where none is named; it matters only to those who have a memory.
        let has_memory = options.iter().any(|option| matches!(option, CanonicalOption::Memory(_)));
        if let Some(encoding) = encoding.or(has_memory.then_some(0)) {
            self.encodings[encoding] += 1;
        }
    }

    /// The string encodings in use.
    pub(super) fn encodings(&self) -> Vec<Encoding> {
        let names = ["utf8", "utf16", "latin1+utf16"].into_iter().zip(self.encodings);
        names.filter(|(_, functions)| *functions > 0).map(|(name, functions)| Encoding { name, functions }).collect()
    }
}

/// Modules that a component has from elsewhere.
fn others(payload: &Payload<'_>, scopes: &mut [Scope]) {
    let found: Vec<Option<u32>> = match payload {
        Payload::ComponentAliasSection(section) => {
            let alias = |alias| match alias {
                ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                    let outer = scopes.len().checked_sub(1 + count as usize).and_then(|at| scopes.get(at));
                    Some(outer.and_then(|scope| scope.get(index as usize)).copied().flatten())
                }
                ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => Some(None),
                _ => None,
            };
            section.clone().into_iter().flatten().filter_map(alias).collect()
        }
        Payload::ComponentImportSection(section) => {
            let imports = section.clone().into_iter().flatten();
            imports.filter(|i| matches!(i.ty, ComponentTypeRef::Module(_))).map(|_| None).collect()
        }
        Payload::ComponentExportSection(section) => {
            let exports = section.clone().into_iter().flatten();
            exports.filter(|e| e.kind == ComponentExternalKind::Module).map(|_| None).collect()
        }
        _ => return,
    };
    scopes.last_mut().into_iter().for_each(|scope| scope.extend(&found));
}

/// Bytes per section: of all instances, and of the output.
pub(super) fn sections(plan: &Plan<'_, '_>, output: &[u8]) -> Vec<Section> {
    let mut sizes: BTreeMap<(u8, String), [u64; 2]> = BTreeMap::new();
    // A module that is instantiated often is scanned once.
    let mut instances: HashMap<usize, u64> = HashMap::new();
    for instance in &plan.component.instances {
        *instances.entry(instance.module.index()).or_default() += 1;
    }
    let inputs = instances.iter().map(|(&module, &times)| (&*plan.component.modules[module], 0, times));
    for (bytes, side, times) in inputs.chain([(output, 1, 1)]) {
        for payload in Parser::new(0).parse_all(bytes).flatten() {
            let Some((id, range)) = payload.as_section() else { continue };
            sizes.entry((order(id), section_name(&payload, id))).or_default()[side] += range.len() as u64 * times;
        }
    }
    let sizes = sizes.into_iter();
    sizes.map(|((_, name), [input, output])| Section { name, input, output }).collect()
}

/// Data count and tag sections stand before the sections whose numbers are lower; custom ones are shown last.
fn order(id: u8) -> u8 {
    match id {
        0 => 100,
        12 => 95,
        13 => 55,
        id => id * 10,
    }
}

fn section_name(payload: &Payload<'_>, id: u8) -> String {
    let name = match payload {
        Payload::CustomSection(section) if section.name().starts_with(".debug") => return "custom: DWARF".to_owned(),
        Payload::CustomSection(section) if section.name().starts_with("component-type") => "component-type",
        Payload::CustomSection(section) => match section.name() {
            name @ ("name" | "producers" | "target_features") => name,
            _ => return "custom: other".to_owned(),
        },
        _ => {
            let names = [
                "custom",
                "type",
                "import",
                "function",
                "table",
                "memory",
                "global",
                "export",
                "start",
                "element",
                "code",
                "data",
                "data count",
                "tag",
            ];
            return names.get(usize::from(id)).map_or_else(|| format!("section {id}"), |name| (*name).to_owned());
        }
    };
    format!("custom: {name}")
}

/// What profiles below `floor` lack, in the order in which the validator meets it.
pub(super) fn needs(output: &[u8], floor: Floor) -> Vec<Need> {
    let mut features = Floor::Mvp.features();
    let mut needs = Vec::new();
    // Each round adds a feature of the floor that was not there.
    while features != floor.features() {
        let Err(error) = Validator::new_with_features(features).validate_all(output) else { break };
        let missing = missing(output, features, floor, &error);
        let feature = missing.iter_names().next().map(|(name, _)| name.to_ascii_lowercase());
        needs.push(Need {
            feature,
            message: error.message().to_owned(),
            offset: error.offset(),
            function: function_at(output, error.offset()),
        });
        features = if missing.is_empty() { floor.features() } else { features.union(missing) };
    }
    needs
}

/// The feature that an error asks for. Where the validator does not say, it is the one with which it gets farther.
fn missing(output: &[u8], have: WasmFeatures, floor: Floor, error: &BinaryReaderError) -> WasmFeatures {
    let lacking = floor.features().difference(have);
    let said = error.missing_wasm_feature().unwrap_or(WasmFeatures::empty()).intersection(lacking);
    if !said.is_empty() {
        return said;
    }
    let farther = |feature: &WasmFeatures| match Validator::new_with_features(have.union(*feature)).validate_all(output)
    {
        Ok(_) => true,
        Err(other) => other.offset() > error.offset(),
    };
    lacking.iter().find(farther).unwrap_or(WasmFeatures::empty())
}

/// The function whose body holds a byte.
fn function_at(output: &[u8], offset: usize) -> Option<String> {
    let (mut imported, mut defined, mut found) = (0u32, 0u32, None);
    let mut exported: HashMap<u32, String> = HashMap::new();
    for payload in Parser::new(0).parse_all(output).flatten() {
        match payload {
            Payload::ImportSection(section) => {
                let functions = section.into_imports().flatten();
                imported = functions.map(|i| u32::from(matches!(i.ty, wasmparser::TypeRef::Func(_)))).sum();
            }
            Payload::ExportSection(section) => {
                let functions = section.into_iter().flatten().filter(|e| e.kind == ExternalKind::Func);
                exported.extend(functions.map(|export| (export.index, brief(export.name))));
            }
            Payload::CodeSectionEntry(body) => {
                if body.range().contains(&offset) {
                    found = Some(imported + defined);
                }
                defined += 1;
            }
            Payload::CustomSection(section) => {
                let (Some(index), KnownCustom::Name(names)) = (found, section.as_known()) else { continue };
                let maps = names.into_iter().flatten();
                let name = maps.filter_map(|n| if let Name::Function(map) = n { Some(map) } else { None });
                if let Some(naming) = name.flat_map(|m| m.into_iter().flatten()).find(|n| n.index == index) {
                    return Some(brief(naming.name));
                }
            }
            _ => {}
        }
    }
    found.map(|index| exported.remove(&index).unwrap_or_else(|| format!("function {index}")))
}
