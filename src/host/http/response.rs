//! Responses of the guest.

use super::body::OutgoingBody;
use super::{End, Exchange, Fields, push_headers};
use crate::host::handles::Resource;
use crate::host::value::Value;
use crate::host::{Run, State, Trap, arg, done, handle, io, nothing};
use http::StatusCode;
use std::sync::{Arc, Mutex, PoisonError};

/// `outgoing-response`.
#[derive(Debug)]
pub struct OutgoingResponse {
    status: StatusCode,
    headers: Fields,
    exchange: Exchange,
    body_taken: bool,
}

/// `response-outparam`: the right to answer, once.
#[derive(Debug)]
pub struct ResponseOutparam(ResponseSlot);

/// What the guest answered.
#[derive(Debug)]
pub enum Answer {
    /// A response whose body may still be on its way.
    Response(Response),
    /// An error instead of a response.
    Error(u32),
}

/// A response as it leaves the guest.
#[derive(Debug)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: Fields,
    /// The body.
    pub body: Exchange,
}

/// Where the answer appears for the server.
#[derive(Debug, Clone, Default)]
pub struct ResponseSlot(Arc<Mutex<Option<Answer>>>);

impl ResponseSlot {
    /// Takes the answer, if there is one by now.
    pub fn take(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

impl State {
    /// Adds the right to answer into `slot` to the guest's handles.
    pub fn push_outparam(&mut self, slot: ResponseSlot) -> Result<u32, Trap> {
        self.handles.push(Resource::ResponseOutparam(ResponseOutparam(slot)), None)
    }
}

pub(super) fn function(name: &str) -> Option<Run> {
    Some(match name {
        "[constructor]outgoing-response" => |s, a| {
            let headers: Fields = s.handles.take(handle(a, 0)?)?;
            let response = OutgoingResponse {
                status: StatusCode::OK,
                headers: headers.frozen(),
                exchange: Exchange::limited(s.config.max_response_body),
                body_taken: false,
            };
            let response = s.push(Resource::OutgoingResponse(response))?;
            done(response)
        },
        "[method]outgoing-response.status-code" => {
            |s, a| done(u32::from(s.handles.get::<OutgoingResponse>(handle(a, 0)?)?.status.as_u16()))
        }
        "[method]outgoing-response.set-status-code" => |s, a| {
            let response: &mut OutgoingResponse = s.handles.get_mut(handle(a, 0)?)?;
            let status = u16::try_from(arg(a, 1)?.u64()?).ok().and_then(|c| StatusCode::from_u16(c).ok());
            // A 1xx status is no final response.
            match status.filter(|s| !s.is_informational()) {
                Some(status) => {
                    response.status = status;
                    done(Value::ok_unit())
                }
                None => done(Value::err_unit()),
            }
        },
        "[method]outgoing-response.headers" => |s, a| {
            let index = handle(a, 0)?;
            let headers = s.handles.get::<OutgoingResponse>(index)?.headers.clone();
            let headers = push_headers(s, headers, index)?;
            done(headers)
        },
        "[method]outgoing-response.body" => |s, a| {
            let response: &mut OutgoingResponse = s.handles.get_mut(handle(a, 0)?)?;
            if std::mem::replace(&mut response.body_taken, true) {
                return done(Value::err_unit());
            }
            let body = OutgoingBody::new(response.exchange.clone(), &response.headers, false);
            let body = s.push(Resource::OutgoingBody(body))?;
            done(Value::ok(body))
        },
        "[resource-drop]outgoing-response" => |s, a| io::drop_of::<OutgoingResponse>(s, a),
        "[static]response-outparam.set" => |s, a| {
            let ResponseOutparam(slot) = s.handles.take(handle(a, 0)?)?;
            let answer = match arg(a, 1)?.as_case()? {
                (0, Some(index)) => {
                    let response: OutgoingResponse = s.handles.take(index.u32()?)?;
                    if !response.body_taken {
                        response.exchange.end(End::Finished(None));
                    }
                    Answer::Response(Response {
                        status: response.status,
                        headers: response.headers,
                        body: response.exchange,
                    })
                }
                (_, Some(error)) => Answer::Error(error.as_case()?.0),
                _ => return Err(Trap::new("a response without a payload")),
            };
            slot.set(answer);
            nothing()
        },
        "[resource-drop]response-outparam" => |s, a| io::drop_of::<ResponseOutparam>(s, a),
        _ => return None,
    })
}
