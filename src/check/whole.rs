//! Everything that is judged of one input.

use super::allocation::{places, reentrancy};
use super::budget::Budget;
use super::compare::{check, used};
use super::component::{boundary, own};
use super::engine::{adapter, engine};
use super::exports::post_returns;
use super::finding::{Checked, Finding};
use super::start::start;
use super::target::Target;
use super::types::types;
use super::wasi::wasi;
use crate::abi::{Allocation, Names};
use crate::adapt::{Survey, survey};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::View;
use crate::profile::Profile;
use wasmparser::{Parser, Payload};

/// What a module is judged by.
#[derive(Debug, Default)]
pub struct Host<'h> {
    /// What is provided and required.
    pub target: Option<&'h Target>,
    /// What the engine takes.
    pub profile: Option<&'h Profile>,
    /// What there is room for.
    pub budget: Budget,
    /// Where the host puts lists and strings.
    pub allocation: Allocation,
}

/// Judges a core module. `own` is the world of the module itself, where it is known: it says what the module takes its types
/// for, and without a target, which of its imports allocate; without either, that is known of WASI alone.
pub fn module(wasm: &[u8], host: &Host<'_>, own: Option<&Target>) -> Result<(Checked, Survey)> {
    let survey = survey(wasm)?;
    let mut checked = match host.target {
        Some(target) => check(&survey, target, host.allocation),
        None => Checked {
            imports: survey.imports.len(),
            exports: survey.exports.len(),
            findings: post_returns(&survey, Names::default()),
        },
    };
    checked.findings.extend(allocation(&survey, host, host.target.or(own))?);
    checked.findings.extend(types_of(own, host.target));
    checked.findings.extend(core(wasm, host)?);
    Ok((checked, survey))
}

/// What has no place in the guest. `known` says which functions allocate; without it, WASI does of its own.
fn allocation(survey: &Survey, host: &Host<'_>, known: Option<&Target>) -> Result<Vec<Finding>> {
    let used = || known.map_or_else(|| wasi(survey), |target| Ok(used(survey, target)));
    Ok(match (host.allocation, host.profile) {
        (Allocation::Reentrant, Some(profile)) if !profile.reentrant => reentrancy(&used()?, profile),
        (Allocation::Reentrant, _) => Vec::new(),
        (allocation, _) => places(survey, &used()?, known, allocation),
    })
}

/// Types that are known to both and are not the same.
fn types_of(own: Option<&Target>, host: Option<&Target>) -> Vec<Finding> {
    let of = |target: Option<&Target>| target.and_then(|target| target.types.clone());
    match (of(own), of(host)) {
        (Some(own), Some(host)) => types(&own, &host),
        _ => Vec::new(),
    }
}

/// What is judged by the core module alone.
fn core(wasm: &[u8], host: &Host<'_>) -> Result<Vec<Finding>> {
    let view = View::parse(wasm)?;
    let mut findings = match host.profile {
        Some(profile) => engine(wasm, &view, profile)?,
        None => Vec::new(),
    };
    findings.extend(host.budget.within(host.profile).exceeded(&view));
    findings.extend(start(&view)?);
    findings.extend(adapter(&view));
    Ok(findings)
}

/// Judges a component as it is: its imports and exports by interface and version, and each core module in it by the engine.
/// Gives one line on what it is, too.
pub fn component(wasm: &[u8], host: &Host<'_>) -> Result<(Checked, String)> {
    let modules = core_modules(wasm)?;
    let what = format!("component, {} core module{}", modules.len(), if modules.len() == 1 { "" } else { "s" });
    let mut checked = match host.target {
        Some(target) => boundary(wasm, target)?,
        None => Checked::default(),
    };
    checked.findings.extend(types_of(own("", wasm).ok().as_ref(), host.target));
    for (index, range) in modules.into_iter().enumerate() {
        let bytes = wasm.get(range.clone()).unwrap_or_default();
        for mut finding in core(bytes, host)? {
            finding.subject = format!("core module {index}: {}", finding.subject);
            finding.facts.push(("in", format!("core module {index}, which begins at byte {:#x}", range.start)));
            finding.offset = finding.offset.map(|offset| range.start + offset);
            checked.findings.push(finding);
        }
    }
    Ok((checked, what))
}

/// The core modules of a component, in order. Fails where the component is not valid, or is none.
fn core_modules(wasm: &[u8]) -> Result<Vec<std::ops::Range<usize>>> {
    if !Parser::is_component(wasm) {
        return Err(Diagnostic::new(Code::ModuleGiven, "a component is wanted, and this is a core module"));
    }
    let invalid = |e: wasmparser::BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let features = wasmparser::WasmFeatures::all();
    wasmparser::Validator::new_with_features(features).validate_all(wasm).map_err(invalid)?;
    let mut modules = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ModuleSection { unchecked_range, .. } = payload.map_err(invalid)? {
            modules.push(unchecked_range);
        }
    }
    Ok(modules)
}
