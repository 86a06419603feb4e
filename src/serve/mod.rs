//! `wasi:http` from core modules: an HTTP server in front of an engine.
//!
//! [`server`] accepts connections and finds the [`route`]; a [`gate`] lets a bounded number of requests in; the [`pool`]
//! gives each an instance, by the route's policy. A request runs on the task of its connection: [`mod@request`] builds the
//! guest's view of it and decides what goes back, or [`cgi`] does where a guest is a program; [`body`] drives the guest on
//! while its response streams. [`record`] and [`metrics`] note what happened; [`admin`] shows it.

mod admin;
mod body;
mod cgi;
mod config;
mod gate;
mod linger;
mod listen;
mod metrics;
mod pool;
mod record;
mod request;
mod route;
mod server;
mod stall;
mod trace;
mod units;
mod wagi;

pub use cgi::CgiOptions;
pub use config::{Site, SiteRoute};
pub use listen::{Listen, Tls};
pub use pool::{Counts, Policy, Retirement};
pub use route::{Mode, Pattern, RequestLimits, RouteOptions};
pub use server::{Options, Routes, Server};
pub use units::{duration, size};

/// The track of the exported handler; any version of it is served.
pub const HANDLER: &str = "wasi:http/incoming-handler";
