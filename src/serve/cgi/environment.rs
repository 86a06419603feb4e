//! What a guest is told of its request: variables (*RFC 3875*, 4.1, and what WAGI adds) and arguments (4.4).

use super::super::request::Connection;
use super::super::route::Pattern;
use crate::host::http::{is_forbidden, target};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

/// A request as the variables need it.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) parts: &'a Parts,
    /// Bytes of the body; none where there is no body, or nobody knows yet.
    pub(super) length: Option<u64>,
    pub(super) connection: Connection,
    pub(super) pattern: &'a Pattern,
}

/// A path that cannot be handed to a program: decoded, it is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoText;

/// Server and version, as `SERVER_SOFTWARE` names it.
const SOFTWARE: &str = concat!("lowlift/", env!("CARGO_PKG_VERSION"));

/// All variables. What the route itself gives comes last, and cannot replace what the request says.
pub(super) fn variables(asked: &Asked<'_>, route: &[(String, String)]) -> Result<Vec<(String, String)>, NoText> {
    let Asked { parts, connection, pattern, .. } = asked;
    let (authority, path_and_query) = target(&parts.uri);
    let authority = authority.or_else(|| Some(text(parts.headers.get(HOST)?.as_bytes()))).unwrap_or_default();
    let path_and_query = path_and_query.unwrap_or_default();
    let path = parts.uri.path();
    let raw_rest = pattern.rest(path).unwrap_or_default();
    let rest = decoded(raw_rest).ok_or(NoText)?;
    let scheme = if connection.https { "https" } else { "http" };
    let (name, port) = server(&authority, connection);
    let remote = connection.addresses.map_or_else(|| "unix:".to_owned(), |a| a.remote.ip().to_canonical().to_string());
    let mut all: Vec<(String, String)> = [
        ("AUTH_TYPE", String::new()),
        ("CONTENT_TYPE", parts.headers.get(CONTENT_TYPE).map(|v| text(v.as_bytes())).unwrap_or_default()),
        ("GATEWAY_INTERFACE", "CGI/1.1".to_owned()),
        ("PATH_INFO", rest.clone()),
        ("PATH_TRANSLATED", rest),
        ("QUERY_STRING", parts.uri.query().unwrap_or_default().to_owned()),
        ("REMOTE_ADDR", remote.clone()),
        ("REMOTE_HOST", remote),
        ("REMOTE_USER", String::new()),
        ("REQUEST_METHOD", parts.method.as_str().to_owned()),
        ("REQUEST_SCHEME", scheme.to_owned()),
        ("REQUEST_URI", path_and_query.clone()),
        ("SCRIPT_NAME", script_name(pattern).ok_or(NoText)?),
        ("SERVER_NAME", name),
        ("SERVER_PORT", port.to_string()),
        ("SERVER_PROTOCOL", format!("{:?}", parts.version)),
        ("SERVER_SOFTWARE", SOFTWARE.to_owned()),
        ("X_FULL_URL", format!("{scheme}://{authority}{path_and_query}")),
        ("X_MATCHED_ROUTE", pattern.to_string()),
        ("X_RAW_PATH_INFO", raw_rest.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(length) = asked.length {
        all.push(("CONTENT_LENGTH".to_owned(), length.to_string()));
    }
    if connection.https {
        all.push(("HTTPS".to_owned(), "on".to_owned()));
    }
    fields(&parts.headers, &authority, &mut all);
    let own = |name: &str| all.iter().any(|(have, _)| have == name);
    let given: Vec<_> = route.iter().filter(|(name, _)| !own(name)).cloned().collect();
    all.extend(given);
    Ok(all)
}

/// `HTTP_*`: the fields of the request (4.1.18).
fn fields(headers: &HeaderMap, authority: &str, all: &mut Vec<(String, String)>) {
    for name in headers.keys().filter(|name| is_shown(name)) {
        // Cookies came in one field before HTTP/2 split them up.
        let comma = if *name == COOKIE { "; " } else { ", " };
        let values: Vec<String> = headers.get_all(name).iter().map(|v| text(v.as_bytes())).collect();
        let name = name.as_str().to_ascii_uppercase().replace('-', "_");
        all.push((format!("HTTP_{name}"), values.join(comma)));
    }
    if !authority.is_empty() {
        all.push(("HTTP_HOST".to_owned(), authority.to_owned()));
    }
}

/// Not what has variables of its own, what belongs to the connection, or credentials (4.1.18). `Proxy` would become
/// `HTTP_PROXY`, by which programs send their own requests. With an underscore or another sign two fields would become
/// one variable, and a client could say what only a proxy in front may say.
fn is_shown(name: &HeaderName) -> bool {
    let plain = name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain
        && !is_forbidden(name)
        && ![AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE].contains(name)
        && name.as_str() != "proxy"
        && name.as_str() != "te"
}

/// Name and port: the name by which the client called the server, and the port on which it did (4.1.14, 4.1.15).
fn server(authority: &str, connection: &Connection) -> (String, u16) {
    let address = connection.addresses.map(|addresses| addresses.local);
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (authority, None),
    };
    let name = match (name, address) {
        ("", Some(address)) if address.is_ipv6() => format!("[{}]", address.ip()),
        ("", Some(address)) => address.ip().to_string(),
        ("", None) => "localhost".to_owned(),
        (name, _) => name.to_owned(),
    };
    let usual = if connection.https { 443 } else { 80 };
    (name, address.map(|address| address.port()).or(port).unwrap_or(usual))
}

/// The path that leads to the guest.
fn script_name(pattern: &Pattern) -> Option<String> {
    decoded(pattern.path())
}

/// Arguments by a template, whose words are divided by spaces: `${SCRIPT_NAME}` stands for the path, and `${ARGS}` for what
/// the query says.
pub(super) fn arguments(template: &str, asked: &Asked<'_>) -> Vec<String> {
    let query = arguments_of(&asked.parts.method, asked.parts.uri.query().unwrap_or_default());
    let script = script_name(asked.pattern).filter(|name| !name.is_empty()).unwrap_or_else(|| "/".to_owned());
    let mut all = Vec::new();
    for word in template.split_ascii_whitespace() {
        if word == "${ARGS}" {
            all.extend(query.iter().cloned());
        } else {
            // The query last: its text is the client's, and no template.
            all.push(word.replace("${SCRIPT_NAME}", &script).replace("${ARGS}", &query.join(" ")));
        }
    }
    all
}

/// Search words, decoded, where the query is made of such (4.4); else its parameters as they are. A word that is no text
/// leaves no arguments at all.
fn arguments_of(method: &Method, query: &str) -> Vec<String> {
    if query.is_empty() {
        return Vec::new();
    }
    if matches!(*method, Method::GET | Method::HEAD) && !query.contains(['=', '&']) {
        return query.split('+').map(decoded).collect::<Option<_>>().unwrap_or_default();
    }
    query.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Text without its percent signs. None where that is no UTF-8, or has a NUL, at which a program would cut it off.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                bytes.push(high << 4 | low);
                tail
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// A value of a field, which may hold any byte but controls; variables are text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::super::listen::Addresses;
    use super::*;
    use http::Request;

    fn asked<T>(request: http::request::Builder, route: &str, https: bool, look: impl FnOnce(&Asked<'_>) -> T) -> T {
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let address = |text: &str| text.parse().expect("an address");
        let addresses = Addresses { remote: address("192.0.2.7:4000"), local: address("127.0.0.1:8080") };
        let connection = Connection { https, addresses: Some(addresses) };
        let pattern = Pattern::parse(route).expect("a route");
        look(&Asked { parts: &parts, length: None, connection, pattern: &pattern })
    }

    fn args(template: &str, method: &str, uri: &str) -> Vec<String> {
        asked(Request::builder().method(method).uri(uri), "/a%20b/...", false, |a| arguments(template, a))
    }

    const DEFAULT: &str = super::super::ARGV;

    #[test]
    fn arguments_are_search_words_or_parameters() {
        assert_eq!(args(DEFAULT, "GET", "/a%20b/x"), ["/a b"]);
        assert_eq!(args(DEFAULT, "GET", "/a%20b?one+t%2Bwo+%26"), ["/a b", "one", "t+wo", "&"]);
        assert_eq!(args(DEFAULT, "GET", "/a%20b?p=1+2&q=%20"), ["/a b", "p=1+2", "q=%20"]);
        assert_eq!(args(DEFAULT, "POST", "/a%20b?one+two"), ["/a b", "one+two"]);
        assert_eq!(args(DEFAULT, "GET", "/a%20b?one+%00"), ["/a b"], "all or none");
        assert_eq!(args(DEFAULT, "GET", "/a%20b?one+%ff"), ["/a b"]);
    }

    #[test]
    fn a_template_gives_other_arguments() {
        assert_eq!(
            args("ruby index.rb ${SCRIPT_NAME} ${ARGS}", "GET", "/a%20b?p=1&q=2"),
            ["ruby", "index.rb", "/a b", "p=1", "q=2"]
        );
        assert_eq!(args("--all=${ARGS}", "GET", "/a%20b?p=1&q=2"), ["--all=p=1 q=2"]);
        assert_eq!(args("x ${ARGS}", "GET", "/a%20b?${SCRIPT_NAME}"), ["x", "${SCRIPT_NAME}"]);
        assert_eq!(args("", "GET", "/a%20b?p=1"), [""; 0]);
    }

    #[test]
    fn names_and_ports_of_the_server() {
        let connection = |addresses| Connection { https: false, addresses };
        let address = |text: &str| {
            let local = text.parse().expect("an address");
            connection(Some(Addresses { remote: local, local }))
        };
        for (authority, connection, name, port) in [
            ("example.org", address("127.0.0.1:81"), "example.org", 81),
            ("example.org:99", address("127.0.0.1:81"), "example.org", 81),
            ("[::1]:99", address("[::1]:81"), "[::1]", 81),
            ("[::1]", connection(None), "[::1]", 80),
            ("example.org:99", connection(None), "example.org", 99),
            ("", address("[::1]:81"), "[::1]", 81),
            ("", connection(None), "localhost", 80),
        ] {
            assert_eq!(server(authority, &connection), (name.to_owned(), port), "{authority:?}");
        }
    }

    #[test]
    fn variables_of_the_route_replace_none_of_the_request() {
        let route = [("REMOTE_ADDR".to_owned(), "no".to_owned()), ("MINE".to_owned(), "yes".to_owned())];
        let request = Request::builder().uri("/a%2fb").header("proxy", "http://evil.test").header("x_a", "1");
        let all = asked(request, "/...", true, |a| variables(a, &route)).expect("text");
        let get = |name: &str| all.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
        assert_eq!(get("REMOTE_ADDR"), ["192.0.2.7"]);
        assert_eq!((get("MINE"), get("HTTPS"), get("REQUEST_SCHEME")), (vec!["yes"], vec!["on"], vec!["https"]));
        assert_eq!(
            (get("SCRIPT_NAME"), get("PATH_INFO"), get("X_RAW_PATH_INFO")),
            (vec![""], vec!["/a/b"], vec!["/a%2fb"])
        );
        assert!(!all.iter().any(|(name, _)| name.starts_with("HTTP_")), "{all:?}");
    }

    #[test]
    fn decoding_takes_any_text() {
        for (text, want) in [
            ("", Some("")),
            ("/%41%", Some("/A%")),
            ("%4", Some("%4")),
            ("%zz%C3%A9", Some("%zzé")),
            ("%ff", None),
            ("a%00b", None),
        ] {
            assert_eq!(decoded(text).as_deref(), want, "{text}");
        }
    }
}
