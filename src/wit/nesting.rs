//! Types of components nested too deeply.
//!
//! Whoever reads a type of a component reads the types inside it by recursion, and the parser below knows no bound: a file of
//! 15 kB would end the program by its stack.

use crate::diagnostic::{Code, Diagnostic, Result};
use wasmparser::{Parser, Payload};

/// Types of components and instances inside others that a file may have. WASI as a whole has some hundreds.
const MAX_INNER: usize = 4000;

/// Fails with [`Code::TooLarge`] if types of components or instances are nested too deeply: in a component, or in what a core
/// module carries of one.
///
/// Nothing is parsed for this. A type inside another is a declaration that begins with `0x01` and then `0x41` or `0x42`
/// (*Component Model binary format*, `instancedecl` and `deftype`), so that there are at least as many such pairs of bytes
/// as types are deep.
pub(crate) fn refuse_deep(wasm: &[u8]) -> Result<()> {
    if inner(wasm, true) <= MAX_INNER {
        return Ok(());
    }
    Err(Diagnostic::new(Code::TooLarge, "the types of the component are nested too deeply")
        .fact("at most", format!("{MAX_INNER} types of components and instances inside others")))
}

fn inner(wasm: &[u8], carries: bool) -> usize {
    // What is not valid is refused by whoever reads it next, with a better reason.
    let payloads = Parser::new(0).parse_all(wasm).map_while(std::result::Result::ok);
    let pairs = |payload| match payload {
        Payload::ComponentTypeSection(section) => {
            let bytes = wasm.get(section.range()).unwrap_or_default();
            bytes.windows(2).filter(|pair| matches!(pair, [0x01, 0x41 | 0x42])).count()
        }
        Payload::CustomSection(section) if carries && section.name().starts_with("component-type") => {
            inner(section.data(), false)
        }
        _ => 0,
    };
    payloads.map(pairs).sum()
}
