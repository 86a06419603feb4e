//! What everything is called in C: as wit-bindgen names it, with the package and interface in front.

use super::ident::{Scope, snake};
use super::stub::Shape;
use crate::abi::{Direction, ResourceOp};
use crate::bindgen::Plan;
use crate::witx::{Func, FuncRole, Module, TypeKind, TypeName, Witx};
use std::collections::{HashMap, HashSet};

/// The names of one output.
#[derive(Debug)]
pub(super) struct Names {
    /// What stands in front of all that belongs to no interface.
    pub(super) stem: String,
    /// By typename: the C name without its `_t`.
    types: HashMap<String, String>,
    /// The C names of the types themselves.
    typedefs: HashMap<String, String>,
    /// Of stubs and calls, in their order.
    pub(super) stubs: Vec<String>,
    pub(super) calls: Vec<String>,
    /// Of resources: the interface as the beginning of a name, and the name.
    resources: HashMap<String, (String, String)>,
    /// Packages, without version, of which several versions are here.
    versioned: HashSet<String>,
    /// All identifiers at file scope.
    scope: Scope,
}

/// What the support code defines, behind the stem.
const SUPPORT: &[&str] = &[
    "string_t",
    "list_t",
    "slot_t",
    "memory_t",
    "call_t",
    "instance_t",
    "import_t",
    "export_t",
    "imports",
    "exports",
    "fail",
    "span",
    "at",
    "alloc",
    "string_new",
    "list_new",
    "element",
    "begin",
    "handle",
    "arena",
    "arena_entry",
    "leave",
    "raw_t",
    "address_t",
    "symbols",
    "register",
    "link",
    "bind",
    "resolve",
    "dispatch",
    "get16",
    "get32",
    "get64",
    "getf32",
    "getf64",
    "put16",
    "put32",
    "put64",
    "putf32",
    "putf64",
    "f32",
    "f64",
    "bits32",
    "bits64",
    "utf8",
    "lift_string",
    "lift_list",
    "load_string",
    "load_list",
    "store_pair",
    "area",
    "refresh",
    "invoke",
    "invoke_inside",
    "run",
    "char_ok",
    "enter",
    "host_func",
    "data",
    "binding_t",
    "handle_new",
    "handle_rep",
    "handle_drop",
    "handles",
];

impl Names {
    /// Names everything, in the order of the plan.
    pub(super) fn of(plan: &Plan<'_>, prefix: Option<&str>) -> Names {
        // A parameter that is called like a type or a function would hide it.
        let scope = Scope::around(parameters(plan));
        let mut names = Names {
            stem: stem(&snake(prefix.unwrap_or(&plan.stem())), &scope),
            types: HashMap::new(),
            typedefs: HashMap::new(),
            stubs: Vec::new(),
            calls: Vec::new(),
            resources: HashMap::new(),
            versioned: versioned(plan),
            scope,
        };
        for word in SUPPORT {
            names.scope.claim(&format!("{}_{word}", names.stem));
        }
        for ty in plan.types() {
            names.type_name(ty);
        }
        for stub in &plan.stubs {
            let name = names.function(stub.module, stub.func);
            let name = names.scope.claim(&name);
            names.stubs.push(name);
        }
        for (i, call) in plan.calls.iter().enumerate() {
            let name = match plan.calls.iter().position(|c| c.post_return == Some(i)) {
                Some(of) => format!("{}_post_return", names.export(plan.calls[of].func)),
                None => names.function(call.module, call.func),
            };
            let name = names.scope.claim(&name);
            names.calls.push(name);
        }
        names
    }

    /// Claims an identifier at file scope.
    pub(super) fn claim(&mut self, wanted: &str) -> String {
        self.scope.claim(wanted)
    }

    /// The stem in capitals, for macros.
    pub(super) fn macros(&self) -> String {
        self.stem.to_uppercase()
    }

    /// The C name of a typename.
    pub(super) fn typedef(&self, id: &str) -> &str {
        self.typedefs.get(id).map_or("uint32_t", String::as_str)
    }

    /// The C name of the entries of a map.
    pub(super) fn pair(&self, pair: &Witx) -> &str {
        self.typedefs.get(&pair_key(pair)).map_or("uint32_t", String::as_str)
    }

    /// What stands in front of the constants and functions of a type expression.
    pub(super) fn base(&self, ty: &Witx) -> String {
        match ty {
            Witx::Name(id) => self.types.get(id).cloned().unwrap_or_else(|| snake(id)),
            Witx::Tuple(_) if let Some(known) = self.types.get(&pair_key(ty)) => known.clone(),
            other => format!("{}_{}", self.stem, self.word(other)),
        }
    }

    /// An interface as the beginning of a name.
    pub(super) fn interface(&self, interface: &str) -> String {
        let (bare, version) = interface.split_once('@').map_or((interface, None), |(b, v)| (b, Some(v)));
        match (bare.rsplit_once('/'), version) {
            (Some((package, own)), Some(version)) if self.versioned.contains(bare) => {
                // As wit-bindgen has it: the version is part of the package's name.
                format!("{}{}_{}", snake(package), snake(version), snake(own))
            }
            _ => snake(bare),
        }
    }

    fn type_name(&mut self, ty: &TypeName) {
        if ty.kind == TypeKind::Resource {
            let place = ty.owner.as_ref().map_or_else(|| self.stem.clone(), |owner| self.interface(owner));
            self.resources.insert(ty.id.clone(), (place, snake(&ty.wit)));
        }
        let base = match (&ty.kind, &ty.owner) {
            (TypeKind::Params, _) => format!("{}_{}", self.stem, snake(&ty.id)),
            (_, Some(owner)) => format!("{}_{}", self.interface(owner), snake(&ty.wit)),
            (TypeKind::Bool | TypeKind::Char, None) => format!("{}_{}", self.stem, ty.kind.name()),
            (TypeKind::Own | TypeKind::Borrow, None) => self.handle(ty),
            (_, None) => format!("{}_{}", self.stem, snake(&self.structure(ty))),
        };
        let typedef = self.scope.claim(&format!("{base}_t"));
        // Both carry the same mark, if any.
        let base = typedef.strip_suffix("_t").map_or_else(|| typedef.clone(), str::to_owned);
        self.types.insert(ty.id.clone(), base);
        self.typedefs.insert(ty.id.clone(), typedef);
        if let (TypeKind::Map, Witx::List(pair)) = (&ty.kind, &ty.def)
            && !self.types.contains_key(&pair_key(pair))
        {
            let typedef = self.scope.claim(&format!("{}_{}_t", self.stem, self.word(pair)));
            self.types.insert(pair_key(pair), typedef.strip_suffix("_t").unwrap_or(&typedef).to_owned());
            self.typedefs.insert(pair_key(pair), typedef);
        }
    }

    /// `wasi_io_poll_own_pollable`, as wit-bindgen has it.
    fn handle(&self, ty: &TypeName) -> String {
        let word = ty.kind.name();
        match &ty.def {
            Witx::Name(resource) => match self.resources.get(resource) {
                Some((interface, own)) => format!("{interface}_{word}_{own}"),
                None => format!("{}_{word}_{}", self.stem, snake(resource)),
            },
            _ => format!("{}_{}", self.stem, snake(&ty.id)),
        }
    }

    /// A type without a name, by its parts.
    fn structure(&self, ty: &TypeName) -> String {
        let payload = |ty: &Option<Witx>| ty.as_ref().map_or_else(|| "void".to_owned(), |ty| self.word(ty));
        match (&ty.kind, &ty.def) {
            (TypeKind::Option { padded }, Witx::Variant(_, cases)) => match cases.get(1) {
                Some((_, some)) => format!("option_{}", payload(&unpadded(some, *padded == Some(1)))),
                None => "option".to_owned(),
            },
            (TypeKind::Result { padded }, Witx::Variant(_, cases)) => {
                let part = |i: usize| {
                    cases.get(i).map_or_else(String::new, |(_, ty)| payload(&unpadded(ty, *padded == Some(i))))
                };
                format!("result_{}_{}", part(0), part(1))
            }
            (TypeKind::Tuple, Witx::Tuple(types)) => {
                let parts: Vec<String> = types.iter().map(|ty| self.word(ty)).collect();
                format!("tuple{}_{}", types.len(), parts.join("_"))
            }
            (TypeKind::FixedList(element, n), _) => format!("list{n}_{}", self.word(element)),
            (TypeKind::Map, Witx::List(pair)) => format!("map_{}", self.word(pair)),
            (kind, _) => format!("{}_{}", kind.name(), ty.id),
        }
    }

    /// A type as part of a name.
    fn word(&self, ty: &Witx) -> String {
        match ty {
            Witx::Builtin(name) => (*name).to_owned(),
            Witx::Name(id) => {
                let base = self.types.get(id).cloned().unwrap_or_else(|| snake(id));
                base.strip_prefix(&format!("{}_", self.stem)).map(str::to_owned).unwrap_or(base)
            }
            Witx::List(element) => format!("list_{}", self.word(element)),
            // The key and value of a map; every other tuple has a name.
            Witx::Tuple(types) => {
                let parts: Vec<String> = types.iter().map(|ty| self.word(ty)).collect();
                format!("entry_{}", parts.join("_"))
            }
            _ => "handle".to_owned(),
        }
    }

    /// A function as the vendor sees it.
    fn function(&self, module: &Module, func: &Func) -> String {
        if module.direction == Direction::Export {
            return self.export(func);
        }
        let place = match (module.core_name.strip_prefix("[export]"), module.core_name.strip_prefix("cm32p2|_ex_")) {
            (Some("$root"), _) => format!("exports_{}", self.stem),
            (Some(interface), _) | (None, Some(interface)) => format!("exports_{}", self.interface(interface)),
            (None, None) => match &module.interface {
                Some(interface) => self.interface(interface),
                None => self.stem.clone(),
            },
        };
        format!("{place}_{}", own_name(func, &func.name))
    }

    fn export(&self, func: &Func) -> String {
        if matches!(func.role, FuncRole::Initialize) {
            return format!("{}_initialize", self.stem);
        }
        let (interface, own) = split_export(&func.name);
        let place = interface.map_or_else(|| self.stem.clone(), |interface| self.interface(interface));
        format!("exports_{place}_{}", own_name(func, own))
    }
}

/// The stem, with which no name of the support code is a parameter's.
fn stem(wanted: &str, parameters: &Scope) -> String {
    let base = Scope::default().claim(wanted);
    let hides = |stem: &str| SUPPORT.iter().any(|word| parameters.has(&format!("{stem}_{word}")));
    let numbered = (2..).map(|n| format!("{base}_{n}"));
    std::iter::once(base.clone()).chain(numbered).find(|stem| !hides(stem)).unwrap_or(base)
}

/// The names of all parameters, as the functions have them.
fn parameters(plan: &Plan<'_>) -> Vec<String> {
    let stubs = plan.stubs.iter().map(|stub| (stub.func, stub.abi));
    let functions = stubs.chain(plan.calls.iter().map(|call| (call.func, call.abi)));
    let shapes = functions.filter_map(|(func, abi)| match (&func.role, &abi.signature) {
        (FuncRole::Call { params, .. }, Some(signature)) => Some(Shape::of(params, None, signature)),
        _ => None,
    });
    shapes.flat_map(|shape| shape.params.into_iter().map(|(name, _)| name)).collect()
}

/// Where the name of a map's entry is kept. No id holds a space.
fn pair_key(pair: &Witx) -> String {
    format!("entry {pair:?}")
}

/// The interface and the function of an export's name.
fn split_export(name: &str) -> (Option<&str>, &str) {
    match (name.strip_prefix("cm32p2|"), name.split_once('#')) {
        (Some(rest), _) => match rest.split_once('|') {
            Some((interface, own)) => (Some(interface).filter(|i| !i.is_empty()), own),
            None => (None, rest),
        },
        (None, Some((interface, own))) => (Some(interface), own),
        (None, None) => (None, name),
    }
}

/// `method_fields_get`, `fields_drop_own`.
fn own_name(func: &Func, name: &str) -> String {
    let FuncRole::Resource(op, _) = &func.role else { return snake(name) };
    let word = match op {
        ResourceOp::Drop => "drop_own",
        ResourceOp::New => "new",
        ResourceOp::Rep => "rep",
        ResourceOp::Dtor => "destructor",
    };
    let bare = name.rsplit(']').next().unwrap_or(name);
    let bare = match name.contains(']') {
        true => bare,
        false => bare.rsplit_once('_').map_or(bare, |(resource, _)| resource),
    };
    format!("{}_{word}", snake(bare))
}

/// The payload of a case, without what pads it.
pub(super) fn unpadded(payload: &Option<Witx>, padded: bool) -> Option<Witx> {
    match payload {
        Some(Witx::Tuple(members)) if padded => members.first().cloned(),
        other => other.clone(),
    }
}

/// Interfaces and worlds without their versions, where a package is here in several.
fn versioned(plan: &Plan<'_>) -> HashSet<String> {
    let document = &plan.derivation.document;
    let exports = plan.calls.iter().filter_map(|call| split_export(&call.func.name).0);
    let modules = document.modules().filter_map(|module| module.interface.as_deref());
    let all = document.types.iter().filter_map(|ty| ty.owner.as_deref()).chain(modules).chain(exports);
    let mut versions: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (name, version) in all.filter_map(|name| name.split_once('@')) {
        versions.entry(name).or_default().insert(version);
    }
    versions.into_iter().filter(|(_, v)| v.len() > 1).map(|(name, _)| name.to_owned()).collect()
}
