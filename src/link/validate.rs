//! Validation with the function bodies on several threads.

use super::merge::in_chunks;
use wasmparser::{
    BinaryReaderError, FuncToValidate, FuncValidatorAllocations, FunctionBody, Parser, ValidPayload, Validator,
    ValidatorResources, WasmFeatures,
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

impl Bodies<'_> {
    pub(super) fn validate(&self) -> Result<(), BinaryReaderError> {
        let chunks = in_chunks(&self.0, |(_, body)| body.range().len(), validate_all);
        chunks.into_iter().collect()
    }
}

fn validate_all(functions: &[(FuncToValidate<ValidatorResources>, FunctionBody<'_>)]) -> Result<(), BinaryReaderError> {
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in functions {
        let FuncToValidate { resources, index, ty, features } = function;
        let function = FuncToValidate { resources: resources.clone(), index: *index, ty: *ty, features: *features };
        let mut validator = function.into_validator(allocations);
        validator.validate(body)?;
        allocations = validator.into_allocations();
    }
    Ok(())
}
