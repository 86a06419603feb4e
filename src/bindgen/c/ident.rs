//! Names and texts of C: whatever the input holds, what comes out is an identifier, a literal or a comment.

use crate::diagnostic::{Code, Diagnostic, Result};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Longer identifiers are cut, with a hash of what they were.
const MAX_IDENTIFIER: usize = 120;

/// What a C99 compiler takes as one string literal.
const MAX_LITERAL: usize = 4095;

/// `get-random-u64` as `get_random_u64`: letters, digits and single underscores, with neither end an underscore, and
/// nothing else.
pub(super) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    while out.ends_with('_') {
        out.pop();
    }
    if out.len() > MAX_IDENTIFIER {
        let hash = Sha256::digest(name.as_bytes());
        out.truncate(MAX_IDENTIFIER - 9);
        out.push_str(&format!("_{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]));
    }
    if out.is_empty() { "unnamed".to_owned() } else { out }
}

/// Identifiers of one scope, each given once.
#[derive(Debug, Default, Clone)]
pub(super) struct Scope {
    taken: HashSet<String>,
}

impl Scope {
    /// A scope outside of others, where none of their names is given.
    pub(super) fn around(inner: impl IntoIterator<Item = String>) -> Scope {
        Scope { taken: inner.into_iter().collect() }
    }

    /// Whether it has been given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// Gives `wanted`, or what is nearest to it: an identifier that C, its headers and the engines leave free, and that
    /// was not given before.
    pub(super) fn claim(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, 'n');
        }
        if is_reserved(&name) {
            name.push('_');
        }
        let base = name.clone();
        let mut n = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{base}_{n}");
            n += 1;
        }
        name
    }
}

/// Words of C up to C23 and of C++, what the included headers define in lower case, functions that generated code calls, and
/// macros that platforms are known to define.
const RESERVED: &[&str] = &[
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "assert",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "complex",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "environ",
    "errno",
    "exec_context_clear",
    "exec_context_init",
    "exec_pop_vals",
    "exec_push_vals",
    "explicit",
    "export",
    "extern",
    "false",
    "far",
    "final",
    "float",
    "for",
    "fortran",
    "friend",
    "goto",
    "h_errno",
    "huge",
    "i386",
    "if",
    "imaginary",
    "import",
    "import_object_create_for_host_funcs",
    "inline",
    "instance_execute_func",
    "instance_execute_handle_restart_once",
    "int",
    "interface",
    "interrupt",
    "linux",
    "long",
    "major",
    "makedev",
    "math_errhandling",
    "max",
    "memcmp",
    "memcpy",
    "memory_instance_getptr2",
    "memset",
    "memtype_page_shift",
    "min",
    "minor",
    "mips",
    "module",
    "module_find_export",
    "module_functype",
    "mutable",
    "namespace",
    "near",
    "new",
    "noexcept",
    "noreturn",
    "not",
    "not_eq",
    "nullptr",
    "offsetof",
    "operator",
    "or",
    "or_eq",
    "override",
    "pascal",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "resulttype_cellidx",
    "return",
    "set_name_cstr",
    "setjmp",
    "short",
    "signed",
    "sizeof",
    "small",
    "stat",
    "static",
    "static_assert",
    "static_cast",
    "stderr",
    "stdin",
    "stdout",
    "strchr",
    "strcmp",
    "strlen",
    "struct",
    "sun",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "trap_with_id",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unix",
    "unsigned",
    "using",
    "va_arg",
    "va_copy",
    "va_end",
    "va_start",
    "val_from_cells",
    "val_to_cells",
    "virtual",
    "vms",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
];

/// Beginnings of names that belong to the engines, and to C's own headers in capitals.
const TAKEN: &[&str] = &[
    "wasm_",
    "wasmtime_",
    "wasmi_",
    "wasi_config_",
    "m3_",
    "m3",
    "toywasm_",
    "w2c_",
    "mem_",
    "str_",
    "UINT",
    "INT",
    "SIZE_",
    "SSIZE_",
    "PTRDIFF_",
    "SIG_ATOMIC_",
    "WCHAR_",
    "WINT_",
    "CHAR_",
    "SCHAR_",
    "UCHAR_",
    "SHRT_",
    "USHRT_",
    "LONG_",
    "ULONG_",
    "LLONG_",
    "ULLONG_",
    "FLT_",
    "DBL_",
    "LDBL_",
    "DECIMAL_",
    "PRI",
    "SCN",
    "WASM_",
    "M3_",
    "TOYWASM_",
    "SIG",
];

fn is_reserved(name: &str) -> bool {
    let typedef = name.strip_suffix("_t").is_some_and(|bare| !bare.contains('_') || is_stdint(bare));
    let errno = name.len() > 1 && name.starts_with('E') && name[1..].chars().all(|c| c.is_ascii_alphanumeric());
    RESERVED.contains(&name)
        || TAKEN.iter().any(|start| name.starts_with(start))
        || typedef
        || errno
        || ["NULL", "EOF", "BUFSIZ", "FILE", "NAN", "HUGE_VAL", "INFINITY", "I", "TRUE", "FALSE"].contains(&name)
}

/// `int_least8`, `uint_fast16` and their kin.
fn is_stdint(bare: &str) -> bool {
    let rest = bare.strip_prefix('u').unwrap_or(bare);
    rest.strip_prefix("int_least").or(rest.strip_prefix("int_fast")).is_some_and(|n| n.parse::<u8>().is_ok())
        || matches!(bare, "sig_atomic" | "max_align")
}

/// A string literal of these bytes. Fails with [`Code::BindgenName`] for what a C string cannot hold.
pub(super) fn literal(text: &str) -> Result<String> {
    let refuse = |why: &str| {
        Diagnostic::new(Code::BindgenName, format!("a name {why}"))
            .fact("name", text.chars().take(200).collect::<String>())
            .hint("give it another one with `--name-map FILE`")
    };
    if text.contains('\0') {
        return Err(refuse("with a NUL byte: C strings end there"));
    }
    if text.len() > MAX_LITERAL {
        return Err(refuse(&format!("of more than {MAX_LITERAL} bytes: C99 takes no longer string")));
    }
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            // `$` marks places in the texts of this module's neighbours.
            b' '..=b'#' | b'%'..=b'~' => out.push(char::from(byte)),
            // Three digits, so that a digit behind it is no part of it.
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    Ok(out)
}

/// Documentation as a comment of whole lines, each behind `indent`.
pub(super) fn comment(docs: &str, indent: &str) -> String {
    let lines: Vec<String> = docs.lines().map(plain).collect();
    match lines.as_slice() {
        [] => String::new(),
        [one] => format!("{indent}/* {one} */\n"),
        many => {
            let mut out = format!("{indent}/*\n");
            for line in many {
                out.push_str(format!("{indent} * {line}").trim_end());
                out.push('\n');
            }
            out.push_str(&format!("{indent} */\n"));
            out
        }
    }
}

/// A line that ends no comment, opens none, holds no trigraph, continues on no other line, and is ASCII.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '/' if out.ends_with('*') => out.push_str(" /"),
            '*' if out.ends_with('/') => out.push_str(" *"),
            '?' if out.ends_with('?') => out.push_str(" ?"),
            '\u{2018}' | '\u{2019}' => out.push('\''),
            '\u{201c}' | '\u{201d}' => out.push('"'),
            '\u{2013}' | '\u{2014}' => out.push('-'),
            '\u{2026}' => out.push_str("..."),
            '\u{2192}' => out.push_str("->"),
            '\u{a0}' | '\t' => out.push(' '),
            ' '..='~' => out.push(c),
            other => out.push_str(&format!("<U+{:04X}>", u32::from(other))),
        }
    }
    let kept = out.trim_end().trim_end_matches('\\');
    let cut = kept.len() < out.trim_end().len();
    // Behind the line may stand the end of the comment.
    format!("{}{}", kept.trim_end(), if cut { " (backslash)" } else { "" })
}
