/* wasm3 from 0.5 on, by lines. */
#include "bridge.h"
#include <string.h>
#include <wasm3.h>

static IM3Runtime runtime;

/* Slots are eight bytes wide, the result before the parameters. */
static const void *entry(IM3Runtime from, IM3ImportContext context, uint64_t *sp, void *mem) {
    const bridge_import_t *import_ = context->userdata;
    uint32_t params = bridge_params(import_->signature);
    bool has_result = import_->signature[params + 2] != 0;
    uint64_t values[BRIDGE_MOST] = {0};
    (void)from;
    (void)mem;
    memcpy(values, has_result ? sp + 1 : sp, params * sizeof sp[0]);
    if (!bridge_answer(NULL, import_, values)) return "the host stopped it";
    if (has_result) sp[0] = values[0];
    return NULL;
}

const char *engine_start(uint8_t *wasm, size_t size) {
    IM3Environment environment = m3_NewEnvironment();
    IM3Module module;
    M3Result failed;
    runtime = m3_NewRuntime(environment, 64 * 1024, NULL);
    failed = m3_ParseModule(environment, &module, wasm, (uint32_t)size);
    if (failed == NULL) failed = m3_LoadModule(runtime, module);
    for (uint32_t i = 0; failed == NULL && i < bridge_count; i++) {
        const bridge_import_t *import_ = &bridge_imports[i];
        uint32_t params = bridge_params(import_->signature);
        char signature[64];
        /* The result comes first. */
        signature[0] = import_->signature[params + 2] != 0 ? import_->signature[params + 2] : 'v';
        memcpy(signature + 1, import_->signature, params + 2);
        signature[params + 3] = 0;
        failed = m3_LinkRawFunctionEx(module, import_->module, import_->field, signature, entry, import_);
        if (failed == m3Err_functionLookupFailed) failed = NULL;
    }
    /* By itself it compiles a function when it is called first: here a module is taken or refused as a whole. */
    if (failed == NULL) failed = m3_CompileModule(module);
    return failed != NULL ? failed : m3_RunStart(module);
}

const char *engine_call(void *caller, const char *name, uint64_t values[BRIDGE_MOST], uint32_t *count) {
    const void *args[BRIDGE_MOST], *results[1];
    IM3Function function;
    M3Result failed = m3_FindFunction(&function, runtime, name);
    (void)caller;
    for (uint32_t i = 0; i < *count; i++) args[i] = &values[i];
    if (failed == NULL) failed = m3_Call(function, *count, args);
    if (failed != NULL) return failed;
    *count = m3_GetRetCount(function);
    if (*count > 1) return "more than one result";
    values[0] = 0;
    results[0] = values;
    return *count == 0 ? NULL : m3_GetResults(function, 1, results);
}

uint8_t *engine_memory(void *caller, uint32_t at, uint32_t length) {
    uint32_t size = 0;
    uint8_t *memory = m3_GetMemory(runtime, &size, 0);
    (void)caller;
    return memory != NULL && at <= size && length <= size - at ? memory + at : NULL;
}
