//! Proof of a stripped module: with the official adapter it is a component again that gives and takes the same.

use super::{START, Stripped, world};
use crate::adapt::{Adapter, PREVIEW1};
use crate::diagnostic::{Code, Diagnostic, Result, quietly};
use crate::link::ir::{Component, Host};
use crate::link::verify::{compare, imports};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{Resolve, WorldId};

/// Wraps `wasm` with the adapter of the right kind and compares: what the modules themselves import and export is exactly
/// the same, there is a `wasi:cli/run` if there was one, and the adapter imports nothing but WASI. Of which version that is
/// depends on the adapter.
pub(in crate::link) fn same_world(before: &Stripped, component: &Component<'_>, wasm: &[u8]) -> Result<()> {
    let preview1 = component.hosts.iter().any(|h| h.name.module == PREVIEW1);
    let adapter = if before.command { Some(Adapter::Command) } else { preview1.then_some(Adapter::Reactor) };
    let wrapped = wrap(wasm, adapter.as_ref())?;
    let decoded = quietly("decoding the re-wrapped component", || wit_component::decode(&wrapped))?
        .map_err(|e| Diagnostic::new(Code::VerifyFailed, "the re-wrapped component cannot be decoded").cause(e))?;
    let DecodedWasm::Component(mut resolve, id) = decoded else {
        return Err(Diagnostic::new(Code::VerifyFailed, "the re-wrapped module is no component"));
    };
    let (ran, runs) = (exports_run(&before.resolve, before.world), exports_run(&resolve, id));
    if ran != runs {
        return Err(Diagnostic::new(Code::VerifyFailed, "one of component and linked module is no command")
            .fact("missing", format!("wasi:cli/run (or `{START}`)")));
    }
    let foreign: Vec<String> = resolve.worlds[id]
        .imports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .filter(|name| !name.starts_with("wasi:") && !component.hosts.iter().any(|h| h.name.module == *name))
        .filter(|name| !before.imports(name))
        .collect();
    if !foreign.is_empty() {
        return Err(Diagnostic::new(Code::VerifyFailed, "the linked module needs more than the component")
            .fact("extra", foreign.join("; ")));
    }
    // What is imported and never called is gone from the module, and so are the types that only it used.
    let called = imports(wasm)?;
    let hosts: Vec<Host> = component.hosts.iter().filter(|h| called.contains(&h.name)).cloned().collect();
    let mut wanted = component.resolve.clone();
    let want = world::narrow(&mut wanted, component.world, &hosts)?;
    let have = world::narrow(&mut resolve, id, &hosts)?;
    compare((&wanted, want), (&resolve, have), wasm)
}

/// Versions of interfaces stay as they are, so that the module's own imports are told from the adapter's.
fn wrap(wasm: &[u8], adapter: Option<&Adapter>) -> Result<Vec<u8>> {
    quietly("wrapping the linked module", || {
        let mut encoder =
            ComponentEncoder::default().merge_imports_based_on_semver(false).validate(true).module(wasm)?;
        if let Some(adapter) = adapter {
            encoder = encoder.adapter(PREVIEW1, adapter.bytes())?;
        }
        encoder.encode()
    })?
    .map_err(|e| {
        Diagnostic::new(Code::VerifyFailed, "the linked module does not wrap into a component").cause(format!("{e:#}"))
    })
}

fn exports_run(resolve: &Resolve, id: WorldId) -> bool {
    resolve.worlds[id].exports.keys().any(|key| world::is_run(&resolve.name_world_key(key)))
}

impl Stripped {
    fn imports(&self, name: &str) -> bool {
        self.resolve.worlds[self.world].imports.keys().any(|key| self.resolve.name_world_key(key) == name)
    }
}
