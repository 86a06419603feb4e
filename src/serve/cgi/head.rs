//! The head of a guest's output (*RFC 3875*, 6.2 and 6.3): fields up to the first empty line.

use crate::host::http::is_forbidden;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Bytes of a head; one that is larger is refused.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// What a head asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A document, or a redirect of the client, with what follows as its body.
    Response(StatusCode, HeaderMap),
    /// Another resource of this server, whose response is the answer (6.2.2).
    LocalRedirect(PathAndQuery),
}

/// What is wrong with the output of a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the guest's output has more than {MAX_HEAD} bytes before the first empty line")]
    TooLarge,
    #[error("the guest ended before the empty line that ends the header fields")]
    Incomplete,
    #[error("the guest's output needs one of the fields Content-Type, Status and Location")]
    Insufficient,
    #[error("line {0} of the guest's output is no header field")]
    NoField(usize),
    #[error("the field `{0}` of the guest's output has a value that cannot be sent")]
    BadValue(HeaderName),
    #[error("the field `{0}` appears twice in the guest's output")]
    Twice(HeaderName),
    #[error("the guest's output has no body of the length that it announced")]
    WrongLength,
}

/// Looks for the end of a head in what has arrived so far.
#[derive(Debug, Default)]
pub(super) struct Scan {
    line: usize,
    looked: usize,
}

impl Scan {
    /// The end of the head, and where the body begins. Lines end with LF or CRLF.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        while let Some(at) = bytes.get(self.looked..)?.iter().position(|&b| b == b'\n') {
            let newline = self.looked + at;
            self.looked = newline + 1;
            if matches!(&bytes[self.line..newline], b"" | b"\r") {
                return Some((self.line, newline + 1));
            }
            self.line = newline + 1;
        }
        self.looked = bytes.len();
        None
    }
}

const STATUS: HeaderName = HeaderName::from_static("status");

/// Fields of which there is one at most: those of CGI (6.3), and the length, which must not mean two things.
const ONCE: [HeaderName; 4] = [CONTENT_TYPE, LOCATION, STATUS, CONTENT_LENGTH];

/// Reads a head without its empty line.
pub(super) fn parse(block: &[u8]) -> Result<Head, Malformed> {
    let mut fields = HeaderMap::new();
    // Programs that were written to speak HTTP by themselves begin with a line of it.
    let mut status = None;
    for (number, line) in (1..).zip(block.split_inclusive(|&b| b == b'\n')) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if number == 1 && line.starts_with(b"HTTP/") {
            let code = line.splitn(2, |&b| b == b' ').nth(1).unwrap_or_default();
            status = Some(read_status(code).ok_or(Malformed::NoField(1))?);
            continue;
        }
        let (name, value) = field(line).ok_or(Malformed::NoField(number))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Malformed::BadValue(name.clone()))?;
        // An empty value is the same as none (6.3).
        if value.is_empty() || is_forbidden(&name) {
            continue;
        }
        if ONCE.contains(&name) && fields.contains_key(&name) {
            return Err(Malformed::Twice(name));
        }
        fields.append(name, value);
    }
    if let Some(value) = fields.remove(STATUS) {
        status = Some(read_status(value.as_bytes()).ok_or(Malformed::BadValue(STATUS))?);
    }
    check_length(&fields)?;
    response(status, fields)
}

/// `name: value`, with white space around the value alone. A line that begins with white space is none: there are no
/// continuation lines.
fn field(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    let colon = line.iter().position(|&b| b == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, line[colon + 1..].trim_ascii()))
}

/// Three digits, and a reason after a space, which is not passed on. What only announces another response is no answer.
fn read_status(value: &[u8]) -> Option<StatusCode> {
    let (code, reason) = value.split_at_checked(3)?;
    let ends = reason.first().is_none_or(|&b| b == b' ' || b == b'\t');
    StatusCode::from_bytes(code).ok().filter(|status| ends && !status.is_informational())
}

fn check_length(fields: &HeaderMap) -> Result<(), Malformed> {
    let Some(value) = fields.get(CONTENT_LENGTH) else { return Ok(()) };
    let digits = value.as_bytes().iter().all(u8::is_ascii_digit);
    if digits && length(fields).is_some() { Ok(()) } else { Err(Malformed::BadValue(CONTENT_LENGTH)) }
}

/// The length that a head announces.
pub(super) fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Which of the four kinds of response it is (6.2).
fn response(status: Option<StatusCode>, fields: HeaderMap) -> Result<Head, Malformed> {
    match (status, fields.get(LOCATION)) {
        // With a status the guest answers by itself; a path is then for the client.
        (Some(status), _) => Ok(Head::Response(status, fields)),
        (None, Some(location)) if location.as_bytes().starts_with(b"/") => local(location),
        (None, Some(location)) if is_absolute(location.as_bytes()) => Ok(Head::Response(StatusCode::FOUND, fields)),
        (None, Some(_)) => Err(Malformed::BadValue(LOCATION)),
        (None, None) if fields.contains_key(CONTENT_TYPE) => Ok(Head::Response(StatusCode::OK, fields)),
        (None, None) => Err(Malformed::Insufficient),
    }
}

fn local(location: &HeaderValue) -> Result<Head, Malformed> {
    let refused = || Malformed::BadValue(LOCATION);
    // A fragment would be cut off silently.
    let path = location.to_str().ok().filter(|path| !path.contains('#')).ok_or_else(refused)?;
    Ok(Head::LocalRedirect(path.parse().map_err(|_| refused())?))
}

/// Whether a location begins with a scheme.
fn is_absolute(location: &[u8]) -> bool {
    let scheme = location.split(|&b| b == b':').next().unwrap_or_default();
    let part = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
    scheme.len() < location.len() && scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head, Malformed> {
        let (end, _) = Scan::default().end(text.as_bytes()).ok_or(Malformed::Incomplete)?;
        parse(&text.as_bytes()[..end])
    }

    fn answer(text: &str) -> (u16, HeaderMap) {
        match read(text) {
            Ok(Head::Response(status, headers)) => (status.as_u16(), headers),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn the_four_kinds_of_response() {
        assert_eq!(answer("Content-Type: text/plain\n\n").0, 200);
        assert_eq!(answer("Status: 404 Not Found\n\n").0, 404);
        assert_eq!(answer("Location: https://example.org/#part\n\n").0, 302);
        let (status, headers) = answer("Location: /there\nStatus: 308\nContent-Type: text/html\n\n");
        assert_eq!((status, headers[LOCATION].as_bytes()), (308, &b"/there"[..]));
        let there = "/there?a=b".parse().expect("a path");
        assert_eq!(read("location:/there?a=b\r\n\r\n"), Ok(Head::LocalRedirect(there)));
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_a_status_line_is_tolerated() {
        let (status, headers) = answer("HTTP/1.0 203 So so\r\nContent-Type:text/plain\nX-A:\t1 \r\n\r\nbody\n\n");
        assert_eq!((status, headers["x-a"].as_bytes()), (203, &b"1"[..]));
        assert_eq!(answer("HTTP/1.1 200 OK\nStatus: 201\n\n").0, 201);
        assert_eq!(read("Content-Type: text/plain\nHTTP/1.1 200 OK\n\n"), Err(Malformed::NoField(2)));
    }

    #[test]
    fn duplicates_are_kept_and_hop_by_hop_fields_are_not() {
        let (_, headers) = answer("Status: 200\nSet-Cookie: a=1\nset-cookie: b=2\nConnection: close\nX-Empty:\n\n");
        let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(headers.len(), 2, "{headers:?}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (text, wrong) in [
            ("", Malformed::Incomplete),
            ("Content-Type: text/plain\n", Malformed::Incomplete),
            ("\n", Malformed::Insufficient),
            ("X-A: 1\n\n", Malformed::Insufficient),
            ("Content-Type:\n\n", Malformed::Insufficient),
            ("no field\n\n", Malformed::NoField(1)),
            ("Status: 200\nX A: 1\n\n", Malformed::NoField(2)),
            ("Status: 200\nX-A : 1\n\n", Malformed::NoField(2)),
            ("Status: 200\nX-A: 1\n folded\n\n", Malformed::NoField(3)),
            ("Status: 200\n: 1\n\n", Malformed::NoField(2)),
            ("HTTP/1.1\nStatus: 200\n\n", Malformed::NoField(1)),
            ("Status: 200\nX-A: a\rb\n\n", Malformed::BadValue(HeaderName::from_static("x-a"))),
            ("Status: 200\nX-A: a\0b\n\n", Malformed::BadValue(HeaderName::from_static("x-a"))),
            ("Status: fine\n\n", Malformed::BadValue(STATUS)),
            ("Status: 2000\n\n", Malformed::BadValue(STATUS)),
            ("Status: 101\n\n", Malformed::BadValue(STATUS)),
            ("Status: 99\n\n", Malformed::BadValue(STATUS)),
            ("Location: there\n\n", Malformed::BadValue(LOCATION)),
            ("Location: /a b\n\n", Malformed::BadValue(LOCATION)),
            ("Location: /a#b\n\n", Malformed::BadValue(LOCATION)),
            ("Location: :80\n\n", Malformed::BadValue(LOCATION)),
            ("Status: 200\nStatus: 200\n\n", Malformed::Twice(STATUS)),
            ("Status: 200\nContent-Length: 1\nContent-Length: 1\n\n", Malformed::Twice(CONTENT_LENGTH)),
            ("Status: 200\nContent-Length: +1\n\n", Malformed::BadValue(CONTENT_LENGTH)),
            ("Status: 200\nContent-Length: 99999999999999999999\n\n", Malformed::BadValue(CONTENT_LENGTH)),
        ] {
            assert_eq!(read(text), Err(wrong), "{text:?}");
        }
    }

    #[test]
    fn random_bytes_never_panic_and_the_end_does_not_depend_on_how_they_arrive() {
        const PIECES: [&[u8]; 12] =
            [b"\n", b"\r", b"\r\n", b":", b" ", b"Status", b"200", b"Location", b"/", b"HTTP/1.1", b"\0", b"\xff"];
        let mut seed = 0x2545_f491_4f6c_dd1du64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed >> 40).expect("24 bits")
        };
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..next() % 24).flat_map(|_| PIECES[next() % PIECES.len()].to_vec()).collect();
            let whole = Scan::default().end(&bytes);
            let mut slow = Scan::default();
            let arrived = (0..=bytes.len()).find_map(|n| slow.end(&bytes[..n]));
            assert_eq!(whole, arrived, "{bytes:?}");
            let _ = parse(&bytes[..whole.map_or(bytes.len(), |(end, _)| end)]);
        }
    }
}
