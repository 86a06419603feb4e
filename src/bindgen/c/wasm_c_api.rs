//! The standard C API: imports are positional, so a resolver fills them in; exports likewise.

use super::engine::{Backend, Entry, ExportTable, Text};

pub(super) const BACKEND: Backend = Backend {
    entry: Entry::Shared,
    exports: ExportTable::Always,
    includes: "#include <wasm.h>\n",
    members: r"    wasm_store_t *engine;
    /* Set by `$p_bind`. */
    wasm_memory_t *memory;
    const wasm_func_t *functions[$P_EXPORTS + 1];
    /* What a function of the host is made with. */
    struct $p_binding {
        $p_instance_t *instance;
        const $p_import_t *import_;
    } bindings[$P_IMPORTS + 1];
",
    prototypes: Text::Fixed(
        r"
/*
 * Makes the function that the module imports under this type's names; NULL where it is none of these. The caller owns it
 * and puts it at the position of the import. `engine` of the instance is the store.
 */
wasm_func_t *$p_resolve($p_instance_t *instance, const wasm_importtype_t *type);

/* Finds memory and functions among the exports of a module, which stand at the same positions. They stay the caller's. */
void $p_bind($p_instance_t *instance, const wasm_exporttype_vec_t *types, const wasm_extern_vec_t *exports);
",
    ),
    refresh: Text::Fixed(
        r#"static bool $p_refresh($p_call_t *call) {
    if (call->instance->memory == NULL) return $p_fail(call, "the guest has no memory");
    call->memory.base = (uint8_t *)wasm_memory_data(call->instance->memory);
    call->memory.size = wasm_memory_data_size(call->instance->memory);
    return true;
}

static $p_slot_t $p_from_val(const wasm_val_t *val) {
    $p_slot_t slot;
    memset(&slot, 0, sizeof slot);
    switch (val->kind) {
    case WASM_I32:
        slot.i32 = (uint32_t)val->of.i32;
        break;
    case WASM_I64:
        slot.i64 = (uint64_t)val->of.i64;
        break;
    case WASM_F32:
        slot.f32 = val->of.f32;
        break;
    default:
        slot.f64 = val->of.f64;
        break;
    }
    return slot;
}

static void $p_to_val(wasm_val_t *val, char letter, const $p_slot_t *slot) {
    memset(val, 0, sizeof *val);
    switch (letter) {
    case 'i':
        val->kind = WASM_I32;
        val->of.i32 = (int32_t)slot->i32;
        break;
    case 'I':
        val->kind = WASM_I64;
        val->of.i64 = (int64_t)slot->i64;
        break;
    case 'f':
        val->kind = WASM_F32;
        val->of.f32 = slot->f32;
        break;
    default:
        val->kind = WASM_F64;
        val->of.f64 = slot->f64;
        break;
    }
}

"#,
    ),
    invoke: Text::Fixed(
        r#"static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
    const $p_export_t *export_ = &$p_exports[number];
    wasm_val_t given[16], taken[1];
    wasm_val_vec_t args, results;
    wasm_trap_t *trap;
    size_t count;
    if (call->instance->functions[number] == NULL) return $p_fail(call, "the guest lacks an export");
    for (count = 0; export_->signature[count + 1] != ')'; count++) {
        $p_to_val(&given[count], export_->signature[count + 1], &in[count]);
    }
    memset(taken, 0, sizeof taken);
    memset(&args, 0, sizeof args);
    memset(&results, 0, sizeof results);
    args.size = count;
    args.data = given;
    results.size = out != NULL ? 1 : 0;
    results.data = taken;
    trap = wasm_func_call(call->instance->functions[number], &args, &results);
    if (trap != NULL) {
        wasm_trap_delete(trap);
        return $p_fail(call, "a function of the guest failed");
    }
    if (out != NULL) *out = $p_from_val(&taken[0]);
    return $p_refresh(call);
}

"#,
    ),
    shared: "",
    register: Text::Fixed(
        r#"static wasm_trap_t *$p_entry(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
    const struct $p_binding *binding = (const struct $p_binding *)env;
    const $p_import_t *import_ = binding->import_;
    const char *reason = "a function of the host failed";
    $p_slot_t in[17], out;
    $p_call_t call;
    size_t i;
    wasm_message_t message;
    wasm_trap_t *trap;
    for (i = 0; i < args->size && i < 17; i++) in[i] = $p_from_val(&args->data[i]);
    memset(&out, 0, sizeof out);
    if ($p_enter(&call, binding->instance, NULL, import_->memory) && import_->stub(&call, in, &out)) {
        if (results->size > 0) $p_to_val(&results->data[0], strchr(import_->signature, ')')[1], &out);
        return NULL;
    }
    if (call.trap != NULL) reason = call.trap;
    wasm_name_new(&message, strlen(reason) + 1, reason);
    trap = wasm_trap_new(binding->instance->engine, &message);
    wasm_name_delete(&message);
    return trap;
}

static bool $p_is(const wasm_name_t *name, const char *text) {
    size_t length = strlen(text);
    /* Some engines count a NUL at the end. */
    bool whole = name->size == length || (name->size == length + 1 && name->data[length] == 0);
    return whole && memcmp(name->data, text, length) == 0;
}

static bool $p_fits(const wasm_valtype_vec_t *types, const char *letters, char end) {
    size_t i;
    for (i = 0; i < types->size; i++) {
        wasm_valkind_t kind = wasm_valtype_kind(types->data[i]);
        char letter = kind == WASM_I32 ? 'i' : kind == WASM_I64 ? 'I' : kind == WASM_F32 ? 'f' : kind == WASM_F64 ? 'F' : '?';
        if (letters[i] != letter) return false;
    }
    return letters[i] == end;
}

wasm_func_t *$p_resolve($p_instance_t *instance, const wasm_importtype_t *type) {
    const wasm_functype_t *wanted = wasm_externtype_as_functype_const(wasm_importtype_type(type));
    uint32_t i;
    for (i = 0; wanted != NULL && $p_imports[i].field != NULL; i++) {
        const $p_import_t *import_ = &$p_imports[i];
        if (!$p_is(wasm_importtype_module(type), import_->module) || !$p_is(wasm_importtype_name(type), import_->field)) {
            continue;
        }
        if (!$p_fits(wasm_functype_params(wanted), import_->signature + 1, ')')) return NULL;
        if (!$p_fits(wasm_functype_results(wanted), strchr(import_->signature, ')') + 1, 0)) return NULL;
        instance->bindings[i].instance = instance;
        instance->bindings[i].import_ = import_;
        return wasm_func_new_with_env(instance->engine, wanted, $p_entry, &instance->bindings[i], NULL);
    }
    return NULL;
}

void $p_bind($p_instance_t *instance, const wasm_exporttype_vec_t *types, const wasm_extern_vec_t *exports) {
    size_t i, k;
    for (i = 0; i < types->size && i < exports->size; i++) {
        const wasm_name_t *name = wasm_exporttype_name(types->data[i]);
        if ($p_is(name, $P_MEMORY)) instance->memory = wasm_extern_as_memory(exports->data[i]);
        for (k = 0; $p_exports[k].name != NULL; k++) {
            if ($p_is(name, $p_exports[k].name)) instance->functions[k] = wasm_extern_as_func_const(exports->data[i]);
        }
    }
}
"#,
    ),
};
