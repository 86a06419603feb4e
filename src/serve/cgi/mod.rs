//! CGI: a program per request (*RFC 3875*), as WAGI runs it in WebAssembly.
//!
//! The request comes by [`environment`] and standard input, the response by standard output: [`head`] reads its fields,
//! [`output`] hands on what follows, and [`mod@run`] decides what goes back. [`mod@routes`] finds what a module answers.

mod environment;
mod head;
mod output;
mod routes;
mod run;

pub(super) use routes::routes;

use super::body::ResponseBody;
use super::linger::Received;
use super::record::Record;
use super::request::{self, Connection, plain};
use super::route::{Mode, Route};
use super::server::Shared;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use run::{Call, Outcome, run};
use std::sync::Arc;

/// The arguments of a guest, where a route does not say otherwise.
const ARGV: &str = "${SCRIPT_NAME} ${ARGS}";

/// How a program is run for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgiOptions {
    /// The export to call. None is `wasi:cli/run`, or `_start`.
    pub entrypoint: Option<String>,
    /// The arguments, divided by spaces: `${SCRIPT_NAME}` stands for the path of the route, `${ARGS}` for what the query
    /// says.
    pub argv: String,
}

impl Default for CgiOptions {
    fn default() -> Self {
        CgiOptions { entrypoint: None, argv: ARGV.to_owned() }
    }
}

/// Local redirects that one request may take.
const HOPS: u32 = 10;

/// Answers a request to a program; never fails, since every failure has a status.
pub(super) async fn answer(
    shared: &Shared,
    mut route: Arc<Route>,
    mut record: Record,
    request: Request<Received>,
    connection: Connection,
) -> Response<ResponseBody> {
    let mut call = match Call::new(request, &route) {
        Ok(call) => call,
        Err(status) => return plain(record, status),
    };
    for _ in 0..=HOPS {
        let (parts, path);
        (record, parts, path) = match run(route, record, call, connection).await {
            Outcome::Response(response) => return response,
            Outcome::Redirect(redirect) => *redirect,
        };
        let Some(parts) = redirected(parts, path) else { return plain(record, StatusCode::BAD_GATEWAY) };
        let Some(next) = shared.find(parts.uri.path()) else { return plain(record, StatusCode::NOT_FOUND) };
        record.goes_on(next.metrics.clone());
        route = next;
        if matches!(route.mode, Mode::Http) {
            let request = Request::from_parts(parts, Empty::<Bytes>::new());
            return request::answer(route, record, request, connection).await;
        }
        call = Call::without_body(parts);
    }
    record.error(format!("more than {HOPS} local redirects"));
    plain(record, StatusCode::INTERNAL_SERVER_ERROR)
}

/// The request that a local redirect stands for: of a document, without the body, by the same client.
fn redirected(mut parts: Parts, path: PathAndQuery) -> Option<Parts> {
    if parts.method != Method::HEAD {
        parts.method = Method::GET;
    }
    for field in [CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING] {
        parts.headers.remove(field);
    }
    let mut uri = parts.uri.into_parts();
    uri.path_and_query = Some(path);
    parts.uri = Uri::from_parts(uri).ok()?;
    Some(parts)
}
