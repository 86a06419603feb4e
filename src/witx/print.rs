//! Text of a [`Document`]: one file of types, one per interface, and `all.witx`.

use super::model::{Document, Func, Module, Param, TypeName, Witx};
use std::fmt::Write;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct PrintOptions {
    /// Carry the WIT's documentation over as `;;;` comments.
    pub docs: bool,
}

/// Prints all files: name and text, `types.witx` first, `all.witx` last.
pub fn print(document: &Document, options: PrintOptions) -> Vec<(String, String)> {
    let header = format!(
        ";; {}\n;; Derived from WIT by the Canonical ABI with lowlift {}. Do not edit.\n",
        document.title,
        env!("CARGO_PKG_VERSION")
    );
    let mut printer = Printer { out: header.clone(), docs: options.docs };
    for ty in &document.types {
        printer.out.push('\n');
        printer.type_name(ty);
    }
    let mut files = vec![("types.witx".to_owned(), printer.out)];
    for file in &document.files {
        let mut printer = Printer { out: header.clone(), docs: options.docs };
        printer.out.push_str("\n(use \"types.witx\")\n");
        for module in &file.modules {
            printer.out.push('\n');
            printer.module(module);
        }
        files.push((file.name.clone(), printer.out));
    }
    let mut all = header;
    all.push_str("\n(use \"types.witx\")\n");
    for file in &document.files {
        all.push_str(&format!("(use \"{}\")\n", file.name));
    }
    files.push(("all.witx".to_owned(), all));
    files
}

struct Printer {
    out: String,
    docs: bool,
}

impl Printer {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{:indent$}{text}", "");
    }

    fn docs(&mut self, indent: usize, docs: Option<&str>) {
        if let (true, Some(docs)) = (self.docs, docs) {
            for line in docs.lines() {
                self.line(indent, format!(";;; {}", line.trim_end()).trim_end());
            }
        }
    }

    fn type_name(&mut self, ty: &TypeName) {
        self.docs(0, ty.docs.as_deref());
        let note = ty.note.map(|n| format!(" (@cabi {n})")).unwrap_or_default();
        let head = format!("(typename ${}{note}", ty.id);
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
            other => return self.line(0, &format!("{head} {})", text(other))),
        };
        self.line(0, &head);
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
        if let Some(name) = &module.core_name {
            self.line(2, &format!(";; core module name: {name}"));
        }
        self.line(2, "(import \"memory\" (memory))");
        for func in &module.funcs {
            self.out.push('\n');
            self.func(func);
        }
        self.line(0, ")");
    }

    fn func(&mut self, func: &Func) {
        self.docs(2, func.docs.as_deref());
        self.line(2, &format!("(@interface func (export \"{}\")", func.name));
        if !func.notes.is_empty() {
            self.line(4, &format!("(@cabi {})", func.notes.join(" ")));
        }
        for param in &func.params {
            self.line(4, &format!("(param {})", slot(param)));
        }
        if let Some(result) = &func.result {
            self.line(4, &format!("(result {})", slot(result)));
        }
        self.line(2, ")");
    }
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

fn text(ty: &Witx) -> String {
    let names = |names: &[String]| names.iter().map(|n| format!(" ${n}")).collect::<String>();
    match ty {
        Witx::Builtin(name) => (*name).to_owned(),
        Witx::Name(id) => format!("${id}"),
        Witx::List(ty) => format!("(list {})", text(ty)),
        Witx::Pointer(ty) => format!("(@witx pointer {})", text(ty)),
        Witx::ConstPointer(ty) => format!("(@witx const_pointer {})", text(ty)),
        Witx::Handle => "(handle)".to_owned(),
        Witx::Record(fields) => {
            format!(
                "(record{})",
                fields.iter().map(|(n, ty)| format!(" (field ${n} {})", text(ty))).collect::<String>()
            )
        }
        Witx::Tuple(types) => format!("(tuple{})", types.iter().map(|ty| format!(" {}", text(ty))).collect::<String>()),
        Witx::Flags(repr, flags) => format!("(flags (@witx repr {repr}){})", names(flags)),
        Witx::Enum(tag, cases) => format!("(enum (@witx tag {tag}){})", names(cases)),
        Witx::Variant(tag, cases) => {
            format!("(variant (@witx tag {tag}){})", cases.iter().map(|c| format!(" {}", case(c))).collect::<String>())
        }
    }
}
