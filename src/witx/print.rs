//! Text of a [`Document`]: one file of types, one per interface, and `all.witx`.

use super::model::{Document, Func, FuncRole, Module, Param, Stability, TypeKind, TypeName, Witx};
use crate::abi::{Direction, Forms, ResourceOp};
use std::fmt::Write;

/// Prints all files: name and text, `types.witx` first, `all.witx` last. [`super::read()`] reads them back whole.
pub fn print(document: &Document) -> Vec<(String, String)> {
    files(document, true)
}

/// The same without `(@cabi …)` annotations: WITX alone, as any reader of it knows it.
pub fn print_plain(document: &Document) -> Vec<(String, String)> {
    files(document, false)
}

fn files(document: &Document, annotations: bool) -> Vec<(String, String)> {
    let header = format!(
        ";; {}\n;; Derived from WIT by the Canonical ABI with lowlift {}. Do not edit.\n",
        document.title,
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
    all.note(0, &format!("(@cabi document {}{})", quoted(&document.title), document_words(document)));
    all.line(0, "(use \"types.witx\")");
    for file in &document.files {
        all.line(0, &format!("(use \"{}\")", file.name));
    }
    files.push((ALL.to_owned(), all.out));
    files
}

/// The file that uses all others and says what they are together.
pub(super) const ALL: &str = "all.witx";

/// All files as one document, for standard output: the header once, and no `use`.
pub fn single(files: &[(String, String)]) -> String {
    let is_header = |line: &&str| line.starts_with(";; ");
    let mut out = String::new();
    for (name, text) in files {
        if out.is_empty() {
            out.extend(text.lines().take_while(is_header).flat_map(|line| [line, "\n"]));
        }
        let body = text.lines().skip_while(is_header).filter(|line| !line.starts_with("(use "));
        let body: Vec<&str> = body.skip_while(|line| line.is_empty()).collect();
        if !body.is_empty() {
            let _ = write!(out, "\n;; ---- {name}\n{}\n", body.join("\n"));
        }
    }
    out
}

fn document_words(document: &Document) -> String {
    format!(" (names {}) (forms {})", document.abi.names.name(), document.abi.forms.name())
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
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{:indent$}{text}", "");
    }

    fn note(&mut self, indent: usize, text: &str) {
        if self.annotations {
            self.line(indent, text);
        }
    }

    fn docs(&mut self, indent: usize, docs: Option<&str>) {
        for line in docs.unwrap_or_default().lines() {
            self.line(indent, format!(";;; {line}").trim_end());
        }
    }

    fn type_name(&mut self, ty: &TypeName) {
        self.docs(0, ty.docs.as_deref());
        self.line(0, &format!("(typename ${}", ty.id));
        self.note(2, &type_note(ty));
        let members: Vec<String> = match &ty.def {
            Witx::Record(fields) => fields.iter().map(|(n, ty)| format!("(field ${n} {})", text(ty))).collect(),
            Witx::Variant(_, cases) => cases.iter().map(case).collect(),
            Witx::Enum(_, names) | Witx::Flags(_, names) => names.iter().map(|n| format!("${n}")).collect(),
            _ => Vec::new(),
        };
        let open = match &ty.def {
            Witx::Record(_) => "(record".to_owned(),
            Witx::Variant(tag, _) => format!("(variant (@witx tag {tag})"),
            Witx::Enum(tag, _) => format!("(enum (@witx tag {tag})"),
            Witx::Flags(repr, _) => format!("(flags (@witx repr {repr})"),
            other => return self.line(2, &format!("{})", text(other))),
        };
        self.line(2, &open);
        for member in members {
            self.line(4, &member);
        }
        self.line(2, ")");
        self.line(0, ")");
    }

    fn module(&mut self, module: &Module) {
        self.docs(0, module.docs.as_deref());
        self.line(0, &format!("(module ${}", module.id));
        let note = match module.direction {
            Direction::Export => "(@cabi exports)".to_owned(),
            Direction::Import => {
                let mut note = format!("(@cabi imports {}", quoted(&module.core_name));
                match &module.interface {
                    Some(interface) if *interface == module.core_name => note.push_str(" interface"),
                    Some(interface) => drop(write!(note, " (interface {})", quoted(interface))),
                    None => {}
                }
                note + &stability(&module.stability) + ")"
            }
        };
        self.note(2, &note);
        self.line(2, "(import \"memory\" (memory))");
        for func in &module.funcs {
            self.out.push('\n');
            self.func(func);
        }
        self.line(0, ")");
    }

    fn func(&mut self, func: &Func) {
        self.docs(2, func.docs.as_deref());
        self.line(2, &format!("(@interface func (export {})", quoted(&func.name)));
        let mut note = format!("(@cabi {}", role(&func.role));
        note.push_str(if func.needs.memory { " memory" } else { "" });
        note.push_str(if func.needs.realloc { " realloc" } else { "" });
        self.note(4, &format!("{note}{})", stability(&func.stability)));
        match &func.role {
            FuncRole::Call { wit, params, result, .. } => {
                self.note(4, &format!("(@cabi wit {})", quoted(wit)));
                for param in params {
                    let slots = param.slots.map(|n| format!(" {n}")).unwrap_or_default();
                    let rep = if param.rep { " rep" } else { "" };
                    self.note(4, &format!("(@cabi param ${} {}{slots}{rep})", param.name, text(&param.ty)));
                }
                self.result_note(result.as_ref());
            }
            FuncRole::TaskReturn { result } => self.result_note(result.as_ref()),
            _ => {}
        }
        for param in &func.params {
            self.line(4, &format!("(param {})", slot(param)));
        }
        if let Some(result) = &func.result {
            self.line(4, &format!("(result {})", slot(result)));
        }
        self.line(2, ")");
    }

    fn result_note(&mut self, result: Option<&Witx>) {
        if let Some(result) = result {
            self.note(4, &format!("(@cabi result {})", text(result)));
        }
    }
}

fn type_note(ty: &TypeName) -> String {
    let mut note = format!("(@cabi {} {}", ty.kind.name(), quoted(&ty.wit));
    if let Some(owner) = &ty.owner {
        let _ = write!(note, " (in {})", quoted(owner));
    }
    match &ty.kind {
        TypeKind::FixedList(element, length) => drop(write!(note, " (of {} {length})", text(element))),
        TypeKind::Stream(Some(payload)) | TypeKind::Future(Some(payload)) => {
            let _ = write!(note, " (of {})", text(payload));
        }
        _ => {}
    }
    if let Some(case) = ty.kind.padded() {
        let _ = write!(note, " (pad {case})");
    }
    if let Some((size, align)) = ty.layout {
        let _ = write!(note, " (size {size}) (align {align})");
    }
    note + &stability(&ty.stability) + ")"
}

fn stability(stability: &Stability) -> String {
    let mut out = String::new();
    for (word, value) in
        [("since", &stability.since), ("unstable", &stability.unstable), ("deprecated", &stability.deprecated)]
    {
        if let Some(value) = value {
            let _ = write!(out, " ({word} {})", quoted(value));
        }
    }
    out
}

fn role(role: &FuncRole) -> String {
    match role {
        FuncRole::Call { lowering, .. } => lowering.name().to_owned(),
        FuncRole::PostReturn => "post-return".to_owned(),
        FuncRole::Callback => "callback".to_owned(),
        FuncRole::TaskReturn { .. } => "task-return".to_owned(),
        FuncRole::Resource(op, ty) => format!("{} {}", op.name(), text(ty)),
        FuncRole::Channel(op, ty) => format!("channel {} {}", quoted(op), text(ty)),
        FuncRole::BuiltIn => "built-in".to_owned(),
        FuncRole::Realloc => "realloc-function".to_owned(),
        FuncRole::Initialize => "initialize".to_owned(),
    }
}

/// A string of the text format. Names hold neither quotes nor control characters, so this is a matter of safety.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || super::text::is_confusing(c) => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn slot(param: &Param) -> String {
    format!("${} {}", param.name, text(&param.ty))
}

fn case((name, ty): &(String, Option<Witx>)) -> String {
    match ty {
        Some(ty) => format!("(case ${name} {})", text(ty)),
        None => format!("(case ${name})"),
    }
}

/// A type expression as text.
pub(super) fn text(ty: &Witx) -> String {
    let names = |names: &[String]| names.iter().map(|n| format!(" ${n}")).collect::<String>();
    match ty {
        Witx::Builtin(name) => (*name).to_owned(),
        Witx::Name(id) => format!("${id}"),
        Witx::List(ty) => format!("(list {})", text(ty)),
        Witx::Pointer(ty) => format!("(@witx pointer {})", text(ty)),
        Witx::ConstPointer(ty) => format!("(@witx const_pointer {})", text(ty)),
        Witx::Handle => "(handle)".to_owned(),
        Witx::Record(fields) => {
            let fields = fields.iter().map(|(n, ty)| format!(" (field ${n} {})", text(ty)));
            format!("(record{})", fields.collect::<String>())
        }
        Witx::Tuple(types) => format!("(tuple{})", types.iter().map(|ty| format!(" {}", text(ty))).collect::<String>()),
        Witx::Flags(repr, flags) => format!("(flags (@witx repr {repr}){})", names(flags)),
        Witx::Enum(tag, cases) => format!("(enum (@witx tag {tag}){})", names(cases)),
        Witx::Variant(tag, cases) => {
            format!("(variant (@witx tag {tag}){})", cases.iter().map(|c| format!(" {}", case(c))).collect::<String>())
        }
    }
}
