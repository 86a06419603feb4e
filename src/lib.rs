//! WIT for engines that know only core WebAssembly.
//!
//! The rooms, in the order in which data flows: [`wit`] loads WIT, [`abi`] holds the canonical-ABI table that everyone
//! reads, [`layout`] draws it, [`witx`] derives WITX, [`adapt`] wraps preview1 modules, [`link`] lowers components to one
//! core module, [`bindgen`] writes host code, [`check`] compares modules with what a host provides, [`engine`], [`host`] and [`serve`] run them. [`cli`]
//! is the only room that touches files. `docs/architecture.md` has a paragraph on each.

pub mod abi;
pub mod adapt;
pub mod bindgen;
pub mod check;
pub mod cli;
pub mod diagnostic;
mod draw;
#[cfg(feature = "host")]
pub mod engine;
#[cfg(feature = "host")]
pub mod host;
pub mod layout;
pub mod link;
pub mod profile;
#[cfg(feature = "serve")]
pub mod serve;
pub mod wit;
pub mod witx;
