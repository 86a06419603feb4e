//! All probes on all engines.

use crate::common::Engine;
use crate::common::probes::{Probe, Verdict};
use crate::table::table;
use crate::{Programs, drivers, process};
use anyhow::{Context, Result, anyhow};
use lowlift::profile::Profile;
use std::path::Path;

/// Engines of another version than their profile speaks of: the source of the crate is of December 2020, the profile of 2.4;
/// the package of PyPI is 0.5, the profile of 0.4.7.
const OTHER: [&str; 2] = ["pywasm3", "wamr-2020"];

/// Prints the table of engines and probes; false if a profile lies.
pub(crate) fn all(folder: &Path, programs: &Programs) -> Result<bool> {
    let probes = Probe::all(folder).map_err(|e| anyhow!(e))?;
    let (mut engines, mut skipped) = (Vec::new(), Vec::new());
    for found in drivers::all(programs) {
        match found {
            Ok(engine) => engines.push(engine),
            Err((name, reason)) => skipped.push(format!("{name}: skipped: {reason}")),
        }
    }
    let mut heading = vec!["probe".to_owned()];
    heading.extend(engines.iter().map(|engine| engine.name().to_owned()));
    let (mut rows, mut notes, mut lies) = (Vec::new(), Vec::new(), 0);
    for probe in &probes {
        let mut row = vec![probe.name.clone()];
        for engine in &engines {
            let profile = Profile::built_in(engine.profile()).context("a profile")?;
            let path = folder.to_string_lossy();
            let done = process::again(&["probe", engine.name(), &path, &probe.name], programs)?;
            let verdict = Verdict::of(probe.claimed_by(&profile), done.good);
            let other = OTHER.contains(&engine.name());
            let word = if other && verdict == Verdict::Lie { "other" } else { verdict.word() };
            if verdict == Verdict::Lie {
                lies += usize::from(!other);
                notes.push(format!("{} {}: {}", engine.name(), probe.name, done.text.trim()));
            }
            row.push(word.to_owned());
        }
        rows.push(row);
    }
    print!("{}", table(&heading, &rows));
    println!("\nyes: claimed by the profile and run; -: neither; more: run, not claimed; LIE: claimed, not run;");
    println!("other: claimed of another version, and not run by this one.\n");
    for line in notes.iter().chain(&skipped) {
        println!("{line}");
    }
    Ok(lies == 0)
}

/// Runs one; false if it does not give its answer.
pub(crate) fn one(engine: &str, folder: &Path, name: &str, programs: &Programs) -> Result<bool> {
    let engine = find(engine, programs)?;
    let probes = Probe::all(folder).map_err(|e| anyhow!(e))?;
    let probe = probes.iter().find(|probe| probe.name == name).context("no such probe")?;
    let result = probe.run(engine.as_ref());
    if let Err(reason) = &result {
        println!("{}", reason.lines().next().unwrap_or_default());
    }
    Ok(result.is_ok())
}

/// The engine of this name.
pub(crate) fn find(name: &str, programs: &Programs) -> Result<Box<dyn Engine>> {
    let mut all = drivers::all(programs).into_iter().filter_map(Result::ok);
    all.find(|engine| engine.name() == name).with_context(|| format!("no engine `{name}`"))
}
