//! Names of features.

use wasmparser::WasmFeatures;

/// Every feature that a profile can name.
pub const FEATURES: &[(&str, WasmFeatures)] = &[
    ("mutable-globals", WasmFeatures::MUTABLE_GLOBAL),
    ("sign-extension", WasmFeatures::SIGN_EXTENSION),
    ("saturating-float-to-int", WasmFeatures::SATURATING_FLOAT_TO_INT),
    ("multi-value", WasmFeatures::MULTI_VALUE),
    ("bulk-memory-opt", WasmFeatures::BULK_MEMORY_OPT),
    ("bulk-memory", WasmFeatures::BULK_MEMORY),
    ("call-indirect-overlong", WasmFeatures::CALL_INDIRECT_OVERLONG),
    ("reference-types", WasmFeatures::REFERENCE_TYPES),
    ("extended-const", WasmFeatures::EXTENDED_CONST),
    ("simd", WasmFeatures::SIMD),
    ("relaxed-simd", WasmFeatures::RELAXED_SIMD),
    ("tail-call", WasmFeatures::TAIL_CALL),
    ("threads", WasmFeatures::THREADS),
    ("exceptions", WasmFeatures::EXCEPTIONS),
    ("multi-memory", WasmFeatures::MULTI_MEMORY),
    ("memory64", WasmFeatures::MEMORY64),
    ("function-references", WasmFeatures::FUNCTION_REFERENCES),
    ("gc", WasmFeatures::GC),
];

/// The levels, which stand for all features of a version of the specification. `mvp` is 1.0 with mutable globals.
const LEVELS: &[(&str, WasmFeatures)] = &[
    ("mvp", WasmFeatures::WASM1),
    ("lime1", WasmFeatures::LIME1),
    ("wasm2", WasmFeatures::WASM2),
    ("wasm3-spec", WasmFeatures::WASM3),
];

/// What a feature or a level stands for.
pub fn set(name: &str) -> Option<WasmFeatures> {
    FEATURES.iter().chain(LEVELS).find(|(known, _)| *known == name).map(|(_, features)| *features)
}

/// All words that [`set`] knows.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    LEVELS.iter().chain(FEATURES).map(|(name, _)| *name)
}

/// The name of one feature.
pub fn name_of(feature: WasmFeatures) -> &'static str {
    FEATURES.iter().find(|(_, known)| *known == feature).map_or("a feature without a name", |(name, _)| name)
}
