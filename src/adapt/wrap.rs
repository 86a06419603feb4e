//! Module and adapter become a component.

use super::choose::{Adapter, choose};
use super::pattern::Pattern;
use super::report::{Report, Told};
use super::snapshot0::{self, Translated};
use super::stub::{Stubbed, stub};
use super::survey::{PREVIEW1, Survey, survey};
use super::suspect::{Suspicion, suspicion};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use crate::wit::{Gates, built_in, refuse_cycles};
use std::borrow::Cow;
use wasmparser::{Validator, WasmFeatures};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::{Resolve, WorldId, WorldItem};

/// How to adapt.
#[derive(Debug, Default)]
pub struct Options<'w> {
    /// The adapter; chosen by what the module imports and exports if absent.
    pub adapter: Option<Adapter>,
    /// The world of a module that carries none.
    pub world: Option<(&'w Resolve, WorldId)>,
    /// Interfaces that the component must not import.
    pub deny: Vec<Pattern>,
    /// Interfaces that are replaced by traps and empty answers.
    pub stub: Vec<Pattern>,
}

/// A wrapped module.
#[derive(Debug, Clone)]
pub struct Adapted {
    /// The component, validated.
    pub component: Vec<u8>,
    /// WASI interfaces (and others) that it imports, sorted.
    pub imports: Vec<String>,
    /// Interfaces and functions that it exports, sorted.
    pub exports: Vec<String>,
}

/// A module that was adapted, and what there is to tell of it.
#[derive(Debug)]
pub struct Adaptation {
    /// The component and its world.
    pub adapted: Adapted,
    /// The adapter that was chosen.
    pub adapter: Option<Adapter>,
    /// What pulled in what.
    pub report: Report,
    /// Why it may break when it runs.
    pub suspicion: Option<Suspicion>,
}

/// Adapts a core module: snapshot 0 is translated, the adapter chosen, interfaces stubbed out, and what must not be imported
/// refused.
pub fn adapt(module: &[u8], options: &Options<'_>) -> Result<Adaptation> {
    let given = survey(module)?;
    super::choose::recognise(&given)?;
    let translated = snapshot0::translate(module, &given)?;
    let mut bytes = translated.as_ref().map_or(Cow::Borrowed(module), |t| Cow::Owned(t.wasm.clone()));
    if let Some((resolve, world)) = options.world {
        bytes = Cow::Owned(embed(bytes.into_owned(), &given, resolve, world)?);
    }
    let surveyed = survey(&bytes)?;
    refuse_cycles(&bytes)?;
    let adapter = choose(&surveyed, options.adapter.clone())?;
    if let Some(Adapter::Own(bytes)) = &adapter {
        refuse_cycles(bytes).map_err(|e| e.fact("in", "the adapter"))?;
    }
    let adapter_survey = adapter.as_ref().map(|a| survey(a.bytes())).transpose()?;
    known(options, &surveyed, adapter_survey.as_ref())?;
    let (module_bytes, mut stubbed) = stub(&bytes, &surveyed, &options.stub)?;
    let adapter_bytes = match (&adapter, &adapter_survey) {
        (Some(adapter), Some(of_adapter)) => {
            let (bytes, of_adapter) = stub(adapter.bytes(), of_adapter, &options.stub)?;
            stubbed.extend(of_adapter);
            Some(bytes)
        }
        _ => None,
    };
    let wrapped = encode(&module_bytes, &surveyed, adapter.as_ref().zip(adapter_bytes.as_deref()))?;
    let report =
        wrapped.report(module, &surveyed, adapter.as_ref().zip(adapter_bytes.as_deref()), translated, stubbed)?;
    allowed(options, &report)?;
    let suspicion = adapter.as_ref().and_then(|_| suspicion(&surveyed));
    Ok(Adaptation { adapted: wrapped.adapted, adapter, report, suspicion })
}

/// Wraps a surveyed module with the adapter that was chosen for it.
pub fn wrap(module: &[u8], survey: &Survey, adapter: Option<&Adapter>) -> Result<Adapted> {
    encode(module, survey, adapter.map(|adapter| (adapter, adapter.bytes()))).map(|wrapped| wrapped.adapted)
}

/// Embeds the types of a world into a module that has none.
fn embed(mut module: Vec<u8>, survey: &Survey, resolve: &Resolve, world: WorldId) -> Result<Vec<u8>> {
    if survey.has_component_type {
        return Err(Diagnostic::new(Code::Usage, "the module carries the types of its world already")
            .hint("leave `--wit` and `--world` away"));
    }
    quietly("embedding the world", || {
        wit_component::embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
    })?
    .map_err(|e| Diagnostic::new(Code::CannotAdapt, "the world cannot be embedded into the module").cause(e))?;
    Ok(module)
}

/// Refuses names that mean nothing: a typing error must not make a denial hold.
fn known(options: &Options<'_>, module: &Survey, adapter: Option<&Survey>) -> Result<()> {
    let imported = |survey: &Survey| survey.imports.iter().map(|(name, _)| name.module.clone()).collect::<Vec<_>>();
    let mut names = imported(module);
    names.extend(adapter.into_iter().flat_map(imported));
    let patterns = || options.deny.iter().chain(&options.stub);
    if patterns().all(|pattern| names.iter().any(|name| pattern.matches(name))) {
        return Ok(());
    }
    for release in ["wasi@0.2.12", "wasi@0.3.2"] {
        let loaded = built_in(release, &Gates::default())?;
        names.extend(loaded.resolve.interfaces.iter().filter_map(|(id, _)| loaded.resolve.id_of(id)));
    }
    patterns().try_for_each(|pattern| pattern.known(names.iter().map(String::as_str)))
}

/// Refuses a component that imports what was denied, or still imports what was stubbed out.
fn allowed(options: &Options<'_>, report: &Report) -> Result<()> {
    let meant = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    if let Some(left) = report.interfaces.iter().find(|interface| meant(&options.stub, &interface.name)) {
        let text = format!("`{}` would be imported still, for its types", left.name);
        return Err(Diagnostic::new(Code::CannotStub, text)
            .fact("used by", left.types_for.join(", "))
            .hint("stub these out too, or the package as a whole, such as `--stub wasi:filesystem`"));
    }
    let mut denied =
        report.interfaces.iter().filter(|interface| meant(&options.deny, &interface.name)).map(|interface| {
            let mut error = Diagnostic::new(Code::Denied, format!("the component would import `{}`", interface.name));
            let (of_module, of_adapter): (Vec<&String>, Vec<&String>) =
                interface.by.iter().partition(|name| report.functions.iter().any(|f| f.imported && f.name == **name));
            let names = |names: &[&String]| names.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ");
            if interface.by_module {
                error = error.fact("imported by", "the module itself");
            }
            if !of_module.is_empty() {
                error = error.fact("pulled in by", format!("{PREVIEW1} {}", names(&of_module)));
            }
            if !of_adapter.is_empty() {
                error = error.fact("called by", format!("the adapter itself ({})", names(&of_adapter)));
            }
            if !interface.types_for.is_empty() {
                error = error.fact("types for", interface.types_for.join(", "));
            }
            error.hint(format!("`--stub {}` replaces it, where the module can do without", interface.name))
        });
    match denied.next() {
        None => Ok(()),
        Some(first) => Err(denied.fold(first, |first, other| first.and(*other))),
    }
}

/// A component, and its world.
struct Wrapped {
    adapted: Adapted,
    resolve: Resolve,
    world: WorldId,
}

impl Wrapped {
    fn report(
        &self,
        module: &[u8],
        survey: &Survey,
        adapter: Option<(&Adapter, &[u8])>,
        translated: Option<Translated>,
        stubbed: Vec<Stubbed>,
    ) -> Result<Report> {
        Report::of(Told {
            module_size: module.len(),
            component_size: self.adapted.component.len(),
            survey,
            adapter,
            translated: translated.as_ref(),
            stubbed,
            world: (&self.resolve, self.world),
            exports: self.adapted.exports.clone(),
        })
    }
}

fn encode(module: &[u8], survey: &Survey, adapter: Option<(&Adapter, &[u8])>) -> Result<Wrapped> {
    let encode = || {
        let mut encoder = ComponentEncoder::default().validate(true).module(module)?;
        if let Some((_, bytes)) = adapter {
            encoder = encoder.adapter(PREVIEW1, bytes)?;
        }
        encoder.encode()
    };
    let component = quietly("the component encoder", encode)?.map_err(|e| {
        let mut error = Diagnostic::new(Code::CannotAdapt, "the encoder refuses the module").cause(&e);
        let reason = e.root_cause().to_string();
        error = error.fact("reason", reason);
        if let Some((adapter, _)) = adapter {
            error = error.fact("adapter", format!("{}, {}", adapter.name(), adapter.version()));
        }
        error.hint(format!("`-v` shows the whole reason ({})", survey.describe()))
    })?;
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&component)
        .map_err(|e| Diagnostic::new(Code::CannotAdapt, "the wrapped component does not validate").cause(e))?;
    let decoded = quietly("decoding the wrapped component", || wit_component::decode(&component))?
        .map_err(|e| Diagnostic::new(Code::TypeInformation, "the wrapped component cannot be decoded").cause(e))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Diagnostic::new(Code::CannotAdapt, "wrapping gave no component"));
    };
    let names = |items: &indexmap::IndexMap<wit_parser::WorldKey, WorldItem>| {
        let mut names: Vec<String> = items.keys().map(|key| resolve.name_world_key(key)).collect();
        names.sort();
        names
    };
    let (imports, exports) = (names(&resolve.worlds[world].imports), names(&resolve.worlds[world].exports));
    Ok(Wrapped { adapted: Adapted { imports, exports, component }, resolve, world })
}
