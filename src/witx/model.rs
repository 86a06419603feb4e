//! A WITX document as lowlift derives it; [`super::print()`] turns it into text.

use wit_parser::Type;

/// A set of files that use one `types.witx`.
#[derive(Debug, Clone)]
pub struct Document {
    /// What was derived, such as `wasi:http@0.2.12`, for the header of every file.
    pub title: String,
    /// All types, each after those that it uses.
    pub types: Vec<TypeName>,
    /// One file per interface, and one for a world's exports.
    pub files: Vec<File>,
}

/// A file beside `types.witx`.
#[derive(Debug, Clone)]
pub struct File {
    /// Its name, with extension.
    pub name: String,
    /// Its modules.
    pub modules: Vec<Module>,
}

/// A WITX module: the functions of one core import module.
#[derive(Debug, Clone)]
pub struct Module {
    /// The id, without `$`.
    pub id: String,
    /// The core module name, where it cannot be the id.
    pub core_name: Option<String>,
    /// Documentation.
    pub docs: Option<String>,
    /// Its functions.
    pub funcs: Vec<Func>,
}

/// A function.
#[derive(Debug, Clone)]
pub struct Func {
    /// The core field name.
    pub name: String,
    /// Documentation.
    pub docs: Option<String>,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// The result.
    pub result: Option<Param>,
    /// What it needs: `memory`, `realloc`, `drop` …
    pub notes: Vec<&'static str>,
}

/// A parameter or result.
#[derive(Debug, Clone)]
pub struct Param {
    /// The id, without `$`.
    pub name: String,
    /// Its type.
    pub ty: Witx,
}

/// A named type.
#[derive(Debug, Clone)]
pub struct TypeName {
    /// The id, without `$`.
    pub id: String,
    /// Documentation.
    pub docs: Option<String>,
    /// A word of metadata: `own`, `borrow`, `stream` …
    pub note: Option<&'static str>,
    /// Its definition.
    pub def: Witx,
    /// The WIT type whose layout this has; none for resources, and for records of spilled parameters.
    pub origin: Option<Type>,
}

/// A WITX type expression.
#[derive(Debug, Clone, PartialEq, Eq)]
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
