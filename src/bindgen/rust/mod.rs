//! Rust for wasmi and wasmtime: one module that depends on nothing but the engine.
//!
//! A type lies where its interface is, as wit-bindgen names both: `wasi::http::types::ErrorCode`. An interface is a trait
//! that the vendor implements, and a function that registers it; the guest's exports are methods. What is common to all of
//! them, the traits `Value` (in memory) and `Flat` (in slots), stands in a module `abi`. The compiler computes the layout of
//! each type again and compares it with that of the ABI table.

mod code;
mod define;
mod docs;
mod functions;
mod guest;
mod host;
mod names;
mod place;
mod runtime;
mod types;

use super::{Allocation, Call, Options, Plan, Stub};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::witx::{FuncRole, Module, TypeKind, TypeName};
use code::{Lines, Param, Type};
use define::Definer;
use functions::literal;
use guest::Guest;
use host::Host;
use indexmap::IndexMap;
use place::{Place, Places};
use types::Types;

/// Lists of fixed length become arrays, which live on the host's stack.
const MAX_ARRAY: u32 = 1 << 16;

/// Generates the module. Fails with [`Code::BindgenUnsupported`] for lists of a fixed length that no stack would hold.
pub(super) fn generate(plan: &Plan<'_>, options: &Options) -> Result<Vec<(String, String)>> {
    arrays(plan)?;
    let document = &plan.derivation.document;
    let places = Places::of(document);
    let types = Types::of(plan, &places);
    let text = Writer { plan, options, types: &types }.whole(&places);
    let name = options.prefix.clone().unwrap_or_else(|| plan.stem());
    Ok(vec![(format!("{}.rs", names::snake(&name)), text)])
}

fn arrays(plan: &Plan<'_>) -> Result<()> {
    for ty in plan.types() {
        if let (TypeKind::FixedList(..), Some((size, _))) = (&ty.kind, ty.layout)
            && size > MAX_ARRAY
        {
            let message = format!("`{}` takes {size} bytes of the host's stack", ty.wit);
            return Err(Diagnostic::new(Code::BindgenUnsupported, message)
                .fact("at most", MAX_ARRAY.to_string())
                .hint("a list without a length lies on the heap"));
        }
    }
    Ok(())
}

/// What style and lints generated code does not keep: its names and shapes are those of the WIT.
const ALLOWED: [&str; 15] = [
    "dead_code",
    "missing_docs",
    "unreachable_pub",
    "unused_imports",
    "unused_macros",
    "clippy::doc_lazy_continuation",
    "clippy::enum_variant_names",
    "clippy::large_enum_variant",
    "clippy::module_inception",
    "clippy::new_ret_no_self",
    "clippy::result_unit_err",
    "clippy::should_implement_trait",
    "clippy::too_many_arguments",
    "clippy::type_complexity",
    "clippy::wrong_self_convention",
];

/// What stands in one place.
#[derive(Default)]
struct Content<'p, 'd> {
    types: Vec<&'d TypeName>,
    stubs: Vec<&'p Stub<'d>>,
    calls: Vec<&'p Call<'d>>,
    module: Option<&'d Module>,
}

/// A module of the output and those in it.
#[derive(Default)]
struct Tree {
    content: String,
    inner: IndexMap<String, Tree>,
}

struct Writer<'a, 'p, 'd> {
    plan: &'p Plan<'d>,
    options: &'a Options,
    types: &'a Types<'p, 'd>,
}

impl<'p, 'd> Writer<'_, 'p, 'd> {
    /// Sorts everything by where it stands.
    fn contents(&self, places: &Places) -> IndexMap<Place, Content<'p, 'd>> {
        let mut contents: IndexMap<Place, Content<'p, 'd>> = IndexMap::new();
        for ty in self.plan.types().iter() {
            if let Some(named) = self.types.named(&ty.id) {
                contents.entry(named.place.clone()).or_default().types.push(ty);
            }
        }
        for stub in &self.plan.stubs {
            let content = contents.entry(places.function(stub.module, &stub.func.name)).or_default();
            content.stubs.push(stub);
            content.module = Some(stub.module);
        }
        for call in self.plan.calls.iter().filter(|call| call.func.role != FuncRole::Initialize) {
            contents.entry(places.function(call.module, &call.func.name)).or_default().calls.push(call);
        }
        contents
    }

    fn module(&self, place: &Place, content: &Content<'p, 'd>) -> String {
        let (types, engine, allocation) = (self.types, self.options.engine, self.options.allocation);
        types.used.set((false, false));
        types.heads.borrow_mut().clear();
        let mut out = Lines::at(place.path.len());
        let interface = content.module.and_then(|module| module.interface.as_deref());
        if let Some(interface) = interface {
            out.docs("The interface, with its version.");
            out.line(format!("pub const INTERFACE: &str = {};", literal(interface)));
        }
        for &ty in &content.types {
            Definer { types, place, out: &mut out }.define(ty);
        }
        if !content.stubs.is_empty() {
            let docs = content.module.and_then(|module| module.docs.clone());
            let docs = docs.filter(|docs| !docs::lines(docs).is_empty());
            let docs = docs.unwrap_or_else(|| format!("`{}`", interface.unwrap_or("the world's own functions")));
            Host { types, place, engine, allocation, out: &mut out }.write(&content.stubs, &docs);
        }
        if content.calls.iter().any(|call| guest::is_method(call)) {
            Guest { types, place, engine, allocation, out: &mut out }.write(&content.calls);
        }
        let body = out.finish();
        let mut head = Lines::at(place.path.len());
        let code = || body.lines().filter(|line| !line.trim_start().starts_with("///"));
        let (string, vec) = types.used.get();
        let has_functions = code().any(|line| line.contains("Trap>"));
        let names = [
            (code().any(|line| line.contains("abi::")), "self"),
            (string, "String"),
            (has_functions, "Trap"),
            (vec, "Vec"),
        ];
        let names: Vec<&str> = names.iter().filter(|(used, _)| *used).map(|(_, name)| *name).collect();
        let mut imports: Vec<String> = types.heads.borrow().iter().cloned().collect();
        match names.as_slice() {
            [] => {}
            ["self"] => imports.push("abi".to_owned()),
            [one] => imports.push(format!("abi::{one}")),
            many => imports.push(format!("abi::{{{}}}", many.join(", "))),
        }
        imports.sort();
        imports.iter().for_each(|import| head.line(format!("use {};", place.root_path(import))));
        if !imports.is_empty() && !body.is_empty() {
            head.gap();
        }
        head.finish() + &body
    }

    /// The text of the whole.
    fn whole(&self, places: &Places) -> String {
        let mut tree = Tree::default();
        let mut hosts = Vec::new();
        for (place, content) in self.contents(places) {
            let text = self.module(&place, &content);
            if text.is_empty() {
                continue;
            }
            if !content.stubs.is_empty() {
                hosts.push(place.clone());
            }
            let mut node = &mut tree;
            for part in &place.path {
                node = node.inner.entry(part.clone()).or_default();
            }
            node.content = text;
        }
        let mut out = self.head();
        self.linker(&mut out, &hosts);
        self.initialize(&mut out);
        for (name, inner) in &tree.inner {
            out.gap();
            allow(&mut out);
            out.open(format!("pub mod {name} {{"));
            nest(&mut out, inner);
            out.close("}");
        }
        self.layouts(&mut out);
        out.gap();
        allow(&mut out);
        out.open("mod abi {");
        let text = runtime::text(self.plan, self.options.engine, self.options.allocation, &self.types.tuples());
        out.block(text.trim_end());
        out.close("}");
        out.finish()
    }

    fn head(&self) -> Lines {
        let mut out = Lines::at(0);
        let title = &self.plan.derivation.document.title;
        let version = env!("CARGO_PKG_VERSION");
        let shown = docs::lines(title).join(" ");
        out.line(format!("// Generated by lowlift {version} from {shown} for {}.", self.options.engine.name()));
        out.line("// Do not edit.");
        out.gap();
        let has_resources = self.plan.types().iter().any(|ty| ty.kind == TypeKind::Resource);
        let mut names = vec!["Fault", "Layout", "MAX_LIFTED", "Reason", "Trap"];
        names.extend(has_resources.then_some("Handles"));
        if self.options.allocation == Allocation::Arena {
            names.extend(["Arena", "Region"]);
        }
        let large = self.types.tuples().into_iter().filter(|&size| size > types::MAX_TUPLE);
        let large: Vec<String> = large.map(|size| format!("Tuple{size}")).collect();
        names.extend(large.iter().map(String::as_str));
        names.sort_unstable();
        out.line("#[allow(unused_imports, unreachable_pub, reason = \"generated\")]");
        out.line(format!("pub use abi::{{{}}};", names.join(", ")));
        let constants = [
            ("What this was generated from.", "SOURCE", literal(title)),
            (
                "SHA-256 of the names, signatures and layouts, in hexadecimal.",
                "ABI_HASH",
                literal(&self.plan.hash_text()),
            ),
        ];
        for (docs, name, value) in constants {
            out.gap();
            out.docs(docs);
            out.line(UNUSED);
            out.assign(&format!("pub const {name}: &str ="), &format!("{value};"));
        }
        out
    }

    /// The function that adds everything to a linker.
    fn linker(&self, out: &mut Lines, hosts: &[Place]) {
        if hosts.is_empty() {
            return;
        }
        out.gap();
        out.docs(
            "Adds the functions of all interfaces to a linker. `get` finds in the store's data what implements them.\n\n\
             # Errors\n\nFails where the linker has a function of the same name.",
        );
        out.line(UNUSED);
        out.line("pub fn add_to_linker<T: 'static, H>(");
        out.deeper();
        out.line(format!("linker: &mut {}::Linker<T>,", self.options.engine.name()));
        out.line("get: impl Fn(&mut T) -> &mut H + Copy + Send + Sync + 'static,");
        out.close(") -> Result<(), Trap>");
        out.line("where");
        out.deeper();
        let root = Place::default();
        let arena = self.options.allocation == Allocation::Arena && self.plan.stubs.iter().any(|stub| stub.allocates);
        let mut bounds: Vec<String> = hosts.iter().map(|place| root.to(place, "Host")).collect();
        if arena {
            bounds.insert(0, "Region".to_owned());
        }
        out.bounds("H: ", &bounds, " + 'static,");
        out.close("{");
        out.deeper();
        for place in hosts {
            out.line(format!("{}(linker, get)?;", root.to(place, "add_to_linker")));
        }
        if arena {
            let caller = format!("mut caller: {}::Caller<'_, T>", self.options.engine.name());
            let params = [caller, "p0: i32".to_owned(), "p1: i32".to_owned()];
            out.closure("let stub", &params, "Result<(), Trap>", |out| {
                out.line("*get(caller.data_mut()).arena() = Arena::new(p0 as u32, p1 as u32);");
                out.line("Ok(())");
            });
            out.line("linker.func_wrap(\"lowlift\", \"arena\", stub)?;");
        }
        out.line("Ok(())");
        out.close("}");
    }

    /// The function that calls what a guest wants to be called first.
    fn initialize(&self, out: &mut Lines) {
        let mut calls = self.plan.calls.iter();
        let Some(call) = calls.find(|call| call.func.role == FuncRole::Initialize) else { return };
        let engine = self.options.engine.name();
        out.gap();
        out.docs("Calls what a guest wants to be called before all else, if it has such a function.");
        out.line(UNUSED);
        let store = Param::of(format!("mut store: impl {engine}::AsContextMut"));
        let params = [store, Param::of(format!("instance: &{engine}::Instance"))];
        let unit = Type::Tuple(Vec::new());
        out.function("pub fn initialize", &params, &unit.or_trap(), " {");
        let arguments = ["store.as_context_mut()".to_owned(), "instance".to_owned(), literal(&call.name)];
        out.call("let function = abi::optional::<(), ()>", &arguments, "?;");
        out.open("match function {");
        out.line("Some(function) => Ok(function.call(store.as_context_mut(), ())?),");
        out.line("None => Ok(()),");
        out.close("}");
        out.close("}");
    }

    /// Checks the layouts of what has no definition of its own here.
    fn layouts(&self, out: &mut Lines) {
        let mut checks = Lines::at(1);
        let root = Place::default();
        for ty in self.plan.types() {
            let Some(id) = self.plan.rebuilt().by_id(&ty.id) else { continue };
            let defined = matches!(
                ty.kind,
                TypeKind::Record | TypeKind::Variant { .. } | TypeKind::Enum | TypeKind::Flags | TypeKind::Params
            );
            if (defined && ty.owner.is_some()) || ty.kind == TypeKind::Params || self.types.has_channel(id) {
                continue;
            }
            let laid_out = self.plan.layouts().get(id);
            let text = root_names(self.types.definition(ty, &root)).text();
            checks.line(format!("{} / {} => {text},", laid_out.size, laid_out.align));
        }
        if checks.is_empty() {
            return;
        }
        out.gap();
        out.line("// Layouts of types that have no name, or are another name for one.");
        out.open("abi::layouts! { abi;");
        out.raw(&checks.finish());
        out.close("}");
    }
}

/// Types that the root does not import.
fn root_names(ty: Type) -> Type {
    let all = |types: Vec<Type>| types.into_iter().map(root_names).collect();
    match ty {
        Type::Name(name) if name == "String" => Type::name("abi::String"),
        Type::Generic("Vec", types) => Type::Generic("abi::Vec", all(types)),
        Type::Generic(name, types) => Type::Generic(name, all(types)),
        Type::Tuple(types) => Type::Tuple(all(types)),
        Type::Large(types) => Type::Large(all(types)),
        Type::Array(ty, length) => Type::Array(Box::new(root_names(*ty)), length),
        ty => ty,
    }
}

/// Who includes the file may use a part of it.
const UNUSED: &str = "#[allow(dead_code, unreachable_pub, reason = \"generated\")]";

fn allow(out: &mut Lines) {
    out.open("#[allow(");
    ALLOWED.iter().for_each(|lint| out.line(format!("{lint},")));
    out.line("reason = \"generated: names and shapes are the WIT's\"");
    out.close(")]");
}

fn nest(out: &mut Lines, tree: &Tree) {
    out.raw(&tree.content);
    for (name, inner) in &tree.inner {
        out.gap();
        out.open(format!("pub mod {name} {{"));
        nest(out, inner);
        out.close("}");
    }
}
