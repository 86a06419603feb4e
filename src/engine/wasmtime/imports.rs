//! Host functions as wasmtime calls them. Each is a closure of its own core type, which spares a call the boxing of its
//! parameters: a request makes a dozen calls, and little else of it costs as much.

use super::Data;
use crate::abi::{Core, ImportName, Table};
use crate::engine::link;
use crate::host::call::{Invocation, Need};
use crate::host::value::{Allocation, pointer};
use crate::host::wasi::Function;
use crate::host::{GuestMemory, State, Trap};
use wasmtime::{Caller, Linker};

/// A core type as Rust has it.
trait Slot {
    const CORE: Core;
    fn bits(self) -> u64;
}

impl Slot for u32 {
    const CORE: Core = Core::I32;

    fn bits(self) -> u64 {
        self.into()
    }
}

impl Slot for u64 {
    const CORE: Core = Core::I64;

    fn bits(self) -> u64 {
        self
    }
}

/// Results of a core function.
trait Results {
    const CORE: &[Core];
    fn of(bits: Option<u64>) -> Self;
}

impl Results for () {
    const CORE: &[Core] = &[];

    fn of(_: Option<u64>) -> Self {}
}

impl Results for u32 {
    const CORE: &[Core] = &[Core::I32];

    fn of(bits: Option<u64>) -> Self {
        pointer(bits.unwrap_or_default())
    }
}

impl Results for u64 {
    const CORE: &[Core] = &[Core::I64];

    fn of(bits: Option<u64>) -> Self {
        bits.unwrap_or_default()
    }
}

/// A host function and what its types look like.
#[derive(Clone, Copy)]
struct Host {
    function: &'static Function,
    table: &'static Table<'static>,
}

macro_rules! signatures {
    ($($result:ty { $(($($slot:ident $ty:ty),*))* })*) => {
        /// Links a function; an error if no function of WASI has had its core type so far.
        pub(super) fn define(
            linker: &mut Linker<Data>,
            name: &ImportName,
            function: &'static Function,
            table: &'static Table<'static>,
        ) -> wasmtime::Result<()> {
            let host = Host { function, table };
            let (module, field) = (name.module.as_str(), name.name.as_str());
            $($(
                if function.core.params == [$(<$ty as Slot>::CORE),*] as [Core; _]
                    && function.core.results == <$result as Results>::CORE
                {
                    // Functions that neither wait nor call the guest back run on the guest's own stack.
                    if function.blocks || function.needs.realloc {
                        linker.func_wrap_async(module, field, move |caller, ($($slot,)*): ($($ty,)*)| {
                            Box::new(async move {
                                host.suspended(caller, &[$($slot.bits()),*]).await.map(<$result as Results>::of)
                            })
                        })?;
                    } else {
                        linker.func_wrap(module, field, move |mut caller: Caller<'_, Data>, $($slot: $ty),*| {
                            host.direct(&mut caller, &[$($slot.bits()),*]).map(<$result as Results>::of)
                        })?;
                    }
                    return Ok(());
                }
            )*)*
            Err(wasmtime::Error::msg(format!("no function has the core type {}", function.core)))
        }
    };
}

// All that occur in WASI 0.2 and preview1.
signatures! {
    () {
        (a u32)
        (a u32, b u32)
        (a u64, b u32)
        (a u32, b u32, c u32)
        (a u32, b u64, c u32)
        (a u32, b u32, c u32, d u32)
        (a u32, b u32, c u64, d u32)
        (a u32, b u64, c u64, d u32)
        (a u32, b u32, c u32, d u32, e u32)
        (a u32, b u32, c u32, d u64, e u32)
        (a u32, b u64, c u64, d u32, e u32)
        (a u32, b u32, c u32, d u32, e u32, f u32)
        (a u32, b u32, c u32, d u32, e u32, f u32, g u32)
        (a u32, b u32, c u32, d u32, e u32, f u32, g u32, h u32)
        (a u32, b u32, c u64, d u32, e u32, f u64, g u32, h u32)
        (a u32, b u32, c u32, d u32, e u64, f u32, g u32, h u32, i u32)
        (a u32, b u32, c u32, d u32, e u32, f u64, g u32, h u32, i u64, j u32, k u32)
        (a u32, b u32, c u32, d u32, e u32, f u32, g u32, h u32, i u32, j u32, k u32, l u32, m u32, n u32, o u32)
    }
    u32 {
        ()
        (a u32)
        (a u64)
        (a u32, b u32)
        (a u32, b u64)
        (a u32, b u32, c u32)
        (a u32, b u32, c u64)
        (a u32, b u64, c u32)
        (a u32, b u64, c u64)
        (a u32, b u32, c u32, d u32)
        (a u32, b u64, c u32, d u32)
        (a u32, b u64, c u64, d u32)
        (a u32, b u32, c u32, d u32, e u32)
        (a u32, b u32, c u32, d u64, e u32)
        (a u32, b u32, c u32, d u32, e u32, f u32)
        (a u32, b u32, c u32, d u32, e u32, f u32, g u32)
        (a u32, b u32, c u32, d u32, e u64, f u64, g u32)
        (a u32, b u32, c u32, d u32, e u32, f u64, g u64, h u32, i u32)
    }
    u64 {
        ()
        (a u32)
    }
}

impl Host {
    fn invocation(self, caller: &Caller<'_, Data>, params: &[u64]) -> Result<Invocation, Trap> {
        let slots = link::slots(caller.data().may_leave, params.iter().copied())?;
        Ok(Invocation::new(self.function, self.table, slots))
    }

    fn direct(self, caller: &mut Caller<'_, Data>, params: &[u64]) -> wasmtime::Result<Option<u64>> {
        let invocation = self.invocation(caller, params)?;
        match with_memory(caller, |state, memory| invocation.begin(state, memory))? {
            Need::Return(bits) => Ok(bits),
            _ => Err(link::waited().into()),
        }
    }

    async fn suspended(self, mut caller: Caller<'_, Data>, params: &[u64]) -> wasmtime::Result<Option<u64>> {
        let invocation = self.invocation(&caller, params)?;
        let mut need = with_memory(&mut caller, |state, memory| invocation.begin(state, memory))?;
        loop {
            let after = match need {
                Need::Return(bits) => return Ok(bits),
                Need::Wait(wait, after) => {
                    caller.data_mut().state.wait(&wait).await;
                    after
                }
                Need::Job(job) => job.await,
                Need::Allocate(wanted, value) => {
                    let pointers = allocate(&mut caller, &wanted).await?;
                    let bits = with_memory(&mut caller, |_, memory| invocation.finish(&value, pointers, memory))?;
                    return Ok(bits);
                }
            };
            need = with_memory(&mut caller, |state, memory| invocation.resume(after, state, memory))?;
        }
    }
}

/// Runs with a view of the guest's memory; one without memory sees an empty one.
fn with_memory<T>(
    caller: &mut Caller<'_, Data>,
    run: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> Result<T, Trap>,
) -> Result<T, Trap> {
    // A start function calls before the instance is there.
    let memory = match caller.data().memory {
        Some(memory) => Some(memory),
        None => caller.get_export("memory").and_then(wasmtime::Extern::into_memory),
    };
    match memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(caller);
            run(&mut data.state, &mut GuestMemory::new(bytes))
        }
        None => run(&mut caller.data_mut().state, &mut GuestMemory::new(&mut [])),
    }
}

/// Has the guest allocate what a result needs.
async fn allocate(caller: &mut Caller<'_, Data>, wanted: &[Allocation]) -> wasmtime::Result<Vec<u32>> {
    // Looked up at the first use: many guests are never asked to allocate.
    let realloc = match &caller.data().realloc {
        Some(realloc) => realloc.clone(),
        None => {
            let export = caller.get_export("cabi_realloc").and_then(wasmtime::Extern::into_func);
            let realloc: super::Realloc = export.ok_or_else(link::no_realloc)?.typed(&*caller)?;
            caller.data_mut().realloc = Some(realloc.clone());
            realloc
        }
    };
    let mut pointers = Vec::with_capacity(wanted.len());
    for &Allocation { align, size } in wanted {
        caller.data_mut().may_leave = false;
        let result = realloc.call_async(&mut *caller, (0, 0, align, size)).await;
        caller.data_mut().may_leave = true;
        pointers.push(result?);
    }
    Ok(pointers)
}
