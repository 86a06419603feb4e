//! `cargo xtask guests`: builds the test guests from `fixtures/guests/<name>/`.
//!
//! Small guests end up in `fixtures/guests/<name>.wasm` and are reproducible byte for byte; big ones end up in
//! `guests-big/`. Tools are fetched into `guests-big/tools` on demand and nothing is installed system-wide. Every
//! version is pinned, in the file of the toolchain that it belongs to.

mod big;
mod c;
mod files;
mod finish;
mod rust;
mod wasm;

use crate::paths::Paths;
use crate::run::{command, run};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;

/// Arguments of `cargo xtask guests`.
#[derive(Args)]
pub(crate) struct GuestsArgs {
    /// Guests to build; all small ones if none is named.
    names: Vec<String>,
    /// Build the big guests (several minutes of download).
    #[arg(long)]
    big: bool,
}

/// How a guest is made.
#[derive(Clone, Copy)]
enum Kind {
    /// A cargo package, built as a component.
    Rust,
    /// C with generated bindings, with the named preview1 adapter if any.
    CComponent(Option<&'static str>),
    /// C without bindings: a plain preview1 module.
    CModule(c::Model),
    /// C without bindings or libc, from the named folder, with these definitions.
    CBare(&'static str, &'static [&'static str]),
    /// A composition: the first imports what the second exports.
    Composition(&'static str, &'static str),
    /// JavaScript by componentize-js, without these features of the engine inside.
    Js(&'static [&'static str]),
    /// Python by componentize-py.
    Python,
}

const GUESTS: &[(&str, Kind)] = &[
    ("http-hello-rust", Kind::Rust), // no_std, no adapter
    ("http-echo-rust", Kind::Rust),  // std, the linker's own reactor adapter
    ("http-proxy-rust", Kind::Rust), // the same, and sends requests
    ("cli-rust", Kind::Rust),        // std, the linker's own command adapter
    ("files-rust", Kind::Rust),      // the same, with WASI 0.2 of its own
    ("sockets-rust", Kind::Rust),    // the same, over wasi:sockets
    ("http-hello-c", Kind::CComponent(None)),
    ("http-echo-c", Kind::CComponent(Some("proxy"))), // writes to stderr
    ("p1-command", Kind::CModule(c::Model::Command)),
    ("p1-reactor", Kind::CModule(c::Model::Reactor)),
    ("shelf-rust", Kind::Rust), // no_std, exports a resource
    ("shelf-c", Kind::CComponent(Some("reactor"))),
    ("shelf", Kind::Composition("shelf-c", "shelf-rust")),
    ("http-js", Kind::Js(&[])),
    ("http-js-handler", Kind::Js(&["fetch-event"])), // one instance for many requests
    ("engines", Kind::CBare("engines", &[])),        // what `cargo xtask engines` runs
    ("engines-arena", Kind::CBare("engines", &["ARENA"])),
    ("engines-short", Kind::CBare("engines", &["ARENA", "SHORT"])),
    ("http-py", Kind::Python),
];

impl Kind {
    fn is_big(self) -> bool {
        matches!(self, Self::Js(_) | Self::Python)
    }
}

/// Builds the guests that are asked for.
pub(crate) fn guests(paths: &Paths, args: &GuestsArgs) -> Result<()> {
    // Before anything is built, so that a typing error costs nothing.
    let chosen = choose(args)?;
    fs::create_dir_all(&paths.tools).with_context(|| format!("cannot make {}", paths.tools.display()))?;
    for &(name, kind) in chosen {
        build(paths, name, kind).with_context(|| format!("guest {name}"))?;
    }
    Ok(())
}

fn choose(args: &GuestsArgs) -> Result<Vec<&'static (&'static str, Kind)>> {
    if let Some(unknown) = args.names.iter().find(|name| !GUESTS.iter().any(|(known, _)| known == name)) {
        let known = GUESTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        bail!("there is no guest `{unknown}`; there are {known}");
    }
    let named = |name: &str| args.names.iter().any(|chosen| chosen == name);
    let all_small = args.names.is_empty() && !args.big;
    let is_chosen = |(name, kind): &&(&str, Kind)| named(name) || if kind.is_big() { args.big } else { all_small };
    Ok(GUESTS.iter().filter(is_chosen).collect())
}

fn build(paths: &Paths, name: &str, kind: Kind) -> Result<()> {
    match kind {
        Kind::Rust => rust::guest(paths, name),
        Kind::CComponent(adapter) => c::component(paths, name, adapter),
        Kind::CModule(model) => c::module(paths, name, model),
        Kind::CBare(folder, defines) => c::bare(paths, name, folder, defines),
        Kind::Composition(socket, plug) => composition(paths, name, socket, plug),
        Kind::Js(without) => big::javascript(paths, name, without),
        Kind::Python => big::python(paths, name),
    }
}

/// Plugs one guest that is built into another.
fn composition(paths: &Paths, name: &str, socket: &str, plug: &str) -> Result<()> {
    let guest = |name: &str| paths.guests.join(format!("{name}.wasm"));
    let composed = wasm::generated(paths)?.join(format!("{name}.wasm"));
    let mut wac = command(wasm::wac(paths)?);
    wac.arg("plug").arg(guest(socket)).arg("--plug").arg(guest(plug)).arg("-o").arg(&composed);
    run(&mut wac)?;
    finish::finish(paths, &composed, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], big: bool) -> Vec<&'static str> {
        let names = names.iter().map(|name| name.to_string()).collect();
        choose(&GuestsArgs { names, big }).expect("known names").iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn chooses_small_big_and_named_guests() {
        assert_eq!(chosen(&[], false).len(), 11);
        assert_eq!(chosen(&[], true), ["http-js", "http-js-handler", "http-py"]);
        assert_eq!(chosen(&["http-py", "cli-rust"], false), ["cli-rust", "http-py"]);
        assert!(choose(&GuestsArgs { names: vec!["nope".into()], big: false }).is_err());
    }
}
