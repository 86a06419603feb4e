//! What the linker tells about a link: the phases, what happened in each, and why.
//!
//! [`explain()`] computes it from what the phases left behind; no phase keeps a diary. [`text()`] writes it for terminals, [`svg()`]
//! draws the graph of instances, [`html()`] is a page with both. Names come from strangers: all of them go through
//! `draw::words` before they are shown, and what is too much is counted.

mod collect;
mod graph;
mod guards;
mod html;
mod model;
mod names;
mod picture;
mod scan;
mod story;
mod text;
mod wiring;

pub(super) use collect::explain;
pub use html::html;
pub use model::{
    Edge, Encoding, End, Explanation, Export, Fate, Import, Instance, LateSegment, Memory, Merge, Need, Origin, Read,
    Realloc, Runtime, Section, Shim, Slot, Table, Verify, Wiring, Written,
};
pub use picture::svg;
pub use text::text;
