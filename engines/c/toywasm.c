/* toywasm: `toywasm GUEST PART` runs a part, and says `trap` where the guest is stopped. */
#include "board.h"
#include <stdio.h>
#include <stdlib.h>
#include <toywasm/load_context.h>
#include <toywasm/mem.h>

static bool load_module(struct mem_context *memory, const uint8_t *wasm, size_t size, struct module **module) {
    struct load_context context;
    bool loaded;
    load_context_init(&context, memory);
    loaded = module_create(module, wasm, wasm + size, &context) == 0;
    if (!loaded) printf("refused: %s\n", report_getmessage(&context.report));
    load_context_clear(&context);
    return loaded;
}

int main(int argc, char **argv) {
    static eng_instance_t instance;
    struct import_object *imports;
    struct mem_context memory;
    struct module *module;
    struct report report;
    eng_call_t call;
    size_t size;
    uint8_t *wasm = argc == 3 ? load(argv[1], &size) : NULL;
    mem_context_init(&memory);
    report_init(&report);
    if (wasm == NULL || eng_imports_create(&memory, &instance, &imports) != 0) return 2;
    if (!load_module(&memory, wasm, size, &module)) return 2;
    if (instance_create(&memory, module, &instance.engine, imports, &report) != 0) {
        printf("refused: %s\n", report_getmessage(&report));
        return 2;
    }
    if (!eng_begin(&call, &instance) || !exports_eng_run(&call, (uint32_t)strtoul(argv[2], NULL, 10))) puts("trap");
    return 0;
}
