//! Compiled modules on disk: found again, and never trusted.
#![cfg(unix)]

use lowlift::cli::cache_dir;
use lowlift::engine::{Cache, CacheCounts, EngineKind, Limits, LoadOptions, Task, load_with};
use lowlift::host::{Config, State, Stdio};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn answering(number: u32) -> Vec<u8> {
    wat::parse_str(format!(r#"(module (func (export "run") (result i32) (i32.const {number})))"#)).expect("text")
}

fn ask(cache: &Cache, number: u32, limits: Limits) {
    let options = LoadOptions { engine: EngineKind::Wasmtime, limits, cache: cache.clone() };
    let program = load_with(&options, &answering(number), &["run"]).expect("loads");
    let state = State::new(Arc::new(Config::default()), Stdio::logged(Arc::new(|_, _| {})));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let finished = runtime.block_on(program.instance(state).run(Task::new(Some(0), Vec::new(), &limits)));
    assert_eq!(finished.outcome, Ok(Some(number)));
}

fn limits() -> Limits {
    Limits { instances: 2, ..Limits::default() }
}

fn counts(hits: u64, misses: u64, refused: u64) -> CacheCounts {
    CacheCounts { hits, misses, refused }
}

/// Entries in a cache's folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("compiled")).expect("a folder").map(|f| f.expect("a file").path());
    let mut entries: Vec<_> = files.filter(|path| !path.ends_with("secret")).collect();
    entries.sort();
    entries
}

/// A cache that has one entry, which is given too.
fn filled() -> (tempfile::TempDir, Cache, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::open(folder.path());
    ask(&cache, 7, limits());
    let entry = entries(folder.path()).remove(0);
    (folder, cache, entry)
}

#[test]
fn what_was_compiled_is_found_again() {
    let (folder, cache, entry) = filled();
    assert_eq!(cache.counts(), counts(0, 1, 0));
    let written = fs::metadata(&entry).expect("an entry").ino();
    ask(&cache, 7, limits());
    let again = Cache::open(folder.path());
    ask(&again, 7, limits());
    assert_eq!((cache.counts(), again.counts()), (counts(1, 1, 0), counts(1, 0, 0)));
    assert_eq!(fs::metadata(&entry).expect("an entry").ino(), written, "it is not written again");
    assert_eq!(entries(folder.path()), std::slice::from_ref(&entry), "nothing is left behind");
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    let compiled = folder.path().join("compiled");
    assert_eq!([mode(&compiled), mode(&entry), mode(&compiled.join("secret"))], [0o700, 0o600, 0o600]);
}

#[test]
fn other_modules_and_other_flags_are_other_entries() {
    let (folder, cache, _) = filled();
    for limits in [Limits { stack: 2 << 20, ..limits() }, Limits { memory: 1 << 20, ..limits() }] {
        ask(&cache, 7, limits);
    }
    ask(&cache, 8, limits());
    assert_eq!(cache.counts(), counts(0, 4, 0));
    assert_eq!(entries(folder.path()).len(), 4);
}

#[test]
fn a_changed_entry_is_compiled_again_and_replaced() {
    let (_folder, cache, entry) = filled();
    let genuine = fs::read(&entry).expect("an entry");
    let flipped = |at: usize| {
        let mut bytes = genuine.clone();
        bytes[at] ^= 1;
        bytes
    };
    // The tag, the head of the code, its middle, its end; a part; more; nothing.
    let end = genuine.len() - 1;
    let mut changed: Vec<Vec<u8>> = [0, 31, 32, 40, 100, end / 4, end / 2, end].map(flipped).into();
    changed.extend([genuine[..end].to_vec(), genuine[..32].to_vec(), genuine[..31].to_vec(), Vec::new()]);
    changed.push([&genuine[..], b"more"].concat());
    for (i, bytes) in (1..).zip(changed) {
        fs::write(&entry, bytes).expect("writable");
        ask(&cache, 7, limits());
        assert_eq!(cache.counts(), counts(i - 1, 1, i), "refused");
        ask(&cache, 7, limits());
        assert_eq!(cache.counts(), counts(i, 1, i), "replaced");
    }
}

#[test]
fn an_entry_counts_under_its_own_name_alone() {
    let (folder, cache, seven) = filled();
    ask(&cache, 8, limits());
    let eight = entries(folder.path()).into_iter().find(|path| *path != seven).expect("a second entry");
    fs::copy(&seven, &eight).expect("copied");
    ask(&cache, 8, limits());
    assert_eq!(cache.counts(), counts(0, 2, 1));
}

#[test]
fn entries_by_another_secret_are_refused() {
    let (folder, _, _) = filled();
    let secret = folder.path().join("compiled/secret");
    // Another one; one that others could have read; one that is too short; a link to one.
    fs::write(&secret, [7; 32]).expect("writable");
    for change in [
        (|_: &Path| {}) as fn(&Path),
        |secret| fs::set_permissions(secret, PermissionsExt::from_mode(0o644)).expect("ours"),
        |secret| fs::write(secret, [7; 31]).expect("writable"),
        |secret| {
            fs::rename(secret, secret.with_extension("aside")).expect("ours");
            std::os::unix::fs::symlink("secret.aside", secret).expect("a link");
        },
    ] {
        change(&secret);
        let cache = Cache::open(folder.path());
        ask(&cache, 7, limits());
        assert_eq!(cache.counts(), counts(0, 0, 1));
        ask(&cache, 7, limits());
        assert_eq!(cache.counts(), counts(1, 0, 1));
        let now = fs::symlink_metadata(&secret).expect("there");
        assert!(now.is_file() && now.mode() & 0o777 == 0o600);
    }
}

#[test]
fn a_folder_that_is_not_safe_is_not_used() {
    let (folder, _, _) = filled();
    let compiled = folder.path().join("compiled");
    fs::set_permissions(&compiled, PermissionsExt::from_mode(0o770)).expect("ours");
    let file = folder.path().join("file");
    fs::write(&file, "in the way").expect("writable");
    let moved = folder.path().join("moved");
    fs::create_dir(&moved).expect("made");
    std::os::unix::fs::symlink(&compiled, moved.join("compiled")).expect("a link");
    for path in [folder.path(), &file, &moved] {
        let cache = Cache::open(path);
        assert!(!cache.is_enabled(), "{}", path.display());
        ask(&cache, 7, limits());
    }
    assert_eq!(entries(folder.path()).len(), 1, "nothing is left behind");
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let (folder, _, seven) = filled();
    let size = fs::metadata(&seven).expect("an entry").len();
    let cache = Cache::with_limit(folder.path(), 2 * size + size / 2);
    let old = |path: &Path, hours: u64| {
        let when = SystemTime::now() - Duration::from_secs(3600 * hours);
        File::options().append(true).open(path).and_then(|f| f.set_modified(when)).expect("ours");
    };
    ask(&cache, 8, limits());
    let eight = entries(folder.path()).into_iter().find(|path| *path != seven).expect("a second entry");
    old(&eight, 1);
    old(&seven, 2);
    // Which makes it the younger one.
    ask(&cache, 7, limits());
    let unfinished = folder.path().join("compiled/unfinished-by-somebody");
    fs::write(&unfinished, "half").expect("writable");
    old(&unfinished, 2);
    ask(&cache, 9, limits());
    let left = entries(folder.path());
    assert!(left.len() == 2 && left.contains(&seven) && !left.contains(&eight), "{left:?}");
    // An entry that is too large alone is not written.
    let small = Cache::with_limit(folder.path(), size / 2);
    ask(&small, 10, limits());
    assert_eq!(entries(folder.path()).len(), 2);
}

/// Runs a test of this program in a process of its own.
fn process(test: &str, variables: &[(&str, &Path)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--ignored", "--nocapture"]).envs(variables.iter().copied());
    command
}

#[test]
#[ignore = "started by another test, with a folder"]
fn one_of_several_processes() {
    let Some(folder) = std::env::var_os("LOWLIFT_TEST_CACHE") else { return };
    let cache = Cache::open(folder);
    assert!(cache.is_enabled());
    for round in 0..12 {
        ask(&cache, round % 4, limits());
    }
    assert_eq!(cache.counts().refused, 0, "a secret and entries are whole, or not there");
}

#[test]
fn several_processes_at_once_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let variables = [("LOWLIFT_TEST_CACHE", folder.path())];
    let start = |_| process("cache::one_of_several_processes", &variables).spawn().expect("starts");
    for mut process in (0..4).map(start).collect::<Vec<_>>() {
        assert!(process.wait().expect("ends").success());
    }
    let cache = Cache::open(folder.path());
    (0..4).for_each(|number| ask(&cache, number, limits()));
    assert_eq!((cache.counts(), entries(folder.path()).len()), (counts(4, 0, 0), 4));
}

#[test]
#[ignore = "started by another test, with variables"]
fn print_the_folder() {
    println!("folder: {:?}", cache_dir());
}

#[test]
fn the_folder_is_where_caches_are() {
    for (xdg, home, folder) in [
        ("/tmp/caches", "/home/somebody", "/tmp/caches/lowlift"),
        ("", "/home/somebody", "/home/somebody/.cache/lowlift"),
        ("not/absolute", "/home/somebody", "/home/somebody/.cache/lowlift"),
    ] {
        let variables = [("XDG_CACHE_HOME", Path::new(xdg)), ("HOME", Path::new(home))];
        let output = process("cache::print_the_folder", &variables).output().expect("starts");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.contains(&format!("folder: Some({folder:?})")), "{output}");
    }
}

#[test]
fn an_interpreter_keeps_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = LoadOptions { engine: EngineKind::Wasmi, limits: limits(), cache: Cache::open(folder.path()) };
    assert!(load_with(&options, &answering(1), &["run"]).is_ok());
    assert_eq!((options.cache.counts(), entries(folder.path()).len()), (counts(0, 0, 0), 0));
}
