//! Values of the component model as text: `{f: 1}`, `some("a")`, `ok`, `case(2)`, `(1, 'c')`, `[1, 2]`, `{label}`.

use wasmtime::component::{Type, Val};

/// Splits at commas outside of quotes and brackets.
pub(crate) fn split(text: &str) -> Vec<String> {
    let (mut parts, mut quote, mut escaped, mut depth) = (vec![String::new()], None, false, 0);
    for c in text.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '(' | '{') => depth += 1,
            (None, ']' | ')' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("never empty").push(c);
    }
    parts.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

fn inside(text: &str, open: char, close: char) -> &str {
    text.strip_prefix(open).and_then(|t| t.strip_suffix(close)).unwrap_or_else(|| panic!("{open}…{close}: {text}"))
}

/// What `\n`, `\"` and `\u{e9}` stand for.
fn unescape(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next().expect("something escaped") {
                'n' => '\n',
                '0' => '\0',
                'u' => {
                    let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).expect("hex")).expect("a char")
                }
                other => other,
            },
            c => c,
        });
    }
    out
}

/// A name and, in parentheses, what it holds.
fn named(text: &str) -> (&str, Option<&str>) {
    match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest.strip_suffix(')').expect("a closing parenthesis"))),
        None => (text, None),
    }
}

/// Reads a value of a type.
pub(crate) fn value(ty: &Type, text: &str) -> Val {
    let payload = |ty: Option<Type>, text: Option<&str>| match (ty, text) {
        (Some(ty), Some(text)) => Some(Box::new(value(&ty, text))),
        _ => None,
    };
    match ty {
        Type::Bool => Val::Bool(text == "true"),
        Type::U8 => Val::U8(text.parse().expect("u8")),
        Type::S8 => Val::S8(text.parse().expect("s8")),
        Type::U16 => Val::U16(text.parse().expect("u16")),
        Type::S16 => Val::S16(text.parse().expect("s16")),
        Type::U32 => Val::U32(text.parse().expect("u32")),
        Type::S32 => Val::S32(text.parse().expect("s32")),
        Type::U64 => Val::U64(text.parse().expect("u64")),
        Type::S64 => Val::S64(text.parse().expect("s64")),
        Type::Float32 => Val::Float32(text.parse().expect("f32")),
        Type::Float64 => Val::Float64(text.parse().expect("f64")),
        Type::Char => Val::Char(unescape(inside(text, '\'', '\'')).chars().next().expect("a char")),
        Type::String => Val::String(unescape(inside(text, '"', '"'))),
        Type::List(list) => Val::List(split(inside(text, '[', ']')).iter().map(|t| value(&list.ty(), t)).collect()),
        Type::Tuple(tuple) => {
            let texts = split(inside(text, '(', ')'));
            Val::Tuple(tuple.types().zip(&texts).map(|(ty, t)| value(&ty, t)).collect())
        }
        Type::Record(record) => {
            let texts = split(inside(text, '{', '}'));
            let field = |(field, text): (wasmtime::component::types::Field<'_>, &String)| {
                let (name, text) = text.split_once(':').expect("a field and its value");
                assert_eq!(name, field.name);
                (name.to_owned(), value(&field.ty, text.trim()))
            };
            Val::Record(record.fields().zip(&texts).map(field).collect())
        }
        Type::Variant(variant) => {
            let (name, rest) = named(text);
            let case = variant.cases().find(|case| case.name == name).expect("a case");
            Val::Variant(name.to_owned(), payload(case.ty, rest))
        }
        Type::Enum(_) => Val::Enum(text.to_owned()),
        Type::Option(option) => Val::Option(payload(Some(option.ty()), named(text).1)),
        Type::Result(result) => match named(text) {
            ("ok", rest) => Val::Result(Ok(payload(result.ok(), rest))),
            (_, rest) => Val::Result(Err(payload(result.err(), rest))),
        },
        Type::Flags(_) => Val::Flags(split(inside(text, '{', '}'))),
        other => panic!("no such argument: {other:?}"),
    }
}

/// Writes a value.
pub(crate) fn show(value: &Val) -> String {
    let list = |values: &[Val]| values.iter().map(show).collect::<Vec<_>>().join(", ");
    let case = |name: &str, payload: Option<&Val>| match payload {
        Some(payload) => format!("{name}({})", show(payload)),
        None => name.to_owned(),
    };
    match value {
        Val::Bool(v) => v.to_string(),
        Val::U8(v) => v.to_string(),
        Val::S8(v) => v.to_string(),
        Val::U16(v) => v.to_string(),
        Val::S16(v) => v.to_string(),
        Val::U32(v) => v.to_string(),
        Val::S32(v) => v.to_string(),
        Val::U64(v) => v.to_string(),
        Val::S64(v) => v.to_string(),
        Val::Float32(v) => v.to_string(),
        Val::Float64(v) => v.to_string(),
        Val::Char(v) => format!("{v:?}"),
        Val::String(v) => format!("{v:?}"),
        Val::List(values) => format!("[{}]", list(values)),
        Val::Tuple(values) => format!("({})", list(values)),
        Val::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", show(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Val::Variant(name, payload) => case(name, payload.as_deref()),
        Val::Enum(name) => name.clone(),
        Val::Option(None) => "none".to_owned(),
        Val::Option(some) => case("some", some.as_deref()),
        Val::Result(Ok(payload)) => case("ok", payload.as_deref()),
        Val::Result(Err(payload)) => case("err", payload.as_deref()),
        Val::Flags(names) => format!("{{{}}}", names.join(", ")),
        Val::Resource(_) => "a handle".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What a host that only listens gives back.
pub(crate) fn any(ty: &Type) -> Val {
    let payload = |ty: Option<Type>| ty.map(|ty| Box::new(any(&ty)));
    match ty {
        Type::Char => Val::Char('水'),
        Type::String => Val::String("é水".to_owned()),
        Type::List(list) => Val::List(vec![any(&list.ty()); 2]),
        Type::Tuple(tuple) => Val::Tuple(tuple.types().map(|ty| any(&ty)).collect()),
        Type::Record(record) => Val::Record(record.fields().map(|f| (f.name.to_owned(), any(&f.ty))).collect()),
        Type::Option(option) => Val::Option(payload(Some(option.ty()))),
        Type::Result(result) => Val::Result(Err(payload(result.err()))),
        Type::Variant(variant) => {
            let case = variant.cases().next().expect("a case");
            Val::Variant(case.name.to_owned(), payload(case.ty))
        }
        Type::Enum(names) => Val::Enum(names.names().last().expect("a case").to_owned()),
        Type::Flags(names) => Val::Flags(names.names().map(str::to_owned).collect()),
        Type::Bool => Val::Bool(true),
        ty => value(ty, "7"),
    }
}
