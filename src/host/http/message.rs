//! Requests: incoming ones, and outgoing ones while they are built.

use super::body::{BodySource, IncomingBody, OutgoingBody};
use super::{Exchange, Fields, push_headers};
use crate::host::handles::Resource;
use crate::host::value::Value;
use crate::host::{Run, State, Trap, arg, done, handle, io};
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
    pub(super) method: Value,
    pub(super) path: Option<String>,
    pub(super) scheme: Option<Value>,
    pub(super) authority: Option<String>,
    pub(super) headers: Fields,
    /// The body, once the guest has taken it.
    pub(super) body: Option<Exchange>,
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

/// The method of a lifted `method`, if it is one.
pub(super) fn method(value: &Value) -> Result<Option<Method>, Trap> {
    let name = match value.as_case()? {
        (_, Some(other)) => other.str()?,
        (case, None) => METHODS.get(case as usize).copied().unwrap_or_default(),
    };
    Ok(Method::from_bytes(name.as_bytes()).ok())
}

/// The path and query of a request target; none for text that is neither. What starts otherwise could run into the
/// authority, and a fragment is no part of either.
pub(super) fn path_and_query(text: &str) -> Option<PathAndQuery> {
    match text.as_bytes().first() {
        None => Some(PathAndQuery::from_static("/")),
        Some(b'/') => PathAndQuery::try_from(text).ok(),
        Some(b'?') => PathAndQuery::try_from(format!("/{text}")).ok(),
        Some(_) => None,
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
    incoming(name).or_else(|| outgoing(name))
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
            let headers = push_headers(s, headers, handle(a, 0)?)?;
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
                body: None,
            };
            let request = s.push(Resource::OutgoingRequest(Box::new(request)))?;
            done(request)
        },
        "[method]outgoing-request.body" => |s, a| {
            let request: &mut OutgoingRequest = s.handles.get_mut(handle(a, 0)?)?;
            if request.body.is_some() {
                return done(Value::err_unit());
            }
            let exchange = request.body.insert(Exchange::default()).clone();
            let body = OutgoingBody::new(exchange, &request.headers, true);
            let body = s.push(Resource::OutgoingBody(body))?;
            done(Value::ok(body))
        },
        "[method]outgoing-request.method" => |s, a| done(out(s, a)?.method.clone()),
        "[method]outgoing-request.set-method" => |s, a| {
            let value = arg(a, 1)?;
            if method(value)?.is_none() {
                return done(Value::err_unit());
            }
            out(s, a)?.method = value.clone();
            done(Value::ok_unit())
        },
        "[method]outgoing-request.path-with-query" => |s, a| done(Value::option(out(s, a)?.path.as_deref())),
        "[method]outgoing-request.set-path-with-query" => |s, a| {
            let path = arg(a, 1)?.as_option()?.map(Value::str).transpose()?;
            if path.is_some_and(|p| path_and_query(p).is_none()) {
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
            let headers = push_headers(s, headers, handle(a, 0)?)?;
            done(headers)
        },
        "[resource-drop]outgoing-request" => |s, a| io::drop_of::<OutgoingRequest>(s, a),
        _ => return None,
    })
}

fn out<'s>(state: &'s mut State, args: &[Value]) -> Result<&'s mut OutgoingRequest, Trap> {
    state.handles.get_mut(handle(args, 0)?)
}

/// Authority and path of a request target.
pub fn target(uri: &Uri) -> (Option<String>, Option<String>) {
    let authority = uri.authority().map(|a| a.as_str().to_owned());
    let path = uri.path_and_query().map(|p| p.as_str().to_owned());
    (authority, path)
}
