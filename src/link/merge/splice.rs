//! Function bodies with new indices.
//!
//! Only instructions that name something are written anew; all bytes between them are copied. So the output is exactly
//! what re-encoding every instruction would give, and costs little more than a copy.

use super::chunks;
use super::renumber::{Indices, Kind, Renumber};
use super::scan::Scan;
use super::{unplaced, unwritable};
use crate::diagnostic::{Diagnostic, Result};
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{Encode, Function, Section, SectionId};
use wasmparser::{BinaryReader, FunctionBody, OperatorsReader};

// Nearly all sites are these: an opcode of one byte, and an index.
const CALL: u8 = 0x10;
const RETURN_CALL: u8 = 0x12;
const GLOBAL_GET: u8 = 0x23;
const GLOBAL_SET: u8 = 0x24;
const REF_FUNC: u8 = 0xd2;

/// A body, what it names, and what these are now.
pub(super) struct Body<'m, 'c> {
    pub(super) body: &'m FunctionBody<'c>,
    pub(super) scan: &'m Scan,
    pub(super) indices: &'m Indices,
}

/// The code section, as runs of encoded bodies: it is large, so it is never copied as a whole before it is written.
#[derive(Default)]
pub(in crate::link) struct Code {
    count: u32,
    runs: Vec<Vec<u8>>,
}

impl Code {
    /// Adds a function that the linker wrote.
    pub(in crate::link) fn function(&mut self, function: &Function) {
        let mut run = Vec::new();
        function.encode(&mut run);
        self.runs.push(run);
        self.count += 1;
    }

    /// Adds bodies with new indices, on several threads where that pays.
    pub(super) fn splice(&mut self, bodies: &[Body<'_, '_>]) -> Result<()> {
        self.count += super::narrow(bodies.len())?;
        for run in chunks::map(bodies, |b| b.body.range().len(), splice_all) {
            self.runs.push(run?);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Encode for Code {
    fn encode(&self, sink: &mut Vec<u8>) {
        let mut count = Vec::new();
        self.count.encode(&mut count);
        let size = count.len() + self.runs.iter().map(Vec::len).sum::<usize>();
        size.encode(sink);
        sink.reserve(size);
        sink.append(&mut count);
        self.runs.iter().for_each(|run| sink.extend_from_slice(run));
    }
}

impl Section for Code {
    fn id(&self) -> u8 {
        SectionId::Code.into()
    }
}

fn splice_all(bodies: &[Body<'_, '_>]) -> Result<Vec<u8>> {
    let mut run = Vec::with_capacity(bodies.iter().map(|b| b.body.range().len() + 5).sum());
    let mut spliced = Vec::new();
    for body in bodies {
        spliced.clear();
        splice(body, &mut spliced)?;
        spliced.len().encode(&mut run);
        run.extend_from_slice(&spliced);
    }
    Ok(run)
}

/// Writes a body without its size.
pub(super) fn splice(body: &Body<'_, '_>, out: &mut Vec<u8>) -> Result<()> {
    let Body { body, scan, indices } = body;
    let with_memories;
    let sites = if scan.memory_zero && indices.get(Kind::Memory, 0) != Some(0) {
        with_memories = Scan::body_with_memories(body)?;
        &with_memories.sites
    } else {
        &scan.sites
    };
    let bytes = body.as_bytes();
    let mut renumber = Renumber(indices);
    let mut done = 0;
    for site in sites {
        let at = site.at as usize;
        // The second index of an instruction that is written already.
        if at < done {
            continue;
        }
        out.extend_from_slice(&bytes[done..at]);
        done = match bytes[at] {
            opcode @ (CALL | RETURN_CALL | GLOBAL_GET | GLOBAL_SET | REF_FUNC) => {
                out.push(opcode);
                indices.get(site.kind, site.index).ok_or_else(|| unplaced("an index"))?.encode(out);
                let rest = bytes[at + 1..].iter().take_while(|byte| **byte & 0x80 != 0).count();
                at + 2 + rest
            }
            _ => {
                let mut ops = OperatorsReader::new(BinaryReader::new(&bytes[at..], at));
                let op = ops.read().map_err(|e| Diagnostic::invalid_wasm(&e))?;
                renumber.instruction(op).map_err(unwritable)?.encode(out);
                ops.original_position()
            }
        };
    }
    out.extend_from_slice(&bytes[done..]);
    Ok(())
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
