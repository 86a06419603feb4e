/* WAMR from 2.0 on, by lines. */
#include "bridge.h"
#include <string.h>
#include <wasm_export.h>

#define STACK (64 * 1024)

static wasm_exec_env_t environment;

static void entry(wasm_exec_env_t from, uint64_t *args) {
    const bridge_import_t *import_ = wasm_runtime_get_function_attachment(from);
    uint64_t values[BRIDGE_MOST] = {0};
    memcpy(values, args, bridge_params(import_->signature) * sizeof args[0]);
    if (bridge_answer(from, import_, values)) {
        if (import_->signature[bridge_params(import_->signature) + 2] != 0) args[0] = values[0];
    } else if (wasm_runtime_get_exception(wasm_runtime_get_module_inst(from)) == NULL) {
        wasm_runtime_set_exception(wasm_runtime_get_module_inst(from), "the host stopped it");
    }
}

/* A table is sorted in place and kept: each import has its own. */
static bool link_imports(void) {
    static NativeSymbol symbols[BRIDGE_MOST];
    for (uint32_t i = 0; i < bridge_count; i++) {
        symbols[i].symbol = bridge_imports[i].field;
        symbols[i].func_ptr = (void *)(uintptr_t)entry;
        symbols[i].signature = bridge_imports[i].signature;
        symbols[i].attachment = &bridge_imports[i];
        if (!wasm_runtime_register_natives_raw(bridge_imports[i].module, &symbols[i], 1)) return false;
    }
    return true;
}

const char *engine_start(uint8_t *wasm, size_t size) {
    static char error[128];
    wasm_module_t module;
    wasm_module_inst_t instance = NULL;
    if (!wasm_runtime_init() || !link_imports()) return "it does not start";
    module = wasm_runtime_load(wasm, (uint32_t)size, error, sizeof error);
    if (module != NULL) instance = wasm_runtime_instantiate(module, STACK, 0, error, sizeof error);
    if (instance == NULL) return error;
    environment = wasm_runtime_create_exec_env(instance, STACK);
    return environment != NULL ? NULL : "no environment";
}

static bool is_wide(wasm_valkind_t kind) { return kind == WASM_I64 || kind == WASM_F64; }

const char *engine_call(void *caller, const char *name, uint64_t values[BRIDGE_MOST], uint32_t *count) {
    wasm_exec_env_t from = caller != NULL ? caller : environment;
    wasm_module_inst_t instance = wasm_runtime_get_module_inst(from);
    wasm_function_inst_t function = wasm_runtime_lookup_function(instance, name);
    wasm_valkind_t kinds[BRIDGE_MOST];
    uint32_t cells[2 * BRIDGE_MOST] = {0}, used = 0;
    if (function == NULL) return "no such export";
    if (*count != wasm_func_get_param_count(function, instance)) return "other parameters";
    wasm_func_get_param_types(function, instance, kinds);
    for (uint32_t i = 0; i < *count; i++) {
        memcpy(&cells[used], &values[i], is_wide(kinds[i]) ? 8 : 4);
        used += is_wide(kinds[i]) ? 2 : 1;
    }
    if (!wasm_runtime_call_wasm(from, function, used, cells)) {
        const char *exception = wasm_runtime_get_exception(instance);
        return exception != NULL ? exception : "it failed";
    }
    *count = wasm_func_get_result_count(function, instance);
    if (*count > 1) return "more than one result";
    if (*count == 0) return NULL;
    wasm_func_get_result_types(function, instance, kinds);
    values[0] = 0;
    memcpy(values, cells, is_wide(kinds[0]) ? 8 : 4);
    return NULL;
}

uint8_t *engine_memory(void *caller, uint32_t at, uint32_t length) {
    wasm_module_inst_t instance = wasm_runtime_get_module_inst(caller != NULL ? caller : environment);
    uint64_t start, end;
    if (!wasm_runtime_get_app_addr_range(instance, 0, &start, &end) || at > end || length > end - at) return NULL;
    return (uint8_t *)wasm_runtime_addr_app_to_native(instance, 0) + at;
}
