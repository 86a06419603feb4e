//! Functions that the linker writes: the realloc router, import wrappers, traps.
//!
//! A component names a `realloc` for each lowered import; the host of a core module knows one `cabi_realloc`. Where a
//! component has several, the export routes by a selector, and imports that want another one than the default set it
//! while they run:
//!
//! ```wat
//! (func $cabi_realloc (param i32 i32 i32 i32) (result i32)
//!   (if (i32.eq (global.get $selector) (i32.const 1))
//!     (then (return (call $adapter_realloc …))))
//!   (call $main_realloc …))
//! (func $get-environment (param i32)
//!   (local i32)
//!   (local.set 1 (global.get $selector))
//!   (global.set $selector (i32.const 1))
//!   (call $host_get-environment (local.get 0))
//!   (global.set $selector (local.get 1)))
//! ```
//!
//! That holds for synchronous calls, which nest.

use super::ir::{HostId, ReallocId};
use super::merge::{Code, Live};
use super::plan::{Func, Plan, val_type};
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::Result;
use std::collections::BTreeSet;
use wasm_encoder::{BlockType, Function};

/// `may_leave` as fused adapters test it: the flag is one, and cleared while a value is lowered.
pub(super) const FLAG_MAY_LEAVE: i32 = 1;

/// The functions to write, in this order: wrappers, the router, traps.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    wrappers: Vec<(HostId, ReallocId)>,
    router: Option<Vec<ReallocId>>,
    traps: Vec<CoreSignature>,
}

/// A function that the linker writes, for people.
pub(super) struct Described {
    /// `wrapper`, `router`, `trap`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) why: String,
}

impl Pieces {
    /// Collects what live code and exports call for.
    pub(super) fn plan(plan: &Plan<'_, '_>, live: &Live) -> Pieces {
        let mut wrappers = BTreeSet::new();
        let mut traps = BTreeSet::new();
        for func in live.others() {
            match func {
                Func::Host(host, Some(realloc)) if plan.default_realloc != Some(*realloc) => {
                    wrappers.insert((*host, *realloc));
                }
                Func::Trap(core) => {
                    traps.insert(core.clone());
                }
                _ => {}
            }
        }
        let routed: BTreeSet<ReallocId> = wrappers.iter().map(|(_, realloc)| *realloc).collect();
        Pieces {
            wrappers: wrappers.into_iter().collect(),
            router: (!routed.is_empty()).then(|| routed.into_iter().collect()),
            traps: traps.into_iter().collect(),
        }
    }

    /// How many functions there are.
    pub(super) fn count(&self) -> u32 {
        let count = self.wrappers.len() + usize::from(self.router.is_some()) + self.traps.len();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(super) fn needs_selector(&self) -> bool {
        self.router.is_some()
    }

    /// How many imports are wrapped.
    pub(super) fn wrapped(&self) -> usize {
        self.wrappers.len()
    }

    /// The index of a wrapper among these functions; none if the import is called as it is.
    pub(super) fn wrapper(&self, host: HostId, realloc: Option<ReallocId>) -> Option<u32> {
        let at = self.wrappers.binary_search(&(host, realloc?)).ok()?;
        u32::try_from(at).ok()
    }

    pub(super) fn router(&self) -> Option<u32> {
        self.router.as_ref().and_then(|_| u32::try_from(self.wrappers.len()).ok())
    }

    pub(super) fn trap(&self, core: &CoreSignature) -> Option<u32> {
        let before = self.wrappers.len() + usize::from(self.router.is_some());
        u32::try_from(before + self.traps.binary_search(core).ok()?).ok()
    }

    /// Signatures in order.
    pub(super) fn signatures(&self, plan: &Plan<'_, '_>) -> Vec<CoreSignature> {
        let wrappers = self.wrappers.iter().map(|(host, _)| plan.component.hosts[host.index()].core.clone());
        let router = self.router.iter().map(|_| realloc_signature());
        wrappers.chain(router).chain(self.traps.iter().cloned()).collect()
    }

    /// Names for debugging: index and name.
    pub(super) fn names(&self, plan: &Plan<'_, '_>, first: u32) -> Vec<(u32, String)> {
        (first..).zip(self.described(plan).into_iter().map(|piece| piece.name)).collect()
    }

    /// What each is and why it is there, in order.
    pub(super) fn described(&self, plan: &Plan<'_, '_>) -> Vec<Described> {
        let wrappers = self.wrappers.iter().map(|(host, realloc)| Described {
            kind: "wrapper",
            name: format!("{} [realloc {}]", plan.component.hosts[host.index()].name, realloc.0),
            why: format!("selects realloc {} while the import runs", realloc.0),
        });
        let router = self.router.iter().map(|routed| Described {
            kind: "router",
            name: "cabi_realloc [router]".to_owned(),
            why: format!("the host knows one realloc, and imports want {} besides the default", routed.len()),
        });
        let traps = self.traps.iter().map(|core| Described {
            kind: "trap",
            name: format!("trap {core}"),
            why: "a call that can only trap".to_owned(),
        });
        wrappers.chain(router).chain(traps).collect()
    }

    /// Writes the bodies. `realloc` and `host` give output function indices.
    pub(super) fn emit(
        &self,
        plan: &Plan<'_, '_>,
        selector: u32,
        realloc: impl Fn(ReallocId) -> Result<u32>,
        host: impl Fn(HostId) -> Result<u32>,
        code: &mut Code,
    ) -> Result<()> {
        for &(id, wanted) in &self.wrappers {
            let core = &plan.component.hosts[id.index()].core;
            code.function(&wrapper(core, host(id)?, wanted, selector));
        }
        if let Some(routed) = &self.router {
            let mut body = Function::new([]);
            for &id in routed {
                body.instructions().global_get(selector).i32_const(number(id)).i32_eq().if_(BlockType::Empty);
                call_realloc(&mut body, realloc(id)?);
                body.instructions().return_().end();
            }
            match plan.default_realloc {
                Some(default) => call_realloc(&mut body, realloc(default)?),
                None => {
                    body.instructions().unreachable();
                }
            }
            body.instructions().end();
            code.function(&body);
        }
        for _ in &self.traps {
            let mut body = Function::new([]);
            body.instructions().unreachable().end();
            code.function(&body);
        }
        Ok(())
    }
}

fn wrapper(core: &CoreSignature, host: u32, realloc: ReallocId, selector: u32) -> Function {
    let params = (0u32..).take(core.params.len());
    let saved = u32::try_from(core.params.len()).unwrap_or(u32::MAX);
    let mut body = Function::new([(1, val_type(Core::I32))]);
    let mut code = body.instructions();
    code.global_get(selector).local_set(saved).i32_const(number(realloc)).global_set(selector);
    for param in params {
        code.local_get(param);
    }
    code.call(host).local_get(saved).global_set(selector).end();
    body
}

fn call_realloc(body: &mut Function, realloc: u32) {
    body.instructions().local_get(0).local_get(1).local_get(2).local_get(3).call(realloc);
}

fn number(id: ReallocId) -> i32 {
    i32::from_ne_bytes(id.0.to_ne_bytes())
}

/// `cabi_realloc`: old pointer, old size, alignment, new size, to the new pointer.
pub(super) fn realloc_signature() -> CoreSignature {
    CoreSignature::new([Core::I32; 4], [Core::I32])
}
