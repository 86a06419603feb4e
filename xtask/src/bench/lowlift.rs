//! The lowlift binary that is measured.

use crate::paths::Paths;
use crate::run::{command, run};
use anyhow::{Context, Result, ensure};
use std::env;
use std::path::{Path, PathBuf};

/// Features that the measured commands need.
const FEATURES: &str = "serve";

/// The given binary, or one built in release mode.
pub(crate) fn binary(paths: &Paths, given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        return given.canonicalize().with_context(|| format!("cannot find {}", given.display()));
    }
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "--package", "lowlift", "--features", FEATURES]);
    run(cargo.current_dir(&paths.root))?;
    let target = paths.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let built = target.join("release").join(format!("lowlift{}", env::consts::EXE_SUFFIX));
    ensure!(built.is_file(), "{} is not there; name the binary with --lowlift", built.display());
    Ok(built)
}
