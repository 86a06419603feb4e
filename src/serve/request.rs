//! One request: into the guest, and its answer out.

use super::body::{Answered, Guest, ResponseBody, Streaming};
use super::listen::Addresses;
use super::pool::Retirement;
use super::record::Record;
use super::route::Route;
use crate::engine::{Finished, Running, Task};
use crate::host::Trap;
use crate::host::http::{Answer, BodyError, BodySource, End, ErrorCode, Exchange, Fields, IncomingRequest};
use crate::host::http::{RequestBody, ResponseSlot, target};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// The largest request target and header fields, in bytes; larger ones are answered with 431. The transport has a bound
/// of its own, which a fast client can overstep by what arrives at once.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// What is known of the connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// Whether it is encrypted.
    pub(super) https: bool,
    /// Its two ends; none for a Unix socket.
    pub(super) addresses: Option<Addresses>,
}

/// Answers one request to a handler; never fails, since every failure has a status.
pub(super) async fn answer<B>(
    route: Arc<Route>,
    mut record: Record,
    request: Request<B>,
    connection: Connection,
) -> Response<ResponseBody>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let is_head = request.method() == Method::HEAD;
    let request = match incoming(request, connection, &route) {
        Ok(request) => request,
        Err(status) => return plain(record, status),
    };
    let exceeded = request.body.as_ref().map(BodySource::exceeded);
    let Ok(permit) = route.gate.enter().await else { return busy(&route, record) };
    let mut lease = route.pool.take();
    record.new = Some(lease.is_new());
    let slot = ResponseSlot::default();
    let running = lease.instance().ok_or_else(|| Trap::new("an instance that is gone"));
    let mut running = match running.and_then(|instance| call(instance, request, &slot, &route)) {
        Ok(running) => running,
        Err(trap) => {
            lease.retire(Retirement::LeakedHandles);
            return failure(record, &trap);
        }
    };
    let mut early = None;
    // Run until the guest is done, or has answered and waits for something.
    let finished = poll_fn(|cx| match running.as_mut().poll(cx) {
        Poll::Ready(finished) => Poll::Ready(Some(finished)),
        Poll::Pending => {
            early = slot.take();
            if early.is_some() { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await;
    let guest = Guest { route, lease, permit };
    match finished {
        Some(finished) => {
            let answer = slot.take();
            let trap = guest.finish(finished, &mut record);
            if exceeded.is_some_and(|exceeded| exceeded.is_set()) {
                record.error("the request's body is longer than the limit");
                return plain(record, StatusCode::PAYLOAD_TOO_LARGE);
            }
            whole(record, trap, answer, is_head)
        }
        None => ongoing(record, guest.running(running), early, is_head),
    }
}

fn call(
    mut instance: Box<dyn crate::engine::Instance>,
    request: IncomingRequest,
    slot: &ResponseSlot,
    route: &Route,
) -> Result<Running, Trap> {
    let request = instance.state().push_request(request)?;
    let outparam = instance.state().push_outparam(slot.clone())?;
    Ok(instance.run(Task::new(Some(route.pool.entry), vec![request, outparam], &route.pool.limits)))
}

/// The guest's view of a request, or the status for one that is refused.
fn incoming<B>(request: Request<B>, connection: Connection, route: &Route) -> Result<IncomingRequest, StatusCode>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    check_head(&parts)?;
    check_length(&body, route)?;
    let (authority, path) = target(&parts.uri);
    let host = || parts.headers.get(HOST).and_then(|h| h.to_str().ok()).map(str::to_owned);
    let authority = authority.or_else(host);
    let body = (!body.is_end_stream()).then(|| -> RequestBody { Box::pin(body.map_err(Into::into)) });
    Ok(IncomingRequest {
        method: parts.method,
        path,
        https: connection.https,
        authority,
        headers: Fields::incoming(&parts.headers),
        body: Some(BodySource::new(body).limited(route.requests.request_body)),
    })
}

/// Heads that are too large, or that name no host where the version wants one.
pub(super) fn check_head(parts: &http::request::Parts) -> Result<(), StatusCode> {
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if fields + parts.uri.path().len() + parts.uri.query().map_or(0, str::len) > MAX_HEAD {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let hosts = (hosts.next(), hosts.next());
    if hosts.1.is_some() || (hosts.0.is_none() && parts.uri.authority().is_none() && parts.version == Version::HTTP_11)
    {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(())
}

/// A body that says that it is too long is refused before the guest runs.
pub(super) fn check_length(body: &impl Body, route: &Route) -> Result<(), StatusCode> {
    let announced = body.size_hint().lower();
    if announced > route.requests.request_body { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(()) }
}

/// The guest is done and nothing has been sent: whatever went wrong can still be said by the status.
fn whole(mut record: Record, trap: Option<Trap>, answer: Option<Answer>, is_head: bool) -> Response<ResponseBody> {
    if let Some(trap) = trap.filter(|trap| !matches!(trap, Trap::Exit(_))) {
        return failure(record, &trap);
    }
    let response = match answer {
        None => {
            record.error("the guest set no response");
            return plain(record, StatusCode::INTERNAL_SERVER_ERROR);
        }
        Some(Answer::Error(case)) => return plain(record, ErrorCode::status(case)),
        Some(Answer::Response(response)) => response,
    };
    let End::Finished(trailers) = response.body.ended() else {
        record.error("the guest left its response unfinished");
        return plain(record, StatusCode::INTERNAL_SERVER_ERROR);
    };
    let headers = response.headers.to_map();
    if trailers.is_some() {
        // Trailers need the chunked form.
        return streaming(record, response.status, headers, response.body, None);
    }
    let bytes = collect(&response.body);
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if !is_head && announced.is_some_and(|length: usize| length != bytes.len()) {
        record.error("the guest announced another length");
        return plain(record, StatusCode::INTERNAL_SERVER_ERROR);
    }
    known(record, response.status, headers, if is_head { Bytes::new() } else { bytes })
}

/// All that is in a body.
pub(super) fn collect(exchange: &Exchange) -> Bytes {
    let Some(first) = exchange.take() else { return Bytes::new() };
    let Some(second) = exchange.take() else { return first };
    let mut all = BytesMut::from(&first[..]);
    all.extend_from_slice(&second);
    while let Some(next) = exchange.take() {
        all.extend_from_slice(&next);
    }
    all.freeze()
}

/// The guest has answered and runs on.
fn ongoing(mut record: Record, guest: Answered, answer: Option<Answer>, is_head: bool) -> Response<ResponseBody> {
    match answer {
        Some(Answer::Response(response)) => {
            let headers = response.headers.to_map();
            if is_head {
                // Nobody will read the body, and the guest shall not notice.
                response.body.discard();
                record.status = response.status;
                guest.detach(record);
                return bare(response.status, headers, ResponseBody::whole(Bytes::new()));
            }
            streaming(record, response.status, headers, response.body, Some(guest))
        }
        Some(Answer::Error(case)) => {
            let status = ErrorCode::status(case);
            record.status = status;
            guest.detach(record);
            text(status)
        }
        None => plain(record, StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// A response whose body comes from an exchange, with the guest that still fills it.
fn streaming(
    mut record: Record,
    status: StatusCode,
    headers: HeaderMap,
    exchange: Exchange,
    guest: Option<Answered>,
) -> Response<ResponseBody> {
    record.status = status;
    let body = Streaming { exchange, guest, record: Some(record), ended: false, unsent: false, ends_with_guest: false };
    bare(status, headers, ResponseBody::Streaming(Box::new(body)))
}

/// A response whose body is known.
pub(super) fn known(
    mut record: Record,
    status: StatusCode,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response<ResponseBody> {
    record.status = status;
    record.bytes = bytes.len() as u64;
    bare(status, headers, ResponseBody::whole(bytes))
}

/// A response without notes.
pub(super) fn bare(status: StatusCode, headers: HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The answer when a guest failed before it answered.
pub(super) fn failure(mut record: Record, trap: &Trap) -> Response<ResponseBody> {
    record.error(trap);
    plain(record, status_of(trap))
}

fn status_of(trap: &Trap) -> StatusCode {
    match trap {
        Trap::Deadline | Trap::Cpu => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer when too many requests wait.
pub(super) fn busy(route: &Route, record: Record) -> Response<ResponseBody> {
    route.metrics.refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut response = plain(record, StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A status and its name, with nothing of the guest's.
pub(super) fn plain(mut record: Record, status: StatusCode) -> Response<ResponseBody> {
    record.status = status;
    text(status)
}

/// The same for what is not noted.
pub(super) fn text(status: StatusCode) -> Response<ResponseBody> {
    let text = format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap_or("error"));
    let mut response = bare(status, HeaderMap::new(), ResponseBody::whole(Bytes::from(text)));
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// How a finished guest broke off, if it did. A program may return its code instead of exiting with it.
pub(super) fn trap_of(finished: &Finished) -> Option<Trap> {
    match finished.outcome {
        Ok(None | Some(0)) => None,
        Ok(Some(code)) => Some(Trap::Exit(code)),
        Err(ref trap) => Some(trap.clone()),
    }
}

impl ResponseBody {
    pub(super) fn whole(bytes: Bytes) -> ResponseBody {
        ResponseBody::Whole(Full::new(bytes))
    }
}
