//! What code names: one pass over each function body finds every index in it.
//!
//! Most instructions name nothing, and are copied as they are; what is found here is all that has to be followed (by
//! [`super::live`]) and rewritten (by [`super::splice`]).

use super::chunks;
use super::proposals::Proposals;
use super::renumber::Kind;
use super::visitor::{Both, Scanner};
use crate::diagnostic::{Diagnostic, Result};
use crate::link::module::Module;
use crate::link::report::Floor;
use std::borrow::Cow;
use wasmparser::{BinaryReaderError, ConstExpr, FuncValidator, FunctionBody, ValidatorResources};

/// An index in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    /// Where the instruction starts, counted from the start of the body.
    pub(super) at: u32,
    pub(super) kind: Kind,
    /// In the index space of the instance.
    pub(super) index: u32,
}

/// A function body or constant expression, scanned.
#[derive(Debug, Default, Clone, PartialEq)]
pub(in crate::link) struct Scan {
    /// In the order of the code. An instruction with two indices is there twice.
    pub(super) sites: Vec<Site>,
    /// Whether an instruction uses memory 0, which is too frequent to be listed.
    pub(super) memory_zero: bool,
    /// Whether a local names a type. Locals are copied as they are.
    pub(super) typed_locals: bool,
    pub(super) proposals: Proposals,
    /// No smaller profile takes the instructions.
    pub(super) floor: Floor,
}

impl Scan {
    pub(super) fn body(body: &FunctionBody<'_>) -> Result<Scan, BinaryReaderError> {
        let mut scanner = Scanner::new(body)?;
        scanner.run(body.get_operators_reader()?)?;
        Ok(scanner.finish())
    }

    /// The same, with the uses of memory 0 among the sites.
    pub(super) fn body_with_memories(body: &FunctionBody<'_>) -> Result<Scan> {
        let mut scanner = Scanner::new(body).map_err(invalid)?;
        scanner.list_memory_zero = true;
        scanner.run(body.get_operators_reader().map_err(invalid)?).map_err(invalid)?;
        Ok(scanner.finish())
    }

    pub(super) fn expr(expr: &ConstExpr<'_>) -> Result<Scan> {
        let ops = expr.get_operators_reader();
        let mut scanner = Scanner::starting(ops.original_position());
        scanner.run(ops).map_err(invalid)?;
        Ok(scanner.finish())
    }

    /// Validates a body and scans it on the way, so that it is decoded once.
    pub(in crate::link) fn validated(
        validator: &mut FuncValidator<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<Scan, BinaryReaderError> {
        let mut scanner = Scanner::new(body)?;
        let mut code = body.get_binary_reader();
        validator.read_locals(&mut code)?;
        code.set_features(*validator.features());
        while !code.eof() {
            let at = code.original_position();
            scanner.at(at);
            code.visit_operator(&mut Both { scanner: &mut scanner, validator: validator.visitor(at) })??;
            scanner.done(code.original_position());
        }
        code.finish_expression(&validator.visitor(code.original_position()))?;
        Ok(scanner.finish())
    }
}

/// Scans of bodies that were validated, by the addresses of the bodies, in ascending order. A module that was made or
/// rewritten since has others, so none is ever taken for another.
#[derive(Debug, Default)]
pub(in crate::link) struct Scans(pub(in crate::link) Vec<(usize, Scan)>);

impl Scans {
    /// Where a body is.
    pub(in crate::link) fn address(body: &FunctionBody<'_>) -> usize {
        body.as_bytes().as_ptr() as usize
    }

    /// The bodies of a module, in order, scanned now if they were not before.
    pub(super) fn of(&self, module: &Module<'_>) -> Result<Vec<Cow<'_, Scan>>> {
        if let Some(known) = self.known(module) {
            return Ok(known.iter().map(|(_, scan)| Cow::Borrowed(scan)).collect());
        }
        let bytes = |body: &FunctionBody<'_>| body.range().len();
        let chunks = chunks::map(&module.bodies, bytes, |bodies| bodies.iter().map(Scan::body).collect::<Vec<_>>());
        chunks.into_iter().flatten().map(|scan| scan.map(Cow::Owned).map_err(invalid)).collect()
    }

    fn known(&self, module: &Module<'_>) -> Option<&[(usize, Scan)]> {
        let (first, last) = (module.bodies.first()?, module.bodies.last()?);
        let start = self.0.binary_search_by_key(&Self::address(first), |(address, _)| *address).ok()?;
        let known = self.0.get(start..start + module.bodies.len())?;
        known.last().filter(|(address, _)| *address == Self::address(last)).map(|_| known)
    }
}

fn invalid(error: BinaryReaderError) -> Box<Diagnostic> {
    Diagnostic::invalid_wasm(&error)
}
