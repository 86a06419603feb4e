//! Lifting and lowering over linear memory, with values that fit and with guests that lie.

use lowlift::abi::{Lowering, Signature, Table, TyId};
use lowlift::host::value::{Allocation, Value, allocations, lift_args, lower};
use lowlift::host::{GuestMemory, Trap};
use lowlift::wit::{Gates, Loaded, Sources, WitFile, load};

const WIT: &str = "package test:host;
interface i {
  variant v { none, number(u64), text(string), pair(tuple<u8, u32>) }
  flags few { a, b, c }
  record all { b: bool, n: s16, c: char, v: v, l: list<u16>, o: option<string>, r: result<u32, list<u8>>, f: few }
  text: func(s: string);
  bytes: func(b: list<u8>);
  strings: func(l: list<string>);
  letter: func(c: char);
  any: func(v: v);
  everything: func(a: list<all>);
  spilled: func(a: all, b: all);
}";

fn wit() -> Loaded {
    let main = vec![WitFile { path: "host.wit".to_owned(), text: WIT.to_owned() }];
    load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &Gates::default()).expect("valid")
}

fn signature<'r>(loaded: &'r Loaded, name: &str) -> (Table<'r>, Signature) {
    let mut table = Table::new(&loaded.resolve);
    let (_, interface) = loaded.resolve.interfaces.iter().next().expect("one interface");
    let signature = table.signature(&interface.functions[name], Lowering::Import).expect("laid out");
    (table, signature)
}

fn lift(name: &str, slots: &[u64], memory: &mut [u8]) -> Result<Vec<Value>, Trap> {
    let loaded = wit();
    let (table, signature) = signature(&loaded, name);
    let mut args = Vec::new();
    lift_args(&table, &signature, slots, &GuestMemory::new(memory), &mut args).map(|()| args)
}

/// Lowers a value at 64, allocating from 4096 on, as a guest's realloc would.
fn lower_at_64(table: &Table<'_>, ty: TyId, value: &Value, memory: &mut [u8]) {
    let mut wanted = Vec::new();
    allocations(table, ty, value, &mut wanted).expect("fits its type");
    let mut next = 4096u32;
    let pointers: Vec<u32> = wanted
        .iter()
        .map(|&Allocation { align, size }| {
            let at = next.next_multiple_of(align);
            next = at + size;
            at
        })
        .collect();
    let mut pointers = pointers.into_iter();
    lower(table, ty, value, 64, &mut GuestMemory::new(memory), &mut pointers).expect("in bounds");
    assert_eq!(pointers.next(), None, "every allocation is used");
}

fn samples() -> Vec<Value> {
    let all = |n: u64, v: Value, o: Value, r: Value| {
        let list = Value::List((0..n).map(|i| Value::Int((i * 257) & 0xffff)).collect());
        Value::Record(vec![
            Value::Int(n & 1),
            Value::Int(0xffff - n),
            Value::Int(u64::from('é')),
            v,
            list,
            o,
            r,
            Value::Int(n & 7),
        ])
    };
    let text = |t: &str| Some(Box::new(Value::Str(t.to_owned())));
    vec![
        all(0, Value::Case(0, None), Value::Case(0, None), Value::Case(0, Some(Box::new(Value::Int(7))))),
        all(
            3,
            Value::Case(1, Some(Box::new(Value::Int(u64::MAX)))),
            Value::Case(1, text("")),
            Value::err(bytes::Bytes::from_static(b"\x00\xff")),
        ),
        all(8, Value::Case(2, text("grüße")), Value::Case(1, text("x")), Value::err(bytes::Bytes::new())),
        all(
            1,
            Value::Case(3, Some(Box::new(Value::Record(vec![Value::Int(255), Value::Int(1 << 31)])))),
            Value::Case(0, None),
            Value::ok(9u32),
        ),
    ]
}

#[test]
fn what_is_lowered_is_lifted_again() {
    let loaded = wit();
    let (mut table, signature) = signature(&loaded, "everything");
    let list = signature.params[0];
    let value = Value::List(samples());
    let mut memory = vec![0; 64 << 10];
    lower_at_64(&table, list, &value, &mut memory);
    let word = |at: usize| u64::from(u32::from_le_bytes(memory[at..at + 4].try_into().expect("four bytes")));
    let slots = [word(64), word(68)];
    assert_eq!(lift("everything", &slots, &mut memory), Ok(vec![value]));

    // Spilled parameters lie one behind the other, as in a record.
    let (_, interface) = loaded.resolve.interfaces.iter().next().expect("one interface");
    let spilled = table.signature(&interface.functions["spilled"], Lowering::Import).expect("laid out");
    assert!(spilled.params_spilled);
    let samples = samples();
    let mut memory = vec![0; 64 << 10];
    lower_at_64(&table, spilled.params[0], &samples[2], &mut memory);
    let size = table.get(spilled.params[0]).size as usize;
    let first = memory[64..64 + size].to_vec();
    memory[64 + size..64 + 2 * size].copy_from_slice(&first);
    assert_eq!(lift("spilled", &[64], &mut memory), Ok(vec![samples[2].clone(), samples[2].clone()]));
}

#[test]
fn pointers_and_lengths_are_checked() {
    let page = &mut vec![0; 65536];
    for (name, slots) in [
        ("text", [65536, 1]),
        ("text", [u64::from(u32::MAX), 1]),
        ("text", [1, u64::from(u32::MAX)]),
        ("strings", [2, 1]),
        ("strings", [0, 1 << 30]),
        ("strings", [65532, 1]),
        ("everything", [4, 1]),
    ] {
        assert!(matches!(lift(name, &slots, page), Err(Trap::Guest(_))), "{name} {slots:?}");
    }
    assert_eq!(lift("text", &[65536, 0], page), Ok(vec![Value::from("")]), "empty at the very end is fine");
    assert!(lift("spilled", &[65], page).is_err() && lift("spilled", &[65528], page).is_err());
}

#[test]
fn values_are_checked() {
    let page = &mut vec![0xff; 65536];
    assert!(lift("text", &[0, 4], page).is_err(), "not UTF-8");
    assert!(lift("letter", &[0xd800], page).is_err(), "a surrogate");
    assert!(lift("letter", &[0x11_0000], page).is_err(), "beyond Unicode");
    assert!(lift("any", &[4, 0, 0], page).is_err(), "no such case");
    // A payload takes the low bits of a joined slot.
    let pair = Value::Case(3, Some(Box::new(Value::Record(vec![Value::Int(0x34), Value::Int(0xffff_ffff)]))));
    assert_eq!(lift("any", &[3, 0xffff_1234, 0xffff_ffff], page), Ok(vec![pair]));
}

#[test]
fn a_small_guest_cannot_ask_for_much_host_memory() {
    // 64 MiB of guest memory: four million strings that are all the same 32 MiB.
    let mut memory = vec![0u8; 64 << 20];
    for entry in memory[32 << 20..].chunks_exact_mut(8) {
        entry[4..].copy_from_slice(&(32u32 << 20).to_le_bytes());
    }
    assert!(lift("strings", &[32 << 20, 4 << 20], &mut memory).is_err());
    assert!(lift("bytes", &[0, 32 << 20], &mut memory).is_ok());
}
