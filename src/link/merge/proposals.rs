//! What is known of an instruction by its name: the proposal that it came with, and the smallest profile that has it.

use crate::link::report::Floor;

/// A set of proposals.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proposals(u32);

impl Proposals {
    /// As the parser groups instructions; the first is WebAssembly 1.0.
    const NAMES: [&'static str; 18] = [
        "mvp",
        "sign_extension",
        "saturating_float_to_int",
        "bulk_memory",
        "reference_types",
        "simd",
        "relaxed_simd",
        "tail_call",
        "exceptions",
        "threads",
        "function_references",
        "gc",
        "legacy_exceptions",
        "memory_control",
        "shared_everything_threads",
        "stack_switching",
        "wide_arithmetic",
        "custom_descriptors",
    ];

    pub(super) const BULK_MEMORY: Proposals = Proposals::of("bulk_memory");

    const fn of(name: &str) -> Proposals {
        let mut i = 0;
        while i < Self::NAMES.len() {
            if same(Self::NAMES[i], name) {
                return Proposals(1 << i);
            }
            i += 1;
        }
        panic!("a proposal without a name here")
    }

    pub(super) fn add(&mut self, others: Proposals) {
        self.0 |= others.0;
    }

    /// Those beyond WebAssembly 1.0.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().skip(1).filter(move |(i, _)| self.0 & (1 << i) != 0).map(|(_, name)| name)
    }
}

/// What is known of an instruction without looking at its immediates.
#[derive(Clone, Copy, Default)]
pub(super) struct Facts {
    pub(super) proposals: Proposals,
    pub(super) floor: Floor,
    /// Takes a reference to a function instead of calling it.
    pub(super) refers: bool,
    /// May hold an address.
    pub(super) relocatable: bool,
}

impl Facts {
    pub(super) const fn of(proposal: &str, op: &str) -> Facts {
        let floor = if same(proposal, "mvp") {
            Floor::Mvp
        } else if same(proposal, "sign_extension")
            || same(proposal, "saturating_float_to_int")
            || same(op, "MemoryCopy")
            || same(op, "MemoryFill")
        {
            Floor::Lime1
        } else if same(proposal, "bulk_memory") || same(proposal, "reference_types") || same(proposal, "simd") {
            Floor::Wasm2
        } else {
            Floor::Wasm3
        };
        Facts {
            proposals: Proposals::of(proposal),
            floor,
            refers: same(op, "RefFunc"),
            relocatable: same(op, "I32Const") || same(op, "I64Const"),
        }
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
