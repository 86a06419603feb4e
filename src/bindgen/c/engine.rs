//! The part of the output that knows an engine: how it is told of the functions, how the memory is found, how the guest is
//! called. In these texts `$p` is the stem and `$P` the stem in capitals.

use crate::bindgen::Engine;

/// Texts of one engine.
pub(super) struct Backend {
    /// Includes of the header.
    pub(super) includes: &'static str,
    /// Members of the instance.
    pub(super) members: &'static str,
    /// Prototypes.
    pub(super) prototypes: &'static str,
    /// Before the stubs: finds the memory.
    pub(super) refresh: &'static str,
    /// Before the stubs: calls an export by its number; only where the guest is called.
    pub(super) invoke: &'static str,
    /// Behind the table: registration.
    pub(super) register: &'static str,
}

/// What every back end enters a stub through.
pub(super) const ENTER: &str = r"static bool $p_enter($p_call_t *call, $p_instance_t *instance, void *engine, bool memory) {
    memset(call, 0, sizeof *call);
    call->instance = instance;
    call->engine = engine;
    return !memory || $p_refresh(call);
}

";

pub(super) fn backend(engine: Engine) -> Backend {
    match engine {
        Engine::Wamr => super::wamr::BACKEND,
        Engine::Wasm3 => super::wasm3::BACKEND,
        Engine::WasmCApi => super::wasm_c_api::BACKEND,
        Engine::Toywasm => super::toywasm::BACKEND,
        _ => NONE,
    }
}

const NONE: Backend = Backend {
    includes: "",
    members: r"    /* Finds the guest's memory; false where there is none. */
    bool (*memory)($p_instance_t *instance, $p_memory_t *out);
    /* Calls an export; false where it trapped. NULL where the guest is never called. */
    bool (*call)($p_instance_t *instance, const $p_export_t *export_, const $p_slot_t *in, $p_slot_t *out);
",
    prototypes: r"
/*
 * Runs the stub of `import`: `in` holds its parameters, `out`, which may be the same, its result. False where the guest
 * traps; `*trap` says why, unless it is NULL.
 */
bool $p_dispatch($p_instance_t *instance, const $p_import_t *import_, const $p_slot_t *in, $p_slot_t *out, const char **trap);
",
    refresh: r#"static bool $p_refresh($p_call_t *call) {
    if (call->instance->memory != NULL && call->instance->memory(call->instance, &call->memory)) return true;
    return $p_fail(call, "the guest has no memory");
}

"#,
    invoke: r#"static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
    if (call->instance->call == NULL || !call->instance->call(call->instance, &$p_exports[number], in, out)) {
        return $p_fail(call, "a function of the guest failed");
    }
    return $p_refresh(call);
}

"#,
    register: r"bool $p_dispatch($p_instance_t *instance, const $p_import_t *import_, const $p_slot_t *in, $p_slot_t *out, const char **trap) {
    $p_call_t call;
    if ($p_enter(&call, instance, NULL, import_->memory) && import_->stub(&call, in, out)) return true;
    if (trap != NULL) *trap = call.trap;
    return false;
}
",
};
