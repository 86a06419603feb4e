//! The folder that guests play on.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Has `rw` and `ro` for the guest, and beside them `secret`.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().expect("there is room"));
        for dir in ["rw/in/deep", "ro/dir"] {
            fs::create_dir_all(folder.path(dir)).expect("there is room");
        }
        for (path, contents) in [("secret", "secret"), ("rw/inside", "inside"), ("ro/file", "kept")] {
            fs::write(folder.path(path), contents).expect("there is room");
        }
        let secret = folder.path("secret");
        let links = [
            ("rw/up", Path::new("..")),
            ("rw/in/up", Path::new("../..")),
            ("rw/out", Path::new("../secret")),
            ("rw/abs", &secret),
            ("rw/abs-dir", folder.0.path()),
            ("rw/loop-a", Path::new("loop-b")),
            ("rw/loop-b", Path::new("loop-a")),
            ("ro/link", Path::new("file")),
        ];
        for (link, to) in links {
            symlink(to, folder.path(link)).expect("there is room");
        }
        folder
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Everything in it, a line each, the same for any two folders with the same in them.
    pub(super) fn tree(&self) -> String {
        let mut text = String::new();
        walk(self.0.path(), &mut text);
        text.replace(self.0.path().to_str().expect("UTF-8"), "")
    }
}

fn walk(dir: &Path, text: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(dir).expect("a folder").map(|e| e.expect("readable").path()).collect();
    entries.sort();
    for path in entries {
        let ty = fs::symlink_metadata(&path).expect("it is there").file_type();
        let what = if ty.is_dir() {
            "directory".to_owned()
        } else if ty.is_symlink() {
            format!("-> {}", fs::read_link(&path).expect("a link").display())
        } else if ty.is_file() {
            let contents = fs::read(&path).expect("readable");
            let hash = contents.iter().fold(0u32, |hash, &byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
            format!("{} bytes, {hash:08x}", contents.len())
        } else {
            "something else".to_owned()
        };
        writeln!(text, "{} {what}", path.display()).expect("strings take all");
        if ty.is_dir() {
            walk(&path, text);
        }
    }
}
