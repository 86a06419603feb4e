//! Host functions, called by a hostile guest on both engines: nothing panics, nothing hangs, and both say the same.

mod arguments;
mod guest;

use arguments::{Handles, Input, arguments, harvest};
use guest::{Guest, Pair, RESULT, Work, callers};
use lowlift::engine::EngineKind;
use lowlift::host::wasi::wasi;
use std::collections::BTreeSet;

/// Calls of one guest, at most.
const CALLS: usize = 64;

/// What came of one input.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Calls that returned.
    pub(crate) returned: usize,
    /// Traps of all kinds; a guest ends with its first.
    pub(crate) trapped: usize,
    /// The functions that returned, by their place in the table.
    pub(crate) functions: BTreeSet<usize>,
}

/// A guest with arbitrary memory and an arbitrary realloc calls arbitrary functions with arbitrary slots. Where clocks
/// and random numbers are left out, both engines must agree on every outcome, result and byte.
pub(crate) fn host_calls(data: &[u8]) -> Tally {
    // Time stands still but for guests that wait, so that waiting for what never comes takes none.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(calls(&mut Input(data)))
}

async fn calls(input: &mut Input<'_>) -> Tally {
    let table = &wasi().expect("the table is built").table;
    let mut handles = Handles::default();
    let compared = !input.one_in(4);
    let (engine, other) = (EngineKind::Wasmtime, EngineKind::Wasmi);
    let mut pair = Pair { guests: [Guest::new(engine, &mut handles), Guest::new(other, &mut handles)], compared };
    let mut tally = Tally::default();
    pair.prepare(input).await;
    for _ in 0..CALLS {
        if input.is_empty() {
            break;
        }
        let index = choose(input, &handles, compared);
        let caller = &callers()[index];
        let (slots, stores) = arguments(input, table, caller, &mut handles);
        for (address, word) in stores {
            pair.work(Work::Store, &[address, word]).await;
        }
        for (at, slot) in (0u32..).step_by(8).zip(&slots) {
            pair.work(Work::Poke, &[at, *slot as u32, (*slot >> 32) as u32]).await;
        }
        if pair.call(Work::CALLS + index, &[]).await.is_err() {
            tally.trapped += 1;
            return tally;
        }
        tally.returned += 1;
        tally.functions.insert(index);
        let low = pair.work(Work::Peek, &[RESULT]).await;
        pair.work(Work::Peek, &[RESULT + 4]).await;
        harvest(&mut pair, table, caller.function, low, &slots, &mut handles).await;
        if input.one_in(8) {
            pair.work(Work::Hash, &[]).await;
        }
    }
    pair.work(Work::Hash, &[]).await;
    tally
}

/// A function, most often one whose handles are there.
fn choose(input: &mut Input<'_>, handles: &Handles, compared: bool) -> usize {
    let all = callers();
    let blind = input.one_in(24);
    let fits = |index: &usize| {
        let caller = &all[*index];
        (caller.is_deterministic || !compared) && (blind || handles.suffice(caller))
    };
    let fitting: Vec<usize> = (0..all.len()).filter(fits).collect();
    fitting[(usize::from(input.byte()) << 8 | usize::from(input.byte())) % fitting.len()]
}
