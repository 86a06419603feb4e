//! Guests in Rust: one cargo package each, built with std from source.
//!
//! Debian's rustc brings the sources of std that rustup would have to download as a component, rustup's toolchain
//! brings the wasm linkers, and the npm package of YoWASP's clang brings a wasi-libc.

use super::files::{copy, entries, make_folder, make_once};
use super::finish::finish;
use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result, ensure};
use std::env;
use std::path::{Path, PathBuf};

/// Debian's security archive keeps the newest version only: a new one needs a new value here.
const RUST_WEB: &str = "1.96.0+dfsg1-1~deb12u2";
/// The series of `RUST_WEB`, as in the names of its packages.
const RUST_WEB_SERIES: &str = "1.96";
/// The version of Debian's `libllvm22`.
const LLVM: &str = "1:22.1.8-1~deb12u1";
/// An npm package of which only libc.a and crt1-*.o are taken.
const YOWASP_CLANG: &str = "22.0.0-git20542-10";
/// rustup's toolchain, whose linkers take part in the result.
const LINKERS: &str = "1.95.";

const HOST: &str = "x86_64-unknown-linux-gnu";
const TARGET: &str = "wasm32-wasip2";

/// Builds the package in `fixtures/guests/NAME`.
pub(super) fn guest(paths: &Paths, name: &str) -> Result<()> {
    let rust = toolchain(paths)?;
    let target_folder = paths.tools.join("target-wasm");
    let programs = rust.join("usr/lib/rustlib").join(HOST).join("bin");
    let old_path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(programs).chain(env::split_paths(&old_path)))?;
    let mut cargo = command("cargo");
    cargo.args(["build", "--locked", "--release", "--target", TARGET]);
    cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", rust.join("usr/bin/rustc")).env("PATH", path);
    cargo.env("LD_LIBRARY_PATH", rust.join("usr/lib").join(format!("{}-linux-gnu", env::consts::ARCH)));
    cargo.env("CARGO_TARGET_DIR", &target_folder).env("CARGO_ENCODED_RUSTFLAGS", flags(paths)?);
    run(cargo.current_dir(paths.guests.join(name)))?;
    // The packages are named as their crates: a package's name takes part in symbols and so in their order.
    let file = format!("{}.wasm", name.replace('-', "_"));
    finish(paths, &target_folder.join(TARGET).join("release").join(file), name)
}

/// No locations in panic messages, and no folder of the building machine in the result.
fn flags(paths: &Paths) -> Result<String> {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => env::home_dir().context("neither CARGO_HOME nor a home folder is known")?.join(".cargo"),
    };
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [
        "-Zlocation-detail=none".to_string(),
        remap(&paths.guests, "/guests"),
        remap(&paths.tools, "/tools"),
        remap(&cargo_home, "/cargo"),
    ];
    Ok(flags.join("\u{1f}"))
}

/// `tools/rust`: a folder tree as of Debian with rustc, the sources of std, the linkers and a libc.
fn toolchain(paths: &Paths) -> Result<PathBuf> {
    let target = paths.tools.join("rust");
    make_once(&target, |part| {
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            "Rust guests are built on x86-64 Debian 12 only"
        );
        let version = run_quietly(command("rustc").arg("--version"))?;
        ensure!(version.starts_with(&format!("rustc {LINKERS}")), "rustup's Rust {LINKERS}x is needed, not {version}");
        debian_packages(part)?;
        linkers(part)?;
        libc(part)
    })?;
    Ok(target)
}

fn debian_packages(part: &Path) -> Result<()> {
    let downloads = part.join("downloads");
    make_folder(&downloads)?;
    let mut apt = command("apt-get");
    apt.args(["download", "-q"]);
    for package in ["rustc-web", "rust-web-src", &format!("libstd-rust-web-{RUST_WEB_SERIES}"), "libstd-rust-web-dev"] {
        apt.arg(format!("{package}={RUST_WEB}"));
    }
    run(apt.arg(format!("libllvm22={LLVM}")).current_dir(&downloads))?;
    for package in entries(&downloads)? {
        run(command("dpkg").arg("-x").arg(package).arg(part))?;
    }
    std::fs::remove_dir_all(&downloads).context("cannot remove the downloaded packages")
}

/// rustc looks for `rust-lld` and `wasm-component-ld` here; links, as those find their libraries by their own place.
fn linkers(part: &Path) -> Result<()> {
    let sysroot = run_quietly(command("rustc").args(["--print", "sysroot"]))?;
    let from = Path::new(sysroot.trim_end()).join("lib/rustlib").join(HOST).join("bin");
    let to = part.join("usr/lib/rustlib").join(HOST).join("bin");
    make_folder(&to)?;
    for program in entries(&from)? {
        let name = program.file_name().context("a program without a name")?;
        link(&program, &to.join(name))?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Result<()> {
    std::os::unix::fs::symlink(from, to).with_context(|| format!("cannot link {}", to.display()))
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> Result<()> {
    copy(from, to)
}

/// A preview1 libc for wasm32-wasip2: wasm-component-ld adds its own reactor or command adapter.
fn libc(part: &Path) -> Result<()> {
    const FROM: &str = "lib/wasm32-wasip1";
    let downloads = part.join("downloads");
    make_folder(&downloads)?;
    let package = format!("@yowasp/clang@{YOWASP_CLANG}");
    let archive = run_quietly(command("npm").args(["pack", "--silent", &package]).current_dir(&downloads))?;
    let resources = "package/gen/llvm-resources.tar";
    run(command("tar").args(["xzf", archive.trim(), resources]).current_dir(&downloads))?;
    run(command("tar").args(["xf", resources, FROM]).current_dir(&downloads))?;
    let to = part.join("usr/lib/rustlib").join(TARGET).join("lib/self-contained");
    make_folder(&to)?;
    for file in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
        copy(&downloads.join(FROM).join(file), &to.join(file))?;
    }
    std::fs::remove_dir_all(&downloads).context("cannot remove the downloaded package")
}
