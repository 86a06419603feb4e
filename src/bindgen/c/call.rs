//! Functions of the guest that the host calls: a wrapper that lowers arguments and lifts the result.

use super::ident::comment;
use super::shape::{Form, Value};
use super::stub::{Shape, c_type, cooked, raw, slot};
use super::value::{Op, Values, deeper};
use crate::abi::Signature;
use crate::bindgen::Call;
use crate::witx::FuncRole;
use std::fmt::Write;

impl Values<'_> {
    /// Writes the wrapper of the export with this number in the table.
    pub(super) fn call(&mut self, call: &Call<'_>, name: &str, number: usize) {
        let (head, body) = match (&call.func.role, &call.abi.signature) {
            (FuncRole::Call { params, result, .. }, Some(signature)) => {
                let shape = Shape::of(params, result.as_ref(), signature);
                self.whole_call(call, name, number, signature, &shape)
            }
            _ => self.plain_call(call, name, number),
        };
        let wit = match &call.func.role {
            FuncRole::Call { wit, .. } => wit.as_str(),
            _ => &call.func.name,
        };
        let mut docs = format!("Calls `{wit}` of the guest.");
        if call.post_return.is_some() {
            docs.push_str(" The result stays valid until its post-return is called with `*area`.");
        }
        if let Some(text) = &call.func.docs {
            let _ = write!(docs, "\n\n{text}");
        }
        let _ = write!(self.header, "\n{}{head};\n", comment(&docs, ""));
        let _ = write!(self.source, "{head} {{\n{body}    return true;\n}}\n\n");
    }

    fn whole_call(
        &mut self,
        call: &Call<'_>,
        name: &str,
        number: usize,
        signature: &Signature,
        shape: &Shape,
    ) -> (String, String) {
        let stem = self.names.stem.clone();
        let mut params = vec![format!("{stem}_call_t *call")];
        for (name, value) in &shape.params {
            self.writable(value);
            let c_type = self.shapes().c_type(value);
            params.push(match self.shapes().is_aggregate(value) {
                true => format!("const {c_type} *{name}"),
                false => format!("{c_type} {name}"),
            });
        }
        if let Some(value) = &shape.result {
            self.readable(value);
            params.push(format!("{} *ret", self.shapes().c_type(value)));
        }
        let area = call.post_return.is_some() && signature.result_spilled;
        params.extend(area.then(|| "uint32_t *area".to_owned()));
        let head = format!("bool {name}({})", params.join(", "));
        let mut body = self.arguments(call, signature, shape);
        let given = if signature.core.params.is_empty() { "NULL" } else { "in" };
        let (out, count) = if signature.core.results.is_empty() { ("NULL", 0) } else { ("&out", 1) };
        if count > 0 {
            let _ = writeln!(body, "    {stem}_slot_t out;");
        }
        let _ = writeln!(body, "    if (!{stem}_invoke(call, {number}, {given}, {out})) return false;");
        body.push_str(&self.answer(signature, shape, area));
        (head, body)
    }

    /// Lowers the arguments into `in`.
    fn arguments(&mut self, call: &Call<'_>, signature: &Signature, shape: &Shape) -> String {
        let stem = self.names.stem.clone();
        let count = signature.core.params.len();
        let mut body = String::new();
        if count == 0 {
            return body;
        }
        let _ = writeln!(body, "    {stem}_slot_t in[{count}];");
        if signature.params_spilled {
            return body + &self.spilled_arguments(call, shape);
        }
        let width: usize = shape.params.iter().map(|(_, value)| self.width(value)).sum();
        let _ = writeln!(body, "    uint64_t s[{}] = {{0}};", width.max(1));
        let mut at = 0;
        for (name, value) in &shape.params {
            let from = if self.shapes().is_aggregate(value) { format!("(*{name})") } else { name.clone() };
            let lowered = self.lower(value, &from, at).replace(&format!("&(*{name})"), name);
            body.push_str(&lowered);
            at += self.width(value);
        }
        for (i, &core) in signature.core.params.iter().enumerate() {
            let _ = writeln!(body, "    in[{i}].{} = {};", slot(core), cooked(&stem, core, &format!("s[{i}]")));
        }
        body
    }

    /// More than sixteen slots go through the guest's memory.
    fn spilled_arguments(&mut self, call: &Call<'_>, shape: &Shape) -> String {
        let stem = self.names.stem.clone();
        let mut body = String::new();
        let Some(crate::witx::Witx::ConstPointer(record)) = call.func.params.first().map(|p| &p.ty) else {
            return body;
        };
        let Some(id) = self.plan.rebuilt().known(record) else { return body };
        let args = Value { ty: (**record).clone(), id };
        let (size, align) = self.element(&args);
        let c_type = self.shapes().c_type(&args);
        let _ = writeln!(body, "    {c_type} args;");
        body.push_str("    memset(&args, 0, sizeof args);\n");
        if let Form::Record(members) = self.shapes().form(&args) {
            for (member, (name, value)) in members.iter().zip(&shape.params) {
                let by = if self.shapes().is_aggregate(value) { "*" } else { "" };
                let _ = writeln!(body, "    args.{} = {by}{name};", member.name);
            }
        }
        let store = self.function(Op::Store, &args);
        // Compilers cannot see that it is set wherever the allocation works.
        body.push_str("    in[0].i32 = 0;\n");
        let _ = writeln!(body, "    if (!{stem}_alloc(call, {size}, {align}, &in[0].i32)) return false;");
        let _ = writeln!(body, "    {store}(call->memory.base + in[0].i32, &args);");
        body
    }

    /// Lifts the result out of `out`.
    fn answer(&mut self, signature: &Signature, shape: &Shape, area: bool) -> String {
        let stem = self.names.stem.clone();
        let Some(value) = &shape.result else { return String::new() };
        let mut body = String::from("    memset(ret, 0, sizeof *ret);\n");
        if signature.result_spilled {
            let (size, align) = self.element(value);
            if area {
                body.push_str("    *area = out.i32;\n");
            }
            let _ = writeln!(body, "    if (!{stem}_area(call, out.i32, {size}, {align})) return false;");
            let load = self.load_into_ret(value, "call->memory.base + out.i32");
            return body + &load;
        }
        let Some(&core) = signature.core.results.first() else { return body };
        let lifted = self.lift(value, 0, "(*ret)").replace("&(*ret)", "ret").replace("(*ret) =", "*ret =");
        let _ = write!(
            body,
            "    {{\n        uint64_t s[1];\n        s[0] = {};\n{}    }}\n",
            raw(&stem, core, "out"),
            deeper(&lifted)
        );
        body
    }

    /// A post-return, a destructor, or what is called first: numbers alone.
    fn plain_call(&mut self, call: &Call<'_>, name: &str, number: usize) -> (String, String) {
        let stem = self.names.stem.clone();
        let mut params = vec![format!("{stem}_call_t *call")];
        let mut body = String::new();
        let cores = &call.abi.core.params;
        if !cores.is_empty() {
            let _ = writeln!(body, "    {stem}_slot_t in[{}];", cores.len());
        }
        for (i, &core) in cores.iter().enumerate() {
            params.push(format!("{} a{i}", c_type(core)));
            let _ = writeln!(body, "    in[{i}].{} = a{i};", slot(core));
        }
        let given = if cores.is_empty() { "NULL" } else { "in" };
        let inside = if matches!(call.func.role, FuncRole::PostReturn) { "_inside" } else { "" };
        let _ = writeln!(body, "    if (!{stem}_invoke{inside}(call, {number}, {given}, NULL)) return false;");
        (format!("bool {name}({})", params.join(", ")), body)
    }
}
