//! A WITX document as lowlift derives it. It is whole: names, signatures, layouts and needs follow from it alone, so
//! that [`super::print()`] and [`super::read()`] lose nothing.

use crate::abi::{Abi, Direction, Lowering, Needs, ResourceOp};

/// A set of files that use one `types.witx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What was derived, such as `wasi:http@0.2.12`.
    pub title: String,
    /// How names and forms were chosen.
    pub abi: Abi,
    /// All types, each after those that it uses.
    pub types: Vec<TypeName>,
    /// One file per interface, one for a world's own functions, one for its exports.
    pub files: Vec<File>,
}

impl Document {
    /// All modules, in the order of the files.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.files.iter().flat_map(|f| &f.modules)
    }

    /// The same without documentation.
    pub fn without_docs(mut self) -> Document {
        self.types.iter_mut().for_each(|ty| ty.docs = None);
        for module in self.files.iter_mut().flat_map(|f| &mut f.modules) {
            module.docs = None;
            module.funcs.iter_mut().for_each(|f| f.docs = None);
        }
        self
    }

    /// All functions with their modules.
    pub fn functions(&self) -> impl Iterator<Item = (&Module, &Func)> {
        self.modules().flat_map(|m| m.funcs.iter().map(move |f| (m, f)))
    }
}

/// A file beside `types.witx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, with extension.
    pub name: String,
    /// Its modules.
    pub modules: Vec<Module>,
}

/// A WITX module: the functions of one core import module, or all exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The id, without `$`.
    pub id: String,
    /// The core import module; empty for exports.
    pub core_name: String,
    /// Who provides the functions.
    pub direction: Direction,
    /// The WIT interface behind it, such as `wasi:http/types@0.2.12`, if it is one.
    pub interface: Option<String>,
    /// Documentation.
    pub docs: Option<String>,
    /// Since when the interface is there.
    pub stability: Stability,
    /// Its functions.
    pub funcs: Vec<Func>,
}

/// `@since`, `@unstable` and `@deprecated` of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Stability {
    /// The version of the package that has it first.
    pub since: Option<String>,
    /// The feature gate of an unstable item.
    pub unstable: Option<String>,
    /// The version that deprecates it.
    pub deprecated: Option<String>,
}

/// A core function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Func {
    /// The core field name, or the name of the export.
    pub name: String,
    /// Documentation.
    pub docs: Option<String>,
    /// What it is for.
    pub role: FuncRole,
    /// Flat parameters in order.
    pub params: Vec<Param>,
    /// The result.
    pub result: Option<Param>,
    /// What it asks of the guest.
    pub needs: Needs,
    /// Since when it is there.
    pub stability: Stability,
}

impl Func {
    /// All types that it names: of its slots, and of what the WIT says.
    pub fn types(&self) -> impl Iterator<Item = &Witx> {
        let slots = self.params.iter().chain(&self.result).map(|p| &p.ty);
        let (params, result): (&[WitParam], Option<&Witx>) = match &self.role {
            FuncRole::Call { params, result, .. } => (params, result.as_ref()),
            FuncRole::TaskReturn { result } => (&[], result.as_ref()),
            FuncRole::Resource(_, ty) | FuncRole::Channel(_, ty) => (&[], Some(ty)),
            _ => (&[], None),
        };
        slots.chain(params.iter().map(|p| &p.ty)).chain(result)
    }
}

/// What a core function is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FuncRole {
    /// A function of the WIT.
    Call {
        /// Which form of it.
        lowering: Lowering,
        /// Its WIT, such as `get: func(name: string) -> list<u8>`.
        wit: String,
        /// Its parameters as the WIT has them.
        params: Vec<WitParam>,
        /// Its result.
        result: Option<Witx>,
    },
    /// What frees the result of a synchronous export.
    PostReturn,
    /// The callback of an asynchronous export.
    Callback,
    /// `task.return`.
    TaskReturn {
        /// The result of the function that returns.
        result: Option<Witx>,
    },
    /// `resource.drop` and its kin, or a destructor.
    Resource(ResourceOp, Witx),
    /// An operation on a stream or future.
    Channel(String, Witx),
    /// A built-in of tasks, waitables and contexts.
    BuiltIn,
    /// `cabi_realloc`.
    Realloc,
    /// `_initialize`.
    Initialize,
}

/// A parameter as the WIT has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitParam {
    /// Its WIT name.
    pub name: String,
    /// Its type in memory.
    pub ty: Witx,
    /// How many of the flat parameters it takes; none where the parameters are spilled.
    pub slots: Option<usize>,
    /// A borrow of a resource that the guest itself exports: it arrives as that resource's representation.
    pub rep: bool,
}

/// A flat parameter or result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The id, without `$`.
    pub name: String,
    /// Its type.
    pub ty: Witx,
}

/// A named type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// The id, without `$`.
    pub id: String,
    /// Documentation.
    pub docs: Option<String>,
    /// What it is in WIT.
    pub kind: TypeKind,
    /// The WIT name or expression, such as `error-code` or `option<u64>`.
    pub wit: String,
    /// The interface or world that defines it; none for types without a name.
    pub owner: Option<String>,
    /// Size and alignment in bytes; none for resources, which are not in memory.
    pub layout: Option<(u32, u32)>,
    /// Its definition.
    pub def: Witx,
    /// Since when it is there.
    pub stability: Stability,
}

/// What a named type is in WIT, where its definition does not say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// Another name for a type.
    Alias,
    /// `bool`.
    Bool,
    /// `char` as the element of a list: WITX reads a list of its own `char` as a string.
    Char,
    /// A record.
    Record,
    /// A tuple.
    Tuple,
    /// Flags.
    Flags,
    /// An enum.
    Enum,
    /// A variant, option or result: the case that was widened where WITX would size the whole too small.
    Variant {
        /// Its index.
        padded: Option<usize>,
    },
    /// An option.
    Option {
        /// As for variants.
        padded: Option<usize>,
    },
    /// A result.
    Result {
        /// As for variants.
        padded: Option<usize>,
    },
    /// A list of this many elements, spelled out.
    FixedList(Witx, u32),
    /// A map.
    Map,
    /// A resource.
    Resource,
    /// An owning handle.
    Own,
    /// A borrowed handle.
    Borrow,
    /// A stream of this type.
    Stream(Option<Witx>),
    /// A future of this type.
    Future(Option<Witx>),
    /// An error context.
    ErrorContext,
    /// The parameters of a function, which are spilled into a record.
    Params,
}

impl TypeKind {
    /// The word for it in annotations and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            TypeKind::Alias => "type",
            TypeKind::Bool => "bool",
            TypeKind::Char => "char",
            TypeKind::Record => "record",
            TypeKind::Tuple => "tuple",
            TypeKind::Flags => "flags",
            TypeKind::Enum => "enum",
            TypeKind::Variant { .. } => "variant",
            TypeKind::Option { .. } => "option",
            TypeKind::Result { .. } => "result",
            TypeKind::FixedList(..) => "fixed-list",
            TypeKind::Map => "map",
            TypeKind::Resource => "resource",
            TypeKind::Own => "own",
            TypeKind::Borrow => "borrow",
            TypeKind::Stream(_) => "stream",
            TypeKind::Future(_) => "future",
            TypeKind::ErrorContext => "error-context",
            TypeKind::Params => "params",
        }
    }

    /// The case that was widened, of a variant, option or result.
    pub fn padded(&self) -> Option<usize> {
        match self {
            TypeKind::Variant { padded } | TypeKind::Option { padded } | TypeKind::Result { padded } => *padded,
            _ => None,
        }
    }
}

/// A WITX type expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Witx {
    /// A keyword: `u32`, `string`, `char` …
    Builtin(&'static str),
    /// A `$id`.
    Name(String),
    /// `(list T)`.
    List(Box<Witx>),
    /// `(@witx pointer T)`: the callee writes through it.
    Pointer(Box<Witx>),
    /// `(@witx const_pointer T)`.
    ConstPointer(Box<Witx>),
    /// `(handle)`.
    Handle,
    /// `(record (field $a T) …)`.
    Record(Vec<(String, Witx)>),
    /// `(tuple T …)`.
    Tuple(Vec<Witx>),
    /// `(flags (@witx repr R) $a …)`.
    Flags(&'static str, Vec<String>),
    /// `(enum (@witx tag R) $a …)`.
    Enum(&'static str, Vec<String>),
    /// `(variant (@witx tag R) (case $a T?) …)`.
    Variant(&'static str, Vec<(String, Option<Witx>)>),
}

impl TypeName {
    /// The types that it names.
    pub fn types(&self) -> impl Iterator<Item = &Witx> {
        let payload = match &self.kind {
            TypeKind::FixedList(ty, _) | TypeKind::Stream(Some(ty)) | TypeKind::Future(Some(ty)) => Some(ty),
            _ => None,
        };
        payload.into_iter().chain([&self.def])
    }
}

impl Witx {
    /// Calls `found` with every id in it.
    pub fn names<'w>(&'w self, found: &mut impl FnMut(&'w str)) {
        match self {
            Witx::Name(id) => found(id),
            Witx::List(ty) | Witx::Pointer(ty) | Witx::ConstPointer(ty) => ty.names(found),
            Witx::Record(fields) => fields.iter().for_each(|(_, ty)| ty.names(found)),
            Witx::Tuple(types) => types.iter().for_each(|ty| ty.names(found)),
            Witx::Variant(_, cases) => cases.iter().filter_map(|(_, ty)| ty.as_ref()).for_each(|ty| ty.names(found)),
            Witx::Builtin(_) | Witx::Handle | Witx::Flags(..) | Witx::Enum(..) => {}
        }
    }
}

/// The keywords that [`Witx::Builtin`] may be.
pub(super) const BUILTINS: [&str; 12] =
    ["u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64", "char", "string"];
