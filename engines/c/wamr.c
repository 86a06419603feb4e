/* WAMR: `wamr GUEST PART` runs a part, and says `trap` where the guest is stopped. */
#include "board.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    static eng_instance_t instance;
    static char error[128];
    eng_call_t call;
    wasm_module_t module;
    wasm_module_inst_t inst = NULL;
    size_t size;
    uint8_t *wasm = argc == 3 ? load(argv[1], &size) : NULL;
    if (wasm == NULL || !wasm_runtime_init() || !eng_register()) return 2;
    module = wasm_runtime_load(wasm, (uint32_t)size, error, sizeof error);
    if (module != NULL) inst = wasm_runtime_instantiate(module, 64 * 1024, 0, error, sizeof error);
    if (inst == NULL) {
        printf("refused: %s\n", error);
        return 2;
    }
    wasm_runtime_set_custom_data(inst, &instance);
    instance.engine = wasm_runtime_create_exec_env(inst, 64 * 1024);
    if (!eng_begin(&call, &instance)) return 2;
    if (!exports_eng_run(&call, (uint32_t)strtoul(argv[2], NULL, 10))) puts("trap");
    return 0;
}
