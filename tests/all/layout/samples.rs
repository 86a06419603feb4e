//! Sheets made by hand, with offsets from the specification's arithmetic.

use lowlift::abi::Core::{self, F64, I32, I64};
use lowlift::layout::{Area, Body, Call, Case, Node, Sheet, Slot};

/// A value.
pub(crate) fn node(label: &str, ty: &str, [offset, size, align]: [u32; 3], body: Body) -> Node {
    Node { label: label.into(), ty: ty.into(), offset, size, align, body }
}

/// A value without parts.
pub(crate) fn scalar(label: &str, ty: &str, offset: u32, size: u32) -> Node {
    node(label, ty, [offset, size, size], Body::Scalar)
}

/// A string.
pub(crate) fn string(label: &str, offset: u32) -> Node {
    node(label, "string", [offset, 8, 4], Body::Pointer { element: None })
}

/// A list.
pub(crate) fn list(label: &str, offset: u32, element: Node) -> Node {
    let ty = format!("list<{}>", element.ty);
    node(label, &ty, [offset, 8, 4], Body::Pointer { element: Some(Box::new(element)) })
}

/// A record.
pub(crate) fn record(label: &str, ty: &str, place: [u32; 3], fields: Vec<Node>) -> Node {
    node(label, ty, place, Body::Record { fields })
}

/// A variant with a tag of one byte.
pub(crate) fn variant(label: &str, ty: &str, place: [u32; 3], payload: u32, cases: Vec<(&str, Option<Node>)>) -> Node {
    let cases = cases.into_iter().map(|(name, value)| Case { name: name.into(), value }).collect();
    node(label, ty, place, Body::Variant { tag: 1, payload, cases })
}

/// An option of a value.
pub(crate) fn option(label: &str, size: u32, align: u32, some: Node) -> Node {
    let ty = format!("option<{}>", some.ty);
    let payload = some.offset;
    let offset = payload - align.max(1);
    variant(label, &ty, [offset, size, align], payload, vec![("none", None), ("some", Some(some))])
}

/// An area of a value.
pub(crate) fn area(name: &str, owner: &str, kind: &str, flat: Option<Vec<Core>>, layout: Node) -> Area {
    Area { name: name.into(), owner: owner.into(), kind: kind.into(), docs: None, flat, layout }
}

/// A core slot.
pub(crate) fn slot(name: &str, core: Core, role: &'static str) -> Slot {
    Slot { name: name.into(), core, role, area: None }
}

const HTTP: &str = "wasi:http/types@0.2.12";

/// `error-code` of `wasi:http`, at an offset that is a multiple of 8.
pub(crate) fn error_code(label: &str, at: u32) -> Node {
    let p = at + 8;
    let unit = |name| (name, None);
    let dns = vec![option("rcode", 12, 4, string("", p + 4)), option("info-code", 4, 2, scalar("", "u16", p + 14, 2))];
    let alert =
        vec![option("alert-id", 2, 1, scalar("", "u8", p + 1, 1)), option("alert-message", 12, 4, string("", p + 8))];
    let size =
        |label| vec![option(label, 12, 4, string("", p + 4)), option("field-size", 8, 4, scalar("", "u32", p + 16, 4))];
    let long = || Some(option("", 16, 8, scalar("", "u64", p + 8, 8)));
    let short = || Some(option("", 8, 4, scalar("", "u32", p + 4, 4)));
    let field = || record("", "field-size-payload", [p, 20, 4], size("field-name"));
    let text = || Some(option("", 12, 4, string("", p + 4)));
    let cases = vec![
        unit("DNS-timeout"),
        ("DNS-error", Some(record("", "DNS-error-payload", [p, 16, 4], dns))),
        unit("destination-not-found"),
        unit("destination-unavailable"),
        unit("destination-IP-prohibited"),
        unit("destination-IP-unroutable"),
        unit("connection-refused"),
        unit("connection-terminated"),
        unit("connection-timeout"),
        unit("connection-read-timeout"),
        unit("connection-write-timeout"),
        unit("connection-limit-reached"),
        unit("TLS-protocol-error"),
        unit("TLS-certificate-error"),
        ("TLS-alert-received", Some(record("", "TLS-alert-received-payload", [p, 16, 4], alert))),
        unit("HTTP-request-denied"),
        unit("HTTP-request-length-required"),
        ("HTTP-request-body-size", long()),
        unit("HTTP-request-method-invalid"),
        unit("HTTP-request-URI-invalid"),
        unit("HTTP-request-URI-too-long"),
        ("HTTP-request-header-section-size", short()),
        (
            "HTTP-request-header-size",
            Some(option(
                "",
                24,
                4,
                record(
                    "",
                    "field-size-payload",
                    [p + 4, 20, 4],
                    vec![
                        option("field-name", 12, 4, string("", p + 8)),
                        option("field-size", 8, 4, scalar("", "u32", p + 20, 4)),
                    ],
                ),
            )),
        ),
        ("HTTP-request-trailer-section-size", short()),
        ("HTTP-request-trailer-size", Some(field())),
        unit("HTTP-response-incomplete"),
        ("HTTP-response-header-section-size", short()),
        ("HTTP-response-header-size", Some(field())),
        ("HTTP-response-body-size", long()),
        ("HTTP-response-trailer-section-size", short()),
        ("HTTP-response-trailer-size", Some(field())),
        ("HTTP-response-transfer-coding", text()),
        ("HTTP-response-content-coding", text()),
        unit("HTTP-response-timeout"),
        unit("HTTP-upgrade-failed"),
        unit("HTTP-protocol-error"),
        unit("loop-detected"),
        unit("configuration-error"),
        ("internal-error", text()),
    ];
    variant(label, "error-code", [at, 32, 8], p, cases)
}

/// The type alone.
pub(crate) fn http_error() -> Sheet {
    let flat = vec![I32, I32, I64, I32, I32, I32, I32, I32];
    let mut area = area("error-code", HTTP, "variant", Some(flat), error_code("", 0));
    area.docs = Some("These cases are inspired by the IANA HTTP Proxy Error Types.".into());
    Sheet { title: HTTP.into(), types: vec![area], functions: vec![] }
}

/// A function whose parameters stay flat.
pub(crate) fn outparam() -> Sheet {
    let names = ["param", "response", "response.0", "response.1", "response.2"];
    let mut slots = vec![
        slot(names[0], I32, "handle"),
        slot(names[1], I32, "discriminant"),
        slot(names[2], I32, "value"),
        slot(names[3], I32, "value"),
        slot(names[4], I64, "value"),
    ];
    slots.extend((3..7).map(|i| slot(&format!("response.{i}"), I32, "value")));
    let call = Call {
        module: HTTP.into(),
        name: "[static]response-outparam.set".into(),
        wit: "set: static func(param: own<response-outparam>, response: result<own<outgoing-response>, error-code>)"
            .into(),
        docs: None,
        limit: 16,
        flattened: slots.clone(),
        more: 0,
        params_spilled: false,
        slots,
        result: None,
        areas: vec![],
    };
    Sheet { title: "response-outparam.set".into(), types: vec![], functions: vec![call] }
}

/// A function with 17 parameters and a result in memory.
pub(crate) fn spilled() -> Sheet {
    let params: Vec<_> =
        (0..17u32).map(|i| scalar(&format!("p{i}"), if i == 3 { "f64" } else { "u64" }, i * 8, 8)).collect();
    let flattened = (0..17).map(|i| slot(&format!("p{i}"), if i == 3 { F64 } else { I64 }, "value")).collect();
    let pair = record("", "tuple<string, u64>", [0, 16, 8], vec![string("0", 0), scalar("1", "u64", 8, 8)]);
    let ok = list("", 8, pair);
    let result = variant(
        "",
        "result<list<tuple<string, u64>>, error-code>",
        [0, 40, 8],
        8,
        vec![("ok", Some(ok)), ("error", Some(error_code("", 8)))],
    );
    let point = |name: &str| Slot { name: name.into(), core: I32, role: "pointer", area: Some(name.into()) };
    let call = Call {
        module: "acme:wide/api@1.0.0".into(),
        name: "gather".into(),
        wit: "gather: func(p0: u64, p1: u64, p2: u64, p3: f64, p4: u64, p5: u64, p6: u64, p7: u64, p8: u64, p9: u64, p10: u64, p11: u64, p12: u64, p13: u64, p14: u64, p15: u64, p16: u64) -> result<list<tuple<string, u64>>, error-code>".into(),
        docs: None,
        limit: 16,
        flattened,
        more: 0,
        params_spilled: true,
        slots: vec![point("args.ptr"), point("ret.ptr")],
        result: None,
        areas: vec![
            area("args.ptr", "", "parameters", None, record("", "parameters", [0, 136, 8], params)),
            area("ret.ptr", "", "result", Some(vec![I32, I32, I32, I64, I32, I32, I32, I32, I32]), result),
        ],
    };
    Sheet { title: "acme:wide/api@1.0.0".into(), types: vec![], functions: vec![call] }
}

/// A record with padding, a nested record, flags, an enum, a list and an array.
pub(crate) fn padded() -> Sheet {
    let flags = Body::Flags { names: ["read", "write", "sync", "append"].map(String::from).into() };
    let kind = variant("kind", "kind", [1, 1, 1], 1, ["file", "directory", "link"].map(|n| (n, None)).into());
    let time = record(
        "modified",
        "datetime",
        [24, 16, 8],
        vec![scalar("seconds", "u64", 24, 8), scalar("nanoseconds", "u32", 32, 4)],
    );
    let pair = record("", "tuple<string, u64>", [0, 16, 8], vec![string("0", 0), scalar("1", "u64", 8, 8)]);
    let fields = vec![
        node("rights", "rights", [0, 1, 1], flags),
        kind,
        scalar("links", "u16", 2, 2),
        node("owner", "own<user>", [4, 4, 4], Body::Handle),
        scalar("size", "u64", 8, 8),
        string("name", 16),
        time,
        list("attributes", 40, pair),
        node(
            "digest",
            "list<u8, 32>",
            [48, 32, 1],
            Body::Array { length: 32, element: Box::new(scalar("", "u8", 48, 1)) },
        ),
        scalar("last", "bool", 80, 1),
    ];
    let flat = [I32, I32, I32, I32, I64, I32, I32, I64, I32, I32, I32].to_vec();
    let stat = area("stat", "acme:files/types@1.0.0", "record", None, record("", "stat", [0, 88, 8], fields));
    let small = vec![scalar("a", "u8", 0, 1), scalar("b", "u32", 4, 4), scalar("c", "u16", 8, 2)];
    let small = area(
        "small",
        "acme:files/types@1.0.0",
        "record",
        Some(flat[..3].to_vec()),
        record("", "small", [0, 12, 4], small),
    );
    Sheet { title: "acme:files/types@1.0.0".into(), types: vec![small, stat], functions: vec![] }
}

/// Names that want to be markup or to confuse.
pub(crate) fn hostile() -> Sheet {
    let name = "\"><script>alert(1)</script>&amp;\n\u{202e}evil\u{0}\u{1b}[31m]]>-->'";
    let mut sheet = spilled();
    let mut types = padded().types;
    types.extend(http_error().types);
    sheet.title = name.into();
    for area in types.iter_mut().chain(&mut sheet.functions[0].areas) {
        (area.name, area.owner, area.kind, area.docs) = (name.into(), name.into(), name.into(), Some(name.into()));
        rename(&mut area.layout, name);
    }
    sheet.types = types;
    let call = &mut sheet.functions[0];
    (call.module, call.name, call.wit, call.docs) = (name.into(), name.into(), name.into(), Some(name.into()));
    for slot in call.slots.iter_mut().chain(&mut call.flattened) {
        (slot.name, slot.area) = (name.into(), Some(name.into()));
    }
    sheet
}

fn rename(node: &mut Node, name: &str) {
    (node.label, node.ty) = (name.into(), name.into());
    match &mut node.body {
        Body::Scalar | Body::Handle | Body::Pointer { element: None } => {}
        Body::Flags { names } => names.iter_mut().for_each(|n| *n = name.into()),
        Body::Record { fields } => fields.iter_mut().for_each(|f| rename(f, name)),
        Body::Variant { cases, .. } => {
            for case in cases {
                case.name = name.into();
                case.value.iter_mut().for_each(|v| rename(v, name));
            }
        }
        Body::Pointer { element: Some(element) } | Body::Array { element, .. } => rename(element, name),
    }
}
