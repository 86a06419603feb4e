/* wasm3: a call through a generated stub against one by hand. */
#define _POSIX_C_SOURCE 199309L
#include "bench.h"
#include "board.h"
#include <string.h>

static IM3Runtime runtime;

/*
 * Until 0.4.7 a function got the host itself instead of a context with it, the result took the place of the first parameter, and
 * m3_Call was another. A host finds its own state, by hand as well.
 */
#if defined(ENG_WASM3_OLD)
#define HAND(name) name(IM3Runtime from, uint64_t *sp, void *mem, void *host)
#define HOST host
#define CALL(function) m3_CallWithArgs(function, 0, NULL)
#define BEFORE 0
#else
#define HAND(name) name(IM3Runtime from, IM3ImportContext context, uint64_t *sp, void *mem)
#define HOST context->userdata
#define CALL(function) m3_Call(function, 0, NULL)
#define BEFORE 1
#endif

static const void *HAND(hand_add) {
    const uint64_t *args = sp + BEFORE;
    int64_t sum;
    (void)from;
    (void)mem;
    if (HOST == NULL) return "no host";
    if (!lowlift_engines_values_add(NULL, (int32_t)args[0], (int64_t)args[1], &sum)) return "the host failed";
    sp[0] = (uint64_t)sum;
    return NULL;
}

static const void *HAND(hand_move_by) {
    lowlift_engines_values_point_t p, by, sum;
    uint32_t at = (uint32_t)sp[4], size = 0;
    uint8_t *memory = m3_GetMemory(from, &size, 0);
    (void)mem;
    if (HOST == NULL) return "no host";
    p.x = (int32_t)sp[0];
    p.y = (int32_t)sp[1];
    by.x = (int32_t)sp[2];
    by.y = (int32_t)sp[3];
    if (at % 4 != 0 || size < 8 || at > size - 8) return "beyond the end";
    if (!lowlift_engines_values_move_by(NULL, &p, &by, &sum)) return "the host failed";
    memcpy(memory + at, &sum, sizeof sum);
    return NULL;
}

static void run(const char *name) {
    IM3Function function;
    if (m3_FindFunction(&function, runtime, name) != NULL || CALL(function) != NULL) exit(2);
}

int main(int argc, char **argv) {
    static eng_instance_t instance;
    IM3Module module;
    size_t size;
    uint8_t *wasm = argc == 3 ? load(argv[1], &size) : NULL;
    IM3Environment environment = m3_NewEnvironment();
    runtime = instance.engine = m3_NewRuntime(environment, 64 * 1024, &instance);
    if (wasm == NULL || m3_ParseModule(environment, &module, wasm, (uint32_t)size) != NULL || m3_LoadModule(runtime, module) != NULL
        || eng_link(&instance, module) != NULL || m3_LinkRawFunctionEx(module, "env", "hand-add", "I(iI)", hand_add, &instance) != NULL
        || m3_LinkRawFunctionEx(module, "env", "hand-move-by", "v(iiiii)", hand_move_by, &instance) != NULL) {
        return 2;
    }
    bench(run, argv[2], "add", "call-add", "call-hand-add");
    bench(run, argv[2], "move-by", "call-move-by", "call-hand-move-by");
    return 0;
}
