//! The name section: what is added gets a name, and the names of the memories go, but for the first's.

use super::grow::Growers;
use super::layout::Layout;
use crate::diagnostic::Diagnostic;
use std::ops::RangeInclusive;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{NameMap, NameSection};
use wasmparser::{Name, NameSectionReader};

/// Rewrites the section; an error if it is malformed.
pub(super) fn names(
    section: NameSectionReader<'_>,
    layout: &Layout,
    growers: &Growers,
    plain: &mut impl Reencode<Error = Box<Diagnostic>>,
) -> Result<NameSection, Error<Box<Diagnostic>>> {
    let (mut functions, mut memories, mut globals) = (NameMap::new(), NameMap::new(), NameMap::new());
    let mut others = Vec::new();
    for part in section {
        match part? {
            Name::Function(names) => copy(&mut functions, names, Some)?,
            Name::Memory(names) => copy(&mut memories, names, |index| layout.is_first(index).then_some(0))?,
            Name::Global(names) => copy(&mut globals, names, Some)?,
            other => others.push(other),
        }
    }
    growers.names().for_each(|(index, name)| functions.append(index, &name));
    layout.names().iter().for_each(|(index, name)| globals.append(*index, name));

    let mut out = NameSection::new();
    let mut between = |ids: RangeInclusive<u8>, out: &mut NameSection| {
        let chosen = others.iter().filter(|part| ids.contains(&id(part)));
        chosen.cloned().try_for_each(|part| plain.parse_custom_name_subsection(out, part))
    };
    // The format wants subsections in the order of their numbers.
    between(0..=1, &mut out)?;
    out.functions(&functions);
    between(2..=5, &mut out)?;
    if !memories.is_empty() {
        out.memories(&memories);
    }
    out.globals(&globals);
    between(8..=u8::MAX, &mut out)?;
    Ok(out)
}

fn copy(
    to: &mut NameMap,
    names: wasmparser::NameMap<'_>,
    place: impl Fn(u32) -> Option<u32>,
) -> Result<(), wasmparser::BinaryReaderError> {
    for name in names {
        let name = name?;
        if let Some(index) = place(name.index) {
            to.append(index, name.name);
        }
    }
    Ok(())
}

/// The number of a subsection.
fn id(part: &Name<'_>) -> u8 {
    match part {
        Name::Module { .. } => 0,
        Name::Function(_) => 1,
        Name::Local(_) => 2,
        Name::Label(_) => 3,
        Name::Type(_) => 4,
        Name::Table(_) => 5,
        Name::Memory(_) => 6,
        Name::Global(_) => 7,
        Name::Element(_) => 8,
        Name::Data(_) => 9,
        Name::Field(_) => 10,
        Name::Tag(_) => 11,
        Name::Unknown { ty, .. } => *ty,
    }
}
