//! `wasi:http/types` and the outgoing handler.
//!
//! A request enters through [`IncomingRequest`], a response leaves through [`ResponseSlot`] and its [`Exchange`]; both are
//! plain data, so that any server can stand on the other side. What a guest sends by itself leaves through the
//! [`HttpClient`], where the [`HttpPolicy`] allows it.

mod body;
mod client;
mod error;
mod exchange;
mod fields;
mod message;
mod options;
mod outgoing;
mod policy;
mod response;

pub use body::{BodyError, BodySource, Exceeded, FutureTrailers, IncomingBody, OutgoingBody, RequestBody};
pub use client::{ClientOptions, HttpClient};
pub use error::{ErrorCode, Failure};
pub use exchange::{End, Exchange, Outbound};
pub use fields::Fields;
pub use message::{IncomingRequest, OutgoingRequest, target};
pub use options::RequestOptions;
pub use outgoing::{FutureIncomingResponse, IncomingResponse};
pub use policy::{BadPattern, HttpPattern, HttpPolicy};
pub use response::{Answer, OutgoingResponse, Response, ResponseOutparam, ResponseSlot};

use super::handles::Resource;
use super::value::Value;
use super::{Run, State, Trap};

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    // The incoming handler is what guests provide; its `handle` is not the outgoing one.
    if !interface.starts_with("wasi:http/") || interface == "wasi:http/incoming-handler" {
        return None;
    }
    fields::function(name)
        .or_else(|| message::function(name))
        .or_else(|| options::function(name))
        .or_else(|| outgoing::function(name))
        .or_else(|| body::function(name))
        .or_else(|| response::function(name))
}

/// Hands headers or trailers out. The WIT makes them children of what they belong to. Component runtimes do not enforce
/// that, and guests rely on it, so that only the strict mode does.
fn push_headers(state: &mut State, headers: Fields, parent: u32) -> Result<Value, Trap> {
    let parent = state.config.strict.then_some(parent);
    state.handles.push(Resource::Fields(headers), parent).map(Value::from)
}
