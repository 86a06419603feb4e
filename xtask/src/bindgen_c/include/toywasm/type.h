/* A stand-in for toywasm's headers: what generated code uses of them, in our own words, to be compiled and not to be run. */
#ifndef STAND_IN_TOYWASM_H
#define STAND_IN_TOYWASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trapid { TRAP_MISC };
enum externtype { EXTERNTYPE_FUNC };
enum valtype { TYPE_f64 = 0x7c, TYPE_f32, TYPE_i64, TYPE_i32 };

#define ETOYWASMTRAP (-1)
#define ETOYWASMRESTART (-2)

struct cell {
    uint32_t x;
};

struct val {
    union {
        uint32_t i32;
        uint64_t i64;
        float f32;
        double f64;
        void *externref;
    } u;
};

struct name {
    uint32_t nbytes;
    const char *data;
};

struct resulttype {
    enum valtype *types;
    uint32_t ntypes;
};

struct functype {
    struct resulttype parameter;
    struct resulttype result;
};

struct memtype {
    uint8_t flags;
};

struct meminst {
    uint8_t *data;
    uint32_t size_in_pages;
    const struct memtype *type;
};

struct mem_context {
    struct mem_context *parent;
};

struct module;

struct instance {
    const struct module *module;
    struct {
        struct meminst **p;
        uint32_t lsize;
    } mems;
    struct mem_context *mctx;
};

#define VEC_ELEM(v, i) ((v).p[i])

struct cluster;

struct exec_options {
    uint32_t max_frames;
};

struct exec_context {
    struct instance *instance;
    const unsigned int *intrp;
    struct cluster *cluster;
    struct mem_context *mctx;
    struct exec_options options;
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

int import_object_create_for_host_funcs(struct mem_context *memory, const struct host_module *modules, size_t n,
                                        struct host_instance *host, struct import_object **out);
uint32_t memtype_page_shift(const struct memtype *type);
int memory_instance_getptr2(struct meminst *memory, uint32_t ptr, uint32_t offset, uint32_t size, void **out, bool *moved);
int trap_with_id(struct exec_context *context, enum trapid id, const char *format, ...);
uint32_t resulttype_cellidx(const struct resulttype *type, uint32_t index, uint32_t *cells);
void val_from_cells(struct val *value, const struct cell *cells, uint32_t count);
void val_to_cells(const struct val *value, struct cell *cells, uint32_t count);
void set_name_cstr(struct name *name, const char *text);
int module_find_export(const struct module *module, const struct name *name, uint32_t type, uint32_t *index);
const struct functype *module_functype(const struct module *module, uint32_t index);
void exec_context_init(struct exec_context *context, struct instance *instance, struct mem_context *memory);
void exec_context_clear(struct exec_context *context);
int exec_push_vals(struct exec_context *context, const struct resulttype *type, const struct val *values);
void exec_pop_vals(struct exec_context *context, const struct resulttype *type, struct val *values);
int instance_execute_func(struct exec_context *context, uint32_t index, const struct resulttype *params,
                          const struct resulttype *results);
int instance_execute_handle_restart_once(struct exec_context *context, int failed);

#endif
