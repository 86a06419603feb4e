//! Text of a [`Document`]: one file of types, one per interface, and `all.witx`.

use super::model::{Document, Func, FuncRole, Module, Param, Stability, TypeKind, TypeName, Witx};
use crate::abi::{Direction, Forms, ResourceOp};
use std::fmt::{self, Display, Formatter, Write};

/// Prints all files: name and text, `types.witx` first, `all.witx` last. [`super::read()`] reads them back whole.
pub fn print(document: &Document) -> Vec<(String, String)> {
    files(document, true)
}

/// The same without `(@cabi …)` annotations: WITX alone, as any reader of it knows it.
pub fn print_plain(document: &Document) -> Vec<(String, String)> {
    files(document, false)
}

fn files(document: &Document, annotations: bool) -> Vec<(String, String)> {
    // A title is no documentation, but it stands in a comment too.
    let title = super::text::docs(&document.title).unwrap_or_default().replace('\n', " ");
    let header = format!(
        ";; {title}\n;; Derived from WIT by the Canonical ABI with lowlift {}. Do not edit.\n",
        env!("CARGO_PKG_VERSION")
    );
    let printer = |head: &str| Printer { out: format!("{header}{head}"), annotations };
    let mut types = printer("");
    for ty in &document.types {
        types.out.push('\n');
        types.type_name(ty);
    }
    let mut files = vec![("types.witx".to_owned(), types.out)];
    for file in &document.files {
        let mut printer = printer("\n(use \"types.witx\")\n");
        for module in &file.modules {
            printer.out.push('\n');
            printer.module(module);
        }
        files.push((file.name.clone(), printer.out));
    }
    let mut all = printer("\n");
    if annotations {
        let (names, forms) = (document.abi.names.name(), document.abi.forms.name());
        all.line(0, format_args!("(@cabi document {} (names {names}) (forms {forms}))", Quoted(&document.title)));
    }
    all.line(0, format_args!("(use \"types.witx\")"));
    for file in &document.files {
        all.line(0, format_args!("(use \"{}\")", file.name));
    }
    files.push((ALL.to_owned(), all.out));
    files
}

/// The file that uses all others and says what they are together.
pub(super) const ALL: &str = "all.witx";

/// All files as one document, for standard output: the header once, and no `use`.
pub fn single(files: &[(String, String)]) -> String {
    let mut out = String::with_capacity(files.iter().map(|(_, text)| text.len()).sum());
    for (name, text) in files {
        let is_head = |line: &str| line.starts_with(";; ") || line.starts_with("(use ") || line.trim().is_empty();
        let head: usize = text.split_inclusive('\n').take_while(|line| is_head(line)).map(str::len).sum();
        let body = match name.as_str() {
            // Behind the annotation stand uses again.
            ALL => text[head..].split("\n(use ").next().unwrap_or_default(),
            _ => &text[head..],
        };
        let body = body.trim_end();
        if out.is_empty() {
            out.extend(text.split_inclusive('\n').take_while(|line| line.starts_with(";; ")));
        }
        if !body.is_empty() {
            for piece in ["\n;; ---- ", name, "\n", body, "\n"] {
                out.push_str(piece);
            }
        }
    }
    out
}

impl Forms {
    /// The word for it on the command line and in annotations.
    pub fn name(self) -> &'static str {
        match self {
            Forms::Sync => "sync",
            Forms::Async => "async",
            Forms::All => "all",
        }
    }
}

impl ResourceOp {
    /// The word for it in annotations and JSON.
    pub fn name(self) -> &'static str {
        match self {
            ResourceOp::Drop => "resource-drop",
            ResourceOp::New => "resource-new",
            ResourceOp::Rep => "resource-rep",
            ResourceOp::Dtor => "resource-dtor",
        }
    }
}

struct Printer {
    out: String,
    annotations: bool,
}

impl Printer {
    fn line(&mut self, indent: usize, text: fmt::Arguments<'_>) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
        self.out.push('\n');
    }

    fn note(&mut self, indent: usize, text: fmt::Arguments<'_>) {
        if self.annotations {
            self.line(indent, text);
        }
    }

    fn docs(&mut self, indent: usize, docs: Option<&str>) {
        for line in docs.unwrap_or_default().lines() {
            let space = if line.is_empty() { "" } else { " " };
            self.line(indent, format_args!(";;;{space}{line}"));
        }
    }

    fn type_name(&mut self, ty: &TypeName) {
        self.docs(0, ty.docs.as_deref());
        self.line(0, format_args!("(typename ${}", ty.id));
        self.note(2, format_args!("{}", TypeNote(ty)));
        match &ty.def {
            Witx::Record(fields) => {
                self.line(2, format_args!("(record"));
                fields.iter().for_each(|(name, ty)| self.line(4, format_args!("(field ${name} {})", Text(ty))));
            }
            Witx::Variant(tag, cases) => {
                self.line(2, format_args!("(variant (@witx tag {tag})"));
                cases.iter().for_each(|(name, ty)| self.line(4, format_args!("{}", CaseText(name, ty.as_ref()))));
            }
            Witx::Enum(tag, names) => {
                self.line(2, format_args!("(enum (@witx tag {tag})"));
                names.iter().for_each(|name| self.line(4, format_args!("${name}")));
            }
            Witx::Flags(repr, names) => {
                self.line(2, format_args!("(flags (@witx repr {repr})"));
                names.iter().for_each(|name| self.line(4, format_args!("${name}")));
            }
            other => return self.line(2, format_args!("{})", Text(other))),
        }
        self.line(2, format_args!(")"));
        self.line(0, format_args!(")"));
    }

    fn module(&mut self, module: &Module) {
        self.docs(0, module.docs.as_deref());
        self.line(0, format_args!("(module ${}", module.id));
        match module.direction {
            Direction::Export => self.note(2, format_args!("(@cabi exports)")),
            Direction::Import => self.note(2, format_args!("{}", ModuleNote(module))),
        }
        self.line(2, format_args!("(import \"memory\" (memory))"));
        for func in &module.funcs {
            self.out.push('\n');
            self.func(func);
        }
        self.line(0, format_args!(")"));
    }

    fn func(&mut self, func: &Func) {
        self.docs(2, func.docs.as_deref());
        self.line(2, format_args!("(@interface func (export {})", Quoted(&func.name)));
        let memory = if func.needs.memory { " memory" } else { "" };
        let realloc = if func.needs.realloc { " realloc" } else { "" };
        self.note(4, format_args!("(@cabi {}{memory}{realloc}{})", RoleText(&func.role), Since(&func.stability)));
        match &func.role {
            FuncRole::Call { wit, params, result, .. } => {
                self.note(4, format_args!("(@cabi wit {})", Quoted(wit)));
                for param in params {
                    let rep = if param.rep { " rep" } else { "" };
                    match param.slots {
                        Some(n) => {
                            self.note(4, format_args!("(@cabi param ${} {} {n}{rep})", param.name, Text(&param.ty)))
                        }
                        None => self.note(4, format_args!("(@cabi param ${} {}{rep})", param.name, Text(&param.ty))),
                    }
                }
                self.result_note(result.as_ref());
            }
            FuncRole::TaskReturn { result } => self.result_note(result.as_ref()),
            _ => {}
        }
        for Param { name, ty } in &func.params {
            self.line(4, format_args!("(param ${name} {})", Text(ty)));
        }
        if let Some(Param { name, ty }) = &func.result {
            self.line(4, format_args!("(result ${name} {})", Text(ty)));
        }
        self.line(2, format_args!(")"));
    }

    fn result_note(&mut self, result: Option<&Witx>) {
        if let Some(result) = result {
            self.note(4, format_args!("(@cabi result {})", Text(result)));
        }
    }
}

/// What a type is in WIT.
struct TypeNote<'d>(&'d TypeName);

impl Display for TypeNote<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ty = self.0;
        write!(f, "(@cabi {} {}", ty.kind.name(), Quoted(&ty.wit))?;
        if let Some(owner) = &ty.owner {
            write!(f, " (in {})", Quoted(owner))?;
        }
        match &ty.kind {
            TypeKind::FixedList(element, length) => write!(f, " (of {} {length})", Text(element))?,
            TypeKind::Stream(Some(payload)) | TypeKind::Future(Some(payload)) => write!(f, " (of {})", Text(payload))?,
            _ => {}
        }
        if let Some(case) = ty.kind.padded() {
            write!(f, " (pad {case})")?;
        }
        if let Some((size, align)) = ty.layout {
            write!(f, " (size {size}) (align {align})")?;
        }
        write!(f, "{})", Since(&ty.stability))
    }
}

/// Which core module the functions of a module are imported from, and which interface that is.
struct ModuleNote<'d>(&'d Module);

impl Display for ModuleNote<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let module = self.0;
        write!(f, "(@cabi imports {}", Quoted(&module.core_name))?;
        match &module.interface {
            Some(interface) if *interface == module.core_name => f.write_str(" interface")?,
            Some(interface) => write!(f, " (interface {})", Quoted(interface))?,
            None => {}
        }
        write!(f, "{})", Since(&module.stability))
    }
}

struct Since<'d>(&'d Stability);

impl Display for Since<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Stability { since, unstable, deprecated } = self.0;
        for (word, value) in [("since", since), ("unstable", unstable), ("deprecated", deprecated)] {
            if let Some(value) = value {
                write!(f, " ({word} {})", Quoted(value))?;
            }
        }
        Ok(())
    }
}

struct RoleText<'d>(&'d FuncRole);

impl Display for RoleText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            FuncRole::Call { lowering, .. } => f.write_str(lowering.name()),
            FuncRole::PostReturn => f.write_str("post-return"),
            FuncRole::Callback => f.write_str("callback"),
            FuncRole::TaskReturn { .. } => f.write_str("task-return"),
            FuncRole::Resource(op, ty) => write!(f, "{} {}", op.name(), Text(ty)),
            FuncRole::Channel(op, ty) => write!(f, "channel {} {}", Quoted(op), Text(ty)),
            FuncRole::BuiltIn => f.write_str("built-in"),
            FuncRole::Realloc => f.write_str("realloc-function"),
            FuncRole::Initialize => f.write_str("initialize"),
        }
    }
}

/// A string of the text format. Names hold neither quotes nor control characters, so this is a matter of safety.
struct Quoted<'d>(&'d str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let is_special = |c: char| matches!(c, '"' | '\\') || c.is_control() || super::text::is_confusing(c);
        f.write_char('"')?;
        let mut rest = self.0;
        while let Some(at) = rest.find(is_special) {
            f.write_str(&rest[..at])?;
            let mut chars = rest[at..].chars();
            match chars.next() {
                Some(c @ ('"' | '\\')) => write!(f, "\\{c}")?,
                Some(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)?;
        f.write_char('"')
    }
}

struct CaseText<'d>(&'d str, Option<&'d Witx>);

impl Display for CaseText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(ty) => write!(f, "(case ${} {})", self.0, Text(ty)),
            None => write!(f, "(case ${})", self.0),
        }
    }
}

/// A type expression as text.
pub(super) fn text(ty: &Witx) -> String {
    Text(ty).to_string()
}

struct Text<'d>(&'d Witx);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = |f: &mut Formatter<'_>, names: &[String]| names.iter().try_for_each(|n| write!(f, " ${n}"));
        match self.0 {
            Witx::Builtin(name) => return f.write_str(name),
            Witx::Name(id) => {
                f.write_char('$')?;
                return f.write_str(id);
            }
            Witx::List(ty) => write!(f, "(list {}", Text(ty))?,
            Witx::Pointer(ty) => write!(f, "(@witx pointer {}", Text(ty))?,
            Witx::ConstPointer(ty) => write!(f, "(@witx const_pointer {}", Text(ty))?,
            Witx::Handle => f.write_str("(handle")?,
            Witx::Record(fields) => {
                f.write_str("(record")?;
                fields.iter().try_for_each(|(n, ty)| write!(f, " (field ${n} {})", Text(ty)))?;
            }
            Witx::Tuple(types) => {
                f.write_str("(tuple")?;
                types.iter().try_for_each(|ty| write!(f, " {}", Text(ty)))?;
            }
            Witx::Flags(repr, flags) => {
                write!(f, "(flags (@witx repr {repr})")?;
                names(f, flags)?;
            }
            Witx::Enum(tag, cases) => {
                write!(f, "(enum (@witx tag {tag})")?;
                names(f, cases)?;
            }
            Witx::Variant(tag, cases) => {
                write!(f, "(variant (@witx tag {tag})")?;
                cases.iter().try_for_each(|(n, ty)| write!(f, " {}", CaseText(n, ty.as_ref())))?;
            }
        }
        f.write_char(')')
    }
}
