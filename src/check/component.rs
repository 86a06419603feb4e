//! The boundary of a component against a target, without linking it.
//!
//! The component's own world is lowered to the core functions that it implies, and those are compared as a module's would be.
//! A component runtime finds versions of one track by itself, so names that differ in nothing else are no finding.

use super::compare::check;
use super::finding::Checked;
use super::target::Target;
use crate::abi::{Abi, Allocation, Direction, Forms, Names, Role, Table, world_functions};
use crate::adapt::{Item, Survey};
use crate::diagnostic::{Code, Result};
use crate::wit::{Gates, Loaded, Sources, load, select_world};
use crate::witx::Scope;
use wit_parser::WorldId;

/// The world of a component as a target: what it imports, and the types of that. Fails where they cannot be read.
pub fn own(name: &str, component: &[u8]) -> Result<Target> {
    let (loaded, world) = world(name, component)?;
    let target = Target::of_world(name, &loaded.resolve, world)?;
    Ok(target.with_types(&loaded.resolve, &Scope::World(world)))
}

fn world(name: &str, component: &[u8]) -> Result<(Loaded, WorldId)> {
    let loaded = load(&Sources::Binary { path: name.to_owned(), bytes: component.to_vec() }, &Gates::default())?;
    let world = select_world(&loaded, None)?;
    Ok((loaded, world))
}

/// Compares the imports and exports of a component with `target`. Fails where the component's types cannot be read.
pub fn boundary(component: &[u8], target: &Target) -> Result<Checked> {
    let mut checked = check(&survey(component)?, target, Allocation::default());
    let of_modules = [Code::VersionDiffers, Code::ExportVersion, Code::SupportMissing, Code::SupportType];
    checked.findings.retain(|finding| !of_modules.contains(&finding.code()));
    Ok(checked)
}

/// The core functions that the world of a component implies, as the boundary of a module.
fn survey(component: &[u8]) -> Result<Survey> {
    let (loaded, world) = world("", component)?;
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
