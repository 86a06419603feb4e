//! Custom sections: names and producers.

use super::layout::Layout;
use crate::link::plan::Plan;
use crate::link::runtime::Pieces;
use wasm_encoder::{NameMap, NameSection, ProducersField, ProducersSection};

/// The names of the functions that stay.
pub(super) fn names(plan: &Plan<'_, '_>, layout: &Layout, pieces: &Pieces, initialize: bool) -> NameSection {
    let mut map = NameMap::new();
    for (index, name) in pieces.names(plan, layout.pieces) {
        map.append(index, &name);
    }
    for id in plan.instance_ids() {
        for (index, name) in &plan.module(id).func_names {
            if let Some(output) = layout.funcs.get((id, *index)) {
                map.append(output, name);
            }
        }
    }
    if initialize {
        map.append(layout.initialize, "_initialize");
    }
    let mut section = NameSection::new();
    if let Some(name) = plan.instance_ids().find_map(|id| plan.module(id).name) {
        section.module(name);
    }
    section.functions(&map);
    section
}

/// The producers of all modules, each once, and this linker.
pub(super) fn producers(plan: &Plan<'_, '_>) -> ProducersSection {
    let mut fields: Vec<(&str, Vec<(&str, &str)>)> = vec![("language", vec![]), ("processed-by", vec![])];
    for module in plan.instance_ids().map(|id| plan.module(id)) {
        for field in &module.producers {
            let values = field.values.clone().into_iter().flatten().map(|v| (v.name, v.version));
            match fields.iter_mut().find(|(name, _)| *name == field.name) {
                Some((_, known)) => {
                    for value in values {
                        if !known.iter().any(|(name, _)| *name == value.0) {
                            known.push(value);
                        }
                    }
                }
                None => fields.push((field.name, values.collect())),
            }
        }
    }
    if let Some((_, known)) = fields.iter_mut().find(|(name, _)| *name == "processed-by") {
        known.retain(|(name, _)| *name != "lowlift");
        known.push(("lowlift", env!("CARGO_PKG_VERSION")));
    }
    let mut section = ProducersSection::new();
    for (name, values) in fields.iter().filter(|(_, values)| !values.is_empty()) {
        let mut field = ProducersField::new();
        for (name, version) in values {
            field.value(name, version);
        }
        section.field(name, &field);
    }
    section
}
