//! Who is measured: the same guests behind every server.

use super::ServeArgs;
use crate::bench::server::Server;
use crate::paths::Paths;
use anyhow::{Context, Result, ensure};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Requests that an instance serves where instances are reused.
const REUSE: &str = "128";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// hyper alone; its guest is part of it.
    Native,
    Lowlift,
    Wasmtime,
}

/// How long instances live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One for each request.
    Fresh,
    /// One for many requests.
    Reused,
}

/// A guest behind a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) host: Host,
    pub(super) mode: Mode,
    /// The short name of the guest.
    pub(super) guest: &'static str,
}

pub(super) const NATIVE: Who = Who { host: Host::Native, mode: Mode::Reused, guest: "" };

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.host {
            Host::Native => return f.write_str("native hyper"),
            Host::Lowlift => "lowlift",
            Host::Wasmtime => "wasmtime",
        };
        let mode = if self.mode == Mode::Fresh { "fresh" } else { "reused" };
        write!(f, "{host} {mode} {}", self.guest)
    }
}

/// What is needed to start servers.
pub(super) struct Stable {
    lowlift: PathBuf,
    /// What `lowlift serve --help` says: older binaries know fewer flags.
    help: String,
    wasmtime: Option<PathBuf>,
    guests: PathBuf,
    big: PathBuf,
}

impl Stable {
    pub(super) fn new(paths: &Paths, args: &ServeArgs, lowlift: PathBuf) -> Result<Stable> {
        let wasmtime = match &args.wasmtime {
            Some(path) => Some(path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?),
            None => on_path("wasmtime"),
        };
        if wasmtime.is_none() {
            println!("No wasmtime on the PATH, and none named by --wasmtime: its rows are left out.");
        }
        let help = Command::new(&lowlift).args(["serve", "--help"]).output().context("cannot run lowlift")?;
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let big = args.guests_big.clone().unwrap_or_else(|| paths.big.clone());
        Ok(Stable { lowlift, help, wasmtime, guests: paths.guests.clone(), big })
    }

    /// Whether `lowlift serve` has a flag.
    pub(super) fn knows(&self, flag: &str) -> bool {
        self.help.contains(flag)
    }

    /// The file of a guest; none, with a word, for a big one that was not made.
    pub(super) fn guest(&self, name: &str) -> Result<Option<PathBuf>> {
        let file = match name {
            "js" | "js-handler" => {
                let made = self.big.join(format!("http-{name}.wasm"));
                if !made.is_file() {
                    println!("{} is not there (`cargo xtask guests --big`): its rows are left out.", made.display());
                    return Ok(None);
                }
                return Ok(Some(made));
            }
            _ => self.guests.join(format!("http-{name}.wasm")),
        };
        ensure!(file.is_file(), "{} is not there; `cargo xtask guests` builds it", file.display());
        Ok(Some(file))
    }

    /// `lowlift serve` for a file, on a free port.
    pub(super) fn lowlift(&self, file: &Path) -> Command {
        let mut command = Command::new(&self.lowlift);
        command.arg("serve").arg(file).args(["--addr", "127.0.0.1:0"]);
        command
    }

    /// The command for a contender; none if it cannot take part.
    pub(super) fn command(&self, who: Who) -> Result<Option<Command>> {
        if who.host == Host::Native {
            let mut native = Command::new(std::env::current_exe().context("where is this program?")?);
            native.arg("native-hello");
            return Ok(Some(native));
        }
        let guest = match (who.guest, who.mode) {
            // An instance with a fetch-event handler serves one request.
            ("js", Mode::Reused) => "js-handler",
            (guest, _) => guest,
        };
        let Some(file) = self.guest(guest)? else { return Ok(None) };
        Ok(match (who.host, who.mode, &self.wasmtime) {
            (Host::Lowlift, Mode::Reused, _) if !self.knows("--reuse") => None,
            (Host::Lowlift, mode, _) => {
                let mut command = self.lowlift(&file);
                if mode == Mode::Reused {
                    command.args(["--reuse", REUSE]);
                }
                Some(command)
            }
            (_, mode, Some(wasmtime)) => {
                let mut command = Command::new(wasmtime);
                command.args(["serve", "--addr", "127.0.0.1:0", "-Scli"]);
                if mode == Mode::Reused {
                    // Its own default is one request for each instance.
                    command.args(["--max-instance-reuse-count", REUSE]);
                }
                command.arg(&file);
                Some(command)
            }
            (_, _, None) => None,
        })
    }

    /// Starts a contender; none if it cannot take part.
    pub(super) async fn start(&self, who: Who) -> Result<Option<Server>> {
        let Some(mut command) = self.command(who)? else { return Ok(None) };
        eprintln!("bench: starting {who}");
        Server::start(&mut command).await.with_context(|| who.to_string()).map(Some)
    }
}

/// A program on the PATH.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
