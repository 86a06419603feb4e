/* wasm2c: `wasm2c GUEST PART` runs a part of the guest that was compiled with it, and says `trap` where that is stopped. */
#define _POSIX_C_SOURCE 200809L
#include "board.h"
#include "guest.h"
#include "wasm-rt-impl.h"
#include <stdio.h>
#include <stdlib.h>

#if defined(ENG_WASM2C_OLD)
typedef Z_guest_instance_t guest_t;
#define INIT Z_guest_init_module
#define INSTANTIATE Z_guest_instantiate
#else
typedef w2c_guest guest_t;
#define INIT()
#define INSTANTIATE wasm2c_guest_instantiate
#endif

int main(int argc, char **argv) {
    static eng_instance_t instance;
    static guest_t guest;
    void *host = &instance;
    if (argc != 3) return 2;
    wasm_rt_init();
    INIT();
    instance.guest = &guest;
    if (wasm_rt_impl_try() != 0) {
        puts("trap");
    } else {
        eng_call_t call;
        /* Its modules: counters, heap, transcript, values. */
        INSTANTIATE(&guest, host, host, host, host);
        if (!eng_begin(&call, &instance) || !exports_eng_run(&call, (uint32_t)strtoul(argv[2], NULL, 10))) puts("trap");
    }
    return 0;
}
