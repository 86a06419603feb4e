/* wasm3: `wasm3 GUEST PART` runs a part, and says `trap` where the guest is stopped. */
#include "board.h"
#include <stdio.h>
#include <stdlib.h>

#if defined(ENG_WASM3_OLD)
/* Generated code does not call the guest on 0.4.7, which would not survive it from a function of the host. */
static bool run(eng_instance_t *instance, const char *part) {
    IM3Function function;
    const char *args[1];
    args[0] = part;
    return m3_FindFunction(&function, instance->engine, "run") == NULL && m3_CallWithArgs(function, 1, args) == NULL;
}
#else
static bool run(eng_instance_t *instance, const char *part) {
    eng_call_t call;
    return eng_begin(&call, instance) && exports_eng_run(&call, (uint32_t)strtoul(part, NULL, 10));
}
#endif

int main(int argc, char **argv) {
    static eng_instance_t instance;
    IM3Environment environment = m3_NewEnvironment();
    IM3Module module;
    M3Result result;
    size_t size;
    uint8_t *wasm = argc == 3 ? load(argv[1], &size) : NULL;
    if (wasm == NULL) return 2;
    instance.engine = m3_NewRuntime(environment, 64 * 1024, &instance);
    result = m3_ParseModule(environment, &module, wasm, (uint32_t)size);
    if (result == NULL) result = m3_LoadModule(instance.engine, module);
    if (result == NULL) result = eng_link(&instance, module);
    if (result != NULL) {
        printf("refused: %s\n", result);
        return 2;
    }
    if (!run(&instance, argv[2])) puts("trap");
    return 0;
}
