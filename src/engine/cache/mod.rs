//! Compiled code, kept on disk between runs.
//!
//! An entry is native code, so nothing is loaded that this user's own lowlift did not write: each entry carries an
//! HMAC-SHA256 over its key and code, with a random secret from a file that nobody else can read. Whatever does not match
//! is compiled again and replaced. Writers do not disturb each other: files are written aside and renamed.

mod folder;

use folder::Folder;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that all entries may take together, by default.
const LIMIT: u64 = 1 << 30;
/// Bytes of an HMAC-SHA256.
const TAG: usize = 32;

/// A folder of compiled code, or none. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cache(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    limit: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    refused: AtomicU64,
}

/// What a cache was asked for since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Entries that were found and are genuine.
    pub hits: u64,
    /// Entries that were not there.
    pub misses: u64,
    /// Entries that were there and are not genuine.
    pub refused: u64,
}

impl Cache {
    /// Nothing is kept.
    pub fn disabled() -> Cache {
        Cache(None)
    }

    /// Keeps up to 1 GiB of compiled code in a folder, which is made if it is not there. Where that cannot be done
    /// safely, nothing is kept, and the log says why.
    pub fn open(folder: impl Into<PathBuf>) -> Cache {
        Cache::with_limit(folder, LIMIT)
    }

    /// The same with another limit, in bytes. What was not used for the longest time goes first.
    pub fn with_limit(folder: impl Into<PathBuf>, limit: u64) -> Cache {
        let path = folder.into();
        match Folder::open(&path) {
            Ok(folder) => {
                let [hits, misses, refused] = [(); 3].map(|()| AtomicU64::new(0));
                Cache(Some(Arc::new(Inner { folder, limit, hits, misses, refused })))
            }
            Err(reason) => {
                tracing::warn!(target: "lowlift", folder = %path.display(), "compiled code is not kept: {reason}");
                Cache(None)
            }
        }
    }

    /// Whether anything is kept.
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// What it was asked for.
    pub fn counts(&self) -> CacheCounts {
        let Some(inner) = &self.0 else { return CacheCounts::default() };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheCounts { hits: read(&inner.hits), misses: read(&inner.misses), refused: read(&inner.refused) }
    }

    /// The code of an entry, if it is there and genuine.
    #[cfg_attr(not(feature = "engine-wasmtime"), expect(dead_code, reason = "an interpreter has nothing to keep"))]
    pub(super) fn load(&self, key: &Key) -> Option<Vec<u8>> {
        let inner = self.0.as_ref()?;
        let Some(mut entry) = inner.folder.read(&key.name(), inner.limit) else {
            inner.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let genuine = entry.split_first_chunk::<TAG>().is_some_and(|(tag, code)| {
            let mac = inner.mac(key, code);
            mac.is_some_and(|mac| mac.verify_slice(tag).is_ok())
        });
        if !genuine {
            inner.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(target: "lowlift", entry = key.name(), "compiled code in the cache is not genuine");
            return None;
        }
        inner.hits.fetch_add(1, Ordering::Relaxed);
        Some(entry.split_off(TAG))
    }

    /// Keeps code. Failing to is no error: it is compiled again next time.
    #[cfg_attr(not(feature = "engine-wasmtime"), expect(dead_code, reason = "an interpreter has nothing to keep"))]
    pub(super) fn store(&self, key: &Key, code: &[u8]) {
        let Some(inner) = &self.0 else { return };
        let size = (TAG + code.len()) as u64;
        let Some(mac) = inner.mac(key, code).filter(|_| size <= inner.limit) else { return };
        let written = inner.folder.write(&key.name(), &[&mac.finalize().into_bytes(), code]);
        if let Err(e) = written.and_then(|()| inner.folder.shrink(inner.limit)) {
            tracing::warn!(target: "lowlift", "compiled code is not kept: {e}");
        }
    }
}

impl Inner {
    fn mac(&self, key: &Key, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.folder.secret()).ok()?;
        Some(mac.chain_update(key.0).chain_update(code))
    }
}

/// What code was compiled from, by what and for what: a SHA-256.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key([u8; 32]);

#[cfg_attr(not(feature = "engine-wasmtime"), expect(dead_code, reason = "an interpreter has nothing to keep"))]
impl Key {
    /// From everything that the code depends on.
    pub(super) fn new(parts: impl Hash) -> Key {
        let mut digest = Parts(Sha256::new());
        env!("CARGO_PKG_VERSION").hash(&mut digest);
        std::env::consts::ARCH.hash(&mut digest);
        std::env::consts::OS.hash(&mut digest);
        parts.hash(&mut digest);
        Key(digest.0.finalize().into())
    }

    fn name(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// SHA-256 as a hasher. What `Hash` writes is unambiguous: strings and slices say where they end.
struct Parts(Sha256);

impl Hasher for Parts {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
