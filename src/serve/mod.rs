//! `wasi:http` from core modules: an HTTP server in front of an engine.
//!
//! A request runs on the task of its connection: [`request`] builds the guest's view of it and decides what goes back,
//! [`body`] drives the guest on while its response streams. Every request has an instance of its own.

mod body;
mod request;
mod server;

pub use server::{Options, Server};

/// The track of the exported handler; any version of it is served.
pub const HANDLER: &str = "wasi:http/incoming-handler";
