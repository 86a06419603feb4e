//! Values between the flat ABI and the host.

use super::Outcome;
use lowlift::abi::{Abi, Signature, Table, TyId, world_functions};
use lowlift::host::GuestMemory;
use lowlift::host::value::{Value, allocations, lift_args, lower};
use lowlift::wit::{Loaded, select_world};
use std::sync::OnceLock;

/// Every kind of type that can be lifted.
const WIT: &str = include_str!("../../fixtures/witx/kinds.wit");

/// What WASI has not, too.
const MORE: &str = "
interface more {
    use types.{shape, pair};
    fixed: func(a: list<string, 3>, b: list<pair, 2>);
    deep: func(a: list<list<option<result<shape, list<u16>>>>>);
    mapped: func(a: map<string, shape>);
}
world more-of-it { import more; }";

/// Where lowered parameters go, and the bytes of the memory that they go to.
const AT: u32 = 1 << 12;
const MEMORY: usize = 8 << 20;

struct Calls {
    table: Table<'static>,
    signatures: Vec<Signature>,
}

fn calls() -> &'static Calls {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    static CALLS: OnceLock<Calls> = OnceLock::new();
    CALLS.get_or_init(|| {
        let loaded = LOADED.get_or_init(|| super::wit::parse(&format!("{WIT}{MORE}"), 0).expect("WIT"));
        let mut table = Table::new(&loaded.resolve);
        let mut signatures = Vec::new();
        for world in ["all", "more-of-it"] {
            let world = select_world(loaded, Some(world)).expect("a world");
            let functions = world_functions(&mut table, world, Abi::default()).expect("functions");
            signatures.extend(functions.iter().filter_map(|f| f.call().map(|(_, signature)| signature.clone())));
        }
        Calls { table, signatures }
    })
}

/// A memory, after a byte that chooses a function and the slots it is called with: what is lifted is lowered, and lifted again
/// as the same.
pub(super) fn values(data: &[u8]) -> Outcome {
    let Some((&which, rest)) = data.split_first() else { return Outcome::NotText };
    let Calls { table, signatures } = calls();
    let signature = &signatures[usize::from(which) % signatures.len()];
    let mut slots = Vec::new();
    let mut memory = rest.to_vec();
    for _ in &signature.core.params {
        let Some((&slot, after)) = memory.split_first_chunk() else { return Outcome::NotText };
        slots.push(u64::from_le_bytes(slot));
        memory = after.to_vec();
    }
    let mut lifted = Vec::new();
    if lift_args(table, signature, &slots, &GuestMemory::new(&mut memory), &mut lifted).is_err() {
        return Outcome::Refused;
    }
    let mut other = vec![0; MEMORY];
    // Values that share memory may take more than there is once they do not.
    if !lowered(table, &signature.params, &lifted, &mut other) {
        return Outcome::Plain;
    }
    let spilled = Signature { params_spilled: true, ..signature.clone() };
    let mut again = Vec::new();
    lift_args(table, &spilled, &[AT.into()], &GuestMemory::new(&mut other), &mut again).expect("lowered before");
    assert_eq!(again, lifted, "lifted, lowered and lifted");
    Outcome::Whole
}

/// Lowers values as a record of parameters at [`AT`].
fn lowered(table: &Table<'_>, types: &[TyId], values: &[Value], bytes: &mut [u8]) -> bool {
    let mut next = AT;
    let mut places = Vec::new();
    for &ty in types {
        let ty = table.get(ty);
        places.push(next.next_multiple_of(ty.align));
        next = next.next_multiple_of(ty.align) + ty.size;
    }
    for ((&ty, value), at) in types.iter().zip(values).zip(places) {
        let mut wanted = Vec::new();
        allocations(table, ty, value, &mut wanted).expect("a value of its type");
        let mut pointers = Vec::new();
        for allocation in wanted {
            let at = next.next_multiple_of(allocation.align);
            let Some(end) = at.checked_add(allocation.size).filter(|&end| end as usize <= bytes.len()) else {
                return false;
            };
            next = end;
            pointers.push(at);
        }
        lower(table, ty, value, at, &mut GuestMemory::new(bytes), &mut pointers.into_iter()).expect("it fits");
    }
    true
}
