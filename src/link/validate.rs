//! Validation with the function bodies on several threads.

use super::merge::{Scan, Scans, in_chunks};
use wasmparser::{
    BinaryReaderError, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, Parser, ValidPayload,
    Validator, ValidatorResources, WasmFeatures,
};

/// Function bodies whose sections are valid.
pub(super) struct Bodies<'a>(Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'a>)>);

/// Validates a component or module; gives the first error, in the order of the bytes.
pub(super) fn validate(bytes: &[u8], features: WasmFeatures) -> Result<(), BinaryReaderError> {
    let (bodies, rest) = sections(bytes, features);
    // All bodies precede what the sections were refused for.
    bodies.validate().and(rest)
}

/// Validates all but the bodies, up to the first error.
pub(super) fn sections(bytes: &[u8], features: WasmFeatures) -> (Bodies<'_>, Result<(), BinaryReaderError>) {
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut functions = Vec::new();
    let sections = parser.parse_all(bytes).try_for_each(|payload| {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            functions.push((function, body));
        }
        Ok(())
    });
    (Bodies(functions), sections)
}

impl<'a> Bodies<'a> {
    pub(super) fn validate(&self) -> Result<(), BinaryReaderError> {
        self.each(|validator, body| validator.validate(body)).map(drop)
    }

    /// Validates, and finds what the bodies name.
    pub(super) fn scan(&self) -> Result<Scans, BinaryReaderError> {
        self.each(|validator, body| Ok((Scans::address(body), Scan::validated(validator, body)?))).map(Scans)
    }

    fn each<T: Send>(
        &self,
        check: impl Fn(&mut FuncValidator<ValidatorResources>, &FunctionBody<'a>) -> Result<T, BinaryReaderError> + Sync,
    ) -> Result<Vec<T>, BinaryReaderError> {
        let chunks = in_chunks(
            &self.0,
            |(_, body)| body.range().len(),
            |functions| {
                let mut allocations = FuncValidatorAllocations::default();
                let mut checked = Vec::with_capacity(functions.len());
                for (FuncToValidate { resources, index, ty, features }, body) in functions {
                    let resources = resources.clone();
                    let function = FuncToValidate { resources, index: *index, ty: *ty, features: *features };
                    let mut validator = function.into_validator(allocations);
                    checked.push(check(&mut validator, body)?);
                    allocations = validator.into_allocations();
                }
                Ok(checked)
            },
        );
        let mut all = Vec::with_capacity(self.0.len());
        for chunk in chunks {
            all.append(&mut chunk?);
        }
        Ok(all)
    }
}
