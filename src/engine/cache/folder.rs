//! The folder of the cache: who may read it, and files that are whole or not there.

use std::io;
use std::path::Path;

#[cfg(not(unix))]
pub(super) use other::Folder;
#[cfg(unix)]
pub(super) use unix::Folder;

/// Bytes of the secret.
const SECRET: usize = 32;

fn refuse(reason: impl Into<String>) -> io::Error {
    io::Error::other(reason.into())
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| refuse(format!("the system gives no random bytes: {e}")))?;
    Ok(bytes)
}

#[cfg(unix)]
mod unix {
    use super::{Path, SECRET, io, random, refuse};
    use std::fs::{self, DirBuilder, File, OpenOptions};
    use std::io::{Read, Write};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    /// Files that were left behind by a writer that did not finish are removed when they are this old.
    const STALE: Duration = Duration::from_secs(3600);
    /// How names of unfinished files begin.
    const UNFINISHED: &str = "unfinished-";

    /// A folder that only this user can enter, with the secret in it.
    #[derive(Debug)]
    pub(in super::super) struct Folder {
        path: PathBuf,
        secret: [u8; SECRET],
    }

    impl Folder {
        /// Opens the part of a folder that holds compiled code.
        pub(in super::super) fn open(parent: &Path) -> io::Result<Folder> {
            let path = parent.join("compiled");
            DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            let mut folder = Folder { path, secret: random()? };
            let own = folder.put_aside(&[&folder.secret])?;
            let outcome = folder.check(&own).and_then(|()| folder.share_secret(&own));
            // It may have been renamed.
            let _ = fs::remove_file(&own);
            folder.secret = outcome?;
            Ok(folder)
        }

        /// The folder belongs to who made `own`, and nobody else may enter it.
        fn check(&self, own: &Path) -> io::Result<()> {
            let (folder, own) = (fs::symlink_metadata(&self.path)?, fs::symlink_metadata(own)?);
            if !folder.is_dir() || folder.uid() != own.uid() || folder.mode() & 0o077 != 0 {
                return Err(refuse(format!("{} must be a folder of mode 0700 that is yours", self.path.display())));
            }
            Ok(())
        }

        /// The secret that is there, if it is as it should be; else the one in `own`.
        fn share_secret(&self, own: &Path) -> io::Result<[u8; SECRET]> {
            let path = self.path.join("secret");
            // Fails if another one is there: the first process wins.
            if fs::hard_link(own, &path).is_ok() {
                return Ok(self.secret);
            }
            match self.read_secret(&path, own) {
                Ok(secret) => Ok(secret),
                Err(reason) => {
                    tracing::warn!(target: "lowlift", "a new secret for the cache of compiled code: {reason}");
                    fs::rename(own, &path)?;
                    Ok(self.secret)
                }
            }
        }

        fn read_secret(&self, path: &Path, own: &Path) -> io::Result<[u8; SECRET]> {
            let (found, own) = (fs::symlink_metadata(path)?, fs::symlink_metadata(own)?);
            if !found.is_file() || found.uid() != own.uid() || found.mode() & 0o077 != 0 {
                return Err(refuse("the old one is not a file of mode 0600 that is yours"));
            }
            let secret = fs::read(path)?;
            secret.try_into().map_err(|_| refuse("the old one has another length"))
        }

        pub(in super::super) fn secret(&self) -> &[u8] {
            &self.secret
        }

        /// Writes a new file that only this user can read.
        fn put_aside(&self, parts: &[&[u8]]) -> io::Result<PathBuf> {
            let name: String = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
            let path = self.path.join(format!("{UNFINISHED}{name}"));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            match parts.iter().try_for_each(|part| file.write_all(part)) {
                Ok(()) => Ok(path),
                Err(e) => {
                    let _ = fs::remove_file(&path);
                    Err(e)
                }
            }
        }

        /// The content of an entry of at most `limit` bytes. Reading marks it as used.
        pub(in super::super) fn read(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
            let mut file = File::open(self.path.join(name)).ok()?;
            let metadata = file.metadata().ok()?;
            if !metadata.is_file() || metadata.len() > limit {
                return None;
            }
            let mut content = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
            (&mut file).take(limit).read_to_end(&mut content).ok()?;
            // Where that fails the entry is only removed earlier.
            let _ = file.set_modified(SystemTime::now());
            Some(content)
        }

        /// Writes an entry; others see the old one or the new one, whole.
        pub(in super::super) fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
            let aside = self.put_aside(parts)?;
            fs::rename(&aside, self.path.join(name)).inspect_err(|_| {
                let _ = fs::remove_file(&aside);
            })
        }

        /// Removes the entries that were not used for the longest time, until the others fit.
        pub(in super::super) fn shrink(&self, limit: u64) -> io::Result<()> {
            let (mut entries, mut sum) = (Vec::new(), 0u64);
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                let (name, path) = (entry.file_name(), entry.path());
                // Another process may have removed it.
                let Ok(metadata) = entry.metadata() else { continue };
                let Ok(used) = metadata.modified() else { continue };
                if name.to_string_lossy().starts_with(UNFINISHED) {
                    if used.elapsed().is_ok_and(|age| age > STALE) {
                        let _ = fs::remove_file(path);
                    }
                } else if name != "secret" {
                    sum = sum.saturating_add(metadata.len());
                    entries.push((used, metadata.len(), path));
                }
            }
            entries.sort();
            for (_, size, path) in entries {
                if sum <= limit {
                    break;
                }
                if fs::remove_file(path).is_ok() {
                    sum -= size;
                }
            }
            Ok(())
        }
    }
}

#[cfg(not(unix))]
mod other {
    use super::{Path, SECRET, io, refuse};

    /// Never there: who may read a file is not known here.
    #[derive(Debug)]
    pub(in super::super) struct Folder([u8; SECRET]);

    impl Folder {
        pub(in super::super) fn open(_: &Path) -> io::Result<Folder> {
            Err(refuse("files that only this user can read are known on Unix alone"))
        }

        pub(in super::super) fn secret(&self) -> &[u8] {
            &self.0
        }

        pub(in super::super) fn read(&self, _: &str, _: u64) -> Option<Vec<u8>> {
            None
        }

        pub(in super::super) fn write(&self, _: &str, _: &[&[u8]]) -> io::Result<()> {
            Ok(())
        }

        pub(in super::super) fn shrink(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }
}
