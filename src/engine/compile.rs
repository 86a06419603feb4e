//! Compiling for wasmtime, or taking what was compiled before from the cache.

use super::LoadOptions;
use super::cache::Key;
use wasmtime::{Engine, Module};

/// Compiles a module, unless the cache has it.
pub(super) fn compile(engine: &Engine, wasm: &[u8], options: &LoadOptions) -> wasmtime::Result<Module> {
    let cache = &options.cache;
    if !cache.is_enabled() {
        return Module::new(engine, wasm);
    }
    let key = key(engine, wasm, options);
    if let Some(module) = cache.load(&key).and_then(|code| restore(engine, &code)) {
        return Ok(module);
    }
    let module = Module::new(engine, wasm)?;
    match module.serialize() {
        Ok(code) => cache.store(&key, &code),
        Err(e) => tracing::warn!(target: "lowlift", "compiled code is not kept: {e:#}"),
    }
    Ok(module)
}

/// The hash of the engine covers its version, the target with the features of this processor, and its flags; what of the
/// limits goes into its configuration is added, so that nothing depends on which of them it covers.
fn key(engine: &Engine, wasm: &[u8], options: &LoadOptions) -> Key {
    let limits = &options.limits;
    Key::new(("wasmtime", engine.precompile_compatibility_hash(), limits.memory, limits.table, limits.stack, wasm))
}

/// None where the engine refuses the code, as one of another version would.
#[allow(unsafe_code, reason = "native code can only be loaded on trust; the cache gives what this user compiled")]
fn restore(engine: &Engine, code: &[u8]) -> Option<Module> {
    // SAFETY: `deserialize` runs code that it cannot check, so the bytes must come from `Module::serialize`. `Cache::load`
    // gives only bytes with an HMAC-SHA256 over them and their key by a secret that no other user can read, and only
    // `Cache::store` makes one, over what `compile` above had from `Module::serialize`. The key binds them to this engine
    // and module. The bytes are in our memory, so that nobody can change them between the check and the use.
    let module = unsafe { Module::deserialize(engine, code) };
    module.inspect_err(|e| tracing::warn!(target: "lowlift", "compiled code in the cache is of no use: {e:#}")).ok()
}
