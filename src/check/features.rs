//! Features of core WebAssembly that a module uses and an engine lacks, each with the first place.
//!
//! The judge is the validator: it is given the features of the profile, and each that it misses is turned on until it is
//! content. So nothing is missed and nothing is made up, whatever a proposal changes: an instruction, a type, an encoding.

use super::finding::{Draft, Finding};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::{View, feature, mnemonic};
use crate::profile::{FEATURES, Profile, name_of};
use wasmparser::{BinaryReaderError, BlockType, Operator, Validator, WasmFeatures};

/// A feature that is used and lacking.
struct Lacking {
    feature: WasmFeatures,
    /// Where the validator stopped without it.
    offset: usize,
    /// Instructions that need it.
    uses: usize,
}

/// One finding for each feature that `wasm` uses and `profile` lacks.
pub(super) fn features(wasm: &[u8], view: &View<'_>, profile: &Profile) -> Result<Vec<Finding>> {
    let mut lacking = lacking(wasm, profile.features)?;
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    count(view, profile.features, &mut lacking)?;
    let mut findings = Vec::new();
    for found in &lacking {
        // These have rules of their own, which say more; atomic instructions alone are a matter of features.
        let own_rule =
            found.feature == WasmFeatures::MULTI_MEMORY || found.feature == WasmFeatures::THREADS && found.uses == 0;
        if own_rule {
            continue;
        }
        let name = word(found.feature);
        let uses = (found.uses > 0).then(|| format!("{} instruction{}", found.uses, plural(found.uses)));
        let draft = Draft::new(Code::FeatureLacking, name.as_str()).set("feature", name.as_str());
        let draft = draft.set("profile", profile.name.as_str()).set("first", place(view, found.offset)?);
        findings.push(draft.maybe("uses", uses).at(found.offset).done());
    }
    Ok(findings)
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// What the validator misses, in the order in which it does.
fn lacking(wasm: &[u8], have: WasmFeatures) -> Result<Vec<Lacking>> {
    let mut features = have;
    let mut lacking = Vec::new();
    while let Err(error) = Validator::new_with_features(features).validate_all(wasm) {
        let Some(missing) = missing(wasm, features, &error) else { return Err(Diagnostic::invalid_wasm(&error)) };
        features = features.union(missing);
        lacking.push(Lacking { feature: missing, offset: error.offset(), uses: 0 });
    }
    Ok(lacking)
}

/// The feature for whose lack the validator stopped; none if no feature helps.
fn missing(wasm: &[u8], features: WasmFeatures, error: &BinaryReaderError) -> Option<WasmFeatures> {
    let said = error.missing_wasm_feature().map(|said| said.difference(features)).filter(|said| !said.is_empty());
    if said.is_some() {
        return said;
    }
    // Some refusals do not say it, such as those of a second table: what gets the validator on is what it missed.
    let known = FEATURES.iter().map(|(_, feature)| *feature);
    let others = WasmFeatures::all().iter();
    let mut lacking = known.chain(others).map(|feature| feature.difference(features)).filter(|f| !f.is_empty());
    let helps = |feature: &WasmFeatures| match Validator::new_with_features(features.union(*feature)).validate_all(wasm)
    {
        Ok(_) => true,
        Err(other) => other.offset() > error.offset(),
    };
    // If none does by itself, several are needed at once.
    lacking.find(helps).or(Some(WasmFeatures::all().difference(features)).filter(|rest| !rest.is_empty()))
}

/// Counts the instructions that need each.
fn count(view: &View<'_>, have: WasmFeatures, lacking: &mut [Lacking]) -> Result<()> {
    let invalid = |e: BinaryReaderError| Diagnostic::invalid_wasm(&e);
    for body in &view.bodies {
        for op in body.get_operators_reader().map_err(invalid)? {
            let op = op.map_err(invalid)?;
            let needs = feature(&op).union(of_block(&op)).difference(have);
            let exact = lacking.iter().position(|l| l.feature == needs);
            let wider = || lacking.iter().position(|l| l.feature.contains(needs));
            if !needs.is_empty()
                && let Some(index) = exact.or_else(wider)
            {
                lacking[index].uses += 1;
            }
        }
    }
    Ok(())
}

/// Blocks with the type of a function came with multi-value.
fn of_block(op: &Operator<'_>) -> WasmFeatures {
    match op {
        Operator::Block { blockty: BlockType::FuncType(_) }
        | Operator::Loop { blockty: BlockType::FuncType(_) }
        | Operator::If { blockty: BlockType::FuncType(_) } => WasmFeatures::MULTI_VALUE,
        _ => WasmFeatures::empty(),
    }
}

/// The word for a feature.
fn word(feature: WasmFeatures) -> String {
    let known = FEATURES.iter().any(|(_, known)| *known == feature);
    if known {
        return name_of(feature).to_owned();
    }
    // A part of a known one, where the profile has the rest of it.
    if let Some((name, _)) = FEATURES.iter().find(|(_, known)| known.contains(feature)) {
        return (*name).to_owned();
    }
    if feature.bits().count_ones() > 4 {
        return "several proposals at once".to_owned();
    }
    let names: Vec<String> =
        feature.iter_names().map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")).collect();
    names.join(", ")
}

/// What stands at an offset: an instruction in a function, or something that is declared.
fn place(view: &View<'_>, offset: usize) -> Result<String> {
    let invalid = |e: BinaryReaderError| Diagnostic::invalid_wasm(&e);
    let Some(index) = view.bodies.iter().position(|body| body.range().contains(&offset)) else {
        return Ok(format!("a declaration, at byte {offset:#x} of the module"));
    };
    let func = u32::try_from(view.imported_funcs + index).unwrap_or(u32::MAX);
    let mut what = "a local".to_owned();
    for op in view.bodies[index].get_operators_reader().map_err(invalid)?.into_iter_with_offsets() {
        let (op, at) = op.map_err(invalid)?;
        if at > offset {
            break;
        }
        what = format!("`{}`", mnemonic(&op));
    }
    Ok(format!("{what} in {}, at byte {offset:#x} of the module", view.call(func)))
}
