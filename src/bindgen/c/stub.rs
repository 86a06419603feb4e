//! Functions that the host provides: a prototype for the vendor, and a stub that checks what the guest gives.

use super::ident::{Scope, comment, snake};
use super::shape::{Form, Value};
use super::value::{Op, Values};
use crate::abi::{Core, Signature};
use crate::bindgen::Stub;
use crate::witx::{Func, FuncRole, Module, WitParam, Witx};
use std::fmt::Write;

/// Parameters and result of a call as C has them.
pub(super) struct Shape {
    pub(super) params: Vec<(String, Value)>,
    pub(super) result: Option<Value>,
}

impl Shape {
    /// Of a function with a canonical form.
    pub(super) fn of(params: &[WitParam], result: Option<&Witx>, signature: &Signature) -> Shape {
        let mut scope = Scope::default();
        for taken in ["call", "ret", "in", "out", "s", "args", "area"] {
            scope.claim(taken);
        }
        let param = |(p, &id): (&WitParam, _)| (scope.claim(&snake(&p.name)), Value { ty: p.ty.clone(), id });
        Shape {
            params: params.iter().zip(&signature.params).map(param).collect(),
            result: result.cloned().zip(signature.result).map(|(ty, id)| Value { ty, id }),
        }
    }
}

/// A core value as C has it.
pub(super) fn c_type(core: Core) -> &'static str {
    match core {
        Core::I32 => "uint32_t",
        Core::I64 => "uint64_t",
        Core::F32 => "float",
        Core::F64 => "double",
    }
}

/// A slot as the engine has it.
pub(super) fn slot(core: Core) -> &'static str {
    core.name()
}

/// The raw bits of a slot.
pub(super) fn raw(stem: &str, core: Core, slot: &str) -> String {
    match core {
        Core::I32 => format!("{slot}.i32"),
        Core::I64 => format!("{slot}.i64"),
        Core::F32 => format!("{stem}_bits32({slot}.f32)"),
        Core::F64 => format!("{stem}_bits64({slot}.f64)"),
    }
}

/// A slot from raw bits.
pub(super) fn cooked(stem: &str, core: Core, raw: &str) -> String {
    match core {
        Core::I32 => format!("(uint32_t){raw}"),
        Core::I64 => raw.to_owned(),
        Core::F32 => format!("{stem}_f32((uint32_t){raw})"),
        Core::F64 => format!("{stem}_f64({raw})"),
    }
}

impl Values<'_> {
    /// Writes the prototype and the stub; gives the stub's name.
    pub(super) fn stub(&mut self, stub: &Stub<'_>, name: &str) -> String {
        let stem = self.names.stem.clone();
        let entry = self.names.claim(&format!("{name}_stub"));
        let (prototype, body) = match (&stub.func.role, &stub.abi.signature) {
            (FuncRole::Call { params, result, .. }, Some(signature)) => {
                let shape = Shape::of(params, result.as_ref(), signature);
                (self.prototype(name, &shape), self.call_body(name, stub, signature, &shape))
            }
            _ => self.intrinsic(name, stub),
        };
        let docs = docs(stub.module, stub.func);
        let _ = write!(self.header, "\n{}{prototype};\n", comment(&docs, ""));
        let shown = comment(&format!("{} {}: {}", stub.module.core_name, stub.func.name, stub.abi.core), "");
        let head =
            format!("{shown}static bool {entry}({stem}_call_t *call, const {stem}_slot_t *in, {stem}_slot_t *out)");
        // Declarations come first, as in C89, and then what silences warnings.
        let unused = ["in", "out"].iter().filter(|name| !body.contains(&format!("{name}[")));
        let unused = unused.fold(String::new(), |text, name| text + &format!("    (void){name};\n"));
        let _ = write!(self.source, "{head} {{\n{unused}{body}    return true;\n}}\n\n");
        entry
    }

    fn prototype(&mut self, name: &str, shape: &Shape) -> String {
        let stem = self.names.stem.clone();
        let mut params = vec![format!("{stem}_call_t *call")];
        for (name, value) in &shape.params {
            let c_type = self.shapes().c_type(value);
            params.push(match self.shapes().is_aggregate(value) {
                true => format!("const {c_type} *{name}"),
                false => format!("{c_type} {name}"),
            });
        }
        if let Some(value) = &shape.result {
            params.push(format!("{} *ret", self.shapes().c_type(value)));
        }
        format!("bool {name}({})", params.join(", "))
    }

    fn call_body(&mut self, name: &str, stub: &Stub<'_>, signature: &Signature, shape: &Shape) -> String {
        let stem = self.names.stem.clone();
        let mut body = String::new();
        for (_, value) in &shape.params {
            self.readable(value);
        }
        let place = if signature.params_spilled { "args." } else { "" };
        if !signature.params_spilled {
            for (name, value) in &shape.params {
                let c_type = self.shapes().c_type(value);
                let _ = writeln!(body, "    {c_type} {name};");
            }
        }
        if let Some(value) = &shape.result {
            self.writable(value);
            let c_type = self.shapes().c_type(value);
            let _ = writeln!(body, "    {c_type} ret;");
        }
        if signature.result_spilled {
            body.push_str("    uint32_t area;\n");
        }
        let mut fields: Vec<String> = shape.params.iter().map(|(name, _)| name.clone()).collect();
        match self.spilled(stub, signature) {
            Some((args, members)) => {
                let (size, align) = self.element(&args);
                let c_type = self.shapes().c_type(&args);
                let _ = writeln!(body, "    {c_type} args;");
                let _ = writeln!(body, "    if (!{stem}_area(call, in[0].i32, {size}, {align})) return false;");
                let load = self.function(Op::Load, &args);
                let _ = writeln!(body, "    if (!{load}(call, call->memory.base + in[0].i32, &args)) return false;");
                fields = members;
            }
            None => body.push_str(&self.lift_params(signature, shape)),
        }
        if let Some(value) = shape.result.as_ref().filter(|_| signature.result_spilled) {
            let (size, align) = self.element(value);
            let last = signature.core.params.len() - 1;
            // Before the call, so that a guest that gives a wrong pointer has no effect.
            // A guest that is called meanwhile may overwrite the engine's slots.
            let _ = writeln!(body, "    area = in[{last}].i32;");
            let _ = writeln!(body, "    if (!{stem}_area(call, area, {size}, {align})) return false;");
        }
        if shape.result.is_some() {
            body.push_str("    memset(&ret, 0, sizeof ret);\n");
        }
        let mut given = vec!["call".to_owned()];
        for ((_, value), name) in shape.params.iter().zip(&fields) {
            let by = if self.shapes().is_aggregate(value) { "&" } else { "" };
            given.push(format!("{by}{place}{name}"));
        }
        given.extend(shape.result.is_some().then(|| "&ret".to_owned()));
        let given = given.join(", ");
        let _ = writeln!(body, "    if (!{name}({given})) return {stem}_fail(call, \"refused by the host\");");
        body.push_str(&self.give_back(signature, shape));
        body
    }

    /// The record of spilled parameters, and the names of its members.
    fn spilled(&mut self, stub: &Stub<'_>, signature: &Signature) -> Option<(Value, Vec<String>)> {
        if !signature.params_spilled {
            return None;
        }
        let Some(Witx::ConstPointer(record)) = stub.func.params.first().map(|p| &p.ty) else { return None };
        let id = self.plan.rebuilt().known(record)?;
        let args = Value { ty: (**record).clone(), id };
        match self.shapes().form(&args) {
            Form::Record(members) => Some((args, members.into_iter().map(|m| m.name).collect())),
            _ => None,
        }
    }

    fn lift_params(&mut self, signature: &Signature, shape: &Shape) -> String {
        let stem = self.names.stem.clone();
        let mut body = String::new();
        let mut at = 0;
        for (name, value) in &shape.params {
            let width = self.width(value);
            let slots: Vec<String> =
                (at..at + width).map(|i| raw(&stem, signature.core.params[i], &format!("in[{i}]"))).collect();
            if width > 0 {
                let lifted = self.lift(value, 0, name);
                body.push_str(&match self.shapes().is_aggregate(value) {
                    true => format!(
                        "    {{\n        uint64_t s[{width}];\n{}{}    }}\n",
                        slots.iter().enumerate().fold(String::new(), |mut text, (i, slot)| {
                            let _ = writeln!(text, "        s[{i}] = {slot};");
                            text
                        }),
                        super::value::deeper(&lifted)
                    ),
                    // One or two slots, straight from the engine.
                    false => direct(lifted, &slots, signature.core.params[at], at),
                });
            }
            at += width;
        }
        body
    }

    /// Stores the result, or puts it into its slot.
    fn give_back(&mut self, signature: &Signature, shape: &Shape) -> String {
        let stem = self.names.stem.clone();
        let Some(value) = &shape.result else { return String::new() };
        if signature.result_spilled {
            // The memory may have moved since it was checked; it never shrinks.
            return self.store(value, "ret", "call->memory.base + area");
        }
        let Some(&core) = signature.core.results.first() else { return String::new() };
        if !self.shapes().is_aggregate(value) {
            let c = match self.shapes().form(value) {
                Form::Bool => "ret != 0".to_owned(),
                Form::Number("float" | "double") => "ret".to_owned(),
                _ if core == Core::I64 => "(uint64_t)ret".to_owned(),
                _ => "(uint32_t)ret".to_owned(),
            };
            return format!("    out[0].{} = {c};\n", slot(core));
        }
        let lower = self.lower(value, "ret", 0);
        format!(
            "    {{\n        uint64_t s[1] = {{0}};\n{}        out[0].{} = {};\n    }}\n",
            super::value::deeper(&lower),
            slot(core),
            cooked(&stem, core, "s[0]")
        )
    }

    /// An operation on a resource: numbers alone.
    fn intrinsic(&mut self, name: &str, stub: &Stub<'_>) -> (String, String) {
        let stem = self.names.stem.clone();
        let param = if stub.abi.core.params.is_empty() { "" } else { ", uint32_t self" };
        let (result, given) = match stub.abi.core.results.is_empty() {
            true => ("", ""),
            false => (", uint32_t *ret", ", &ret"),
        };
        let prototype = format!("bool {name}({stem}_call_t *call{param}{result})");
        let own = if param.is_empty() { "" } else { ", in[0].i32" };
        let mut body = String::new();
        if !result.is_empty() {
            body.push_str("    uint32_t ret = 0;\n");
        }
        let _ = writeln!(body, "    if (!{name}(call{own}{given})) return {stem}_fail(call, \"refused by the host\");");
        if !result.is_empty() {
            body.push_str("    out[0].i32 = ret;\n");
        }
        (prototype, body)
    }
}

/// Statements that lift from `s`, reading the slots themselves instead.
fn direct(lifted: String, slots: &[String], core: Core, at: usize) -> String {
    let mut text = lifted;
    for (i, slot) in slots.iter().enumerate() {
        for whole in [format!("(uint32_t)s[{i}]"), format!("s[{i}]")] {
            text = text.replace(&whole, slot);
        }
    }
    // A float needs no way over its bits.
    if matches!(core, Core::F32 | Core::F64)
        && let Some((to, _)) = text.trim().split_once(" = ")
    {
        return format!("    {to} = in[{at}].{};\n", slot(core));
    }
    text
}

fn docs(module: &Module, func: &Func) -> String {
    let wit = match &func.role {
        FuncRole::Call { wit, .. } => wit.clone(),
        _ => func.name.clone(),
    };
    let place = module.interface.as_deref().unwrap_or(&module.core_name);
    let mut text = if place.is_empty() { format!("`{wit}`") } else { format!("`{wit}` of {place}") };
    if let Some(docs) = &func.docs {
        let _ = write!(text, "\n\n{docs}");
    }
    text
}
