//! WAMR: `NativeSymbol` tables of raw functions.
//!
//! Raw functions get their slots as an array, so that no function pointer has another type than it is called by. WAMR sorts a
//! table in place: it is filled at run time, in RAM.

use super::engine::{Backend, Entry, ExportTable, Import, Text, fill};

pub(super) const BACKEND: Backend = Backend {
    entry: Entry::Own("void (*entry)(wasm_exec_env_t env, uint64_t *args);", entry),
    exports: ExportTable::WhereCalled,
    includes: "#include \"wasm_export.h\"\n",
    members: r"    /* The execution environment that the host calls the guest in; stubs use that of their caller. */
    wasm_exec_env_t engine;
    /* Functions of the guest that were looked up. */
    wasm_function_inst_t functions[$P_EXPORTS + 1];
",
    prototypes: Text::Fixed(
        r"
/*
 * Tells the runtime of all functions, once, before a module is loaded. An instance of a module is bound to its `$p_instance_t`
 * by `wasm_runtime_set_custom_data(module_inst, instance)` before the guest runs.
 */
bool $p_register(void);
",
    ),
    refresh: Text::Fixed(
        r#"/* Before 2.0, addresses of the guest were of 32 bits, and a look-up had a third argument. */
#if !defined($P_WAMR_MAJOR) && defined(WAMR_VERSION_MAJOR)
#define $P_WAMR_MAJOR WAMR_VERSION_MAJOR
#elif !defined($P_WAMR_MAJOR)
#define $P_WAMR_MAJOR 2
#endif
#if $P_WAMR_MAJOR < 2
#define $P_WAMR_LOOKUP(instance, name) wasm_runtime_lookup_function(instance, name, NULL)
typedef uint32_t $p_address_t;
#else
#define $P_WAMR_LOOKUP(instance, name) wasm_runtime_lookup_function(instance, name)
typedef uint64_t $p_address_t;
#endif

static bool $p_refresh($p_call_t *call) {
    wasm_module_inst_t instance = wasm_runtime_get_module_inst((wasm_exec_env_t)call->engine);
    $p_address_t start, end;
    if (!wasm_runtime_get_app_addr_range(instance, 0, &start, &end)) {
        return $p_fail(call, "the guest has no memory");
    }
    call->memory.base = (uint8_t *)wasm_runtime_addr_app_to_native(instance, 0);
    call->memory.size = end;
    return true;
}

"#,
    ),
    invoke: Text::Fixed(
        r#"static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
    const $p_export_t *export_ = &$p_exports[number];
    wasm_exec_env_t env = (wasm_exec_env_t)call->engine;
    wasm_module_inst_t instance = wasm_runtime_get_module_inst(env);
    wasm_function_inst_t *function = &call->instance->functions[number];
    uint32_t cells[2 * 16 + 2], count = 0, i;
    if (*function == NULL) *function = $P_WAMR_LOOKUP(instance, export_->name);
    if (*function == NULL) return $p_fail(call, "the guest lacks an export");
    for (i = 1; export_->signature[i] != ')'; i++) {
        bool wide = export_->signature[i] == 'I' || export_->signature[i] == 'F';
        memcpy(&cells[count], &in[i - 1], wide ? 8 : 4);
        count += wide ? 2 : 1;
    }
    if (!wasm_runtime_call_wasm(env, *function, count, cells)) return $p_fail(call, "a function of the guest failed");
    if (out != NULL) {
        bool wide = export_->signature[i + 1] == 'I' || export_->signature[i + 1] == 'F';
        memcpy(out, cells, wide ? 8 : 4);
    }
    return $p_refresh(call);
}

"#,
    ),
    shared: r#"/* Every slot is eight bytes wide, its value at the first of them. */
static inline void $p_run(wasm_exec_env_t env, uint64_t *args, bool (*stub)($p_call_t *, const $p_slot_t *, $p_slot_t *), bool memory) {
    wasm_module_inst_t module = wasm_runtime_get_module_inst(env);
    $p_slot_t *slots = ($p_slot_t *)(void *)args;
    $p_call_t call;
    if ($p_enter(&call, ($p_instance_t *)wasm_runtime_get_custom_data(module), env, memory) && stub(&call, slots, slots)) return;
    /* A guest that was called may have trapped: its own words stay. */
    if (wasm_runtime_get_exception(module) == NULL) {
        wasm_runtime_set_exception(module, call.trap != NULL ? call.trap : "a function of the host failed");
    }
}

"#,
    register: Text::Fixed(
        r"static NativeSymbol $p_symbols[$P_IMPORTS + 1];

bool $p_register(void) {
    uint32_t from, to;
    for (from = 0; $p_imports[from].field != NULL; from = to) {
        const char *module = $p_imports[from].module;
        for (to = from; $p_imports[to].field != NULL && strcmp($p_imports[to].module, module) == 0; to++) {
            $p_symbols[to].symbol = $p_imports[to].field;
            $p_symbols[to].func_ptr = (void *)(uintptr_t)$p_imports[to].entry;
            $p_symbols[to].signature = $p_imports[to].signature;
        }
        if (!wasm_runtime_register_natives_raw(module, &$p_symbols[from], to - from)) return false;
    }
    return true;
}
",
    ),
};

fn entry(import: &Import) -> String {
    fill("static void $e(wasm_exec_env_t env, uint64_t *args) {\n    $p_run(env, args, $s, $m);\n}\n", import)
}
