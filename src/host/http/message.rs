//! Requests: incoming ones, and outgoing ones, which are built but never sent.

use super::body::{BodySource, IncomingBody, OutgoingBody};
use super::{ErrorCode, Exchange, Fields};
use crate::host::handles::Resource;
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle, io};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri};

/// `incoming-request`.
#[derive(Debug)]
pub struct IncomingRequest {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Option<String>,
    /// Whether it came over TLS.
    pub https: bool,
    /// Host and port.
    pub authority: Option<String>,
    /// Header fields.
    pub headers: Fields,
    /// The body, until it is consumed.
    pub body: Option<BodySource>,
}

/// `outgoing-request`.
#[derive(Debug)]
pub struct OutgoingRequest {
    method: Value,
    path: Option<String>,
    scheme: Option<Value>,
    authority: Option<String>,
    headers: Fields,
    body_taken: bool,
}

/// `request-options`: time-outs in nanoseconds.
#[derive(Debug, Default)]
pub struct RequestOptions {
    connect: Option<u64>,
    first_byte: Option<u64>,
    between_bytes: Option<u64>,
}

impl State {
    /// Adds a request to the guest's handles.
    pub fn push_request(&mut self, request: IncomingRequest) -> Result<u32, Trap> {
        self.handles.push(Resource::IncomingRequest(Box::new(request)), None)
    }
}

/// The cases of `method` that are not `other`.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

fn method_value(method: &Method) -> Value {
    match (0u32..).zip(METHODS).find(|(_, m)| *m == method.as_str()) {
        Some((case, _)) => Value::case(case),
        None => Value::Case(9, Some(Box::new(method.as_str().into()))),
    }
}

/// `scheme`: HTTP, HTTPS, other.
fn scheme_is_valid(scheme: &Value) -> Result<bool, Trap> {
    Ok(match scheme.as_case()? {
        (_, Some(other)) => http::uri::Scheme::try_from(other.str()?).is_ok(),
        (_, None) => true,
    })
}

pub(super) fn function(name: &str) -> Option<Run> {
    incoming(name).or_else(|| outgoing(name)).or_else(|| options(name))
}

fn incoming(name: &str) -> Option<Run> {
    Some(match name {
        "[method]incoming-request.method" => |s, a| done(method_value(&request(s, a)?.method)),
        "[method]incoming-request.path-with-query" => |s, a| done(Value::option(request(s, a)?.path.as_deref())),
        "[method]incoming-request.scheme" => {
            |s, a| done(Value::option(Some(Value::case(u32::from(request(s, a)?.https)))))
        }
        "[method]incoming-request.authority" => |s, a| done(Value::option(request(s, a)?.authority.as_deref())),
        "[method]incoming-request.headers" => |s, a| {
            let headers = request(s, a)?.headers.frozen();
            let headers = s.push(Resource::Fields(headers))?;
            done(headers)
        },
        "[method]incoming-request.consume" => |s, a| {
            let request: &mut IncomingRequest = s.handles.get_mut(handle(a, 0)?)?;
            let Some(source) = request.body.take() else { return done(Value::err_unit()) };
            let body = s.push(Resource::IncomingBody(IncomingBody::new(source)))?;
            done(Value::ok(body))
        },
        "[resource-drop]incoming-request" => |s, a| io::drop_of::<IncomingRequest>(s, a),
        _ => return None,
    })
}

fn request<'s>(state: &'s State, args: &[Value]) -> Result<&'s IncomingRequest, Trap> {
    state.handles.get(handle(args, 0)?)
}

fn outgoing(name: &str) -> Option<Run> {
    Some(match name {
        "[constructor]outgoing-request" => |s, a| {
            let headers: Fields = s.handles.take(handle(a, 0)?)?;
            let request = OutgoingRequest {
                method: Value::case(0),
                path: None,
                scheme: None,
                authority: None,
                headers: headers.frozen(),
                body_taken: false,
            };
            let request = s.push(Resource::OutgoingRequest(Box::new(request)))?;
            done(request)
        },
        "[method]outgoing-request.body" => |s, a| {
            let request: &mut OutgoingRequest = s.handles.get_mut(handle(a, 0)?)?;
            if std::mem::replace(&mut request.body_taken, true) {
                return done(Value::err_unit());
            }
            let body = OutgoingBody::new(Exchange::default(), &request.headers, ErrorCode::RequestBodySize);
            let body = s.push(Resource::OutgoingBody(body))?;
            done(Value::ok(body))
        },
        "[method]outgoing-request.method" => |s, a| done(out(s, a)?.method.clone()),
        "[method]outgoing-request.set-method" => |s, a| {
            let method = arg(a, 1)?;
            if let (_, Some(other)) = method.as_case()?
                && Method::from_bytes(other.str()?.as_bytes()).is_err()
            {
                return done(Value::err_unit());
            }
            out(s, a)?.method = method.clone();
            done(Value::ok_unit())
        },
        "[method]outgoing-request.path-with-query" => |s, a| done(Value::option(out(s, a)?.path.as_deref())),
        "[method]outgoing-request.set-path-with-query" => |s, a| {
            let path = arg(a, 1)?.as_option()?.map(Value::str).transpose()?;
            if path.is_some_and(|p| PathAndQuery::try_from(p).is_err()) {
                return done(Value::err_unit());
            }
            out(s, a)?.path = path.map(str::to_owned);
            done(Value::ok_unit())
        },
        "[method]outgoing-request.scheme" => |s, a| done(Value::option(out(s, a)?.scheme.clone())),
        "[method]outgoing-request.set-scheme" => |s, a| {
            let scheme = arg(a, 1)?.as_option()?;
            if !scheme.map_or(Ok(true), scheme_is_valid)? {
                return done(Value::err_unit());
            }
            out(s, a)?.scheme = scheme.cloned();
            done(Value::ok_unit())
        },
        "[method]outgoing-request.authority" => |s, a| done(Value::option(out(s, a)?.authority.as_deref())),
        "[method]outgoing-request.set-authority" => |s, a| {
            let authority = arg(a, 1)?.as_option()?.map(Value::str).transpose()?;
            if authority.is_some_and(|a| Authority::try_from(a).is_err()) {
                return done(Value::err_unit());
            }
            out(s, a)?.authority = authority.map(str::to_owned);
            done(Value::ok_unit())
        },
        "[method]outgoing-request.headers" => |s, a| {
            let headers = out(s, a)?.headers.clone();
            let headers = s.push(Resource::Fields(headers))?;
            done(headers)
        },
        "[resource-drop]outgoing-request" => |s, a| io::drop_of::<OutgoingRequest>(s, a),
        // Everything is denied by default, so no request leaves.
        "handle" => |s, a| {
            s.handles.take::<OutgoingRequest>(handle(a, 0)?)?;
            if let Some(options) = arg(a, 1)?.as_option()? {
                s.handles.take::<RequestOptions>(options.u32()?)?;
            }
            done(Value::err(ErrorCode::RequestDenied.value()))
        },
        "http-error-code" => |s, a| {
            s.handles.get::<io::IoError>(handle(a, 0)?)?;
            done(Value::option(None::<Value>))
        },
        _ => return None,
    })
}

fn out<'s>(state: &'s mut State, args: &[Value]) -> Result<&'s mut OutgoingRequest, Trap> {
    state.handles.get_mut(handle(args, 0)?)
}

fn options(name: &str) -> Option<Run> {
    Some(match name {
        "[constructor]request-options" => |s, _| {
            let options = s.push(Resource::RequestOptions(RequestOptions::default()))?;
            done(options)
        },
        "[method]request-options.connect-timeout" => |s, a| get(s, a, |o| &mut o.connect),
        "[method]request-options.set-connect-timeout" => |s, a| set(s, a, |o| &mut o.connect),
        "[method]request-options.first-byte-timeout" => |s, a| get(s, a, |o| &mut o.first_byte),
        "[method]request-options.set-first-byte-timeout" => |s, a| set(s, a, |o| &mut o.first_byte),
        "[method]request-options.between-bytes-timeout" => |s, a| get(s, a, |o| &mut o.between_bytes),
        "[method]request-options.set-between-bytes-timeout" => |s, a| set(s, a, |o| &mut o.between_bytes),
        "[resource-drop]request-options" => |s, a| io::drop_of::<RequestOptions>(s, a),
        _ => return None,
    })
}

type TimeOut = fn(&mut RequestOptions) -> &mut Option<u64>;

fn get(state: &mut State, args: &[Value], time_out: TimeOut) -> Result<Step, Trap> {
    let value = *time_out(state.handles.get_mut(handle(args, 0)?)?);
    done(Value::option(value))
}

fn set(state: &mut State, args: &[Value], time_out: TimeOut) -> Result<Step, Trap> {
    let value = arg(args, 1)?.as_option()?.map(Value::u64).transpose()?;
    *time_out(state.handles.get_mut(handle(args, 0)?)?) = value;
    done(Value::ok_unit())
}

/// Authority and path of a request target.
pub fn target(uri: &Uri) -> (Option<String>, Option<String>) {
    let authority = uri.authority().map(|a| a.as_str().to_owned());
    let path = uri.path_and_query().map(|p| p.as_str().to_owned());
    (authority, path)
}
