//! What the guest provides: its exported functions as methods, which lower parameters, call, lift and free the result.

use super::code::{Lines, Param, Type};
use super::functions::{self, Passing, cores, literal};
use super::names::{Namer, snake};
use super::place::Place;
use super::types::Types;
use crate::abi::{ResourceOp, Signature};
use crate::bindgen::{Allocation, Call, Engine};
use crate::witx::{FuncRole, Witx};

/// Names in the bodies of methods.
const LOCALS: [&str; 12] =
    ["self", "store", "guest", "s", "words", "region", "at", "value", "result", "arena", "params", "abi"];

/// Writes the exports of one place.
pub(super) struct Guest<'a, 'p, 'd> {
    pub(super) types: &'a Types<'p, 'd>,
    pub(super) place: &'a Place,
    pub(super) engine: Engine,
    pub(super) allocation: Allocation,
    pub(super) out: &'a mut Lines,
}

/// An export and the name of its method and field.
struct Export<'p, 'd> {
    name: String,
    call: &'p Call<'d>,
}

impl<'p, 'd> Guest<'_, 'p, 'd> {
    pub(super) fn write(&mut self, calls: &[&'p Call<'d>]) {
        let mut namer = Namer::of(["new", "support"]);
        let exports: Vec<Export<'p, 'd>> = calls
            .iter()
            .filter_map(|&call| {
                let name = match &call.func.role {
                    FuncRole::Call { wit, .. } => functions::name(wit),
                    FuncRole::Resource(ResourceOp::Dtor, Witx::Name(id)) => {
                        snake(&format!("{}-destroy", id.rsplit('.').next().unwrap_or(id)))
                    }
                    _ => return None,
                };
                Some(Export { name: namer.pick(name), call })
            })
            .collect();
        let posts: Vec<Option<String>> =
            exports.iter().map(|e| e.call.post_return.map(|_| namer.pick(format!("{}_post", e.name)))).collect();
        self.fields(&exports, &posts);
        self.out.gap();
        self.out.open("impl Guest {");
        self.new_function(&exports, &posts);
        for (export, post) in exports.iter().zip(&posts) {
            self.out.gap();
            self.method(export, post.as_deref());
        }
        self.out.close("}");
        for export in &exports {
            self.check(export);
        }
    }

    /// Checks the layout of spilled parameters.
    fn check(&mut self, export: &Export<'p, 'd>) {
        let (FuncRole::Call { params, .. }, Some(signature)) = (&export.call.func.role, &export.call.abi.signature)
        else {
            return;
        };
        if signature.params_spilled {
            let name = str::to_owned;
            let (found, spill) =
                functions::parameters(self.types, self.place, params, &signature.params, false, true, name);
            functions::check(self.out, &export.name, &found, spill);
        }
    }

    fn typed(&self, params: Vec<Type>, results: Type) -> Type {
        let name = if self.engine == Engine::Wasmi { "wasmi::TypedFunc" } else { "wasmtime::TypedFunc" };
        Type::Generic(name, vec![Type::Tuple(params), results])
    }

    fn fields(&mut self, exports: &[Export<'_, 'd>], posts: &[Option<String>]) {
        self.out.gap();
        self.out.docs("The functions that a guest exports.");
        self.out.line("#[derive(Clone)]");
        self.out.open("pub struct Guest {");
        self.out.line("support: abi::Support,");
        let unit = || Type::Tuple(Vec::new());
        for (export, post) in exports.iter().zip(posts) {
            let core = &export.call.abi.core;
            let result = cores(&core.results).pop().unwrap_or_else(unit);
            let ty = self.typed(cores(&core.params), result);
            if let FuncRole::Resource(..) = export.call.func.role {
                self.out.field(&export.name, &Type::Generic("Option", vec![ty]));
                continue;
            }
            self.out.field(&export.name, &ty);
            if let Some(post) = post {
                let ty = Type::Generic("Option", vec![self.typed(cores(&core.results), unit())]);
                self.out.field(post, &ty);
            }
        }
        self.out.close("}");
    }

    fn new_function(&mut self, exports: &[Export<'_, 'd>], posts: &[Option<String>]) {
        let engine = self.engine.name();
        self.out.docs(
            "Looks the functions up.\n\n# Errors\n\nFails where one is missing, or has another type. A guest need not have \
             destructors and what frees results.",
        );
        let store = Param::of(format!("mut store: impl {engine}::AsContextMut"));
        let params = [store, Param::of(format!("instance: &{engine}::Instance"))];
        self.out.function("pub fn new", &params, &Type::name("Self").or_trap(), " {");
        self.out.line("let support = abi::Support::of(store.as_context_mut(), instance)?;");
        for (export, post) in exports.iter().zip(posts) {
            let look_up = |out: &mut Lines, function: &str, field: &str, name: &str| {
                let arguments = ["store.as_context_mut()".to_owned(), "instance".to_owned(), literal(name)];
                out.call(&format!("let {field} = abi::{function}"), &arguments, "?;");
            };
            let optional = matches!(export.call.func.role, FuncRole::Resource(..));
            let function = if optional { "optional" } else { "required" };
            look_up(self.out, function, &export.name, &export.call.name);
            let free = export.call.post_return.and_then(|i| self.types.plan.calls.get(i));
            if let (Some(post), Some(free)) = (post, free) {
                look_up(self.out, "optional", post, &free.name);
            }
        }
        let names = exports.iter().zip(posts).flat_map(|(e, post)| [Some(&e.name), post.as_ref()]).flatten();
        self.out.open("Ok(Self {");
        self.out.line("support,");
        names.for_each(|name| self.out.line(format!("{name},")));
        self.out.close("})");
        self.out.close("}");
    }

    fn method(&mut self, export: &Export<'p, 'd>, post: Option<&str>) {
        let store = Param::of(format!("store: impl {}::AsContextMut", self.engine.name()));
        let full = literal(&export.call.func.name);
        let (name, call) = (&export.name, export.call);
        let (FuncRole::Call { wit, params, result, .. }, Some(signature)) = (&call.func.role, &call.abi.signature)
        else {
            self.out.docs("Destroys what represents a resource, if the guest wants to know.");
            let params = [Param::of("&self"), store, Param::of("rep: u32")];
            let nothing = Type::Tuple(Vec::new()).or_trap();
            self.out.function(&format!("pub fn {name}"), &params, &nothing, " {");
            self.out.call(
                "let mut guest = abi::Guest::of",
                &["&self.support".to_owned(), "store".to_owned(), full],
                ";",
            );
            self.out.line(format!("guest.post(&self.{name}, (rep as i32,))"));
            return self.out.close("}");
        };
        let arena = self.allocation == Allocation::Arena && call.func.needs.realloc;
        let docs = call.func.docs.clone().filter(|docs| !super::docs::lines(docs).is_empty());
        self.out.docs(&docs.unwrap_or_else(|| format!("`{wit}`")));
        let mut declared = vec![Param::of("&self"), store];
        declared.extend(arena.then(|| Param::of("arena: &mut abi::Arena")));
        let mut namer = Namer::of(LOCALS);
        let ids = &signature.params;
        let pick = |name: &str| namer.pick(snake(name));
        let (found, spill) =
            functions::parameters(self.types, self.place, params, ids, false, signature.params_spilled, pick);
        declared.extend(found.iter().map(|p| Param(p.name.clone(), Some(p.ty.clone()))));
        let lifted = result.as_ref().map(|ty| self.types.ty(ty, self.place));
        let returned = lifted.clone().unwrap_or(Type::Tuple(Vec::new())).or_trap();
        self.out.function(&format!("pub fn {name}"), &declared, &returned, " {");
        if arena {
            self.out.line("let region = abi::region(*arena);");
        }
        self.out.call("let mut guest = abi::Guest::of", &["&self.support".to_owned(), "store".to_owned(), full], ";");
        if arena {
            self.out.line("guest.set_arena(&region);");
        }
        if signature.params_spilled {
            self.out.line(format!("let at = guest.alloc({}, {})?;", spill.align, spill.size));
        } else if !found.is_empty() {
            self.out.line(format!("let mut words = [0; {}];", call.abi.core.params.len()));
            self.out.line("let mut s = abi::Slots::of(&mut words);");
        }
        for param in &found {
            self.lower(param, signature, &format!("at + {}", param.offset).replace("at + 0", "at"));
        }
        if arena {
            self.out.line("*arena = region.get();");
        }
        let slots = self.slots(signature, call.abi.core.params.len());
        self.finish(name, post, &slots, signature, lifted.is_some());
        self.out.close("}");
    }

    /// The tuple of core parameters.
    fn slots(&mut self, signature: &Signature, count: usize) -> String {
        if signature.params_spilled {
            return "(at as i32,)".to_owned();
        }
        if count == 0 {
            return "()".to_owned();
        }
        self.out.line("s.rewind();");
        let all = vec!["s.take()".to_owned(); count];
        match count {
            1 => "(s.take(),)".to_owned(),
            2..=4 => format!("({})", all.join(", ")),
            _ => {
                self.out.call("let params = ", &all, ";");
                "params".to_owned()
            }
        }
    }

    fn lower(&mut self, param: &functions::Parameter, signature: &Signature, at: &str) {
        let name = &param.name;
        let value = match param.passing {
            Passing::Str => format!("{name}.as_bytes()"),
            Passing::Slice | Passing::Reference => name.clone(),
            Passing::Value => format!("&{name}"),
        };
        let is_list = matches!(param.passing, Passing::Str | Passing::Slice);
        self.out.line(match (signature.params_spilled, is_list) {
            (true, true) => format!("guest.store_list({value}, {at})?;"),
            (true, false) => format!("abi::Value::store({value}, &mut guest, {at})?;"),
            (false, true) => format!("guest.lower_list({value}, &mut s)?;"),
            (false, false) => format!("abi::Flat::lower({value}, &mut guest, &mut s)?;"),
        });
    }

    fn finish(&mut self, name: &str, post: Option<&str>, slots: &str, signature: &Signature, lifts: bool) {
        let arguments = [format!("&self.{name}"), slots.to_owned()];
        if !lifts {
            match post {
                Some(post) => {
                    self.out.call("guest.call", &arguments, "?;");
                    self.out.line(format!("guest.post(&self.{post}, ())"));
                }
                None => self.out.call("guest.call", &arguments, ""),
            }
            return;
        }
        self.out.call("let value = guest.call", &arguments, "?;");
        let lift = if signature.result_spilled { "guest.reader().value(value)" } else { "guest.lifted(value)" };
        match post {
            Some(post) => {
                self.out.line(format!("let result = {lift}?;"));
                self.out.line(format!("guest.post(&self.{post}, (value,))?;"));
                self.out.line("Ok(result)");
            }
            None => self.out.line(format!("Ok({lift}?)")),
        }
    }
}

/// Whether a method calls this: what frees a result is called by the method that lifts it.
pub(super) fn is_method(call: &Call<'_>) -> bool {
    matches!(call.func.role, FuncRole::Call { .. } | FuncRole::Resource(..))
}
