//! One test program, so that the engines are linked once. Each module is named after what it judges.

mod adapt;
mod adapt_report;
mod bindgen;
mod bindgen_rust;
mod cache;
mod cgi;
mod check;
mod cli;
mod diff;
mod echo;
mod engines;
mod explain;
#[cfg(unix)]
mod files;
mod fuzz;
mod fuzz_host;
mod fuzz_link;
mod fuzz_seeds;
mod host;
mod http_client;
mod http_host;
mod http_limits;
mod http_policy;
mod http_world;
mod layout;
mod lies;
mod lifecycle;
mod link;
mod link_async;
mod link_corpus;
mod link_dead;
mod link_handles;
mod lower;
mod lower_random;
mod migrate;
mod nesting;
mod oracle;
mod preview1;
mod preview1_native;
mod product;
mod profiles;
mod random;
mod repro;
mod run;
mod serve;
mod served;
mod single;
mod single_random;
mod snapshot0;
mod sockets;
mod targets;
mod terminals;
mod wave;
mod wit_bad;
mod witx;
mod witx_bad;
mod witx_corpus;
mod witx_json;
mod witx_smith;
mod witx_wiggle;

use std::path::{Path, PathBuf};

/// A path below the repository's root.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A checked-in guest.
fn guest(name: &str) -> Vec<u8> {
    let path = root("fixtures/guests").join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Compares with a golden file, or writes it when `LOWLIFT_BLESS` is set.
fn golden(path: &Path, have: &str) {
    if std::env::var_os("LOWLIFT_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a golden file lies in a folder"))
            .expect("the folder is writable");
        std::fs::write(path, have).expect("golden files are writable");
        return;
    }
    let want = std::fs::read_to_string(path).unwrap_or_default();
    assert!(want == have, "{} is stale; `cargo xtask bless` rewrites it\n--- now:\n{have}", path.display());
}
