/* toywasm, by lines. */
#include "bridge.h"
#include <stdio.h>
#include <string.h>
#include <toywasm/exec_context.h>
#include <toywasm/host_instance.h>
#include <toywasm/instance.h>
#include <toywasm/load_context.h>
#include <toywasm/mem.h>
#include <toywasm/module.h>
#include <toywasm/type.h>

static struct mem_context memory_context;
static struct instance *instance;

/* The import is what it is told apart by: it stands where a host has its instance. */
static int entry(struct exec_context *context, struct host_instance *host, const struct functype *type, const struct cell *params, struct cell *results) {
    struct val values[BRIDGE_MOST];
    uint64_t bits[BRIDGE_MOST] = {0};
    memset(values, 0, sizeof values);
    vals_from_cells(values, params, &type->parameter);
    for (uint32_t i = 0; i < type->parameter.ntypes; i++) bits[i] = values[i].u.i64;
    if (!bridge_answer(context, (const bridge_import_t *)(void *)host, bits)) {
        return trap_with_id(context, TRAP_MISC, "the host stopped it");
    }
    values[0].u.i64 = bits[0];
    vals_to_cells(values, results, &type->result);
    return 0;
}

/* Each import has its object. */
static bool link_imports(struct import_object **imports) {
    static struct host_func functions[BRIDGE_MOST];
    static struct host_module modules[BRIDGE_MOST];
    static struct name names[BRIDGE_MOST];
    *imports = NULL;
    for (uint32_t i = 0; i < bridge_count; i++) {
        struct import_object *object;
        set_name_cstr(&names[i], bridge_imports[i].module);
        set_name_cstr(&functions[i].name, bridge_imports[i].field);
        functions[i].type = bridge_imports[i].signature;
        functions[i].func = entry;
        modules[i].module_name = &names[i];
        modules[i].funcs = &functions[i];
        modules[i].nfuncs = 1;
        if (import_object_create_for_host_funcs(&memory_context, &modules[i], 1, (struct host_instance *)(void *)&bridge_imports[i], &object) != 0) return false;
        object->next = *imports;
        *imports = object;
    }
    return true;
}

const char *engine_start(uint8_t *wasm, size_t size) {
    static struct load_context context;
    static struct report report;
    struct import_object *imports;
    struct module *module;
    mem_context_init(&memory_context);
    load_context_init(&context, &memory_context);
    report_init(&report);
    if (!link_imports(&imports)) return "a signature that it has not";
    if (module_create(&module, wasm, wasm + size, &context) != 0) return report_getmessage(&context.report);
    if (instance_create(&memory_context, module, &instance, imports, &report) != 0) return report_getmessage(&report);
    return NULL;
}

/* Runs in a context of its own, also inside a call. */
const char *engine_call(void *caller, const char *name, uint64_t values[BRIDGE_MOST], uint32_t *count) {
    static char reason[128];
    struct exec_context context;
    const struct functype *type;
    struct val vals[BRIDGE_MOST];
    struct name export_;
    uint32_t function;
    int failed;
    (void)caller;
    set_name_cstr(&export_, name);
    if (module_find_export(instance->module, &export_, EXTERNTYPE_FUNC, &function) != 0) return "no such export";
    type = module_functype(instance->module, function);
    if (*count != type->parameter.ntypes || type->result.ntypes > 1) return "other parameters";
    memset(vals, 0, sizeof vals);
    for (uint32_t i = 0; i < *count; i++) vals[i].u.i64 = values[i];
    exec_context_init(&context, instance, &memory_context);
    failed = exec_push_vals(&context, &type->parameter, vals);
    if (failed == 0) failed = instance_execute_func(&context, function, &type->parameter, &type->result);
    failed = instance_execute_handle_restart(&context, failed);
    if (failed == 0) exec_pop_vals(&context, &type->result, vals);
    snprintf(reason, sizeof reason, "%s", failed == ETOYWASMTRAP ? report_getmessage(context.report) : "it failed");
    exec_context_clear(&context);
    *count = type->result.ntypes;
    values[0] = vals[0].u.i64;
    return failed != 0 ? reason : NULL;
}

uint8_t *engine_memory(void *caller, uint32_t at, uint32_t length) {
    const struct exec_context *context = caller;
    struct instance *guest = context != NULL ? context->instance : instance;
    void *part = NULL;
    if (guest->mems.lsize == 0) return NULL;
    return memory_instance_getptr2(VEC_ELEM(guest->mems, 0), at, 0, length, &part, NULL) == 0 ? part : NULL;
}
