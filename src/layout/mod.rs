//! Pictures of canonical-ABI layouts: which byte of memory holds what, and which core slot carries what.
//!
//! A [`Sheet`] says what to show; [`text()`] writes it for terminals, [`svg()`] as one drawing, [`html()`] as one page. The way
//! there is the same for all three: `lanes` and `draft` put the cells of a type side by side and find the padding, `geometry` breaks
//! them into rows, `strip` and `figure` draw them. Names and documentation come from strangers, and sizes reach 4 GiB:
//! every word goes through `draw::words`, and what is not drawn is counted instead.

mod build;
mod call;
mod draft;
mod figure;
mod geometry;
mod html;
mod lanes;
mod rows;
mod sheet;
mod strip;
mod svg;
mod text;

pub use build::sheet;
pub use html::html;
pub use sheet::{Area, Body, Call, Case, Node, Sheet, Slot};
pub use svg::svg;
pub use text::text;
