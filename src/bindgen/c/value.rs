//! Functions that move values between the guest's memory or slots and C: load, store, lift, lower, and access to lists.

use super::names::Names;
use super::shape::{Case, Form, Shapes, Value};
use crate::abi::Kind;
use crate::bindgen::Plan;
use indexmap::IndexMap;
use std::fmt::Write;

/// What is done with a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Op {
    /// Memory to C, checked.
    Load,
    /// C to memory.
    Store,
    /// Slots to C, checked.
    Lift,
    /// C to slots.
    Lower,
    /// All elements of a list of these, checked.
    Check,
    /// One element of a list, for the vendor.
    Get,
    /// The same, written.
    Set,
}

/// The functions that are needed, each after those that it calls.
pub(super) struct Values<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) names: &'a mut Names,
    pub(super) resources: &'a std::collections::HashMap<String, String>,
    /// By what is done and the name of the type: the C function.
    known: IndexMap<(Op, String), String>,
    /// Prototypes for the header.
    pub(super) header: String,
    /// Definitions.
    pub(super) source: String,
    /// Whether any handle is checked.
    pub(super) handles: bool,
}

impl<'a> Values<'a> {
    pub(super) fn new(
        plan: &'a Plan<'a>,
        names: &'a mut Names,
        resources: &'a std::collections::HashMap<String, String>,
    ) -> Values<'a> {
        Values {
            plan,
            names,
            resources,
            known: IndexMap::new(),
            header: String::new(),
            source: String::new(),
            handles: false,
        }
    }

    pub(super) fn shapes(&self) -> Shapes<'_> {
        Shapes { plan: self.plan, names: self.names }
    }

    pub(super) fn stem(&self) -> &str {
        &self.names.stem
    }

    /// The function that does `op`, written if it was not yet.
    pub(super) fn function(&mut self, op: Op, value: &Value) -> String {
        let value = self.shapes().behind(value);
        let base = self.names.base(&value.ty);
        if let Some(known) = self.known.get(&(op, base.clone())) {
            return known.clone();
        }
        let word = match op {
            Op::Load => "load",
            Op::Store => "store",
            Op::Lift => "lift",
            Op::Lower => "lower",
            Op::Check => "check",
            Op::Get => "get",
            Op::Set => "set",
        };
        let name = self.names.claim(&format!("{base}_{word}"));
        self.known.insert((op, base), name.clone());
        // Types do not recurse, so whatever this calls is written before it.
        let text = match op {
            Op::Load => self.load_function(&name, &value),
            Op::Store => self.store_function(&name, &value),
            Op::Lift => self.lift_function(&name, &value),
            Op::Lower => self.lower_function(&name, &value),
            Op::Check => self.check_function(&name, &value),
            Op::Get => self.get_function(&name, &value),
            Op::Set => self.set_function(&name, &value),
        };
        self.source.push_str(&text);
        name
    }

    pub(super) fn fail(&self, reason: &str) -> String {
        format!("return {}_fail(call, \"{reason}\");", self.stem())
    }

    /// What is true of a number that came from the guest; nothing if all are fine.
    pub(super) fn range(&mut self, value: &Value, at: &str) -> Option<(String, &'static str)> {
        let stem = self.stem().to_owned();
        match self.shapes().form(value) {
            Form::Char => Some((format!("!{stem}_char_ok({at})"), "not a Unicode scalar value")),
            // In a slot there is room for more than in memory.
            Form::Enum(n) => {
                let size = if at.starts_with("(uint32_t)") { 4 } else { self.element(value).0 };
                beyond(at, u64::from(n), size).map(|test| (test, "no such case"))
            }
            Form::Handle(resource, owned) => {
                self.handles = true;
                let constant = self.resources.get(&resource).cloned().unwrap_or_else(|| "0".to_owned());
                Some((format!("!{stem}_handle(call, {constant}, {at}, {owned})"), "unknown handle"))
            }
            _ => None,
        }
    }

    /// Statements that check a list or string at `at`, whose bounds are fine, down to its last element.
    pub(super) fn elements(&mut self, element: &Value, at: &str) -> String {
        if !self.shapes().can_fail(element) {
            return String::new();
        }
        let check = self.function(Op::Check, element);
        format!("    if (!{check}(call, {at})) return false;\n")
    }

    /// The numbers of a list's element.
    pub(super) fn element(&self, element: &Value) -> (u32, u32) {
        let laid_out = self.plan.layouts().get(element.id);
        (laid_out.size, laid_out.align)
    }

    /// Statements that load `value` from `from` into `to`.
    fn load(&mut self, value: &Value, from: &str, to: &str) -> String {
        let stem = self.stem().to_owned();
        let size = self.element(value).0;
        let read = match size {
            1 => format!("*({from})"),
            2 => format!("{stem}_get16({from})"),
            8 => format!("{stem}_get64({from})"),
            _ => format!("{stem}_get32({from})"),
        };
        let c_type = self.shapes().c_type(value);
        match self.shapes().form(value) {
            Form::Bool => format!("    {to} = (uint8_t)({read} != 0);\n"),
            Form::Number("float") => format!("    {to} = {stem}_getf32({from});\n"),
            Form::Number("double") => format!("    {to} = {stem}_getf64({from});\n"),
            Form::Number(_) => format!("    {to} = ({c_type}){read};\n"),
            Form::Flags(mask) => format!("    {to} = ({c_type})({read} & 0x{mask:x}u);\n"),
            Form::Char | Form::Enum(_) | Form::Handle(..) => {
                let mut text = format!("    {to} = {read};\n");
                if let Some((test, reason)) = self.range(value, to) {
                    let _ = writeln!(text, "    if ({test}) {}", self.fail(reason));
                }
                text
            }
            Form::String => format!("    if (!{stem}_load_string(call, {from}, &{to})) return false;\n"),
            Form::List(element) => {
                let (size, align) = self.element(&element);
                let mut text =
                    format!("    if (!{stem}_load_list(call, {from}, {size}, {align}, &{to})) return false;\n");
                text.push_str(&self.elements(&element, to));
                text
            }
            Form::Record(_) | Form::Variant(..) | Form::Array(..) => {
                let load = self.function(Op::Load, value);
                format!("    if (!{load}(call, {from}, &{to})) return false;\n")
            }
        }
    }

    /// The same into what `ret` points to.
    pub(super) fn load_into_ret(&mut self, value: &Value, from: &str) -> String {
        self.load(value, from, "(*ret)").replace("&(*ret)", "ret").replace("(*ret) =", "*ret =")
    }

    fn load_function(&mut self, name: &str, value: &Value) -> String {
        let (stem, c_type) = (self.stem().to_owned(), self.shapes().c_type(value));
        let mut body = String::new();
        match self.shapes().form(value) {
            Form::Record(members) => {
                for member in members {
                    let from = format!("p + {}", member.offset);
                    body.push_str(&self.load(&member.value, &from, &format!("out->{}", member.name)));
                }
            }
            Form::Array(element, n) => {
                let size = self.element(&element).0;
                let one = self.load(&element, &format!("p + (size_t)i * {size}"), "out->items[i]");
                let _ = write!(body, "    uint32_t i;\n    for (i = 0; i < {n}; i++) {{\n{}    }}\n", deeper(&one));
            }
            Form::Variant(tag, payload, cases) => {
                let tag_size = self.tag_size(value);
                let read = match tag_size {
                    1 => "*p".to_owned(),
                    2 => format!("{stem}_get16(p)"),
                    _ => format!("{stem}_get32(p)"),
                };
                let _ = writeln!(body, "    out->{tag} = {read};");
                if let Some(test) = beyond(&format!("out->{tag}"), cases.len() as u64, tag_size) {
                    let _ = writeln!(body, "    if ({test}) {}", self.fail("no such case"));
                }
                let load = |gen_: &mut Self, case: &Value, to: &str| gen_.load(case, &format!("p + {payload}"), to);
                if cases.iter().any(|c| c.value.is_some()) {
                    body.push_str(&self.cases(tag, &cases, "out->", load));
                }
            }
            _ => {}
        }
        format!(
            "static bool {name}({stem}_call_t *call, const uint8_t *p, {c_type} *out) {{\n    (void)call;\n    (void)p;\n{body}    return true;\n}}\n\n"
        )
    }

    /// A switch over the cases. `one` writes what is done with a payload.
    pub(super) fn cases(
        &mut self,
        tag: &str,
        cases: &[Case],
        place: &str,
        one: impl Fn(&mut Self, &Value, &str) -> String,
    ) -> String {
        let single = tag == "is_some";
        let mut text = format!("    switch ({place}{tag}) {{\n");
        for (i, case) in cases.iter().enumerate() {
            let Some(payload) = &case.value else { continue };
            let at = if single { format!("{place}val") } else { format!("{place}val.{}", case.name) };
            let _ = writeln!(text, "    case {i}:\n{}        break;", deeper(&one(self, payload, &at)));
        }
        text.push_str("    default:\n        break;\n    }\n");
        text
    }

    pub(super) fn tag_size(&self, value: &Value) -> u32 {
        match &self.shapes().laid_out(value).kind {
            Kind::Variant(v) => v.tag.size(),
            _ => 1,
        }
    }

    /// Statements that store `from` at `to`.
    pub(super) fn store(&mut self, value: &Value, from: &str, to: &str) -> String {
        let stem = self.stem().to_owned();
        let size = self.element(value).0;
        match self.shapes().form(value) {
            Form::Bool => format!("    *({to}) = (uint8_t)({from} != 0);\n"),
            Form::Number("float") => format!("    {stem}_putf32({to}, {from});\n"),
            Form::Number("double") => format!("    {stem}_putf64({to}, {from});\n"),
            Form::Number(_) | Form::Flags(_) | Form::Char | Form::Enum(_) | Form::Handle(..) => match size {
                1 => format!("    *({to}) = (uint8_t){from};\n"),
                2 => format!("    {stem}_put16({to}, (uint16_t){from});\n"),
                8 => format!("    {stem}_put64({to}, (uint64_t){from});\n"),
                _ => format!("    {stem}_put32({to}, (uint32_t){from});\n"),
            },
            Form::String | Form::List(_) => format!("    {stem}_store_pair({to}, {from}.ptr, {from}.len);\n"),
            Form::Record(_) | Form::Variant(..) | Form::Array(..) => {
                let store = self.function(Op::Store, value);
                format!("    {store}({to}, &{from});\n")
            }
        }
    }

    fn store_function(&mut self, name: &str, value: &Value) -> String {
        let (stem, c_type) = (self.stem().to_owned(), self.shapes().c_type(value));
        let mut body = String::new();
        match self.shapes().form(value) {
            Form::Record(members) => {
                for member in members {
                    let to = format!("p + {}", member.offset);
                    body.push_str(&self.store(&member.value, &format!("in->{}", member.name), &to));
                }
            }
            Form::Array(element, n) => {
                let size = self.element(&element).0;
                let one = self.store(&element, "in->items[i]", &format!("p + (size_t)i * {size}"));
                let _ = write!(body, "    uint32_t i;\n    for (i = 0; i < {n}; i++) {{\n{}    }}\n", deeper(&one));
            }
            Form::Variant(tag, payload, cases) => {
                let _ = match self.tag_size(value) {
                    1 => writeln!(body, "    *p = (uint8_t)in->{tag};"),
                    2 => writeln!(body, "    {stem}_put16(p, (uint16_t)in->{tag});"),
                    _ => writeln!(body, "    {stem}_put32(p, (uint32_t)in->{tag});"),
                };
                if cases.iter().any(|c| c.value.is_some()) {
                    let store =
                        |gen_: &mut Self, case: &Value, from: &str| gen_.store(case, from, &format!("p + {payload}"));
                    body.push_str(&self.cases(tag, &cases, "in->", store));
                }
            }
            _ => {}
        }
        format!("static void {name}(uint8_t *p, const {c_type} *in) {{\n{body}}}\n\n")
    }

    fn check_function(&mut self, name: &str, value: &Value) -> String {
        let (stem, c_type) = (self.stem().to_owned(), self.shapes().c_type(value));
        let size = self.element(value).0;
        let load = self.load(value, "p", "value");
        format!(
            "static bool {name}({stem}_call_t *call, {stem}_list_t list) {{\n    uint32_t i;\n    for (i = 0; i < list.len; i++) {{\n        const uint8_t *p = call->memory.base + list.ptr + (size_t)i * {size};\n        {c_type} value;\n{}    }}\n    return true;\n}}\n\n",
            deeper(&load)
        )
    }

    fn get_function(&mut self, name: &str, value: &Value) -> String {
        let (stem, c_type) = (self.stem().to_owned(), self.shapes().c_type(value));
        let size = self.element(value).0;
        let load = self.load(value, "p", "*out").replace("&*out", "out");
        let head = format!("bool {name}({stem}_call_t *call, {stem}_list_t list, uint32_t index, {c_type} *out)");
        let _ = writeln!(self.header, "{head};");
        format!(
            "{head} {{\n    const uint8_t *p = {stem}_element(call, list, index, {size});\n    memset(out, 0, sizeof *out);\n    if (p == NULL) return false;\n{load}    return true;\n}}\n\n"
        )
    }

    fn set_function(&mut self, name: &str, value: &Value) -> String {
        let (stem, c_type) = (self.stem().to_owned(), self.shapes().c_type(value));
        let size = self.element(value).0;
        let (param, from) = match self.shapes().is_aggregate(value) {
            true => (format!("const {c_type} *in"), "*in"),
            false => (format!("{c_type} in"), "in"),
        };
        let store = self.store(value, from, "p").replace("&*in", "in");
        let head = format!("bool {name}({stem}_call_t *call, {stem}_list_t list, uint32_t index, {param})");
        let _ = writeln!(self.header, "{head};");
        format!(
            "{head} {{\n    uint8_t *p = {stem}_element(call, list, index, {size});\n    if (p == NULL) return false;\n{store}    return true;\n}}\n\n"
        )
    }

    /// Access for the vendor to lists in a value that it is given.
    pub(super) fn readable(&mut self, value: &Value) {
        self.accessible(value, Op::Get);
    }

    /// Access for the vendor to lists in a value that it makes.
    pub(super) fn writable(&mut self, value: &Value) {
        self.accessible(value, Op::Set);
    }

    fn accessible(&mut self, value: &Value, op: Op) {
        match self.shapes().form(value) {
            Form::List(element) => {
                let behind = self.shapes().behind(&element);
                let base = self.names.base(&behind.ty);
                if !self.known.contains_key(&(op, base)) {
                    self.function(op, &element);
                    self.accessible(&element, op);
                }
            }
            Form::Record(members) => members.iter().for_each(|m| self.accessible(&m.value, op)),
            Form::Variant(_, _, cases) => {
                cases.iter().filter_map(|c| c.value.as_ref()).for_each(|value| self.accessible(value, op));
            }
            Form::Array(element, _) => self.accessible(&element, op),
            _ => {}
        }
    }
}

/// The test for numbers from `count` on, unless the type of `size` bytes has none: compilers warn of those.
fn beyond(at: &str, count: u64, size: u32) -> Option<String> {
    (count < 1 << (8 * size)).then(|| format!("{at} >= {count}"))
}

/// One step further in.
pub(super) fn deeper(text: &str) -> String {
    text.lines().fold(String::with_capacity(text.len() + 64), |mut out, line| {
        out.push_str("    ");
        out.push_str(line);
        out.push('\n');
        out
    })
}
