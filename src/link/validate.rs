//! Validation with the function bodies on several threads.

use super::merge::in_chunks;
use wasmparser::{
    BinaryReaderError, FuncToValidate, FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures,
};

/// Validates a component or module; gives the first error, in the order of the bytes.
pub(super) fn validate(bytes: &[u8], features: WasmFeatures) -> Result<(), BinaryReaderError> {
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
    let bodies = in_chunks(&functions, |(_, body)| body.range().len(), |functions| {
        let mut allocations = FuncValidatorAllocations::default();
        for (function, body) in functions {
            let FuncToValidate { resources, index, ty, features } = function;
            let function =
                FuncToValidate { resources: resources.clone(), index: *index, ty: *ty, features: *features };
            let mut validator = function.into_validator(allocations);
            validator.validate(body)?;
            allocations = validator.into_allocations();
        }
        Ok(())
    });
    // All bodies precede what the sections were refused for.
    bodies.into_iter().chain([sections]).collect()
}
