//! toywasm: host modules. A host function gets no data of its own, so each has an entry.
//!
//! The guest is called in an execution context of its own, also while it waits for the host: what the engine offers a host
//! function for that, to be entered once more when the guest has returned, would split every function of the host.

use super::engine::{Backend, Entry, ExportTable, Interface, Text};
use super::ident::literal;
use super::tables::letters;
use crate::diagnostic::Result;
use std::fmt::Write;

pub(super) const BACKEND: Backend = Backend {
    entry: Entry::Shared,
    exports: ExportTable::WhereCalled,
    includes: "#include <toywasm/exec_context.h>\n#include <toywasm/host_instance.h>\n#include <toywasm/instance.h>\n#include <toywasm/module.h>\n#include <toywasm/type.h>\n",
    members: r"    /* The instance of the module, for calls of its functions; stubs use that of their caller. */
    struct instance *engine;
    /* Calls of the guest that have not returned. */
    uint32_t depth;
",
    prototypes: Text::Fixed(
        r"
/*
 * An import object of all functions for one instance; it is used as any other, and outlives the instance of the module. It is
 * NULL where there are no functions. The files are compiled with the options that toywasm was, such as `-fshort-enums`.
 */
int $p_imports_create(struct mem_context *mctx, $p_instance_t *instance, struct import_object **out);
",
    ),
    refresh: Text::Fixed(
        r#"static struct instance *$p_guest($p_call_t *call) {
    struct exec_context *context = (struct exec_context *)call->engine;
    return context != NULL ? context->instance : call->instance->engine;
}

/* toywasm allocates memory late: what is looked at is allocated whole. */
static bool $p_refresh($p_call_t *call) {
    struct instance *guest = $p_guest(call);
    struct meminst *memory;
    void *base = NULL;
    uint64_t size;
    if (guest == NULL || guest->mems.lsize == 0) return $p_fail(call, "the guest has no memory");
    memory = VEC_ELEM(guest->mems, 0);
    size = (uint64_t)memory->size_in_pages << memtype_page_shift(memory->type);
    if (size > UINT32_MAX) size = UINT32_MAX;
    if (memory_instance_getptr2(memory, 0, 0, (uint32_t)size, &base, NULL) != 0) {
        return $p_fail(call, "the guest's memory cannot be allocated");
    }
    call->memory.base = (uint8_t *)base;
    call->memory.size = size;
    return true;
}

"#,
    ),
    invoke: Text::Fixed(
        r#"/* How many calls of one guest may wait for each other: every one is on the host's stack. */
#ifndef $P_TOYWASM_DEPTH
#define $P_TOYWASM_DEPTH 16
#endif

static bool $p_same(const struct resulttype *have, const char *letters, size_t count) {
    size_t i;
    if (have->ntypes != count) return false;
    for (i = 0; i < count; i++) {
        enum valtype want = letters[i] == 'i' ? TYPE_i32 : letters[i] == 'I' ? TYPE_i64 : letters[i] == 'f' ? TYPE_f32 : TYPE_f64;
        if (have->types[i] != want) return false;
    }
    return true;
}

/* Finds an export of this name and signature. */
static const struct functype *$p_find(struct instance *guest, const $p_export_t *export_, uint32_t *number) {
    const char *params = export_->signature + 1, *end = strchr(params, ')');
    const struct functype *type;
    struct name name;
    set_name_cstr(&name, export_->name);
    if (guest == NULL || module_find_export(guest->module, &name, EXTERNTYPE_FUNC, number) != 0) return NULL;
    type = module_functype(guest->module, *number);
    return $p_same(&type->parameter, params, (size_t)(end - params)) && $p_same(&type->result, end + 1, strlen(end + 1)) ? type : NULL;
}

/* Runs a function of the guest; `values` are its parameters, and then its result. */
static int $p_execute(struct exec_context *context, uint32_t number, const struct functype *type, struct val *values) {
    int failed = exec_push_vals(context, &type->parameter, values);
    if (failed == 0) failed = instance_execute_func(context, number, &type->parameter, &type->result);
    /* Whoever interrupts the guest wants it to end. */
    while (failed == ETOYWASMRESTART) failed = instance_execute_handle_restart_once(context, failed);
    if (failed == 0) exec_pop_vals(context, &type->result, values);
    return failed;
}

static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
    struct exec_context context, *caller = (struct exec_context *)call->engine;
    struct instance *guest = $p_guest(call);
    struct val values[16];
    uint32_t function, i;
    int failed;
    const struct functype *type = $p_find(guest, &$p_exports[number], &function);
    if (type == NULL) return $p_fail(call, "the guest lacks an export");
    if (call->instance->depth == $P_TOYWASM_DEPTH) return $p_fail(call, "too many calls wait for each other");
    memset(values, 0, sizeof values);
    for (i = 0; i < type->parameter.ntypes; i++) memcpy(&values[i].u, &in[i], sizeof in[i]);
    exec_context_init(&context, guest, guest->mctx);
    if (caller != NULL) {
        context.options = caller->options;
        context.intrp = caller->intrp;
        context.cluster = caller->cluster;
    }
    call->instance->depth++;
    failed = $p_execute(&context, function, type, values);
    call->instance->depth--;
    exec_context_clear(&context);
    if (failed != 0) return $p_fail(call, "a function of the guest failed");
    if (out != NULL) memcpy(out, &values[0].u, sizeof *out);
    return $p_refresh(call);
}

"#,
    ),
    shared: "",
    register: Text::Of(tables),
};

/// Behind the table, where there are functions.
const RUN: &str = r#"/* A value takes as many cells as it needs; they are not aligned. */
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

"#;

/// An entry for each function, and the tables of each module. Modules stand together, as the document has them.
fn tables(interface: &Interface) -> Result<String> {
    let functions = &interface.imports;
    if functions.is_empty() {
        return Ok(NOTHING.to_owned());
    }
    let mut text = RUN.to_owned();
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

const CREATE: &str = r"int $p_imports_create(struct mem_context *mctx, $p_instance_t *instance, struct import_object **out) {
    return import_object_create_for_host_funcs(mctx, $p_modules, sizeof $p_modules / sizeof $p_modules[0], (struct host_instance *)(void *)instance, out);
}
";

/// toywasm makes no import object of nothing.
const NOTHING: &str = r"int $p_imports_create(struct mem_context *mctx, $p_instance_t *instance, struct import_object **out) {
    (void)mctx;
    (void)instance;
    *out = NULL;
    return 0;
}
";
