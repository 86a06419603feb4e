//! `wasi:http/types` and the outgoing handler, which denies.
//!
//! A request enters through [`IncomingRequest`], a response leaves through [`ResponseSlot`] and its [`Exchange`]; both are
//! plain data, so that any server can stand on the other side.

mod body;
mod exchange;
mod fields;
mod message;
mod response;

pub use body::{BodyError, BodySource, FutureTrailers, IncomingBody, OutgoingBody, RequestBody};
pub use exchange::{End, Exchange};
pub use fields::Fields;
#[cfg(feature = "serve")]
pub(crate) use fields::is_forbidden;
pub use message::{IncomingRequest, OutgoingRequest, RequestOptions, target};
pub use response::{Answer, ErrorCode, OutgoingResponse, Response, ResponseOutparam, ResponseSlot};

use super::Run;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    if !interface.starts_with("wasi:http/") {
        return None;
    }
    fields::function(name)
        .or_else(|| message::function(name))
        .or_else(|| body::function(name))
        .or_else(|| response::function(name))
}
