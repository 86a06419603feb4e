//! Functions that move values between slots and C: lift and lower. A slot is its bits, in 64 of them, so that what a variant
//! joins needs no conversion.

use super::shape::{Form, Value};
use super::value::{Op, Values};
use std::fmt::Write;

impl Values<'_> {
    /// Statements that lift `value` from the raw slots `s[at]` and on into `to`.
    pub(super) fn lift(&mut self, value: &Value, at: usize, to: &str) -> String {
        let stem = self.stem().to_owned();
        let c_type = self.shapes().c_type(value);
        let word = format!("(uint32_t)s[{at}]");
        match self.shapes().form(value) {
            Form::Bool => format!("    {to} = (uint8_t)({word} != 0);\n"),
            Form::Number("float") => format!("    {to} = {stem}_f32({word});\n"),
            Form::Number("double") => format!("    {to} = {stem}_f64(s[{at}]);\n"),
            Form::Number(_) => format!("    {to} = ({c_type})s[{at}];\n"),
            Form::Flags(mask) => format!("    {to} = ({c_type})(s[{at}] & 0x{mask:x}u);\n"),
            Form::Char | Form::Enum(_) | Form::Handle(..) => {
                let mut text = String::new();
                if let Some((test, reason)) = self.range(value, &word) {
                    let _ = writeln!(text, "    if ({test}) {}", self.fail(reason));
                }
                let _ = writeln!(text, "    {to} = ({c_type})s[{at}];");
                text
            }
            Form::String => {
                let len = format!("(uint32_t)s[{}]", at + 1);
                format!("    if (!{stem}_lift_string(call, {word}, {len}, &{to})) return false;\n")
            }
            Form::List(element) => {
                let (size, align) = self.element(&element);
                let len = format!("(uint32_t)s[{}]", at + 1);
                let mut text =
                    format!("    if (!{stem}_lift_list(call, {word}, {len}, {size}, {align}, &{to})) return false;\n");
                text.push_str(&self.elements(&element, to));
                text
            }
            Form::Record(_) | Form::Variant(..) | Form::Array(..) => {
                let lift = self.function(Op::Lift, value);
                format!("    if (!{lift}(call, s + {at}, &{to})) return false;\n")
            }
        }
    }

    /// How many slots a value takes.
    pub(super) fn width(&self, value: &Value) -> usize {
        self.shapes().laid_out(value).flat.as_ref().map_or(0, Vec::len)
    }

    pub(super) fn lift_function(&mut self, name: &str, value: &Value) -> String {
        let (stem, c_type) = (self.stem().to_owned(), self.shapes().c_type(value));
        let mut body = String::new();
        match self.shapes().form(value) {
            Form::Record(members) => {
                let mut at = 0;
                for member in members {
                    body.push_str(&self.lift(&member.value, at, &format!("out->{}", member.name)));
                    at += self.width(&member.value);
                }
            }
            Form::Array(element, n) => {
                let width = self.width(&element);
                for i in 0..n as usize {
                    body.push_str(&self.lift(&element, i * width, &format!("out->items[{i}]")));
                }
            }
            Form::Variant(tag, _, cases) => {
                let count = cases.len();
                let tag_type = ["uint8_t", "uint8_t", "uint16_t", "", "uint32_t"][self.tag_size(value) as usize];
                // Before it is narrowed: a discriminant of 256 is not 0.
                let _ = writeln!(body, "    if ((uint32_t)s[0] >= {count}) {}", self.fail("no such case"));
                let _ = writeln!(body, "    out->{tag} = ({tag_type})s[0];");
                if cases.iter().any(|c| c.value.is_some()) {
                    let lift = |gen_: &mut Self, case: &Value, to: &str| gen_.lift(case, 1, to);
                    body.push_str(&self.cases(tag, &cases, "out->", lift));
                }
            }
            _ => {}
        }
        format!(
            "static bool {name}({stem}_call_t *call, const uint64_t *s, {c_type} *out) {{\n    (void)call;\n{body}    return true;\n}}\n\n"
        )
    }

    /// Statements that lower `from` into the raw slots `s[at]` and on.
    pub(super) fn lower(&mut self, value: &Value, from: &str, at: usize) -> String {
        let stem = self.stem().to_owned();
        match self.shapes().form(value) {
            Form::Bool => format!("    s[{at}] = {from} != 0;\n"),
            Form::Number("float") => format!("    s[{at}] = {stem}_bits32({from});\n"),
            Form::Number("double") => format!("    s[{at}] = {stem}_bits64({from});\n"),
            Form::Number("int8_t" | "int16_t" | "int32_t") => format!("    s[{at}] = (uint64_t)(uint32_t){from};\n"),
            Form::Number(_) | Form::Flags(_) | Form::Char | Form::Enum(_) | Form::Handle(..) => {
                format!("    s[{at}] = (uint64_t){from};\n")
            }
            Form::String | Form::List(_) => {
                format!("    s[{at}] = {from}.ptr;\n    s[{}] = {from}.len;\n", at + 1)
            }
            Form::Record(_) | Form::Variant(..) | Form::Array(..) => {
                let lower = self.function(Op::Lower, value);
                format!("    {lower}(&{from}, s + {at});\n")
            }
        }
    }

    pub(super) fn lower_function(&mut self, name: &str, value: &Value) -> String {
        let c_type = self.shapes().c_type(value);
        let mut body = String::new();
        match self.shapes().form(value) {
            Form::Record(members) => {
                let mut at = 0;
                for member in members {
                    body.push_str(&self.lower(&member.value, &format!("in->{}", member.name), at));
                    at += self.width(&member.value);
                }
            }
            Form::Array(element, n) => {
                let width = self.width(&element);
                for i in 0..n as usize {
                    body.push_str(&self.lower(&element, &format!("in->items[{i}]"), i * width));
                }
            }
            Form::Variant(tag, _, cases) => {
                let _ = writeln!(body, "    s[0] = in->{tag};");
                if cases.iter().any(|c| c.value.is_some()) {
                    let lower = |gen_: &mut Self, case: &Value, from: &str| gen_.lower(case, from, 1);
                    body.push_str(&self.cases(tag, &cases, "in->", lower));
                }
            }
            _ => {}
        }
        format!("static void {name}(const {c_type} *in, uint64_t *s) {{\n{body}}}\n\n")
    }
}
