//! `cargo xtask bless`: the tests write what they would otherwise compare with.

use crate::paths::Paths;
use crate::run::{command, run};
use anyhow::Result;

/// Runs `cargo test ARGS` with `LOWLIFT_BLESS=1` and, for the transcripts in `fixtures/cli`, `TRYCMD=overwrite`.
pub(crate) fn bless(paths: &Paths, args: &[String]) -> Result<()> {
    run(command("cargo")
        .arg("test")
        .args(args)
        .env("LOWLIFT_BLESS", "1")
        .env("TRYCMD", "overwrite")
        .current_dir(&paths.root))
}
