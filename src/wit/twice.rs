//! Names that stand twice where the component model wants each once, letter case aside (*Explainer*, *Import and Export
//! Definitions*; the binary format has the same rule for fields, cases, flags and parameters). The parser looks for them in worlds
//! alone, and for the same letters in interfaces.

use std::collections::HashMap;
use wit_parser::{Function, Resolve, Span, TypeDefKind};

/// All second names: what is wrong, and where.
pub(super) fn names(resolve: &Resolve) -> Vec<(Span, String)> {
    let mut out = Vec::new();
    for (_, ty) in resolve.types.iter() {
        match &ty.kind {
            TypeDefKind::Record(r) => unique("field", r.fields.iter().map(|f| (&*f.name, f.span)), &mut out),
            TypeDefKind::Variant(v) => unique("case", v.cases.iter().map(|c| (&*c.name, c.span)), &mut out),
            TypeDefKind::Enum(e) => unique("case", e.cases.iter().map(|c| (&*c.name, c.span)), &mut out),
            TypeDefKind::Flags(f) => unique("flag", f.flags.iter().map(|f| (&*f.name, f.span)), &mut out),
            _ => {}
        }
    }
    for (_, interface) in resolve.interfaces.iter() {
        let types = interface.types.iter().map(|(name, id)| (&**name, resolve.types[*id].span));
        let functions = interface.functions.values().map(|f| (&*f.name, f.span));
        unique("name", types.chain(functions), &mut out);
        interface.functions.values().for_each(|function| params(function, &mut out));
    }
    for (_, world) in resolve.worlds.iter() {
        for item in world.imports.values().chain(world.exports.values()) {
            if let wit_parser::WorldItem::Function(function) = item {
                params(function, &mut out);
            }
        }
    }
    out
}

fn params(function: &Function, out: &mut Vec<(Span, String)>) {
    unique("param", function.params.iter().map(|p| (&*p.name, p.span)), out);
}

fn unique<'n>(kind: &str, names: impl Iterator<Item = (&'n str, Span)>, out: &mut Vec<(Span, String)>) {
    let mut known = HashMap::new();
    for (name, span) in names {
        let first = *known.entry(name.to_ascii_lowercase()).or_insert((name, span));
        if first.1 != span {
            out.push((
                span,
                match first.0 {
                    first if first == name => format!("{kind} `{name}` is defined more than once"),
                    first => {
                        format!("{kind} `{name}` conflicts with `{first}` (names are compared without letter case)")
                    }
                },
            ));
        }
    }
}
