//! Wraps preview1 modules into components.
//!
//! [`sniff()`] says what a file is, [`survey()`] what a core module imports and exports, [`choose()`] picks the adapter by that,
//! [`wrap()`] builds the component.

mod choose;
mod sniff;
mod survey;
mod wrap;

pub use choose::{Adapter, choose};
pub use sniff::{FileKind, sniff};
pub use survey::{Item, PREVIEW1, Survey, survey};
pub use wrap::{Adapted, wrap};
