//! Where compiled code is kept by default.

use std::path::PathBuf;

/// `$XDG_CACHE_HOME/lowlift`, else `~/.cache/lowlift`; none where neither is known. A path that is not absolute does not
/// count (*XDG Base Directory Specification*).
pub fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("lowlift"))
}
