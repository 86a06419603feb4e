//! One run of a program for one request.

use super::CgiOptions;
use super::environment::{Asked, arguments, variables};
use super::head::{Head, Malformed};
use super::output::Output;
use crate::engine::{Running, Task};
use crate::host::http::{BodyError, BodySource, End, Exchange, RequestBody};
use crate::host::{Stdio, Trap};
use crate::serve::body::{Guest, ResponseBody, Streaming};
use crate::serve::linger::Received;
use crate::serve::pool::{Lease, Retirement};
use crate::serve::record::Record;
use crate::serve::request::{Connection, bare, busy, check_head, check_length, collect, failure, known, plain};
use crate::serve::route::{Mode, Route};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// A request, whether a client made it or a local redirect.
pub(super) struct Call {
    parts: Parts,
    body: Option<RequestBody>,
    /// The length of the body, where the client announced it.
    length: Option<u64>,
}

/// What comes of a run.
pub(super) enum Outcome {
    Response(Response<ResponseBody>),
    /// Another resource is the answer.
    Redirect(Box<(Record, Parts, PathAndQuery)>),
}

impl Call {
    /// The request of a client, or the status for one that is refused.
    pub(super) fn new(request: Request<Received>, route: &Route) -> Result<Call, StatusCode> {
        let (parts, body) = request.into_parts();
        check_head(&parts)?;
        check_length(&body, route)?;
        let announced = parts.headers.contains_key(CONTENT_LENGTH) || !body.is_end_stream();
        let mut call = Call { length: body.size_hint().exact().filter(|_| announced), ..Call::without_body(parts) };
        if !body.is_end_stream() {
            call.body = Some(Box::pin(body.map_err(BodyError::from)));
        }
        Ok(call)
    }

    pub(super) fn without_body(parts: Parts) -> Call {
        Call { parts, body: None, length: None }
    }
}

/// Runs the program of a route until its answer is known.
pub(super) async fn run(route: Arc<Route>, mut record: Record, mut call: Call, connection: Connection) -> Outcome {
    let asked = Asked { parts: &call.parts, length: call.length, connection, pattern: &route.pattern };
    let Mode::Cgi(CgiOptions { argv, .. }) = &route.mode else {
        return Outcome::Response(plain(record, StatusCode::INTERNAL_SERVER_ERROR));
    };
    let Ok(env) = variables(&asked, &route.pool.config().env) else {
        return Outcome::Response(plain(record, StatusCode::BAD_REQUEST));
    };
    let args = arguments(argv, &asked);
    let Ok(permit) = route.gate.enter().await else { return Outcome::Response(busy(&route, record)) };
    let input = BodySource::new(call.body.take()).limited(route.requests.request_body);
    let too_long = input.exceeded();
    let body = Exchange::limited(route.requests.response_body);
    let output = Arc::new(Mutex::new(Output::new(body.clone())));
    let stdio = Stdio {
        stdin: Some(Arc::new(Mutex::new(input))),
        stdout: Some(output.clone()),
        ..Stdio::logged(route.pool.log.clone())
    };
    let mut lease = route.pool.make_for(stdio, env, args);
    record.new = Some(true);
    let Some(instance) = lease.instance() else {
        return Outcome::Response(failure(record, &Trap::new("an instance that is gone")));
    };
    let mut running = instance.run(Task::new(Some(route.pool.entry), Vec::new(), &route.pool.limits));
    let mut head = None;
    // Run until the guest is done, or has said what goes back and waits for something. Before a local redirect is
    // followed, the guest may finish.
    let finished = poll_fn(|cx| match running.as_mut().poll(cx) {
        Poll::Ready(finished) => Poll::Ready(Some(finished)),
        Poll::Pending => {
            head = head.take().or_else(|| lock(&output).take());
            if matches!(head, None | Some(Ok(Head::LocalRedirect(_)))) { Poll::Pending } else { Poll::Ready(None) }
        }
    })
    .await;
    let head = head.or_else(|| lock(&output).take()).unwrap_or(Err(Malformed::Incomplete));
    let guest = Guest { route, lease, permit };
    let Some(finished) = finished else {
        return Outcome::Response(ongoing(record, guest, running, head, body, &call.parts.method));
    };
    let result = finished.outcome.as_ref().ok().copied().flatten();
    let trap = guest.finish(finished, &mut record).or(result.filter(|&code| code != 0).map(Trap::Exit));
    if too_long.is_set() {
        return Outcome::Response(plain(record, StatusCode::PAYLOAD_TOO_LARGE));
    }
    if let Some(trap) = &trap
        && (!matches!(trap, Trap::Exit(_)) || (head.is_err() && *trap != Trap::Exit(0)))
    {
        return Outcome::Response(failure(record, trap));
    }
    match head {
        Ok(Head::LocalRedirect(path)) => Outcome::Redirect(Box::new((record, call.parts, path))),
        head => Outcome::Response(whole(record, head, &body, &call.parts.method)),
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    // Nothing panics while the lock is held.
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The guest is done and nothing has been sent: whatever went wrong can still be said by the status.
fn whole(record: Record, head: Result<Head, Malformed>, body: &Exchange, method: &Method) -> Response<ResponseBody> {
    let (status, headers) = match head {
        Ok(Head::Response(status, headers)) => (status, headers),
        Ok(Head::LocalRedirect(_)) => return plain(record, StatusCode::INTERNAL_SERVER_ERROR),
        Err(why) => return malformed(record, &why),
    };
    body.finish();
    if is_bodiless(status, method) {
        return known(record, status, bodiless(status, headers), Bytes::new());
    }
    if body.exceeded() {
        return failure(record, &Trap::new("the response is longer than the limit"));
    }
    if body.ended() == End::Aborted {
        return malformed(record, &Malformed::WrongLength);
    }
    known(record, status, headers, collect(body))
}

/// The guest runs on; its body follows as it is written.
fn ongoing(
    mut record: Record,
    mut guest: Guest,
    running: Running,
    head: Result<Head, Malformed>,
    body: Exchange,
    method: &Method,
) -> Response<ResponseBody> {
    let (status, headers) = match head {
        Ok(Head::Response(status, headers)) => (status, headers),
        Ok(Head::LocalRedirect(_)) => return plain(record, StatusCode::INTERNAL_SERVER_ERROR),
        Err(why) => {
            end(&mut guest.lease, &mut record);
            return malformed(record, &why);
        }
    };
    record.status = status;
    if is_bodiless(status, method) {
        // Nobody will read the body, and the guest shall not notice.
        body.discard();
        guest.running(running).detach(record);
        return bare(status, bodiless(status, headers), ResponseBody::whole(Bytes::new()));
    }
    let guest = Some(guest.running(running));
    let body =
        Streaming { exchange: body, guest, record: Some(record), ended: false, unsent: false, ends_with_guest: true };
    bare(status, headers, ResponseBody::Streaming(Box::new(body)))
}

/// Nothing more of what a guest writes can be used.
fn end(lease: &mut Lease, record: &mut Record) {
    lease.retire(Retirement::BadOutput);
    record.retired = Some(Retirement::BadOutput);
}

fn malformed(mut record: Record, why: &Malformed) -> Response<ResponseBody> {
    record.error(why);
    plain(record, StatusCode::BAD_GATEWAY)
}

/// Whether the protocol lets no body follow.
fn is_bodiless(status: StatusCode, method: &Method) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn bodiless(status: StatusCode, mut headers: HeaderMap) -> HeaderMap {
    if status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH);
    }
    headers
}
