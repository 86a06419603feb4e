//! Compiled code, kept on disk.

use std::path::PathBuf;

/// A folder of compiled code, or none.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// Nothing is kept.
    pub fn disabled() -> Cache {
        Cache::default()
    }

    /// Keeps compiled code in a folder, which is made if it is not there. Where that cannot be, nothing is kept.
    pub fn open(folder: impl Into<PathBuf>) -> Cache {
        Cache { folder: Some(folder.into()) }
    }

    /// Whether anything is kept.
    pub fn is_enabled(&self) -> bool {
        self.folder.is_some()
    }
}
