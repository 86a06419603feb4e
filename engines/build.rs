//! WAMR's library, as its crate builds it, does not say which libraries of the system it needs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_WAMR").is_some() {
        for arg in ["-Wl,--no-as-needed", "-lm", "-ldl", "-lpthread"] {
            println!("cargo:rustc-link-arg={arg}");
        }
    }
}
