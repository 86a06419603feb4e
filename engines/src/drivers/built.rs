//! Engines that were built from their sources: programs of `engines/c`, which speak the lines of `bridge`.

use super::Found;
use super::bridge::Bridge;
use std::path::PathBuf;

/// Names of engines and of their profiles.
const ENGINES: [(&str, &str); 5] = [
    ("wamr-fast", "wamr-interp"),
    ("wamr-classic", "wamr-interp"),
    ("wamr-aot", "wamr-aot"),
    ("wasm3", "wasm3"),
    ("toywasm", "toywasm"),
];

/// Of every engine its program, if there is one among `NAME=PATH`. A compiler comes as `NAME-compiler=PATH`.
pub(super) fn all(built: &[String]) -> Vec<Found> {
    let path = |name: &str| {
        let pairs = built.iter().filter_map(|one| one.split_once('='));
        pairs.into_iter().find(|(known, _)| *known == name).map(|(_, path)| PathBuf::from(path))
    };
    let found = |(name, profile): (&'static str, &'static str)| -> Found {
        let program = path(name).ok_or((name, "not built from its sources".to_owned()))?;
        let compiler = path(&format!("{name}-compiler"));
        Ok(Box::new(Bridge { name, profile, program, script: None, compiler }))
    };
    ENGINES.into_iter().map(found).collect()
}
