//! The part of the output that knows an engine: how it is told of the functions, how the memory is found, how the guest is
//! called. In these texts `$p` is the stem and `$P` the stem in capitals.

use crate::abi::CoreSignature;
use crate::bindgen::Engine;
use crate::diagnostic::Result;

/// What guest and host have of each other.
pub(super) struct Interface {
    pub(super) imports: Vec<Import>,
    pub(super) exports: Vec<Export>,
    /// The name of the guest's memory.
    pub(super) memory: String,
}

/// A function that the guest may import.
pub(super) struct Import {
    pub(super) module: String,
    pub(super) field: String,
    pub(super) core: CoreSignature,
    /// The name of its stub.
    pub(super) stub: String,
    /// The name of what the engine enters it by, where each has its own.
    pub(super) entry: String,
    /// Whether it looks at the guest's memory.
    pub(super) memory: bool,
}

/// A function that the host calls.
pub(super) struct Export {
    pub(super) name: String,
    pub(super) core: CoreSignature,
    /// Whether a guest may be without it, as without a post-return.
    pub(super) optional: bool,
}

/// A part of the output.
pub(super) enum Text {
    Fixed(&'static str),
    Of(fn(&Interface) -> Result<String>),
}

impl Text {
    pub(super) fn of(&self, interface: &Interface) -> Result<String> {
        match self {
            Text::Fixed(text) => Ok((*text).to_owned()),
            Text::Of(write) => write(interface),
        }
    }
}

/// How an engine comes to a stub.
pub(super) enum Entry {
    /// By one function for all: the table of imports has the stubs.
    Shared,
    /// By a function for each: what it is as a member of the table, and its text.
    Own(&'static str, fn(&Import) -> String),
    /// By the linker: the text has the symbol, and there is no table.
    Symbol(fn(&Import) -> String),
}

/// When the output has a table of the functions of the guest.
#[derive(PartialEq, Eq)]
pub(super) enum ExportTable {
    Never,
    WhereCalled,
    Always,
}

/// Texts of one engine.
pub(super) struct Backend {
    /// How stubs are entered.
    pub(super) entry: Entry,
    /// Whether functions of the guest are called by their rows in a table.
    pub(super) exports: ExportTable,
    /// Includes of the header.
    pub(super) includes: &'static str,
    /// Members of the instance.
    pub(super) members: &'static str,
    /// Prototypes.
    pub(super) prototypes: Text,
    /// Before the stubs: finds the memory.
    pub(super) refresh: Text,
    /// Before the stubs: calls an export by its number; only where the guest is called.
    pub(super) invoke: Text,
    /// Before the entries: what those share.
    pub(super) shared: &'static str,
    /// Behind the table: registration.
    pub(super) register: Text,
}

/// What every back end enters a stub through; `$inside` is [`NOT_INSIDE`] where there is such a member.
pub(super) const ENTER: &str = r#"static inline bool $p_enter($p_call_t *call, $p_instance_t *instance, void *engine, bool memory) {
    memset(call, 0, sizeof *call);
    call->instance = instance;
    call->engine = engine;
    if (instance == NULL) return $p_fail(call, "the guest is bound to no host");
$inside    return !memory || $p_refresh(call);
}

"#;

/// The guest is called for memory, or to free something, and may do no more than that.
pub(super) const NOT_INSIDE: &str = "    if (instance->inside) return $p_fail(call, \"a function of the host is called from realloc or a post-return\");\n";

pub(super) fn backend(engine: Engine) -> Backend {
    match engine {
        Engine::Wamr => super::wamr::BACKEND,
        Engine::Wasm3 => super::wasm3::BACKEND,
        Engine::WasmCApi => super::wasm_c_api::BACKEND,
        Engine::Toywasm => super::toywasm::BACKEND,
        Engine::Wasm2c => super::wasm2c::BACKEND,
        _ => NONE,
    }
}

/// An entry whose text is the same for all functions: `$e` is its name, `$s` the stub, `$m` whether that looks at the memory.
pub(super) fn fill(text: &str, import: &Import) -> String {
    let memory = if import.memory { "true" } else { "false" };
    text.replace("$e", &import.entry).replace("$s", &import.stub).replace("$m", memory)
}

const NONE: Backend = Backend {
    entry: Entry::Shared,
    exports: ExportTable::Always,
    includes: "",
    members: r"    /* Finds the guest's memory; false where there is none. */
    bool (*memory)($p_instance_t *instance, $p_memory_t *out);
    /* Calls an export; false where it trapped. NULL where the guest is never called. */
    bool (*call)($p_instance_t *instance, const $p_export_t *export_, const $p_slot_t *in, $p_slot_t *out);
",
    prototypes: Text::Fixed(
        r"
/*
 * Runs the stub of `import`: `in` holds its parameters, `out`, which may be the same, its result. False where the guest
 * traps; `*trap` says why, unless it is NULL.
 */
bool $p_dispatch($p_instance_t *instance, const $p_import_t *import_, const $p_slot_t *in, $p_slot_t *out, const char **trap);
",
    ),
    refresh: Text::Fixed(
        r#"static bool $p_refresh($p_call_t *call) {
    if (call->instance->memory != NULL && call->instance->memory(call->instance, &call->memory)) return true;
    return $p_fail(call, "the guest has no memory");
}

"#,
    ),
    invoke: Text::Fixed(
        r#"static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
    if (call->instance->call == NULL || !call->instance->call(call->instance, &$p_exports[number], in, out)) {
        return $p_fail(call, "a function of the guest failed");
    }
    return $p_refresh(call);
}

"#,
    ),
    shared: "",
    register: Text::Fixed(
        r"bool $p_dispatch($p_instance_t *instance, const $p_import_t *import_, const $p_slot_t *in, $p_slot_t *out, const char **trap) {
    $p_call_t call;
    if ($p_enter(&call, instance, NULL, import_->memory) && import_->stub(&call, in, out)) return true;
    if (trap != NULL) *trap = call.trap;
    return false;
}
",
    ),
};
