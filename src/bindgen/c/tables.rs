//! The tables of imports and exports that back ends register from.

use super::engine::{Entry, Export, Import};
use super::ident::literal;
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::Result;
use std::fmt::Write;

/// `(iI)f`, as WAMR and toywasm write it.
pub(super) fn letters(core: &CoreSignature) -> String {
    let letter = |core: &Core| match core {
        Core::I32 => 'i',
        Core::I64 => 'I',
        Core::F32 => 'f',
        Core::F64 => 'F',
    };
    let params: String = core.params.iter().map(letter).collect();
    let results: String = core.results.iter().map(letter).collect();
    format!("({params}){results}")
}

/// The type of the rows of the table of imports.
pub(super) fn import_type(entry: &Entry) -> String {
    let rest = match entry {
        Entry::Shared => {
            "bool (*stub)($p_call_t *call, const $p_slot_t *in, $p_slot_t *out);\n    /* Whether it looks at the guest's memory. */\n    bool memory;"
        }
        Entry::Own(member, _) => member,
        Entry::Symbol(_) => return String::new(),
    };
    format!(
        r"
/* A function that the guest may import. */
typedef struct {{
    const char *module;
    const char *field;
    /* Parameters and result: i and I are integers of 32 and 64 bits, f and F floats. */
    const char *signature;
    {rest}
}} $p_import_t;
"
    )
}

/// The entries, and the table of imports; it ends with a row of NULLs.
pub(super) fn imports(imports: &[Import], entry: &Entry) -> Result<String> {
    let mut text = String::new();
    if let Entry::Own(_, write) | Entry::Symbol(write) = entry {
        imports.iter().for_each(|import| text = std::mem::take(&mut text) + &write(import) + "\n");
    }
    if matches!(entry, Entry::Symbol(_)) {
        return Ok(text);
    }
    text.push_str("const $p_import_t $p_imports[$P_IMPORTS + 1] = {\n");
    for import in imports {
        let (module, field, letters) = (literal(&import.module)?, literal(&import.field)?, letters(&import.core));
        let rest = match entry {
            Entry::Shared => format!("{}, {}", import.stub, import.memory),
            _ => import.entry.clone(),
        };
        let _ = writeln!(text, "    {{{module}, {field}, \"{letters}\", {rest}}},");
    }
    let rest = if matches!(entry, Entry::Shared) { "NULL, false" } else { "NULL" };
    let _ = write!(text, "    {{NULL, NULL, NULL, {rest}}},\n}};\n\n");
    Ok(text)
}

/// The table of exports; it ends with a row of NULLs.
pub(super) fn exports(exports: &[Export]) -> Result<String> {
    let mut text = String::from("const $p_export_t $p_exports[$P_EXPORTS + 1] = {\n");
    for export in exports {
        let _ = writeln!(text, "    {{{}, \"{}\"}},", literal(&export.name)?, letters(&export.core));
    }
    text.push_str("    {NULL, NULL},\n};\n\n");
    Ok(text)
}
