//! Guests that lie: words and memory that no honest guest would give, judged by the component model.

use super::guest::{self, END, HEAP, RETURN};
use super::oracle::{Oracle, Running};
use super::{Programs, Trial, every, fixture};
use crate::random::Xorshift;
use lowlift::abi;
use lowlift::bindgen::Plan;
use wasmtime::component::Val;

/// Words that are the end or the beginning of something.
const WORDS: [u32; 20] = [
    0,
    1,
    2,
    3,
    5,
    255,
    256,
    0xd800,
    0xdfff,
    0x10_ffff,
    0x11_0000,
    HEAP,
    HEAP + 1,
    END - 8,
    END - 1,
    END,
    0x1000_0000,
    0x7fff_ffff,
    0x8000_0003,
    0xffff_fff8,
];

pub(super) fn spoil(random: &mut Xorshift, words: &mut [u64], image: &mut [u8]) {
    for _ in 0..=random.below(2) {
        let word = WORDS[random.below(WORDS.len())];
        match random.below(4) {
            0 if !words.is_empty() => words[random.below(words.len())] = u64::from(word),
            1 if !words.is_empty() => {
                let i = random.below(words.len());
                words[i] = words[i].wrapping_add(1 + random.below(3) as u64) ^ ((random.below(2) as u64) << 31);
            }
            2 if image.len() >= 4 => {
                let at = random.below(image.len() / 4) * 4;
                image[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            _ if !image.is_empty() => image[random.below(image.len())] = random.below(256) as u8,
            _ => {}
        }
    }
}

pub(super) fn val(core: abi::Core, word: u64) -> Val {
    match core {
        abi::Core::I32 => Val::U32(word as u32),
        abi::Core::I64 => Val::U64(word),
        abi::Core::F32 => Val::Float32(f32::from_bits(word as u32)),
        abi::Core::F64 => Val::Float64(f64::from_bits(word)),
    }
}

/// What the component model makes of it: whether it trapped, else the memory.
pub(super) fn judged(mut oracle: Running, name: &str, args: &[Val], image: &[u8], mode: u32) -> Option<Vec<u8>> {
    for (i, word) in image.chunks(4).enumerate() {
        let mut bytes = [0; 4];
        bytes[..word.len()].copy_from_slice(word);
        let at = Val::U32(HEAP + 4 * i as u32);
        oracle.call(None, "poke", &[at, Val::U32(u32::from_le_bytes(bytes))]).expect("no trap");
    }
    let top = Val::U32(HEAP + image.len() as u32);
    oracle.call(None, "set-top", &[top, Val::U32(mode)]).expect("no trap");
    oracle.call(None, &format!("raw-{name}"), args).ok()?;
    Some(oracle.peek())
}

#[test]
fn hostile_words_trap_as_under_the_component_model() {
    let (derivation, options) = every();
    let plan = Plan::of(&derivation, &options).expect("a plan");
    let programs = Programs::new(&plan);
    let oracle = Oracle::new(&fixture("every.wit"), &plan);
    let mut random = Xorshift(0xbad);
    let (mut fine, mut traps) = (0, 0);
    for stub in guest::api(&plan) {
        let (name, cores) = (stub.func.name.as_str(), guest::words(stub));
        for _ in 0..60 {
            let trial = Trial::honest(&oracle, name, cores.len(), &mut random);
            let (mut words, mut image) = (trial.words.clone(), trial.given());
            spoil(&mut random, &mut words, &mut image);
            let mode = if random.below(4) == 0 { random.below(5) as u32 } else { 0 };
            let args: Vec<Val> = cores.iter().zip(&words).map(|(core, word)| val(*core, *word)).collect();
            let want = judged(oracle.instantiate(), name, &args, &image, mode);
            for (engine, mut subject) in programs.instantiate() {
                let heap = HEAP as usize;
                subject.memory()[heap..heap + image.len()].copy_from_slice(&image);
                let top = u64::from(HEAP) + image.len() as u64;
                subject.call("set-top", &[top, u64::from(mode)]).expect("no trap");
                let have = subject.call(&format!("raw-{name}"), &words);
                match (&want, &have) {
                    (Some(want), Ok(())) => {
                        let memory = &subject.memory()[RETURN as usize..RETURN as usize + want.len()];
                        assert!(memory == want, "{name} on {engine}: {words:x?} {image:x?}");
                        fine += 1;
                    }
                    (None, Err((reason, is_fault))) => {
                        assert!(*is_fault || mode == 4, "{name} on {engine}: {reason}");
                        traps += 1;
                    }
                    _ => panic!("{name} on {engine}: {words:x?} {image:x?} mode {mode}: {have:?}"),
                }
            }
        }
    }
    println!("{fine} calls gave the same, {traps} trapped alike");
    assert!(fine > 400 && traps > 400, "{fine} {traps}");
}

#[test]
fn each_fault_has_its_reason() {
    let (derivation, options) = every();
    let plan = Plan::of(&derivation, &options).expect("a plan");
    let programs = Programs::new(&plan);
    let list = u64::from(HEAP);
    // Many lists over the same bytes: what they take when lifted is far more than the memory.
    let many = |memory: &mut [u8]| {
        for pair in memory[HEAP as usize..HEAP as usize + 0x8000].chunks_mut(8) {
            pair[..4].copy_from_slice(&HEAP.to_le_bytes());
            pair[4..].copy_from_slice(&0x1000u32.to_le_bytes());
        }
    };
    let utf8 = |memory: &mut [u8]| memory[HEAP as usize] = 0xff;
    let nothing = |_: &mut [u8]| {};
    type Prepare<'p> = &'p dyn Fn(&mut [u8]);
    let cases: [(&str, Vec<u64>, Prepare<'_>, &str); 9] = [
        ("text", vec![u64::from(END), 1], &nothing, "leaves the memory"),
        ("text", vec![0xffff_ffff, 0xffff_ffff], &nothing, "too long"),
        ("text", vec![0xffff_fff0, 0x100], &nothing, "leaves the memory"),
        ("text", vec![list, 1], &utf8, "no UTF-8"),
        ("chars", vec![list + 1, 0], &nothing, "not aligned"),
        ("colors", vec![3], &nothing, "none of the cases"),
        ("letter", vec![0xd800], &nothing, "no Unicode scalar value"),
        ("points", vec![list, 0x2000_0000], &nothing, "too long"),
        ("lists", vec![list, 0x1000, list, 0], &many, "too large"),
    ];
    for (name, words, prepare, reason) in cases {
        for (engine, mut subject) in programs.instantiate() {
            prepare(subject.memory());
            let (said, is_fault) = subject.call(&format!("raw-{name}"), &words).expect_err("a trap");
            assert!(said.contains(reason) && said.contains(name) && is_fault, "{name} on {engine}: {said}");
        }
    }
    for mode in [1, 2, 3] {
        for (_, mut subject) in programs.instantiate() {
            let said = subject.lies(mode);
            assert!(said.contains("realloc gave memory"), "{mode}: {said}");
        }
    }
}
