//! Seeing that files change.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often files are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(300);

/// When a file was changed, and how long it is; none for one that is not there.
pub(super) type Stamp = (PathBuf, Option<(SystemTime, u64)>);

/// The stamps of files. Of a folder, those of every file below it.
pub(super) fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let mut out = Vec::new();
    for path in files {
        add(path, 0, &mut out);
    }
    out
}

/// The stamps of files; those that are in `before` as they were then.
pub(super) fn stamps_since(files: &[PathBuf], before: Vec<Stamp>) -> Vec<Stamp> {
    let before: HashMap<PathBuf, Option<(SystemTime, u64)>> = before.into_iter().collect();
    let now = stamps(files).into_iter();
    now.map(|(path, stamp)| before.get(&path).map_or((path.clone(), stamp), |then| (path, *then))).collect()
}

fn add(path: &Path, depth: u32, out: &mut Vec<Stamp>) {
    const DEEPEST: u32 = 8;
    const MOST: usize = 10_000;
    let meta = std::fs::metadata(path).ok();
    if out.len() >= MOST {
        return;
    }
    if depth < DEEPEST
        && meta.as_ref().is_some_and(|m| m.is_dir())
        && let Ok(entries) = std::fs::read_dir(path)
    {
        let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        below.sort();
        below.iter().for_each(|path| add(path, depth + 1, out));
    }
    out.push((path.to_owned(), meta.and_then(|m| Some((m.modified().ok()?, m.len())))));
}

/// Waits until a file is other than it was `seen`, and a moment more for whoever writes it in parts.
pub(super) fn wait(files: &[PathBuf], seen: &[Stamp]) {
    while stamps(files) == seen {
        std::thread::sleep(LOOK);
    }
    std::thread::sleep(LOOK);
}
