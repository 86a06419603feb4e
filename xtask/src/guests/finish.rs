//! The last step of every small guest: take names out, check the result and put it into `fixtures/guests`.

use super::files::copy;
use super::wasm;
use crate::paths::Paths;
use crate::run::{command, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Sections that are taken out; `producers` stays.
const UNWANTED: &str = r"^(name|component-name|package-docs|\.debug.*)$";

/// Above this a guest does not belong into the repository.
const MAX_BYTES: usize = 300_000;

/// Strips `built` and puts it to `fixtures/guests/NAME.wasm` if all is well with it.
pub(super) fn finish(paths: &Paths, built: &Path, name: &str) -> Result<()> {
    let tool = wasm::wasm_tools(paths)?;
    let stripped = wasm::generated(paths)?.join(format!("{name}.stripped.wasm"));
    run(command(&tool).args(["strip", "--delete", UNWANTED]).arg(built).arg("-o").arg(&stripped))?;
    run(command(&tool).args(["validate", "--features", "all"]).arg(&stripped))?;
    let bytes = fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))?;
    ensure!(bytes.len() < MAX_BYTES, "{} bytes are too many (at most {MAX_BYTES})", bytes.len());
    if let Some(path) = leaked_path(&bytes, &building_places(&paths.root)) {
        anyhow::bail!("the binary has a path of the building machine inside: {path}");
    }
    let target = paths.guests.join(format!("{name}.wasm"));
    let unchanged = fs::read(&target).is_ok_and(|old| old == bytes);
    copy(&stripped, &target)?;
    eprintln!("{}: {} bytes, {}", target.display(), bytes.len(), if unchanged { "unchanged" } else { "new" });
    Ok(())
}

/// Folders of this machine that a binary built here could name.
fn building_places(root: &Path) -> Vec<String> {
    let home = std::env::home_dir().filter(|home| home.components().count() > 1);
    [Some(root.to_owned()), home].into_iter().flatten().map(|p| p.to_string_lossy().into_owned()).collect()
}

/// A printable run that is or holds a path of the machine that the guest was built on.
fn leaked_path<'a>(bytes: &'a [u8], places: &[String]) -> Option<&'a str> {
    const STARTS: [&str; 3] = ["/home/", "/usr/", "/tmp/"];
    bytes.split(|byte| !(b' '..=b'~').contains(byte)).filter_map(|run| std::str::from_utf8(run).ok()).find(|run| {
        places.iter().any(|place| run.contains(place.as_str())) || STARTS.iter().any(|start| run.starts_with(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_paths_of_the_machine() {
        let places = ["/checkout".to_owned()];
        assert_eq!(leaked_path(b"\0asm\x01/home/me/lib.rs\0", &places), Some("/home/me/lib.rs"));
        assert_eq!(leaked_path(b"\0see /checkout/x\0", &places), Some("see /checkout/x"));
        assert_eq!(leaked_path(b"\0asm\x01/cargo/registry\0wasi:http/types", &places), None);
    }
}
