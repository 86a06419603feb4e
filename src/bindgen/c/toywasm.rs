//! toywasm: host modules. A host function gets no data of its own, so each has an entry.
//!
//! A host function cannot call the guest and go on, so this engine has no re-entrant allocation and no calls.

use super::engine::{Backend, Entry, ExportTable, Interface, Text};
use super::ident::literal;
use super::tables::letters;
use crate::diagnostic::Result;
use std::fmt::Write;

pub(super) const BACKEND: Backend = Backend {
    entry: Entry::Shared,
    exports: ExportTable::WhereCalled,
    includes: "#include <toywasm/exec.h>\n#include <toywasm/host_instance.h>\n#include <toywasm/instance.h>\n#include <toywasm/type.h>\n",
    members: "",
    prototypes: Text::Fixed(
        r"
/* An import object of all functions for one instance; it is used as any other, and outlives the instance of the module. */
#if defined($P_TOYWASM_MEM_CONTEXT)
int $p_imports_create(struct mem_context *mctx, $p_instance_t *instance, struct import_object **out);
#else
int $p_imports_create($p_instance_t *instance, struct import_object **out);
#endif
",
    ),
    refresh: Text::Fixed(
        r#"/* toywasm allocates memory late: what is looked at is allocated whole. */
static bool $p_refresh($p_call_t *call) {
    struct exec_context *context = (struct exec_context *)call->engine;
    void *base = NULL;
    uint64_t size;
    if (context->instance->mems.lsize == 0) return $p_fail(call, "the guest has no memory");
    size = (uint64_t)VEC_ELEM(context->instance->mems, 0)->size_in_pages * 65536;
    if (size > UINT32_MAX) size = UINT32_MAX;
    if (memory_getptr(context, 0, 0, 0, (uint32_t)size, &base) != 0) return $p_fail(call, "the guest has no memory");
    call->memory.base = (uint8_t *)base;
    call->memory.size = size;
    return true;
}

"#,
    ),
    invoke: Text::Fixed(""),
    shared: r#"/* A value takes as many cells as it needs; they are not aligned. */
static int $p_run(struct exec_context *context, struct host_instance *host, uint32_t number, const struct functype *type, const struct cell *params, struct cell *results) {
    const $p_import_t *import_ = &$p_imports[number];
    $p_instance_t *instance = ($p_instance_t *)(void *)host;
    $p_slot_t in[17], out;
    $p_call_t call;
    uint32_t i, at, cells;
    for (i = 0; import_->signature[i + 1] != ')'; i++) {
        struct val value;
        memset(&value, 0, sizeof value);
        at = resulttype_cellidx(&type->parameter, i, &cells);
        val_from_cells(&value, &params[at], cells);
        memcpy(&in[i], &value.u, sizeof in[i]);
    }
    memset(&out, 0, sizeof out);
    if (!$p_enter(&call, instance, context, import_->memory) || !import_->stub(&call, in, &out)) {
        return trap_with_id(context, TRAP_MISC, "%s", call.trap != NULL ? call.trap : "a function of the host failed");
    }
    if (import_->signature[i + 2] != 0) {
        struct val value;
        memset(&value, 0, sizeof value);
        memcpy(&value.u, &out, sizeof out);
        at = resulttype_cellidx(&type->result, 0, &cells);
        val_to_cells(&value, &results[at], cells);
    }
    return 0;
}

"#,
    register: Text::Of(tables),
};

/// An entry for each function, and the tables of each module. Modules stand together, as the document has them.
fn tables(interface: &Interface) -> Result<String> {
    let functions = &interface.imports;
    let mut text = String::new();
    if functions.is_empty() {
        return Ok(text);
    }
    for n in 0..functions.len() {
        let _ = write!(
            text,
            "static int $p_entry{n}(struct exec_context *context, struct host_instance *host, const struct functype *type, const struct cell *params, struct cell *results) {{\n    return $p_run(context, host, {n}, type, params, results);\n}}\n\n"
        );
    }
    let mut modules = String::new();
    let mut at = 0;
    while at < functions.len() {
        let module = &functions[at].module;
        let count = functions[at..].iter().take_while(|f| f.module == *module).count();
        let _ = writeln!(text, "static const struct name $p_module{at} = {};", name(module)?);
        let _ = writeln!(text, "static const struct host_func $p_funcs{at}[] = {{");
        for (n, import) in functions.iter().enumerate().skip(at).take(count) {
            let (field, letters) = (name(&import.field)?, letters(&import.core));
            let _ = writeln!(text, "    {{.name = {field}, .type = \"{letters}\", .func = $p_entry{n}}},");
        }
        text.push_str("};\n");
        let _ = writeln!(modules, "    {{.module_name = &$p_module{at}, .funcs = $p_funcs{at}, .nfuncs = {count}}},");
        at += count;
    }
    let _ = write!(text, "static const struct host_module $p_modules[] = {{\n{modules}}};\n\n{CREATE}");
    Ok(text)
}

/// A name with its length.
fn name(text: &str) -> Result<String> {
    Ok(format!("{{.nbytes = {}, .data = {}}}", text.len(), literal(text)?))
}

const CREATE: &str = r"#if defined($P_TOYWASM_MEM_CONTEXT)
int $p_imports_create(struct mem_context *mctx, $p_instance_t *instance, struct import_object **out) {
    return import_object_create_for_host_funcs(mctx, $p_modules, sizeof $p_modules / sizeof $p_modules[0], (struct host_instance *)(void *)instance, out);
}
#else
int $p_imports_create($p_instance_t *instance, struct import_object **out) {
    return import_object_create_for_host_funcs($p_modules, sizeof $p_modules / sizeof $p_modules[0], (struct host_instance *)(void *)instance, out);
}
#endif
";
