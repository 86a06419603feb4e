//! W3C trace context: a `traceparent` that is valid is passed on as it is, and another is taken away, since what follows
//! would refuse the whole trace for it.

use http::{HeaderName, Request};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace of a request, as 32 hexadecimal digits.
pub(super) fn of<B>(request: &mut Request<B>) -> Option<String> {
    if request.headers().is_empty() || !request.headers().contains_key(TRACEPARENT) {
        return None;
    }
    let mut values = request.headers().get_all(TRACEPARENT).iter();
    let id = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(trace_id).map(str::to_owned),
        _ => None,
    };
    if id.is_none() {
        request.headers_mut().remove(TRACEPARENT);
        request.headers_mut().remove(TRACESTATE);
    }
    id
}

/// `version "-" trace-id "-" parent-id "-" flags` (*Trace Context*, 3.2).
fn trace_id(value: &str) -> Option<&str> {
    let mut parts = value.split('-');
    let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    // Version 00 has exactly four parts; later ones may have more.
    let fits = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    (fits && hex(id, 32) && !zero(id) && hex(parent, 16) && !zero(parent) && hex(flags, 2)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::trace_id;

    #[test]
    fn only_whole_trace_contexts_are_passed_on() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let valid = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&valid), Some(id));
        assert_eq!(trace_id(&format!("cc-{id}-00f067aa0ba902b7-01-later")), Some(id));
        for bad in [
            format!("00-{id}-00f067aa0ba902b7-01-more"),
            format!("ff-{id}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{id}-00f067aa0ba902b7"),
            String::new(),
        ] {
            assert_eq!(trace_id(&bad), None, "{bad}");
        }
    }
}
