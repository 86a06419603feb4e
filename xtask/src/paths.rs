//! The folders of the repository that tasks work on.

use anyhow::{Context, Result};
use std::env;
use std::path::PathBuf;

/// Folders under the workspace root.
pub(crate) struct Paths {
    /// The workspace root.
    pub(crate) root: PathBuf,
    /// Sources and small binaries of the guests.
    pub(crate) guests: PathBuf,
    /// Guests too big to be committed; ignored by git.
    pub(crate) big: PathBuf,
    /// Downloaded and built tools; ignored by git.
    pub(crate) tools: PathBuf,
}

impl Paths {
    /// Finds the workspace root from the folder of this crate.
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable for `cargo run` too, which keeps a moved checkout with an old binary working.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = PathBuf::from(manifest);
        let root = manifest.parent().context("the folder of xtask has no parent")?.to_path_buf();
        let big = root.join("guests-big");
        Ok(Self { guests: root.join("fixtures").join("guests"), tools: big.join("tools"), big, root })
    }
}
