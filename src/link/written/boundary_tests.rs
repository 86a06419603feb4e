//! The boundary's allocator, as hosts, imports and exports use it.

use super::super::testing::{Random, call, engine, exported, host, instantiate, memory};
use super::*;
use crate::abi::Core::I32;
use wasmtime::{Caller, Extern, Func, Instance, Memory, MemoryType, Store};

const PAGE: u64 = 65_536;
const AREA: Area = Area { size: 24, align: 8 };

/// What the host saw.
#[derive(Debug, Default)]
struct Seen {
    /// Where the results of imports were to go.
    areas: Vec<u32>,
    /// Where the results of the export were to go.
    result: u32,
    /// What is allocated while an export runs: address, size and what is there.
    parts: Vec<(u32, u32, u8)>,
    random: Option<Random>,
    imports: usize,
}

struct Rig {
    store: Store<Seen>,
    instance: Instance,
    memory: Memory,
}

/// Takes room within a call and fills it.
fn take(caller: &mut Caller<'_, Seen>, memory: Memory) {
    let mut random = caller.data_mut().random.take().expect("a generator");
    let (align, size) = (random.pick(&[1, 2, 4, 8]), random.below(300) as u32);
    let realloc = caller.get_export("realloc").and_then(Extern::into_func).expect("exported");
    let realloc = realloc.typed::<(u32, u32, u32, u32), u32>(&*caller).expect("four and one");
    let at = realloc.call(&mut *caller, (0, 0, align, size)).expect("there is room");
    assert_eq!(at % align, 0);
    let fill = random.next() as u8;
    memory.data_mut(&mut *caller)[at as usize..(at + size) as usize].fill(fill);
    caller.data_mut().parts.push((at, size, fill));
    caller.data_mut().random = Some(random);
}

/// What was taken is apart from each other, and is as it was.
fn intact(memory: &[u8], parts: &[(u32, u32, u8)]) {
    for (i, (at, size, fill)) in parts.iter().enumerate() {
        assert!(memory[*at as usize..(at + size) as usize].iter().all(|byte| byte == fill), "{parts:?}");
        assert!(*at >= FIRST);
        let apart = parts[i + 1..].iter().all(|(other, length, _)| at + size <= *other || other + length <= *at);
        assert!(apart, "{parts:?}");
    }
}

/// The adapter of an export: reads what the host gave, calls imports, and gives results.
fn adapter(mut caller: Caller<'_, Seen>, memory: Memory) {
    let import = caller.get_export("import").and_then(Extern::into_func).expect("exported");
    let import = import.typed::<u32, u32>(&caller).expect("one and one");
    let after = caller.get_export("after import").and_then(Extern::into_func).expect("exported");
    let after = after.typed::<u32, ()>(&caller).expect("one");
    let kept = caller.data().parts.len();
    let start = caller.data().areas.len();
    for _ in 0..caller.data().imports {
        let area = import.call(&mut caller, 5).expect("returns");
        assert_eq!(caller.data().areas.last(), Some(&area));
        let parts = caller.data().parts.clone();
        intact(memory.data(&caller), &parts);
        after.call(&mut caller, area).expect("returns");
        caller.data_mut().parts.truncate(kept);
    }
    // What an import took is gone: the next one is given the same.
    let areas = &caller.data().areas[start..];
    assert!(areas.iter().all(|area| *area == areas[0]), "{areas:?}");
}

fn rig() -> Rig {
    let mut store = Store::new(&engine(), Seen { random: Some(Random(0xbb67_ae85_84ca_a73b)), ..Seen::default() });
    let memory_of = MemoryType::new(1, None);
    let provided = Memory::new(&mut store, memory_of).expect("a memory");
    let mut text = Text::default();
    let name = text.memory(&memory(0));
    let (one, two) = (CoreSignature::new([I32], []), CoreSignature::new([I32, I32], []));
    let returns = CoreSignature::new([I32], [I32]);
    realloc(&mut text, &exported("realloc"), &name);
    let (imported, plain, spilling) =
        (text.import(&host(0), &two), text.import(&host(1), &one), text.import(&host(2), &two));
    import(&mut text, &exported("import"), &returns, Some(AREA), &imported, &name);
    after_import(&mut text, &exported("after import"), &one, &name);
    export(&mut text, &exported("plain"), &one, None, &plain, &name);
    export(&mut text, &exported("spilling"), &returns, Some(AREA), &spilling, &name);
    after_export(&mut text, &exported("after export"), &name);
    let functions = [
        Func::wrap(&mut store, move |mut caller: Caller<'_, Seen>, _: u32, area: u32| {
            assert_eq!(area % AREA.align, 0);
            memory_fill(&mut caller, provided, area);
            caller.data_mut().areas.push(area);
            take(&mut caller, provided);
        }),
        Func::wrap(&mut store, move |caller: Caller<'_, Seen>, _: u32| adapter(caller, provided)),
        Func::wrap(&mut store, move |mut caller: Caller<'_, Seen>, _: u32, area: u32| {
            assert_eq!(area % AREA.align, 0);
            memory_fill(&mut caller, provided, area);
            caller.data_mut().result = area;
            adapter(caller, provided);
        }),
    ];
    let instance = instantiate(&mut store, text, |def| {
        functions.iter().zip(0..).find(|(_, i)| *def == host(*i)).map_or(provided.into(), |(f, _)| (*f).into())
    });
    Rig { store, instance, memory: provided }
}

/// An area is room like any other.
fn memory_fill(caller: &mut Caller<'_, Seen>, memory: Memory, area: u32) {
    memory.data_mut(&mut *caller)[area as usize..(area + AREA.size) as usize].fill(0x5a);
    caller.data_mut().parts.push((area, AREA.size, 0x5a));
}

impl Rig {
    fn call(&mut self, name: &str, args: &[u32]) -> Option<Vec<u32>> {
        call(&mut self.store, self.instance, name, args)
    }

    fn realloc(&mut self, args: [u32; 4]) -> Option<u32> {
        self.call("realloc", &args).map(|results| results[0])
    }
}

#[test]
fn allocations_are_aligned_and_apart_and_keep_what_is_there() {
    let mut rig = rig();
    let mut random = Random(0xcbbb_9d5d_c105_9ed8);
    let (mut compared, mut most) = (0, 0);
    for _ in 0..60 {
        let mut parts: Vec<(u32, u32, u8)> = Vec::new();
        for _ in 0..random.below(60) {
            let align = random.pick(&[1, 2, 4, 8, 16]);
            let most = random.pick(&[1, 20, 5_000, 200_000]);
            let size = random.below(most) as u32;
            let fill = random.next() as u8;
            let old = random.one_in(3).then(|| random.below(parts.len())).filter(|i| *i < parts.len());
            let (from, had, was) = old.map_or((0, 0, 0), |i| parts.remove(i));
            let at = rig.realloc([from, had, align, size]).expect("there is room");
            let memory = rig.memory.data_mut(&mut rig.store);
            let same = had.min(size) as usize;
            assert!(memory[at as usize..at as usize + same].iter().all(|byte| *byte == was));
            if had == 0 || at != from {
                assert_eq!(at % align, 0);
            }
            memory[at as usize..(at + size) as usize].fill(fill);
            parts.push((at, size, fill));
            intact(memory, &parts);
            compared += 1;
        }
        most = most.max(rig.memory.size(&rig.store));
        rig.call("after export", &[0]).expect("returns");
        assert_eq!(rig.realloc([0, 0, 1, 1]), Some(FIRST));
        rig.call("after export", &[0]).expect("returns");
    }
    println!("{compared} allocations, {most} pages");
    assert!(compared > 1_000 && most > 10, "{compared} allocations, {most} pages");
}

#[test]
fn calls_give_back_what_they_took() {
    let mut rig = rig();
    let mut random = Random(0x629a_292a_367c_d507);
    for _ in 0..500 {
        let mut parts = Vec::new();
        for _ in 0..random.below(5) {
            let size = random.below(400) as u32;
            let at = rig.realloc([0, 0, random.pick(&[1, 2, 4, 8]), size]).expect("there is room");
            rig.memory.data_mut(&mut rig.store)[at as usize..(at + size) as usize].fill(0x3c);
            parts.push((at, size, 0x3c));
        }
        rig.store.data_mut().parts = parts.clone();
        rig.store.data_mut().imports = random.below(4);
        if random.one_in(2) {
            rig.call("plain", &[1]).expect("returns");
        } else {
            let result = rig.call("spilling", &[1]).expect("returns")[0];
            assert_eq!(result, rig.store.data().result);
            parts.push((result, AREA.size, 0x5a));
            // Until the host has read the results, nothing is taken that they are in.
            let at = rig.realloc([0, 0, 1, 9]).expect("there is room");
            rig.memory.data_mut(&mut rig.store)[at as usize..at as usize + 9].fill(0x77);
            parts.push((at, 9, 0x77));
            intact(rig.memory.data(&rig.store), &parts);
            rig.call("after export", &[result]).expect("returns");
        }
        assert_eq!(rig.realloc([0, 0, 1, 0]), Some(FIRST));
    }
    assert!(rig.store.data().areas.len() > 500, "{}", rig.store.data().areas.len());
}

#[test]
fn what_does_not_fit_into_four_gibibytes_traps() {
    let refused: [[u32; 4]; 4] = [
        [0, 0, 1, u32::MAX],
        [0, 0, 1, u32::MAX - FIRST + 1],
        [0, 0, 0x8000_0000, 0x8000_0000],
        [0, 0, 8, u32::MAX - 8],
    ];
    for args in refused {
        let mut rig = rig();
        assert_eq!(rig.realloc(args), None, "{args:?}");
        assert_eq!(rig.memory.size(&rig.store), 1, "{args:?}");
        assert_eq!(rig.realloc([0, 0, 1, 1]), Some(FIRST));
    }
    let mut rig = rig();
    // To the last byte that has an end of 32 bits.
    assert_eq!(rig.realloc([0, 0, 1, u32::MAX - FIRST]), Some(FIRST));
    assert_eq!(rig.memory.size(&rig.store), (1 << 32) / PAGE);
    for align in [1, 2, 8] {
        assert_eq!(rig.realloc([0, 0, align, 1]), None, "{align}");
    }
    rig.call("after export", &[0]).expect("returns");
    assert_eq!(rig.realloc([0, 0, 8, 100]), Some(FIRST));
}

#[test]
fn a_memory_that_may_not_grow_traps() {
    let mut store = Store::new(&engine(), ());
    let provided = Memory::new(&mut store, MemoryType::new(1, Some(2))).expect("a memory");
    let mut text = Text::default();
    let name = text.memory(&memory(0));
    realloc(&mut text, &exported("realloc"), &name);
    let instance = instantiate(&mut store, text, |_| provided.into());
    let room = 2 * PAGE as u32 - FIRST;
    assert_eq!(call(&mut store, instance, "realloc", &[0, 0, 1, room + 1]), None);
    assert_eq!(provided.size(&store), 1);
    assert_eq!(call(&mut store, instance, "realloc", &[0, 0, 1, room]), Some(vec![FIRST]));
    assert_eq!(call(&mut store, instance, "realloc", &[0, 0, 1, 1]), None);
}
