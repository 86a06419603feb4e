//! Directories that are given to guests.

use super::{Descriptor, Quota};
use crate::diagnostic::{Code, Diagnostic, Result};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// A directory that guests can use, with everything below it.
#[derive(Debug, Clone)]
pub struct Preopen {
    /// How guests call it.
    pub guest: String,
    /// The directory.
    pub dir: Arc<Dir>,
    /// Nothing in it can be changed.
    pub read_only: bool,
}

impl Preopen {
    /// Opens a directory of the host.
    pub fn open(host: &Path, guest: &str, read_only: bool) -> Result<Preopen> {
        let dir = Dir::open_ambient_dir(host, ambient_authority()).map_err(|error| {
            let shown = host.display();
            let refused = Diagnostic::new(Code::CannotRead, format!("cannot open the directory `{shown}`: {error}"));
            match shown.to_string().contains(':') {
                true => refused.hint("the path of the host and that of the guest are separated by `::`"),
                false => refused.hint("guests are given directories that exist; a file cannot be given alone"),
            }
        })?;
        Ok(Preopen { guest: guest.to_owned(), dir: Arc::new(dir), read_only })
    }

    /// The descriptor that a guest is given, through which it may open so many others.
    pub fn descriptor(&self, quota: &Quota) -> Descriptor {
        Descriptor::preopened(self.dir.clone(), self.read_only, quota.clone())
    }
}

/// What `--dir` says: `HOST`, `HOST::GUEST`, and `:ro` behind either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirSpec {
    /// The path of the host.
    pub host: PathBuf,
    /// The path of the guest: that of the host, if none is given.
    pub guest: String,
    /// Nothing in it can be changed.
    pub read_only: bool,
}

impl DirSpec {
    /// Opens the directory.
    pub fn open(&self) -> Result<Preopen> {
        Preopen::open(&self.host, &self.guest, self.read_only)
    }
}

impl FromStr for DirSpec {
    type Err = Box<Diagnostic>;

    fn from_str(text: &str) -> Result<DirSpec> {
        let refused = |why: &str| {
            Diagnostic::new(Code::Usage, format!("`{text}` names no directory: {why}"))
                .hint("say `HOST`, `HOST::GUEST`, or either with `:ro` behind it")
        };
        let (paths, read_only) = match text.strip_suffix(":ro") {
            // In `HOST::ro` the guest's path is `ro`.
            Some(paths) if !paths.ends_with(':') || paths.ends_with("::") => (paths, true),
            _ => (text, false),
        };
        let (host, guest) = paths.split_once("::").unwrap_or((paths, paths));
        if host.is_empty() {
            return Err(refused("the path of the host is empty"));
        }
        if guest.is_empty() {
            return Err(refused("the path of the guest is empty"));
        }
        if guest.contains("::") {
            return Err(refused("`::` stands there more than once"));
        }
        Ok(DirSpec { host: PathBuf::from(host), guest: guest.to_owned(), read_only })
    }
}
