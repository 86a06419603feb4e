//! Where a host puts lists and strings that it gives to a guest.

use super::{Core, CoreSignature, ImportName};

/// How what a host gives to the guest gets its place in the guest's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Allocation {
    /// The host calls the guest's realloc while the guest waits, as the Canonical ABI has it.
    #[default]
    Reentrant,
    /// The host writes into a region that the guest named beforehand, by the import that [`Allocation::arena`] gives.
    Arena,
    /// There is none: functions that need it are refused.
    None,
}

impl Allocation {
    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Allocation::Reentrant => "reentrant",
            Allocation::Arena => "arena",
            Allocation::None => "none",
        }
    }

    /// The import by which a guest names its region, by pointer and length.
    pub fn arena() -> (ImportName, CoreSignature) {
        let name = ImportName { module: "lowlift".to_owned(), name: "arena".to_owned() };
        (name, CoreSignature::new([Core::I32; 2], []))
    }
}
