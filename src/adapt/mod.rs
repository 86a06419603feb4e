//! Wraps preview1 modules into components.
//!
//! [`sniff()`] says what a file is, [`survey()`] what a core module imports and exports, [`Foreign`] whose host it wants if not
//! WASI's. [`adapt()`] does the whole: [`snapshot0`] makes a module of snapshot 0 one of preview1, [`choose()`] picks the adapter,
//! `stub` replaces interfaces, [`wrap()`] builds the component, and [`Report`] tells from the calls within the adapter what
//! pulled which interface in. What would break at run time is told by [`suspicion()`].

mod choose;
mod foreign;
mod graph;
mod pattern;
mod report;
mod rewrite;
pub mod snapshot0;
mod sniff;
mod stub;
mod survey;
mod suspect;
mod wrap;

pub use choose::{Adapter, choose};
pub use foreign::{FOREIGN, Foreign};
pub use pattern::Pattern;
pub use report::{AdapterUsed, Call, FunctionUsed, InterfacePulled, Report};
pub use sniff::{FileKind, sniff};
pub use stub::{STUBBED, Stubbed};
pub use survey::{Item, PREVIEW1, SNAPSHOT0, Survey, survey};
pub use suspect::{Suspicion, suspicion};
pub use wrap::{Adaptation, Adapted, Options, adapt, wrap};
