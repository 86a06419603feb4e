/* The standard C API: `wasm-c-api GUEST PART` runs a part, and says `trap` where the guest is stopped. */
#include "board.h"
#include <stdio.h>
#include <stdlib.h>

#define MOST 64

/* Puts a function behind each import, by position. */
static bool resolve(eng_instance_t *instance, const wasm_module_t *module, wasm_extern_t **functions, size_t *count) {
    wasm_importtype_vec_t types;
    wasm_module_imports(module, &types);
    *count = types.size;
    for (size_t i = 0; i < types.size; i++) {
        wasm_func_t *function = i < MOST ? eng_resolve(instance, types.data[i]) : NULL;
        if (function == NULL) return false;
        functions[i] = wasm_func_as_extern(function);
    }
    return true;
}

int main(int argc, char **argv) {
    static eng_instance_t instance;
    wasm_extern_t *functions[MOST];
    wasm_store_t *store = wasm_store_new(wasm_engine_new());
    wasm_exporttype_vec_t types;
    wasm_extern_vec_t imports, exports;
    wasm_instance_t *running;
    wasm_module_t *module;
    wasm_byte_vec_t bytes;
    eng_call_t call;
    size_t size, count;
    uint8_t *wasm = argc == 3 ? load(argv[1], &size) : NULL;
    if (wasm == NULL) return 2;
    instance.engine = store;
    wasm_byte_vec_new(&bytes, size, (const char *)wasm);
    module = wasm_module_new(store, &bytes);
    if (module == NULL || !resolve(&instance, module, functions, &count)) {
        puts("refused");
        return 2;
    }
    wasm_extern_vec_new(&imports, count, functions);
    running = wasm_instance_new(store, module, &imports, NULL);
    if (running == NULL) {
        puts("refused");
        return 2;
    }
    wasm_module_exports(module, &types);
    wasm_instance_exports(running, &exports);
    eng_bind(&instance, &types, &exports);
    if (!eng_begin(&call, &instance) || !exports_eng_run(&call, (uint32_t)strtoul(argv[2], NULL, 10))) puts("trap");
    return 0;
}
