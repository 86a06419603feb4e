//! Types that a component and its host know under one name and that are not the same: `diff` finds them.

use super::diff::{Change, Verdict, diff};
use super::finding::{Draft, Finding, listed};
use crate::abi::Resolve;
use crate::diagnostic::Code;
use crate::witx::{Derivation, Options, Rebuilt, Scope, derive};

/// The types of some WIT; none where WITX cannot say them all.
pub(super) fn of_wit(resolve: &Resolve, scope: &Scope) -> Option<Derivation> {
    let document = derive(resolve, scope, &Options::default()).ok()?.document;
    let rebuilt = Rebuilt::of(&document).ok()?;
    Some(Derivation { document, rebuilt })
}

/// The types of `guest` that break it on `host`. Signatures and names are judged elsewhere.
pub(super) fn types(guest: &Derivation, host: &Derivation) -> Vec<Finding> {
    let (was, is) = (guest.document.abi, host.document.abi);
    if was != is {
        return Vec::new();
    }
    let of_types = [Code::LayoutChanged, Code::MeaningChanged, Code::CasesAdded, Code::CasesGone];
    let breaking = |change: &Change| change.verdict == Verdict::Breaking && of_types.contains(&change.code);
    diff(guest, host).into_iter().filter(breaking).map(finding).collect()
}

fn finding(change: Change) -> Finding {
    let first = change.first_byte.map(|first| match first.part.as_str() {
        "" => first.offset.to_string(),
        part => format!("{} (`{part}`)", first.offset),
    });
    let functions = (!change.functions.is_empty()).then(|| listed(&change.functions));
    Draft::new(Code::TypeDiffers, format!("{} {}", change.interface, change.item))
        .set("item", change.item)
        .set("interface", change.interface)
        .maybe("guest", change.old)
        .maybe("host", change.new)
        .maybe("first-byte", first)
        .maybe("functions", functions)
        .done()
}
