//! The boundary of a component against a target, without linking it.
//!
//! The component's own world is lowered to the core functions that it implies, and those are compared as a module's would be.
//! A component runtime finds versions of one track by itself, so names that differ in nothing else are no finding.

use super::compare::check;
use super::finding::Checked;
use super::target::Target;
use crate::abi::{Abi, Direction, Forms, Names, Role, Table, world_functions};
use crate::adapt::{Item, Survey};
use crate::diagnostic::{Code, Result};
use crate::wit::{Gates, Sources, load, select_world};

/// Compares the imports and exports of a component with `target`. Fails where the component's types cannot be read.
pub fn boundary(component: &[u8], target: &Target) -> Result<Checked> {
    let mut checked = check(&survey(component)?, target);
    let of_modules = [Code::VersionDiffers, Code::ExportVersion, Code::SupportMissing, Code::SupportType];
    checked.findings.retain(|finding| !of_modules.contains(&finding.code()));
    Ok(checked)
}

/// The core functions that the world of a component implies, as the boundary of a module.
fn survey(component: &[u8]) -> Result<Survey> {
    let loaded = load(&Sources::Binary { path: String::new(), bytes: component.to_vec() }, &Gates::default())?;
    let world = select_world(&loaded, None)?;
    let mut table = Table::new(&loaded.resolve);
    let abi = Abi { names: Names::Legacy, forms: Forms::Sync };
    let mut survey = Survey { has_component_type: true, ..Survey::default() };
    for function in world_functions(&mut table, world, abi)? {
        let item = Item::Func(Some(function.core));
        match (function.direction, function.role) {
            // What a component needs for the resources that it exports is its own affair.
            (Direction::Import, _) if function.name.module.starts_with("[export]") => {}
            (Direction::Import, _) => survey.imports.push((function.name, item)),
            (Direction::Export, Role::Call { .. }) => {
                survey.exports.insert(function.name.name, item);
            }
            (Direction::Export, _) => {}
        }
    }
    Ok(survey)
}
