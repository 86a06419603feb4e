//! wasm3: raw functions. Their form changed with 0.4.8, and before it a host cannot call its guest.

use super::engine::Backend;

pub(super) const BACKEND: Backend = Backend {
    includes: r"#include <wasm3.h>

/* Until 0.4.7 raw functions had another form, and a runtime no place for the host's data. */
#if !defined($P_WASM3_OLD) && M3_VERSION_MAJOR == 0 && (M3_VERSION_MINOR < 4 || (M3_VERSION_MINOR == 4 && M3_VERSION_REV < 8))
#define $P_WASM3_OLD 1
#endif
",
    members: r"    /* The runtime. From 0.4.8 on it was made with this instance as its user data. */
    IM3Runtime engine;
#if defined($P_WASM3_OLD)
    struct {
        $p_instance_t *instance;
        const $p_import_t *import_;
    } bindings[$P_IMPORTS + 1];
#else
    /* Functions of the guest that were looked up. */
    IM3Function functions[$P_EXPORTS + 1];
#endif
",
    prototypes: r"
/*
 * Links all functions that the module imports; `engine` of the instance is the runtime that the module is loaded into. From
 * 0.4.8 on that runtime is made by `m3_NewRuntime(env, stack, instance)`.
 */
M3Result $p_link($p_instance_t *instance, IM3Module module);
",
    refresh: r#"static bool $p_refresh($p_call_t *call) {
    uint32_t size = 0;
    call->memory.base = m3_GetMemory(call->instance->engine, &size, 0);
    call->memory.size = size;
    return call->memory.base != NULL || $p_fail(call, "the guest has no memory");
}

"#,
    invoke: r#"static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
#if defined($P_WASM3_OLD)
    (void)number;
    (void)in;
    (void)out;
    return $p_fail(call, "this wasm3 does not survive a call of the guest by the host");
#else
    const $p_export_t *export_ = &$p_exports[number];
    IM3Function *function = &call->instance->functions[number];
    const void *args[16], *results[1];
    uint32_t count;
    if (*function == NULL && m3_FindFunction(function, call->instance->engine, export_->name) != m3Err_none) {
        return $p_fail(call, "the guest lacks an export");
    }
    for (count = 0; export_->signature[count + 1] != ')'; count++) args[count] = &in[count];
    if (m3_Call(*function, count, args) != m3Err_none) return $p_fail(call, "a function of the guest failed");
    results[0] = out;
    if (out != NULL && m3_GetResults(*function, 1, results) != m3Err_none) {
        return $p_fail(call, "a function of the guest failed");
    }
    return $p_refresh(call);
#endif
}

"#,
    register: r#"static const void *$p_run($p_instance_t *instance, const $p_import_t *import_, const uint64_t *in, uint64_t *out) {
    $p_call_t call;
    if ($p_enter(&call, instance, NULL, import_->memory)
        && import_->stub(&call, (const $p_slot_t *)(const void *)in, ($p_slot_t *)(void *)out)) {
        return m3Err_none;
    }
    return call.trap != NULL ? call.trap : "a function of the host failed";
}

#if defined($P_WASM3_OLD)
/* The result takes the place of the first parameter. */
static const void *$p_entry(IM3Runtime runtime, uint64_t *sp, void *mem, void *cookie) {
    const $p_import_t *const *binding = (const $p_import_t *const *)cookie;
    (void)runtime;
    (void)mem;
    return $p_run(*($p_instance_t *const *)cookie, binding[1], sp, sp);
}
#else
/* The result comes before the parameters. */
static const void *$p_entry(IM3Runtime runtime, IM3ImportContext context, uint64_t *sp, void *mem) {
    const $p_import_t *import_ = (const $p_import_t *)context->userdata;
    $p_instance_t *instance = ($p_instance_t *)m3_GetUserData(runtime);
    (void)mem;
    return $p_run(instance, import_, strchr(import_->signature, ')')[1] != 0 ? sp + 1 : sp, sp);
}
#endif

M3Result $p_link($p_instance_t *instance, IM3Module module) {
    uint32_t i;
    for (i = 0; $p_imports[i].field != NULL; i++) {
        const $p_import_t *import_ = &$p_imports[i];
        /* wasm3 has the result first: `v(iI)` for `(iI)`. */
        char signature[24], result = strchr(import_->signature, ')')[1];
        size_t length = strlen(import_->signature) - (result != 0 ? 1 : 0);
        M3Result linked;
        signature[0] = result != 0 ? result : 'v';
        memcpy(signature + 1, import_->signature, length);
        signature[length + 1] = 0;
#if defined($P_WASM3_OLD)
        instance->bindings[i].instance = instance;
        instance->bindings[i].import_ = import_;
        linked = m3_LinkRawFunctionEx(module, import_->module, import_->field, signature, $p_entry, &instance->bindings[i]);
#else
        (void)instance;
        linked = m3_LinkRawFunctionEx(module, import_->module, import_->field, signature, $p_entry, import_);
#endif
        if (linked != m3Err_none && linked != m3Err_functionLookupFailed) return linked;
    }
    return m3Err_none;
}
"#,
};
