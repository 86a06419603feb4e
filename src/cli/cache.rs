//! Where compiled code is kept by default.

#[cfg(feature = "serve")]
use crate::engine::Cache;
use std::path::PathBuf;

/// Options of `run` and `serve`.
#[cfg(feature = "serve")]
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Compiled code")]
pub(super) struct CacheArgs {
    /// Where compiled modules are kept [default: `lowlift` in the user's cache folder]
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Compile anew, and keep nothing.
    #[arg(long)]
    no_cache: bool,
}

#[cfg(feature = "serve")]
impl CacheArgs {
    pub(super) fn cache(&self) -> Cache {
        match self.cache.clone().or_else(cache_dir) {
            Some(folder) if !self.no_cache => Cache::open(folder),
            _ => Cache::disabled(),
        }
    }
}

/// `$XDG_CACHE_HOME/lowlift`, else `~/.cache/lowlift`; none where neither is known. A path that is not absolute does not
/// count (*XDG Base Directory Specification*).
pub fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("lowlift"))
}
