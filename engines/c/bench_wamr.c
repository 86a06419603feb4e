/* WAMR: a call through a generated stub against one by hand. */
#define _POSIX_C_SOURCE 199309L
#include "bench.h"
#include "board.h"
#include <string.h>

/* Before 2.0 a look-up had a third argument. */
#if defined(ENG_WAMR_MAJOR) && ENG_WAMR_MAJOR < 2
#define LOOKUP(inst, name) wasm_runtime_lookup_function(inst, name, NULL)
#else
#define LOOKUP(inst, name) wasm_runtime_lookup_function(inst, name)
#endif

static wasm_module_inst_t inst;
static wasm_exec_env_t env;

/* A host finds its own state, by hand as well. */
static bool bound(wasm_exec_env_t from) {
    if (wasm_runtime_get_custom_data(wasm_runtime_get_module_inst(from)) != NULL) return true;
    wasm_runtime_set_exception(wasm_runtime_get_module_inst(from), "no host");
    return false;
}

static void hand_add(wasm_exec_env_t from, uint64_t *args) {
    int64_t sum;
    if (!bound(from)) return;
    if (!lowlift_engines_values_add(NULL, (int32_t)args[0], (int64_t)args[1], &sum)) {
        wasm_runtime_set_exception(wasm_runtime_get_module_inst(from), "the host failed");
        return;
    }
    args[0] = (uint64_t)sum;
}

static void hand_move_by(wasm_exec_env_t from, uint64_t *args) {
    lowlift_engines_values_point_t p, by, sum;
    uint32_t at = (uint32_t)args[4];
    wasm_module_inst_t caller = wasm_runtime_get_module_inst(from);
    if (!bound(from)) return;
    p.x = (int32_t)args[0];
    p.y = (int32_t)args[1];
    by.x = (int32_t)args[2];
    by.y = (int32_t)args[3];
    /* Sets the exception itself. */
    if (!wasm_runtime_validate_app_addr(caller, at, 8)) return;
    if (at % 4 != 0 || !lowlift_engines_values_move_by(NULL, &p, &by, &sum)) {
        wasm_runtime_set_exception(caller, "the host failed");
        return;
    }
    memcpy(wasm_runtime_addr_app_to_native(caller, at), &sum, sizeof sum);
}

static NativeSymbol by_hand[] = {
    {"hand-add", (void *)(uintptr_t)hand_add, "(iI)I", NULL},
    {"hand-move-by", (void *)(uintptr_t)hand_move_by, "(iiiii)", NULL},
};

static void run(const char *name) {
    uint32_t cells[2] = {0, 0};
    wasm_function_inst_t function = LOOKUP(inst, name);
    if (function == NULL || !wasm_runtime_call_wasm(env, function, 0, cells)) exit(2);
}

int main(int argc, char **argv) {
    static eng_instance_t instance;
    static char error[128];
    wasm_module_t module;
    size_t size;
    uint8_t *wasm = argc == 3 ? load(argv[1], &size) : NULL;
    if (wasm == NULL || !wasm_runtime_init() || !eng_register() || !wasm_runtime_register_natives_raw("env", by_hand, 2)) return 2;
    module = wasm_runtime_load(wasm, (uint32_t)size, error, sizeof error);
    inst = module != NULL ? wasm_runtime_instantiate(module, 64 * 1024, 0, error, sizeof error) : NULL;
    if (inst == NULL) return 2;
    wasm_runtime_set_custom_data(inst, &instance);
    instance.engine = env = wasm_runtime_create_exec_env(inst, 64 * 1024);
    bench(run, argv[2], "add", "call-add", "call-hand-add");
    bench(run, argv[2], "move-by", "call-move-by", "call-hand-move-by");
    return 0;
}
