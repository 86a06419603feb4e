//! How much text the stubs take.

use super::{engine, silent};
use crate::run::{command, run_quietly};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Prints, for all of WASI in one source, the text of each engine's output and of its stubs.
pub(super) fn report(cases: &[PathBuf], folder: &Path) -> Result<()> {
    println!("\ntext of all of WASI 0.2.12, in bytes (gcc -Os, this machine)");
    println!("{:<28}{:>8}{:>8}{:>8}{:>8}{:>8}", "case", "text", "stubs", "min", "median", "max");
    // The corpus has the seven packages first, and then all of them together.
    for case in cases.iter().filter(|case| case.file_name().is_some_and(|n| n.to_string_lossy().starts_with("007-"))) {
        if engine(case) != "none" {
            continue;
        }
        let object = folder.join("size.o");
        let mut cc = command("gcc");
        cc.args(["-std=c99", "-Os", "-c"]).arg(case.join("gen.c")).arg("-o").arg(&object);
        if let Err(error) = silent(&mut cc) {
            println!("skipped: {error:#}");
            return Ok(());
        }
        let symbols = run_quietly(command("nm").args(["--print-size", "--radix=d"]).arg(&object))?;
        let (mut text, mut stubs) = (0, Vec::new());
        for line in symbols.lines() {
            let [_, size, kind, name] = line.split_whitespace().collect::<Vec<_>>()[..] else { continue };
            let size: u64 = size.parse()?;
            if kind.eq_ignore_ascii_case("t") {
                text += size;
                stubs.extend((name.ends_with("_stub")).then_some(size));
            }
        }
        stubs.sort_unstable();
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let at = |n: usize| stubs.get(n).copied().unwrap_or_default();
        let (median, last) = (at(stubs.len() / 2), at(stubs.len().saturating_sub(1)));
        println!("{:<28}{text:>8}{:>8}{:>8}{median:>8}{last:>8}", &name[4..], stubs.len(), at(0));
    }
    Ok(())
}
