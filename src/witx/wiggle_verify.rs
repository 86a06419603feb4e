//! Proof that the profile of `wiggle` says what the document says that it was made from.

use super::model::Document;
use super::print::print_plain;
use super::read::{parsed, signature};
use super::verify::difference;
use super::wiggle::Wiggle;
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{HashMap, HashSet};
use witx::Layout;

/// Prints both documents and reads them back. Fails with [`Code::WitxVerify`] unless each of the original's types is
/// there with the same size, alignment and offsets, and each of its functions with the same core signature or omitted.
pub fn verify_wiggle(original: &Document, wiggle: &Wiggle) -> Result<()> {
    let read = |document| parsed(&print_plain(document));
    let (want, have) = (read(original)?, read(&wiggle.document)?);
    types(original, wiggle, &want, &have)?;
    functions(wiggle, &want, &have)
}

fn types(original: &Document, wiggle: &Wiggle, want: &witx::Document, have: &witx::Document) -> Result<()> {
    let renamed: HashMap<&str, &str> = wiggle.renamed.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    for ty in &original.types {
        let id = ty.id.as_str();
        let (want, have) = (layout(want, id)?, layout(have, renamed.get(id).unwrap_or(&id))?);
        // A list has no offsets where it stands for itself, and those of a pointer and a length where it is a record.
        if want.0 != have.0 || (want.1 != have.1 && !want.1.is_empty()) {
            return Err(difference(id, format!("{want:?}"), format!("{have:?}")));
        }
    }
    Ok(())
}

/// Size and alignment, and the offsets of fields or of the payload.
fn layout(document: &witx::Document, id: &str) -> Result<((usize, usize), Vec<usize>)> {
    let named = document
        .typename(&witx::Id::new(id))
        .ok_or_else(|| Diagnostic::new(Code::WitxVerify, format!("`${id}` was not found")))?;
    let offsets = match &**named.type_() {
        witx::Type::Record(r) if r.bitflags_repr().is_none() => r.member_layout().iter().map(|m| m.offset).collect(),
        witx::Type::Variant(v) => vec![v.payload_offset()],
        _ => Vec::new(),
    };
    let size = named.mem_size_align();
    Ok(((size.size, size.align), offsets))
}

fn functions(wiggle: &Wiggle, want: &witx::Document, have: &witx::Document) -> Result<()> {
    let name = |module: &witx::Module, func: &witx::InterfaceFunc| {
        (module.name.as_str().to_owned(), func.name.as_str().to_owned())
    };
    let signatures = |document: &witx::Document| -> HashMap<_, _> {
        document.modules().flat_map(|m| m.funcs().map(|f| (name(&m, &f), signature(&f))).collect::<Vec<_>>()).collect()
    };
    let (want, mut have) = (signatures(want), signatures(have));
    let mut omitted: HashSet<_> = wiggle.omitted.iter().map(|o| (o.module.clone(), o.function.clone())).collect();
    for (name, want) in want {
        let what = format!("{}#{}", name.0, name.1);
        match have.remove(&name) {
            Some(have) if have == want && want.is_some() => {}
            Some(have) => return Err(difference(&what, format!("{want:?}"), format!("{have:?}"))),
            None if omitted.remove(&name) => {}
            None => return Err(Diagnostic::new(Code::WitxVerify, format!("`{what}` is lost"))),
        }
    }
    match have.keys().chain(&omitted).next() {
        None => Ok(()),
        Some((module, name)) => Err(Diagnostic::new(Code::WitxVerify, format!("`{module}#{name}` was added"))),
    }
}
