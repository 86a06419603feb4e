//! What the host provides: a trait for each interface, and the stubs that check, lift, call and lower.

use super::code::{Lines, Param, Type};
use super::functions::{self, Parameter, Passing, Spill, core_params, literal};
use super::names::{Namer, snake};
use super::place::Place;
use super::types::Types;
use crate::abi::{ResourceOp, Signature};
use crate::bindgen::{Allocation, Engine, Stub};
use crate::witx::{FuncRole, Witx};
use std::collections::HashMap;

/// The most parameters of a host function that wasmi knows the type of.
const MAX_WASMI: usize = 16;

/// A method of a trait, and the imports that call it.
struct Method<'p, 'd> {
    name: String,
    stubs: Vec<&'p Stub<'d>>,
}

/// Writes the functions of one place.
pub(super) struct Host<'a, 'p, 'd> {
    pub(super) types: &'a Types<'p, 'd>,
    pub(super) place: &'a Place,
    pub(super) engine: Engine,
    pub(super) allocation: Allocation,
    pub(super) out: &'a mut Lines,
}

impl<'p, 'd> Host<'_, 'p, 'd> {
    /// The trait and the function that registers its methods.
    pub(super) fn write(&mut self, stubs: &[&'p Stub<'d>], docs: &str) {
        let methods = methods(stubs);
        self.out.gap();
        self.out.docs(docs);
        let region = if self.needs_arena(stubs) { ": abi::Region" } else { "" };
        self.out.open(format!("pub trait Host{region} {{"));
        for method in &methods {
            self.out.gap();
            self.declare(method);
        }
        self.out.close("}");
        for method in &methods {
            self.check(method);
        }
        self.out.gap();
        self.out.docs(
            "Adds the functions to a linker. `get` finds in the store's data what implements the trait.\n\n\
             # Errors\n\nFails where the linker has a function of the same name.",
        );
        self.out.open("pub fn add_to_linker<T: 'static, H: Host + 'static>(");
        self.out.line(format!("linker: &mut {}::Linker<T>,", self.engine.name()));
        self.out.line("get: impl Fn(&mut T) -> &mut H + Copy + Send + Sync + 'static,");
        self.out.close(") -> Result<(), Trap> {");
        self.out.deeper();
        for method in &methods {
            for stub in &method.stubs {
                self.stub(&method.name, stub);
            }
        }
        self.out.line("Ok(())");
        self.out.close("}");
    }

    fn needs_arena(&self, stubs: &[&Stub<'d>]) -> bool {
        self.allocation == Allocation::Arena && stubs.iter().any(|stub| stub.allocates)
    }

    fn declare(&mut self, method: &Method<'_, 'd>) {
        let Some(stub) = method.stubs.last() else { return };
        let mut params = vec![Param::of("&mut self")];
        let (docs, result) = match &stub.func.role {
            FuncRole::Call { wit, result, .. } => {
                let mut namer = Namer::of(["self"]);
                let (found, _) = self.parameters(stub, |name| namer.pick(snake(name)));
                params.extend(found.into_iter().map(|p| Param(p.name, Some(p.ty))));
                let result = result.as_ref().map_or_else(unit, |ty| self.types.ty(ty, self.place));
                (stub.func.docs.clone().unwrap_or_else(|| format!("`{wit}`")), result)
            }
            FuncRole::Resource(op, ty) => {
                let owned = self.types.owner(ty, self.place).text();
                let (docs, param, result) = match (op, self.is_export(stub)) {
                    (ResourceOp::Drop, false) => ("The guest drops its handle.", format!("handle: {owned}"), unit()),
                    (ResourceOp::Drop, true) => (
                        "The guest drops a handle of its own resource: what represents it, if the handle owned it.",
                        format!("handle: {owned}"),
                        Type::Generic("Option", vec![Type::name("u32")]),
                    ),
                    (ResourceOp::New, _) => {
                        ("A new handle for what represents a resource.", "rep: u32".to_owned(), Type::Name(owned))
                    }
                    _ => ("What represents the resource behind a handle.", "handle: u32".to_owned(), Type::name("u32")),
                };
                params.push(Param::of(param));
                (docs.to_owned(), result)
            }
            _ => return,
        };
        self.out.docs(&docs);
        self.out.function(&format!("fn {}", method.name), &params, &result.or_trap(), ";");
    }

    /// Checks the layout of spilled parameters.
    fn check(&mut self, method: &Method<'_, 'd>) {
        let Some(stub) = method.stubs.last() else { return };
        if stub.abi.signature.as_ref().is_some_and(|s| s.params_spilled) {
            let (params, spill) = self.parameters(stub, str::to_owned);
            functions::check(self.out, &method.name, &params, spill);
        }
    }

    fn is_export(&self, stub: &Stub<'d>) -> bool {
        self.place.path.first().is_some_and(|part| part == "exports")
            && matches!(stub.func.role, FuncRole::Resource(..))
    }

    fn parameters(&self, stub: &Stub<'d>, name: impl FnMut(&str) -> String) -> (Vec<Parameter>, Spill) {
        let (FuncRole::Call { params, .. }, Some(signature)) = (&stub.func.role, &stub.abi.signature) else {
            return (Vec::new(), Spill { size: 0, align: 1 });
        };
        functions::parameters(self.types, self.place, params, &signature.params, true, signature.params_spilled, name)
    }

    /// One import.
    fn stub(&mut self, method: &str, stub: &Stub<'d>) {
        let untyped = self.engine == Engine::Wasmi && stub.abi.core.params.len() > MAX_WASMI;
        let result = match stub.abi.core.results.first() {
            Some(core) => format!("Result<{core}, Trap>"),
            None => "Result<(), Trap>".to_owned(),
        };
        let engine = self.engine.name();
        let mut params = vec![format!("mut caller: {engine}::Caller<'_, T>")];
        if untyped {
            params.extend([format!("p: &[{engine}::Val]"), format!("_: &mut [{engine}::Val]")]);
        } else {
            params.extend(core_params(stub.abi));
        }
        // Faults name a function as its WIT does, whatever it is imported as.
        let full = literal(&format!("{}#{}", stub.module.core_name, stub.func.name));
        let mut lines = std::mem::take(self.out);
        lines.closure("let stub", &params, &result, |lines| {
            *self.out = std::mem::take(lines);
            if untyped {
                self.numbers(stub);
            }
            match (&stub.func.role, &stub.abi.signature) {
                (FuncRole::Call { result, .. }, Some(signature)) => {
                    self.body(method, stub, signature, result.as_ref(), &full);
                }
                (FuncRole::Resource(op, ty), _) => self.resource(method, stub, *op, ty),
                _ => {}
            }
            *lines = std::mem::take(self.out);
        });
        *self.out = lines;
        let (module, name) = (literal(&stub.name.module), literal(&stub.name.name));
        if untyped {
            let types: Vec<Type> = stub.abi.core.params.iter().map(|core| val_type(engine, *core)).collect();
            self.out.line(format!("let ty = {engine}::FuncType::new("));
            self.out.deeper();
            self.out.list("[", &types.iter().map(Type::text).collect::<Vec<_>>(), "],");
            self.out.line("[],");
            self.out.close(");");
            let arguments = [module, name, "ty".to_owned(), "stub".to_owned()];
            self.out.call("linker.func_new", &arguments, "?;");
        } else {
            self.out.call("linker.func_wrap", &[module, name, "stub".to_owned()], "?;");
        }
    }

    /// Names the values of a function that takes them one by one.
    fn numbers(&mut self, stub: &Stub<'d>) {
        self.out.line("let mut p = p.iter();");
        for (i, core) in stub.abi.core.params.iter().enumerate() {
            self.out.line(format!("let p{i}: {core} = abi::number(p.next());"));
        }
    }

    fn body(&mut self, method: &str, stub: &Stub<'d>, signature: &Signature, result: Option<&'d Witx>, full: &str) {
        let arena = self.allocation == Allocation::Arena && stub.allocates;
        let reallocs = stub.func.needs.realloc && !arena;
        let (guest, end) = match (stub.func.needs.memory, reallocs) {
            (_, true) => ("with_realloc", "?;"),
            (true, _) => ("with_memory", "?;"),
            _ => ("plain", ";"),
        };
        let mut caller = vec!["&mut caller".to_owned(), full.to_owned()];
        if arena {
            self.out.line("let region = abi::region(abi::Arena::default());");
        }
        if reallocs {
            self.out.call("let realloc = abi::realloc", &caller, "?;");
            caller.push("&realloc".to_owned());
        }
        self.out.call(&format!("let mut guest = abi::Guest::{guest}"), &caller, end);
        let (params, spill) = self.parameters(stub, str::to_owned);
        let reads = if params.is_empty() { "_" } else { "m" };
        self.out.line(format!("let ({reads}, data) = guest.split();"));
        if signature.params_spilled {
            self.out.line(format!("let at = m.place(p0, {}, {})?;", spill.align, spill.size));
            for (i, param) in params.iter().enumerate() {
                let at = if param.offset == 0 { "at".to_owned() } else { format!("at + {}", param.offset) };
                let value = match param.passing {
                    Passing::Str => format!("m.load_str({at})?"),
                    Passing::Slice => format!("m.load_bytes({at})?"),
                    _ => format!("abi::Value::load(&m, {at})?"),
                };
                self.out.line(format!("let a{i} = {value};"));
            }
        } else if !params.is_empty() {
            let slots = stub.abi.core.params.len() - usize::from(signature.result_spilled);
            self.out.line(format!("let mut words = [0; {slots}];"));
            self.out.line("let mut s = abi::Slots::of(&mut words);");
            (0..slots).for_each(|i| self.out.line(format!("s.put(p{i});")));
            self.out.line("s.rewind();");
            for (i, param) in params.iter().enumerate() {
                let value = match param.passing {
                    Passing::Str => "m.lift_str(&mut s)?",
                    Passing::Slice => "m.lift_bytes(&mut s)?",
                    _ => "abi::Flat::lift(&m, &mut s)?",
                };
                self.out.line(format!("let a{i} = {value};"));
            }
        }
        let arguments: Vec<String> = (0..params.len()).map(|i| format!("a{i}")).collect();
        let Some(_) = result else { return self.out.call(&format!("get(data).{method}"), &arguments, "") };
        let pointer = stub.abi.core.params.len().saturating_sub(1);
        let done = if signature.result_spilled {
            format!("guest.result(p{pointer}, &result)")
        } else {
            "guest.flat(&result)".to_owned()
        };
        if arena {
            self.out.line("let host = get(data);");
            self.out.call(&format!("let result = host.{method}"), &arguments, "?;");
            self.out.line("region.set(*host.arena());");
            self.out.line("guest.set_arena(&region);");
            // Only what has no slots is allocated.
            self.out.line(format!("{done}?;"));
            self.out.line("*get(guest.data()).arena() = region.get();");
            self.out.line("Ok(())");
        } else {
            self.out.call(&format!("let result = get(data).{method}"), &arguments, "?;");
            self.out.line(done);
        }
    }

    fn resource(&mut self, method: &str, stub: &Stub<'d>, op: ResourceOp, ty: &'d Witx) {
        let owned = self.types.owner(ty, self.place).text();
        self.out.line("let host = get(caller.data_mut());");
        let handle = [format!("{owned}(p0 as u32)")];
        let number = ["p0 as u32".to_owned()];
        match (op, self.is_export(stub)) {
            (ResourceOp::Drop, false) => self.out.call(&format!("host.{method}"), &handle, ""),
            (ResourceOp::Drop, true) => {
                self.out.call(&format!("let rep = host.{method}"), &handle, "?;");
                let dtor = self.types.destructor(ty).map(literal);
                let dtor = dtor.unwrap_or_else(|| literal(""));
                self.out.call("abi::destroy", &["&mut caller".to_owned(), dtor, "rep".to_owned()], "");
            }
            (ResourceOp::New, _) => {
                self.out.call(&format!("let handle = host.{method}"), &number, "?;");
                self.out.line("Ok(handle.0 as i32)");
            }
            _ => {
                self.out.call(&format!("let rep = host.{method}"), &number, "?;");
                self.out.line("Ok(rep as i32)");
            }
        }
    }
}

fn unit() -> Type {
    Type::Tuple(Vec::new())
}

fn val_type(engine: &str, core: crate::abi::Core) -> Type {
    Type::Name(format!("{engine}::ValType::{}", core.name().to_ascii_uppercase()))
}

/// The methods of a place: imports of one function under several versions call the same.
fn methods<'p, 'd>(stubs: &[&'p Stub<'d>]) -> Vec<Method<'p, 'd>> {
    let mut namer = Namer::of(["arena"]);
    let mut out: Vec<Method<'p, 'd>> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for &stub in stubs {
        if let Some(method) = known.get(stub.func.name.as_str()).and_then(|&i| out.get_mut(i))
            && method.stubs.iter().all(|other| other.func.role == stub.func.role)
        {
            method.stubs.push(stub);
            continue;
        }
        let name = match &stub.func.role {
            FuncRole::Call { wit, .. } => functions::name(wit),
            FuncRole::Resource(op, Witx::Name(id)) => {
                let resource = id.rsplit('.').next().unwrap_or(id);
                let word = match op {
                    ResourceOp::Drop => "drop",
                    ResourceOp::New => "handle",
                    _ => "rep",
                };
                snake(&format!("{resource}-{word}"))
            }
            _ => snake(&stub.func.name),
        };
        known.insert(&stub.func.name, out.len());
        out.push(Method { name: namer.pick(name), stubs: vec![stub] });
    }
    out
}
