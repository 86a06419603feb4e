//! wasm3: raw functions. Their form changed with 0.4.8, and before it a host cannot call its guest.

use super::engine::{Backend, Entry, ExportTable, Import, Text, fill};

pub(super) const BACKEND: Backend = Backend {
    entry: Entry::Own("$p_raw_t entry;", entry),
    exports: ExportTable::WhereCalled,
    includes: r"#include <wasm3.h>

/* Until 0.4.7 raw functions had another form. */
#if !defined($P_WASM3_OLD) && M3_VERSION_MAJOR == 0 && (M3_VERSION_MINOR < 4 || (M3_VERSION_MINOR == 4 && M3_VERSION_REV < 8))
#define $P_WASM3_OLD 1
#endif
#if defined($P_WASM3_OLD)
typedef M3RawCallEx $p_raw_t;
#else
typedef M3RawCall $p_raw_t;
#endif
",
    members: r"    /* The runtime that the module is loaded into. */
    IM3Runtime engine;
#if !defined($P_WASM3_OLD)
    /* Functions of the guest that were looked up. */
    IM3Function functions[$P_EXPORTS + 1];
#endif
",
    prototypes: Text::Fixed(
        r"
/* Links all functions that the module imports. `engine` of the instance is set before. */
M3Result $p_link($p_instance_t *instance, IM3Module module);
",
    ),
    refresh: Text::Fixed(
        r#"static bool $p_refresh($p_call_t *call) {
    uint32_t size = 0;
    call->memory.base = m3_GetMemory(call->instance->engine, &size, 0);
    call->memory.size = size;
    return call->memory.base != NULL || $p_fail(call, "the guest has no memory");
}

"#,
    ),
    invoke: Text::Fixed(
        r#"static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
#if defined($P_WASM3_OLD)
    (void)number;
    (void)in;
    (void)out;
    return $p_fail(call, "this wasm3 does not survive a call of the guest by the host");
#else
    const $p_export_t *export_ = &$p_exports[number];
    IM3Function *function = &call->instance->functions[number];
    const void *args[16], *results[1];
    uint32_t count;
    if (*function == NULL && m3_FindFunction(function, call->instance->engine, export_->name) != m3Err_none) {
        return $p_fail(call, "the guest lacks an export");
    }
    for (count = 0; export_->signature[count + 1] != ')'; count++) args[count] = &in[count];
    if (m3_Call(*function, count, args) != m3Err_none) return $p_fail(call, "a function of the guest failed");
    results[0] = out;
    if (out != NULL && m3_GetResults(*function, 1, results) != m3Err_none) {
        return $p_fail(call, "a function of the guest failed");
    }
    return $p_refresh(call);
#endif
}

"#,
    ),
    shared: r#"/* The result comes before the parameters, or takes the place of the first: `before` slots are the result's. */
static inline const void *$p_run(void *instance, uint64_t *sp, bool (*stub)($p_call_t *, const $p_slot_t *, $p_slot_t *), bool memory, unsigned before) {
    $p_slot_t *slots = ($p_slot_t *)(void *)sp;
    $p_call_t call;
    if ($p_enter(&call, ($p_instance_t *)instance, NULL, memory) && stub(&call, slots + before, slots)) return m3Err_none;
    return call.trap != NULL ? call.trap : "a function of the host failed";
}

#if defined($P_WASM3_OLD)
#define $P_RAW(name) static const void *name(IM3Runtime runtime, uint64_t *sp, void *mem, void *instance)
#define $P_RUN(stub, memory, results) ((void)runtime, (void)mem, $p_run(instance, sp, stub, memory, 0))
#else
#define $P_RAW(name) static const void *name(IM3Runtime runtime, IM3ImportContext context, uint64_t *sp, void *mem)
#define $P_RUN(stub, memory, results) ((void)runtime, (void)mem, $p_run(context->userdata, sp, stub, memory, results))
#endif

"#,
    register: Text::Fixed(
        r"M3Result $p_link($p_instance_t *instance, IM3Module module) {
    uint32_t i;
    for (i = 0; $p_imports[i].field != NULL; i++) {
        const $p_import_t *import_ = &$p_imports[i];
        /* wasm3 has the result first: `v(iI)` for `(iI)`. */
        char signature[24], result = strchr(import_->signature, ')')[1];
        size_t length = strlen(import_->signature) - (result != 0 ? 1 : 0);
        M3Result linked;
        signature[0] = result != 0 ? result : 'v';
        memcpy(signature + 1, import_->signature, length);
        signature[length + 1] = 0;
        linked = m3_LinkRawFunctionEx(module, import_->module, import_->field, signature, import_->entry, instance);
        if (linked != m3Err_none && linked != m3Err_functionLookupFailed) return linked;
    }
    return m3Err_none;
}
",
    ),
};

fn entry(import: &Import) -> String {
    let results = import.core.results.len();
    fill(&format!("$P_RAW($e) {{\n    return $P_RUN($s, $m, {results});\n}}\n"), import)
}
