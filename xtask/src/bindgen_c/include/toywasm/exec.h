/* A stand-in for toywasm's headers: what generated code uses of them, in our own words, to be compiled and not to be run. */
#ifndef STAND_IN_TOYWASM_H
#define STAND_IN_TOYWASM_H

#include <stddef.h>
#include <stdint.h>

enum trapid { TRAP_MISC };

struct cell {
    uint64_t x;
};

struct val {
    union {
        uint32_t i32;
        uint64_t i64;
        float f32;
        double f64;
    } u;
};

struct name {
    uint32_t nbytes;
    const char *data;
};

struct resulttype {
    uint32_t ntypes;
};

struct functype {
    struct resulttype parameter;
    struct resulttype result;
};

struct meminst {
    uint32_t size_in_pages;
};

struct instance {
    struct {
        uint32_t lsize;
        struct meminst **p;
    } mems;
};

#define VEC_ELEM(v, i) ((v).p[i])

struct exec_context {
    struct instance *instance;
};

struct host_instance;
struct import_object;

typedef int (*host_func_t)(struct exec_context *, struct host_instance *, const struct functype *, const struct cell *,
                           struct cell *);

struct host_func {
    struct name name;
    const char *type;
    host_func_t func;
};

struct host_module {
    const struct name *module_name;
    const struct host_func *funcs;
    size_t nfuncs;
};

int import_object_create_for_host_funcs(const struct host_module *modules, size_t n, struct host_instance *host,
                                        struct import_object **out);
int memory_getptr(struct exec_context *context, uint32_t memory, uint32_t ptr, uint32_t offset, uint32_t size, void **out);
int trap_with_id(struct exec_context *context, enum trapid id, const char *format, ...);
uint32_t resulttype_cellidx(const struct resulttype *type, uint32_t index, uint32_t *cells);
void val_from_cells(struct val *value, const struct cell *cells, uint32_t count);
void val_to_cells(const struct val *value, struct cell *cells, uint32_t count);

#endif
