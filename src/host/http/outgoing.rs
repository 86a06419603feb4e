//! `outgoing-handler`, and the responses that come back.

use super::body::{BodyError, BodySource, IncomingBody};
use super::client::{Inbound, Outgoing, Target, Times};
use super::message::{method, path_and_query};
use super::{
    End, ErrorCode, Exchange, Failure, Fields, Outbound, OutgoingRequest, RequestBody, RequestOptions, push_headers,
};
use crate::host::handles::{Ready, Resource};
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle, io};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Time-outs that the guest does not set.
const TIME_OUT: Duration = Duration::from_secs(600);

/// `future-incoming-response`. Dropping it gives the request up.
#[derive(Debug)]
pub struct FutureIncomingResponse(Progress);

#[derive(Debug)]
enum Progress {
    Sending(JoinHandle<Result<IncomingResponse, Failure>>),
    /// Boxed, as one waits much longer than it is there.
    Done(Box<Result<IncomingResponse, Failure>>),
    Taken,
}

/// `incoming-response`.
#[derive(Debug)]
pub struct IncomingResponse {
    status: StatusCode,
    headers: Fields,
    body: Option<BodySource>,
}

impl Ready for FutureIncomingResponse {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Progress::Sending(task) = &mut self.0 {
            let Poll::Ready(result) = Pin::new(task).poll(cx) else { return Poll::Pending };
            let result = result.unwrap_or_else(|e| Err(Failure::new(ErrorCode::InternalError, e)));
            self.0 = Progress::Done(Box::new(result));
        }
        Poll::Ready(())
    }
}

impl Drop for FutureIncomingResponse {
    fn drop(&mut self) {
        if let Progress::Sending(task) = &self.0 {
            task.abort();
        }
    }
}

impl IncomingResponse {
    fn new(response: Response<Inbound>) -> IncomingResponse {
        let (parts, body) = response.into_parts();
        let body: RequestBody = Box::pin(body.map_err(|failure| -> BodyError { Box::new(failure) }));
        IncomingResponse {
            status: parts.status,
            headers: Fields::incoming(&parts.headers),
            body: Some(BodySource::new(Some(body))),
        }
    }
}

pub(super) fn function(name: &str) -> Option<Run> {
    Some(match name {
        "handle" => |s, a| {
            let request: OutgoingRequest = s.handles.take(handle(a, 0)?)?;
            let options = match arg(a, 1)?.as_option()? {
                Some(index) => s.handles.take::<RequestOptions>(index.u32()?)?,
                None => RequestOptions::default(),
            };
            match prepare(s, request, &options)? {
                Ok(outgoing) => send(s, outgoing),
                Err(failure) => done(Value::err(failure.value())),
            }
        },
        "http-error-code" => |s, a| {
            let code = match s.handles.get::<io::IoError>(handle(a, 0)?)? {
                io::IoError::Http(code, _) => Some(code.clone()),
                _ => None,
            };
            done(Value::option(code))
        },
        "[method]future-incoming-response.subscribe" => |s, a| {
            let index = handle(a, 0)?;
            s.handles.get::<FutureIncomingResponse>(index)?;
            io::subscribe(s, index)
        },
        "[method]future-incoming-response.get" => |s, a| get(s, handle(a, 0)?),
        "[resource-drop]future-incoming-response" => |s, a| io::drop_of::<FutureIncomingResponse>(s, a),
        "[method]incoming-response.status" => {
            |s, a| done(u32::from(s.handles.get::<IncomingResponse>(handle(a, 0)?)?.status.as_u16()))
        }
        "[method]incoming-response.headers" => |s, a| {
            let index = handle(a, 0)?;
            let headers = s.handles.get::<IncomingResponse>(index)?.headers.clone();
            let headers = push_headers(s, headers, index)?;
            done(headers)
        },
        "[method]incoming-response.consume" => |s, a| {
            let response: &mut IncomingResponse = s.handles.get_mut(handle(a, 0)?)?;
            let Some(source) = response.body.take() else { return done(Value::err_unit()) };
            let body = s.push(Resource::IncomingBody(IncomingBody::new(source)))?;
            done(Value::ok(body))
        },
        "[resource-drop]incoming-response" => |s, a| io::drop_of::<IncomingResponse>(s, a),
        _ => return None,
    })
}

/// None while the request is on its way, then its result once, then an error.
fn get(state: &mut State, index: u32) -> Result<Step, Trap> {
    let future: &mut FutureIncomingResponse = state.handles.get_mut(index)?;
    if future.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
        return done(Value::option(None::<Value>));
    }
    let result = match std::mem::replace(&mut future.0, Progress::Taken) {
        Progress::Done(result) => *result,
        _ => return done(Value::option(Some(Value::err_unit()))),
    };
    let result = match result {
        Ok(response) => Value::ok(state.push(Resource::IncomingResponse(Box::new(response)))?),
        Err(failure) => Value::err(failure.value()),
    };
    done(Value::option(Some(Value::ok(result))))
}

/// Checks what the guest has built, and whether it may be sent.
fn prepare(
    state: &mut State,
    request: OutgoingRequest,
    options: &RequestOptions,
) -> Result<Result<Outgoing, Failure>, Trap> {
    let Some(https) = is_https(request.scheme.as_ref())? else {
        return Ok(Err(Failure::new(ErrorCode::ProtocolError, "the scheme is neither http nor https")));
    };
    // A tunnel would lead past the allow-list, and the guest could not speak through it.
    let Some(method) = method(&request.method)?.filter(|method| *method != Method::CONNECT) else {
        return Ok(Err(Failure::new(ErrorCode::RequestMethodInvalid, "CONNECT is not supported")));
    };
    Ok(checked(state, request, method, https, options))
}

fn is_https(scheme: Option<&Value>) -> Result<Option<bool>, Trap> {
    Ok(match scheme.map(Value::as_case).transpose()? {
        None | Some((1, _)) => Some(true),
        Some((0, _)) => Some(false),
        Some((_, other)) => match other.map(Value::str).transpose()? {
            Some(other) if other.eq_ignore_ascii_case("http") => Some(false),
            Some(other) if other.eq_ignore_ascii_case("https") => Some(true),
            _ => None,
        },
    })
}

fn checked(
    state: &mut State,
    request: OutgoingRequest,
    method: Method,
    https: bool,
    options: &RequestOptions,
) -> Result<Outgoing, Failure> {
    let invalid = |why: &str| Failure::new(ErrorCode::RequestUriInvalid, why);
    let authority = request.authority.as_deref().unwrap_or_default();
    let target = Target::new(https, authority)?;
    let authority = Authority::try_from(authority).map_err(|_| invalid("the authority is none"))?;
    let path: PathAndQuery =
        path_and_query(request.path.as_deref().unwrap_or_default()).ok_or_else(|| invalid("the path is none"))?;
    if !state.config.http.allows_target(&target) {
        return Err(Failure::new(ErrorCode::RequestDenied, format!("{target} is not allowed")));
    }
    if request.body.is_none() && request.headers.content_length().is_some_and(|length| length != 0) {
        let why = "a length is announced for no body";
        return Err(Failure::with(ErrorCode::RequestBodySize, Value::option(Some(0u64)), why));
    }
    let exchange = request.body.unwrap_or_else(|| {
        let none = Exchange::default();
        none.end(End::Finished(None));
        none
    });
    let mut message = Request::new(Outbound::new(exchange));
    *message.method_mut() = method;
    *message.uri_mut() = Uri::from(path);
    *message.headers_mut() = request.headers.to_map();
    let time = |nanoseconds: Option<u64>| nanoseconds.map_or(TIME_OUT, Duration::from_nanos);
    let times = Times {
        connect: time(options.connect),
        first_byte: time(options.first_byte),
        between_bytes: time(options.between_bytes),
    };
    Ok(Outgoing { target, authority, message, times, counted: count(state)? })
}

/// Counts a request among those of its instance.
fn count(state: &mut State) -> Result<Arc<()>, Failure> {
    let counter = state.requests.get_or_insert_default();
    let most = state.config.client.per_instance();
    // One count is the instance's own.
    if Arc::strong_count(counter) > most {
        let why = format!("{most} requests of this instance are on their way");
        return Err(Failure::new(ErrorCode::ConnectionLimitReached, why));
    }
    Ok(counter.clone())
}

/// Sends away from the guest, which may write the body meanwhile.
fn send(state: &mut State, outgoing: Outgoing) -> Result<Step, Trap> {
    let Ok(runtime) = Handle::try_current() else {
        return done(Value::err(ErrorCode::InternalError.value()));
    };
    let config = state.config.clone();
    let task = runtime.spawn(async move {
        let line = format!("{} {}", outgoing.message.method(), outgoing.target);
        let response = config.client.send(&config.http, outgoing).await;
        match &response {
            Ok(response) => {
                tracing::debug!(target: "lowlift", request = line, status = response.status().as_u16(), "outgoing");
            }
            Err(failure) => tracing::debug!(target: "lowlift", request = line, "outgoing: {failure}"),
        }
        response.map(IncomingResponse::new)
    });
    let future = Box::new(FutureIncomingResponse(Progress::Sending(task)));
    let future = state.push(Resource::FutureIncomingResponse(future))?;
    done(Value::ok(future))
}
