//! Several memories become one, for engines that know no more.
//!
//! The memory that is exported, else memory 0, comes first and stays at address 0 for ever, since the host holds
//! pointers into it. The others follow in order. Each memory has its size in a global, and each but the first its
//! base. An access is checked against the memory's own size, in 64 bits, so that nothing wraps around, and then made at
//! its base:
//!
//! ```wat
//! (i32.load $b offset=8 (local.get $p))     ;; becomes:
//! (if (i64.ge_u (i64.add (i64.extend_i32_u (local.tee $address (local.get $p))) (i64.const 11))
//!               (global.get $b_size))
//!   (then unreachable))
//! (i32.load offset=8 (i32.add (local.get $address) (global.get $b_base)))
//! ```
//!
//! The first memory is checked too: the engine's own check ends where the last memory ends. A memory that grows moves
//! those behind it. Bases are bytes modulo 2^32: one that is 2^32 belongs to an empty memory, where no access is made.
//!
//! What runs in the host is not checked: it sees the exported memory whole, with the others behind the first.

mod body;
mod constants;
mod grow;
mod layout;
mod names;
mod touch;
mod write;

use super::ir::Space;
use super::merge::Merged;
use super::module::Module;
use super::report::Floor;
use super::verify;
use crate::diagnostic::{Code, Diagnostic, Result};
use grow::Growers;
use layout::Layout;
use wasm_encoder::CodeSection;
use wasm_encoder::reencode::Error;
use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

/// A module whose memories became one.
struct Single {
    wasm: Vec<u8>,
    /// How many memories there were.
    memories: u32,
    /// How many functions were added, to grow them.
    functions: u32,
    /// Whether they need `memory.copy` and `memory.fill`.
    bulk_memory: bool,
}

/// Puts all memories of a valid module into one; none if it has one or none already.
fn join(wasm: &[u8]) -> Result<Option<Single>> {
    let module = Module::parse(wasm)?;
    let Some(layout) = Layout::new(wasm, &module)? else { return Ok(None) };
    let mut growers = Growers::new(&module)?;
    let mut code = CodeSection::new();
    let first = u32::try_from(module.imported(Space::Func)).unwrap_or(u32::MAX);
    for (index, body) in (first..).zip(&module.bodies) {
        let params = module.func_type(index)?.params().len();
        body::rewrite(body, params, &layout, &mut growers, &mut code)?;
    }
    growers.emit(&layout, &mut code)?;
    let wasm = write::write(wasm, &module, &layout, &growers, code)?;
    let (memories, functions, bulk_memory) = (layout.count(), growers.count(), growers.moves(&layout));
    Ok(Some(Single { wasm, memories, functions, bulk_memory }))
}

/// Puts all memories of a merged module into one; gives how many there were, or 0 if there was nothing to do.
pub(super) fn apply(merged: &mut Merged) -> Result<u32> {
    let Some(single) = join(&merged.wasm)? else { return Ok(0) };
    merged.wasm = single.wasm;
    merged.memories = 1;
    // Several memories may have been all that asked for more.
    merged.floor = Floor::Mvp;
    merged.functions += single.functions;
    merged.features.retain(|feature| *feature != "multi_memory");
    if single.bulk_memory && !merged.features.contains(&"bulk_memory") {
        merged.features.push("bulk_memory");
        merged.features.sort_unstable();
    }
    Ok(single.memories)
}

/// Puts all memories of a core module into one, so that it needs no multi-memory; a module with one or none comes back
/// unchanged. Behaviour stays, but for `memory.grow`, which fails when all memories together reach 4 GiB.
///
/// One memory may be exported. It stays where it is, and the host must not grow it. Imported, shared and 64-bit memories
/// and atomic accesses are refused
/// ([multi-memory](https://webassembly.github.io/spec/core/syntax/modules.html#memories)).
pub fn single_memory(wasm: &[u8]) -> Result<Vec<u8>> {
    let features = WasmFeatures::WASM3.union(WasmFeatures::THREADS);
    Validator::new_with_features(features).validate_all(wasm).map_err(unreadable)?;
    let Some(single) = join(wasm)? else { return Ok(wasm.to_vec()) };
    verify::validate(&single.wasm, Floor::Mvp)?;
    Ok(single.wasm)
}

/// A refusal: what is in the way, and what to do.
fn apart(what: impl Into<String>) -> Box<Diagnostic> {
    Diagnostic::new(Code::MemoriesApart, what)
        .hint("link without `--single-memory`, for an engine that knows several memories")
}

fn unreadable(error: BinaryReaderError) -> Box<Diagnostic> {
    Diagnostic::invalid_wasm(&error)
}

/// What the encoder cannot write, or what was refused on the way.
fn unwritable(error: Error<Box<Diagnostic>>) -> Box<Diagnostic> {
    match error {
        Error::UserError(refusal) => refusal,
        Error::ParseError(error) => unreadable(error),
        other => Diagnostic::new(Code::UnsupportedType, "an instruction or type cannot be written").cause(other),
    }
}
