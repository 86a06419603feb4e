/*
 * An engine in C, driven by lines over pipes: `engines/src/drivers/bridge.rs` says what they are. `bridge.c` speaks them, and
 * one file for each engine does what is declared here.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Imports and arguments, at most. */
#define BRIDGE_MOST 64

/* A function that the module imports: `signature` is that of WAMR, `(iI)f`. */
typedef struct {
    const char *module;
    const char *field;
    char signature[64];
} bridge_import_t;

extern bridge_import_t bridge_imports[BRIDGE_MOST];
extern uint32_t bridge_count;

/* Loads, links and instantiates the module; what was said on the way, or NULL. */
const char *engine_start(uint8_t *wasm, size_t size);

/* Calls an export, inside the call `caller` unless that is NULL. `*values` are bits: parameters, then the result, `*count` of them. */
const char *engine_call(void *caller, const char *name, uint64_t values[BRIDGE_MOST], uint32_t *count);

/* A part of the memory as it is now, or NULL. */
uint8_t *engine_memory(void *caller, uint32_t at, uint32_t length);

/* Has the host answer the call of an import: `values` are its parameters, and then its result. False where the guest is stopped. */
bool bridge_answer(void *caller, const bridge_import_t *import, uint64_t values[BRIDGE_MOST]);

/* How many parameters a signature has. */
uint32_t bridge_params(const char *signature);

#endif
