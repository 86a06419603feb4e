//! `fields`: headers and trailers.

use crate::host::handles::Resource;
use crate::host::value::Value;
use crate::host::{Run, State, Step, Trap, arg, done, handle, io};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Header fields in order, with duplicates.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    entries: Vec<(HeaderName, HeaderValue)>,
    immutable: bool,
}

/// What is wrong with an edit: cases of `header-error`.
#[derive(Debug, Clone, Copy)]
enum Refused {
    InvalidSyntax = 0,
    Forbidden = 1,
    Immutable = 2,
}

/// Hop-by-hop fields and those that the transport owns.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "host",
    "http2-settings",
];

/// Names and values of one set of fields, with 32 bytes for each as HTTP/2 counts them; more traps.
const MAX_SIZE: usize = 64 * 1024;

impl Fields {
    /// The fields of a message that came in: immutable, without those that are forbidden to the guest.
    pub fn incoming(map: &HeaderMap) -> Fields {
        let allowed = map.iter().filter(|(name, _)| !is_forbidden(name));
        Fields { entries: allowed.map(|(n, v)| (n.clone(), v.clone())).collect(), immutable: true }
    }

    /// The value of `content-length`, if there is exactly one and it is a number.
    pub(super) fn content_length(&self) -> Option<u64> {
        let mut values = self.entries.iter().filter(|(name, _)| *name == http::header::CONTENT_LENGTH);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => value.to_str().ok()?.parse().ok(),
            _ => None,
        }
    }

    /// As the `http` crate has them.
    pub fn to_map(&self) -> HeaderMap {
        self.entries.iter().cloned().collect()
    }

    /// A copy that the guest cannot edit.
    pub(super) fn frozen(&self) -> Fields {
        Fields { entries: self.entries.clone(), immutable: true }
    }

    /// A copy that the guest can edit.
    fn thawed(&self) -> Fields {
        Fields { entries: self.entries.clone(), immutable: false }
    }

    /// One length, in digits: a second one would let two readers see two different messages.
    fn length_fits(&self, values: &[HeaderValue], keep: bool) -> bool {
        let before = self.entries.iter().filter(|(name, _)| keep && *name == http::header::CONTENT_LENGTH).count();
        // A number may have a sign for Rust, a length may not.
        let is_length = |v: &HeaderValue| {
            v.to_str().is_ok_and(|t| t.bytes().all(|b| b.is_ascii_digit()) && t.parse::<u64>().is_ok())
        };
        before + values.len() <= 1 && values.iter().all(is_length)
    }

    fn edit(&mut self, name: &str, values: Option<&[Value]>, keep: bool) -> Result<Result<(), Refused>, Trap> {
        if self.immutable {
            return Ok(Err(Refused::Immutable));
        }
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return Ok(Err(Refused::InvalidSyntax)) };
        if is_forbidden(&name) {
            return Ok(Err(Refused::Forbidden));
        }
        let mut parsed = Vec::new();
        for value in values.unwrap_or_default() {
            match HeaderValue::from_maybe_shared(value.bytes()?.clone()) {
                Ok(value) => parsed.push(value),
                Err(_) => return Ok(Err(Refused::InvalidSyntax)),
            }
        }
        if name == http::header::CONTENT_LENGTH && !self.length_fits(&parsed, keep) {
            return Ok(Err(Refused::InvalidSyntax));
        }
        if !keep {
            self.entries.retain(|(n, _)| *n != name);
        }
        self.entries.extend(parsed.into_iter().map(|value| (name.clone(), value)));
        let size: usize = self.entries.iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum();
        if size > MAX_SIZE {
            return Err(Trap::new(format!("header fields of more than {MAX_SIZE} bytes")));
        }
        Ok(Ok(()))
    }
}

fn is_forbidden(name: &HeaderName) -> bool {
    FORBIDDEN.contains(&name.as_str())
}

pub(super) fn function(name: &str) -> Option<Run> {
    Some(match name {
        "[constructor]fields" => |s, _| {
            let fields = s.push(Resource::Fields(Fields::default()))?;
            done(fields)
        },
        "[static]fields.from-list" => |s, a| {
            let mut fields = Fields::default();
            for entry in arg(a, 0)?.items()? {
                let [name, value] = entry.items()? else { return Err(Trap::new("a field is a pair")) };
                if let Err(refused) = fields.edit(name.str()?, Some(std::slice::from_ref(value)), true)? {
                    return done(Value::err(Value::case(refused as u32)));
                }
            }
            let fields = s.push(Resource::Fields(fields))?;
            done(Value::ok(fields))
        },
        "[method]fields.get" => |s, a| {
            let fields: &Fields = s.handles.get(handle(a, 0)?)?;
            let values = match HeaderName::from_bytes(arg(a, 1)?.str()?.as_bytes()) {
                Ok(name) => fields.entries.iter().filter(|(n, _)| *n == name).map(|(_, v)| bytes(v)).collect(),
                Err(_) => Vec::new(),
            };
            done(Value::List(values))
        },
        "[method]fields.has" => |s, a| {
            let fields: &Fields = s.handles.get(handle(a, 0)?)?;
            let name = HeaderName::from_bytes(arg(a, 1)?.str()?.as_bytes());
            done(name.is_ok_and(|name| fields.entries.iter().any(|(n, _)| *n == name)))
        },
        "[method]fields.set" => |s, a| edit(s, a, Some(arg(a, 2)?.items()?), false),
        "[method]fields.delete" => |s, a| edit(s, a, None, false),
        "[method]fields.append" => |s, a| edit(s, a, Some(std::slice::from_ref(arg(a, 2)?)), true),
        "[method]fields.entries" => |s, a| {
            let fields: &Fields = s.handles.get(handle(a, 0)?)?;
            let pair = |(n, v): &(HeaderName, HeaderValue)| Value::Record(vec![n.as_str().into(), bytes(v)]);
            done(Value::List(fields.entries.iter().map(pair).collect()))
        },
        "[method]fields.clone" => |s, a| {
            let copy = s.handles.get::<Fields>(handle(a, 0)?)?.thawed();
            let copy = s.push(Resource::Fields(copy))?;
            done(copy)
        },
        "[resource-drop]fields" => |s, a| io::drop_of::<Fields>(s, a),
        _ => return None,
    })
}

fn edit(state: &mut State, args: &[Value], values: Option<&[Value]>, keep: bool) -> Result<Step, Trap> {
    let fields: &mut Fields = state.handles.get_mut(handle(args, 0)?)?;
    match fields.edit(arg(args, 1)?.str()?, values, keep)? {
        Ok(()) => done(Value::ok_unit()),
        Err(refused) => done(Value::err(Value::case(refused as u32))),
    }
}

fn bytes(value: &HeaderValue) -> Value {
    Value::Bytes(Bytes::copy_from_slice(value.as_bytes()))
}
