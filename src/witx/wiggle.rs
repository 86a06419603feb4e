//! The profile of WITX that the `wiggle` crate compiles.
//!
//! What its generator (`wiggle-generate` 48) refuses or gets wrong, and what stands for it here:
//!
//! | refused | instead |
//! |---|---|
//! | tuples in memory: a field `0` is no Rust name | records of `f0`, `f1` … |
//! | strings and lists as fields; strings as payloads | records of `ptr` and `len` |
//! | a parameter whose type is another name for a string | the string itself |
//! | `char` in memory | `u32` |
//! | two ids that make one Rust name, or one that its own code uses | the later one gets a number |
//! | a function that returns a core value | nothing: it is omitted |

use super::model::{Document, Func, Module, Stability, TypeKind, TypeName, Witx};
use super::types::mangle;
use crate::abi::Direction;
use std::collections::{HashMap, HashSet};

/// A document in this profile, and what it lacks. It is printed without annotations: they would speak of other types.
#[derive(Debug, Clone)]
pub struct Wiggle {
    /// Every type of the original has the same layout here, and every function the same core signature.
    pub document: Document,
    /// Functions of the original that are not here.
    pub omitted: Vec<Omitted>,
    /// Types whose id had to change: the original's and the one here.
    pub renamed: Vec<(String, String)>,
}

/// A function that is left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Omitted {
    /// The module's id.
    pub module: String,
    /// The core field name.
    pub function: String,
    /// Why.
    pub reason: &'static str,
}

const RETURNS: &str = "it returns a core value";
const EXPORTED: &str = "no host provides it";
const NAME_TAKEN: &str = "its Rust name is taken";
const MODULE_TAKEN: &str = "its module's Rust name is taken";

// Rust names that the generated code uses itself. It escapes the keywords that it knows; `gen` is younger than its list.
const MODULES: &[&str] = &["types", "metadata", "gen"];
const FUNCTIONS: &[&str] = &["set_hostcall_fuel", "add_to_linker", "gen"];
const TYPES: &[&str] = &["TryFrom", "UserErrorConversion"];
const CASES: &[&str] = &["Self"];
const FIELDS: &[&str] = &["mem", "location", "gen"];
// A parameter `arg1` would hide the second argument before that is read, and the host would see the first one twice.
const PARAMS: &[&str] = &[
    "ctx", "memory", "gen", "arg0", "arg1", "arg2", "arg3", "arg4", "arg5", "arg6", "arg7", "arg8", "arg9", "arg10",
    "arg11", "arg12", "arg13", "arg14", "arg15",
];

/// Brings a document into the profile.
pub fn wiggle(document: &Document) -> Wiggle {
    let mut omitted = Vec::new();
    let mut modules = Names::new(snake, MODULES);
    let mut types = Types::new(document);
    for ty in &document.types {
        types.define(ty);
    }
    let mut files = document.files.clone();
    for file in &mut files {
        file.modules.retain(|module| match module_obstacle(module, &mut modules) {
            None => true,
            Some(reason) => {
                omitted.extend(module.funcs.iter().map(|func| left_out(module, func, reason)));
                false
            }
        });
        for module in &mut file.modules {
            let mut names = Names::new(snake, FUNCTIONS);
            let whole = module.clone();
            module.funcs.retain(|func| {
                let reason = if func.result.is_some() {
                    RETURNS
                } else if !names.free(&func.name) {
                    NAME_TAKEN
                } else {
                    return true;
                };
                omitted.push(left_out(&whole, func, reason));
                false
            });
            module.funcs.iter_mut().for_each(|func| types.func(func));
        }
    }
    files.retain(|file| !file.modules.is_empty());
    let renamed = types.ids.iter().filter(|(old, new)| old != new);
    let mut renamed: Vec<_> = renamed.map(|(old, new)| ((*old).to_owned(), new.clone())).collect();
    renamed.sort();
    let title = format!("{}, profile wiggle", document.title);
    Wiggle { document: Document { title, abi: document.abi, types: types.out, files }, omitted, renamed }
}

/// Why nothing of a module can be here. Its id is the core module name, which must stay.
fn module_obstacle(module: &Module, names: &mut Names) -> Option<&'static str> {
    if module.direction == Direction::Export || module.core_name.starts_with("[export]") {
        return Some(EXPORTED);
    }
    (!names.free(&module.id)).then_some(MODULE_TAKEN)
}

fn left_out(module: &Module, func: &Func, reason: &'static str) -> Omitted {
    Omitted { module: module.id.clone(), function: func.name.clone(), reason }
}

struct Types<'d> {
    core: HashMap<&'d str, &'d TypeName>,
    /// The id here of every type of the original.
    ids: HashMap<&'d str, String>,
    names: Names,
    /// Ids that are in `out`, and what they were made from where the original has no name for it.
    defined: HashSet<String>,
    made: HashMap<String, String>,
    out: Vec<TypeName>,
}

impl<'d> Types<'d> {
    fn new(document: &'d Document) -> Self {
        let mut names = Names::new(camel, TYPES);
        // A module's trait hides a type of the same name.
        for module in document.files.iter().flat_map(|file| &file.modules) {
            names.free(&module.id);
        }
        Types {
            core: document.types.iter().map(|ty| (ty.id.as_str(), ty)).collect(),
            ids: document.types.iter().map(|ty| (ty.id.as_str(), names.take(&ty.id))).collect(),
            names,
            defined: HashSet::new(),
            made: HashMap::new(),
            out: Vec::new(),
        }
    }

    fn func(&mut self, func: &mut Func) {
        let mut names = Names::new(snake, PARAMS);
        for param in &mut func.params {
            param.name = names.take(&param.name);
            param.ty = self.slot(&param.ty);
        }
    }

    /// A parameter's type. A list may be one, but not by another name.
    fn slot(&mut self, ty: &Witx) -> Witx {
        match self.end(ty) {
            Witx::Builtin("string") => Witx::Builtin("string"),
            Witx::List(element) => Witx::List(self.memory(element).into()),
            Witx::Pointer(to) => Witx::Pointer(self.memory(to).into()),
            Witx::ConstPointer(to) => Witx::ConstPointer(self.memory(to).into()),
            _ => self.memory(ty),
        }
    }

    /// What a type is that may have several names: a definition, or the last name for one that needs a name.
    fn end<'t>(&self, mut ty: &'t Witx) -> &'t Witx
    where
        'd: 't,
    {
        while let Witx::Name(id) = ty {
            match self.core.get(id.as_str()).map(|named| &named.def) {
                Some(next @ (Witx::Name(_) | Witx::Builtin(_) | Witx::List(_))) => ty = next,
                _ => break,
            }
        }
        ty
    }

    /// A reference to a type in memory.
    fn memory(&mut self, ty: &Witx) -> Witx {
        match ty {
            Witx::Builtin("char") => Witx::Builtin("u32"),
            Witx::Builtin("string") => self.slice("str"),
            Witx::List(element) => {
                // Whoever follows the pointer wants the type of what is there.
                self.memory(element);
                self.slice(&mangle(ty))
            }
            Witx::Tuple(_) => self.make(&mangle(ty), ty),
            Witx::Name(id) => match self.core.get(id.as_str()).copied() {
                Some(named) => self.define(named),
                None => ty.clone(),
            },
            other => other.clone(),
        }
    }

    fn slice(&mut self, name: &str) -> Witx {
        let word = || Witx::Builtin("u32");
        self.make(name, &Witx::Record(vec![("ptr".to_owned(), word()), ("len".to_owned(), word())]))
    }

    /// Names a type that has none, once.
    fn make(&mut self, name: &str, def: &Witx) -> Witx {
        if let Some(named) = self.core.get(name).copied()
            && named.def == *def
        {
            return self.define(named);
        }
        if let Some(id) = self.made.get(name) {
            return Witx::Name(id.clone());
        }
        let def = self.definition(def);
        let id = self.names.take(name);
        self.made.insert(name.to_owned(), id.clone());
        self.out.push(TypeName {
            id: id.clone(),
            docs: None,
            kind: TypeKind::Record,
            wit: name.to_owned(),
            owner: None,
            layout: None,
            def,
            stability: Stability::default(),
        });
        Witx::Name(id)
    }

    /// Defines a type of the original, after those that it uses.
    fn define(&mut self, ty: &TypeName) -> Witx {
        let id = self.ids[ty.id.as_str()].clone();
        if self.defined.insert(id.clone()) {
            let def = self.definition(&ty.def);
            self.out.push(TypeName { id: id.clone(), def, ..ty.clone() });
        }
        Witx::Name(id)
    }

    fn definition(&mut self, def: &Witx) -> Witx {
        match def {
            Witx::Record(fields) => {
                let mut names = Names::new(snake, FIELDS);
                Witx::Record(fields.iter().map(|(name, ty)| (names.take(name), self.memory(ty))).collect())
            }
            Witx::Tuple(types) => {
                Witx::Record(types.iter().enumerate().map(|(i, ty)| (format!("f{i}"), self.memory(ty))).collect())
            }
            Witx::Variant(tag, cases) => {
                let mut names = Names::new(camel, CASES);
                let case =
                    |(name, ty): &(String, Option<Witx>)| (names.take(name), ty.as_ref().map(|ty| self.memory(ty)));
                Witx::Variant(tag, cases.iter().map(case).collect())
            }
            Witx::Enum(tag, cases) => Witx::Enum(tag, Names::new(camel, CASES).all(cases)),
            Witx::Flags(repr, flags) => Witx::Flags(repr, Names::new(snake, &[]).all(flags)),
            name => {
                let end = self.end(name);
                self.memory(end)
            }
        }
    }
}

/// Rust names that are taken in one place.
struct Names {
    rust: fn(&str) -> String,
    taken: HashSet<String>,
}

impl Names {
    fn new(rust: fn(&str) -> String, reserved: &[&str]) -> Self {
        Names { rust, taken: reserved.iter().map(|name| (*name).to_owned()).collect() }
    }

    /// Takes the Rust name of an id, and says whether that was free.
    fn free(&mut self, id: &str) -> bool {
        self.taken.insert((self.rust)(id))
    }

    /// The id, or the first `id-2`, `id-3` … whose Rust name is free.
    fn take(&mut self, id: &str) -> String {
        let numbered = (2..).map(|n| format!("{id}-{n}"));
        let mut candidates = std::iter::once(id.to_owned()).chain(numbered);
        candidates.find(|id| self.free(id)).unwrap_or_default()
    }

    fn all(&mut self, ids: &[String]) -> Vec<String> {
        ids.iter().map(|id| self.take(id)).collect()
    }
}

/// The generator's `snake_case`, and `SHOUTY_CASE` but for its case. The words of WIT have one case each.
fn snake(id: &str) -> String {
    words(id).collect::<Vec<_>>().join("_")
}

/// The generator's `CamelCase`.
fn camel(id: &str) -> String {
    words(id).map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

fn words(id: &str) -> impl Iterator<Item = String> {
    id.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}
