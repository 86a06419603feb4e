//! One request: into the guest, and its answer out.

use super::body::{Guest, ResponseBody, Streaming, log};
use crate::engine::{Limits, Program, Running, Task};
use crate::host::http::{Answer, BodyError, BodySource, End, ErrorCode, Fields, IncomingRequest, ResponseSlot, target};
use crate::host::{Config, Log, State, Stdio, Trap};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::Semaphore;

/// The largest request target and header fields, in bytes; larger ones are answered with 431. The transport has a bound
/// of its own, which a fast client can overstep by what arrives at once.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// What all requests share.
pub(super) struct Service {
    pub(super) program: Box<dyn Program>,
    pub(super) config: Arc<Config>,
    pub(super) log: Log,
    pub(super) limits: Limits,
    pub(super) instances: Arc<Semaphore>,
}

impl Service {
    /// Answers one request; never fails, since every failure has a status.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let is_head = request.method() == Method::HEAD;
        let line = format!("{} {}", request.method(), request.uri().path());
        let request = match incoming(request) {
            Ok(request) => request,
            Err(status) => return plain(status),
        };
        // A closed semaphore would mean that the server is gone.
        let Ok(permit) = self.instances.clone().acquire_owned().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE);
        };
        let slot = ResponseSlot::default();
        let mut running = match self.call(request, &slot) {
            Ok(running) => running,
            Err(trap) => return failure(&line, &Err(trap)),
        };
        let mut answer = None;
        // Run until the guest is done, or has answered and waits for something.
        let outcome = poll_fn(|cx| match running.as_mut().poll(cx) {
            Poll::Ready(finished) => Poll::Ready(Some(finished.outcome)),
            Poll::Pending => {
                answer = slot.take();
                if answer.is_some() { Poll::Ready(None) } else { Poll::Pending }
            }
        })
        .await;
        match outcome {
            Some(outcome) => whole(&line, &outcome, slot.take(), is_head),
            None => {
                let guest = Guest { running, target: line, permit };
                ongoing(guest, answer, is_head)
            }
        }
    }

    fn call(&self, request: IncomingRequest, slot: &ResponseSlot) -> Result<Running, Trap> {
        let mut instance = self.program.instance(self.state());
        let request = instance.state().push_request(request)?;
        let outparam = instance.state().push_outparam(slot.clone())?;
        Ok(instance.run(Task::new(Some(0), vec![request, outparam], &self.limits)))
    }

    /// Instantiates and initialises once, so that a module that cannot be is refused before the first request.
    pub(super) async fn rehearse(&self) -> Result<(), Trap> {
        let finished = self.program.instance(self.state()).run(Task::new(None, Vec::new(), &self.limits)).await;
        finished.outcome.map(|_| ())
    }

    fn state(&self) -> State {
        State::new(self.config.clone(), Stdio::logged(self.log.clone()))
    }
}

/// Guest output to the log, a line at a time.
pub(super) fn guest_log() -> Log {
    Arc::new(|stderr, line| {
        let stream = if stderr { "stderr" } else { "stdout" };
        tracing::info!(target: "guest", stream, "{line}");
    })
}

/// The guest's view of a request, or the status for one that is refused.
fn incoming(request: Request<Incoming>) -> Result<IncomingRequest, StatusCode> {
    let (parts, body) = request.into_parts();
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if fields + parts.uri.path().len() + parts.uri.query().map_or(0, str::len) > MAX_HEAD {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let (authority, path) = target(&parts.uri);
    let host = parts.headers.get(http::header::HOST).and_then(|h| h.to_str().ok()).map(str::to_owned);
    if host.is_none() && authority.is_none() && parts.version == Version::HTTP_11 {
        return Err(StatusCode::BAD_REQUEST);
    }
    let body = (!body.is_end_stream()).then(|| {
        let body: crate::host::http::RequestBody = Box::pin(body.map_err(|e| -> BodyError { Box::new(e) }));
        body
    });
    Ok(IncomingRequest {
        method: parts.method,
        path,
        https: false,
        authority: authority.or(host),
        headers: Fields::incoming(&parts.headers),
        body: Some(BodySource::new(body)),
    })
}

/// The guest is done and nothing has been sent: whatever went wrong can still be said by the status.
fn whole(
    line: &str,
    outcome: &Result<Option<u32>, Trap>,
    answer: Option<Answer>,
    is_head: bool,
) -> Response<ResponseBody> {
    if !matches!(outcome, Ok(_) | Err(Trap::Exit(_))) {
        return failure(line, outcome);
    }
    log(line, outcome);
    match answer {
        None => {
            tracing::warn!(target: "lowlift", request = line, "the guest set no response");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Some(Answer::Error(case)) => plain(ErrorCode::status(case)),
        Some(Answer::Response(response)) => {
            let End::Finished(trailers) = response.body.ended() else {
                tracing::warn!(target: "lowlift", request = line, "the guest left its response unfinished");
                return plain(StatusCode::INTERNAL_SERVER_ERROR);
            };
            let headers = response.headers.to_map();
            let body = match trailers {
                // Trailers need the chunked form.
                Some(_) => ResponseBody::Streaming(Streaming { exchange: response.body, guest: None, ended: false }),
                None => {
                    let bytes = collect(&response.body);
                    let announced =
                        headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
                    if !is_head && announced.is_some_and(|length: usize| length != bytes.len()) {
                        tracing::warn!(target: "lowlift", request = line, "the guest announced another length");
                        return plain(StatusCode::INTERNAL_SERVER_ERROR);
                    }
                    ResponseBody::Whole(Full::new(bytes))
                }
            };
            with_headers(response.status, headers, body)
        }
    }
}

fn collect(exchange: &crate::host::http::Exchange) -> Bytes {
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
fn ongoing(guest: Guest, answer: Option<Answer>, is_head: bool) -> Response<ResponseBody> {
    match answer {
        Some(Answer::Response(response)) => {
            let headers = response.headers.to_map();
            if is_head {
                // Nobody will read the body, and the guest shall not notice.
                response.body.discard();
                guest.detach();
                return with_headers(response.status, headers, ResponseBody::Whole(Full::default()));
            }
            let streaming = Streaming { exchange: response.body, guest: Some(guest), ended: false };
            with_headers(response.status, headers, ResponseBody::Streaming(streaming))
        }
        Some(Answer::Error(case)) => {
            guest.detach();
            plain(ErrorCode::status(case))
        }
        None => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn with_headers(status: StatusCode, headers: http::HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn failure(line: &str, outcome: &Result<Option<u32>, Trap>) -> Response<ResponseBody> {
    log(line, outcome);
    plain(match outcome {
        Err(Trap::Deadline | Trap::Cpu) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

/// A status and its name, with nothing of the guest's.
fn plain(status: StatusCode) -> Response<ResponseBody> {
    let text = format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap_or("error"));
    let mut response = Response::new(ResponseBody::Whole(Full::new(Bytes::from(text))));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
