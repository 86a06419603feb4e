//! The guest on all engines: one transcript.

use crate::common::{Engine, host};
use crate::table::table;
use crate::{Programs, drivers, probing, process};
use anyhow::{Context, Result};
use lowlift::profile::Profile;
use std::fs;
use std::path::{Path, PathBuf};

/// The part that needs more parameters than some engines have, and its line.
const MANY_PARAMS: (u32, &str) = (6, "sixteen: ");
/// One part in a process: of an engine whose natives are of the process, and of one that compiles for long.
const ONE_EACH: [&str; 2] = ["wamr-2020", "wamr-aot"];

/// The guest in its forms, and what it says.
pub(crate) struct Files {
    /// Results by `cabi_realloc`.
    pub(crate) reentrant: PathBuf,
    /// Results in a region that it names.
    pub(crate) arena: PathBuf,
    /// The same, with names and parameters as short as they must be.
    pub(crate) short: PathBuf,
    /// The transcript of them all.
    pub(crate) expected: PathBuf,
}

/// Prints a table; false if an engine says anything else.
pub(crate) fn all(files: &Files, programs: &Programs) -> Result<bool> {
    let expected = fs::read_to_string(&files.expected).with_context(|| files.expected.display().to_string())?;
    let heading = ["engine", "guest", "parts", "lines", "transcript"].map(str::to_owned);
    let (mut rows, mut wrong, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for found in drivers::all(programs) {
        let engine = match found {
            Ok(engine) => engine,
            Err((name, reason)) => {
                skipped.push(format!("{name}: skipped: {reason}"));
                continue;
            }
        };
        let (kind, wasm) = suited(engine.as_ref(), files)?;
        let parts: Vec<String> = (host::PARTS.into_iter().flatten())
            .filter(|part| kind != "short" || *part != MANY_PARAMS.0)
            .map(|part| part.to_string())
            .collect();
        let mut said = String::new();
        for some in parts.chunks(if ONE_EACH.contains(&engine.name()) { 1 } else { parts.len() }) {
            let mut words = vec!["part", engine.name()];
            let wasm = wasm.to_string_lossy();
            words.push(&wasm);
            words.extend(some.iter().map(String::as_str));
            said += &process::again(&words, programs)?.text;
        }
        let wanted = if kind == "short" { without_many(&expected) } else { expected.clone() };
        let verdict = if said == wanted { "the same" } else { "OTHER" };
        if said != wanted {
            wrong.push(format!("{}: {}", engine.name(), difference(&said, &wanted)));
        }
        rows.push(vec![
            engine.name().to_owned(),
            kind.to_owned(),
            parts.len().to_string(),
            said.lines().count().to_string(),
            verdict.to_owned(),
        ]);
    }
    print!("{}", table(&heading, &rows));
    for line in wrong.iter().chain(&skipped) {
        println!("{line}");
    }
    Ok(wrong.is_empty())
}

/// Runs parts, and prints what the guest says and how each ends.
pub(crate) fn parts(engine: &str, wasm: &Path, parts: &[u32], programs: &Programs) -> Result<bool> {
    let engine = probing::find(engine, programs)?;
    let wasm = fs::read(wasm).with_context(|| wasm.display().to_string())?;
    for part in parts {
        print!("{}", host::part(engine.as_ref(), &wasm, *part));
    }
    Ok(true)
}

/// The form of the guest that the engine's profile asks for.
fn suited<'f>(engine: &dyn Engine, files: &'f Files) -> Result<(&'static str, &'f Path)> {
    let profile = Profile::built_in(engine.profile()).context("a profile")?;
    Ok(if profile.limits.name_length.is_some_and(|length| length < 40) {
        ("short", &files.short)
    } else if profile.reentrant {
        ("reentrant", &files.reentrant)
    } else {
        ("arena", &files.arena)
    })
}

/// Without the part that needs 16 parameters.
fn without_many(expected: &str) -> String {
    expected.lines().filter(|line| !line.starts_with(MANY_PARAMS.1)).map(|line| format!("{line}\n")).collect()
}

fn difference(said: &str, wanted: &str) -> String {
    let pair = said.lines().zip(wanted.lines()).find(|(have, want)| have != want);
    match pair {
        Some((have, want)) => format!("said `{have}`, wanted `{want}`"),
        None => format!("{} lines, wanted {}", said.lines().count(), wanted.lines().count()),
    }
}
