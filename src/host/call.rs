//! One call of a host function, as a state machine that any engine can drive: it never calls the guest and never waits by
//! itself, it says what the engine is to do.

use super::io::Wait;
use super::value::{Allocation, Value, allocations, lift_args, lower, lower_flat, pointer};
use super::wasi::{Form, Function};
use super::{After, GuestMemory, Job, State, Step, Trap};
use crate::abi::{Core, Table};

/// 16 parameters and a result pointer.
pub const MAX_SLOTS: usize = 17;

/// Flat slots. Each holds the bits of its core type, zero-extended.
pub type Slots = [u64; MAX_SLOTS];

/// What the engine is to do next.
pub enum Need {
    /// Return to the guest, with the bits of the result if the function has one.
    Return(Option<u64>),
    /// Wait by [`State::wait`], then [`Invocation::resume`].
    Wait(Wait, After),
    /// Await, then [`Invocation::resume`] with what comes.
    Job(Job),
    /// Call the guest's `cabi_realloc(0, 0, align, size)` for each allocation, then [`Invocation::finish`].
    Allocate(Vec<Allocation>, Value),
}

/// A host function called by a guest.
#[derive(Debug, Clone, Copy)]
pub struct Invocation {
    function: &'static Function,
    table: &'static Table<'static>,
    slots: Slots,
}

impl Invocation {
    /// A call with these slots.
    pub fn new(function: &'static Function, table: &'static Table<'static>, slots: Slots) -> Invocation {
        Invocation { function, table, slots }
    }

    /// What is called.
    pub fn function(&self) -> &'static Function {
        self.function
    }

    /// Lifts the arguments and runs the function up to the first need.
    pub fn begin(&self, state: &mut State, memory: &mut GuestMemory<'_>) -> Result<Need, Trap> {
        let step = match &self.function.form {
            Form::Canonical(signature, run) => {
                // One allocation serves all calls of an instance.
                let mut args = std::mem::take(&mut state.args);
                lift_args(self.table, signature, &self.slots, memory, &mut args)?;
                let step = run(state, &args);
                args.clear();
                state.args = args;
                step?
            }
            Form::Drop(run) => run(state, &[Value::from(pointer(self.slots[0]))])?,
            Form::Raw(run) => run(state, memory, &self.slots)?,
        };
        self.next(step, memory)
    }

    /// Goes on after what was waited for.
    pub fn resume(&self, after: After, state: &mut State, memory: &mut GuestMemory<'_>) -> Result<Need, Trap> {
        let step = after(state, memory)?;
        self.next(step, memory)
    }

    fn next(&self, step: Step, memory: &mut GuestMemory<'_>) -> Result<Need, Trap> {
        let value = match step {
            Step::Wait(wait, after) => return Ok(Need::Wait(wait, after)),
            Step::Job(job) => return Ok(Need::Job(job)),
            Step::Done(None) => return Ok(Need::Return(None)),
            Step::Done(Some(value)) => value,
        };
        if self.function.needs.realloc
            && let Some(ty) = self.result()
        {
            let mut wanted = Vec::new();
            allocations(self.table, ty, &value, &mut wanted)?;
            if !wanted.is_empty() {
                return Ok(Need::Allocate(wanted, value));
            }
        }
        self.finish(&value, Vec::new(), memory).map(Need::Return)
    }

    fn result(&self) -> Option<crate::abi::TyId> {
        match &self.function.form {
            Form::Canonical(signature, _) => signature.result,
            Form::Drop(_) | Form::Raw(_) => None,
        }
    }

    /// Lowers the result: into memory, with the pointers that the guest gave for its allocations, or into one slot.
    pub fn finish(&self, value: &Value, pointers: Vec<u32>, memory: &mut GuestMemory<'_>) -> Result<Option<u64>, Trap> {
        if let Form::Canonical(signature, _) = &self.function.form
            && let (true, Some(ty)) = (signature.result_spilled, signature.result)
        {
            // The result pointer is the last parameter.
            let ptr = pointer(self.slots[signature.core.params.len() - 1]);
            let laid_out = self.table.get(ty);
            memory.write(ptr, laid_out.size, laid_out.align)?;
            lower(self.table, ty, value, ptr, memory, &mut pointers.into_iter())?;
            return Ok(None);
        }
        let bits = lower_flat(value)?;
        Ok(match self.function.core.results.first() {
            None => None,
            Some(Core::I32 | Core::F32) => Some(u64::from(pointer(bits))),
            Some(Core::I64 | Core::F64) => Some(bits),
        })
    }
}
