//! The target `link_component` of `fuzz/`, with inputs that are the same every time: components of which a few bytes or
//! sections were lost, copied, moved or changed.

use crate::fuzz::targets::{self, Outcome};
use crate::random::Xorshift;
use crate::{guest, root};

const CASES: usize = 3_000;

/// Ways to link that are given to every seed: none, all that changes the output, and each alone.
const MODES: [u8; 8] = [0, 0b1_1011, 0b1, 0b10, 0b100, 0b1000, 0b1_0000, 0b1110_0000];

fn link_component(data: &[u8]) -> Outcome {
    targets::find("link_component").expect("a target")(data)
}

/// Fixtures, and the smallest guests.
fn seeds() -> Vec<Vec<u8>> {
    let folder = std::fs::read_dir(root("fixtures/link/pass")).expect("the folder exists");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut seeds: Vec<_> = paths.iter().map(|path| wat::parse_file(path).expect("valid text")).collect();
    seeds.extend(["http-hello-rust", "shelf-rust"].map(guest));
    seeds
}

/// The sections of a module or component: id and contents.
fn sections(wasm: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut rest = wasm.get(8..).filter(|_| wasm.starts_with(b"\0asm"))?;
    let mut sections = Vec::new();
    while let Some((&id, after)) = rest.split_first() {
        let mut reader = wasmparser::BinaryReader::new(after, 0);
        let contents = reader.read_var_u32().and_then(|size| reader.read_bytes(size as usize)).ok()?;
        sections.push((id, contents.to_vec()));
        rest = &after[reader.original_position()..];
    }
    Some(sections)
}

/// The opposite.
fn join(header: &[u8], sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut wasm = header.to_vec();
    for (id, contents) in sections {
        wasm.push(*id);
        let mut size = contents.len();
        while size >= 0x80 {
            wasm.push(size as u8 | 0x80);
            size >>= 7;
        }
        wasm.push(size as u8);
        wasm.extend_from_slice(contents);
    }
    wasm
}

/// A few bytes lost, copied, put in or changed; `others` is where bytes come from.
fn blind(random: &mut Xorshift, bytes: &mut Vec<u8>, others: &[u8]) {
    let (from, length) = (random.below(bytes.len()), 1 + random.below(6));
    let range = from..(from + length).min(bytes.len());
    match random.below(6) {
        0 => drop(bytes.drain(range)),
        1 => {
            let (copy, to) = (bytes[range].to_vec(), random.below(bytes.len()));
            bytes.splice(to..to, copy);
        }
        2 => {
            let start = random.below(others.len());
            let other = others[start..(start + length).min(others.len())].to_vec();
            bytes.splice(range, other);
        }
        3 if !bytes.is_empty() => bytes[from] ^= 1 << random.below(8),
        4 if !bytes.is_empty() => bytes[from] = bytes[from].wrapping_add([1, 255][random.below(2)]),
        _ if !bytes.is_empty() => bytes[from] = [0, 1, 0x7f, 0x80, 0xff, 0x40, 0x70, 0x6f][random.below(8)],
        _ => {}
    }
}

/// Sections lost, copied, moved, taken from another, or changed inside so that their sizes still fit.
pub(crate) fn mutate(random: &mut Xorshift, wasm: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = wasm.to_vec();
    let whole = sections(wasm).filter(|sections| !sections.is_empty() && random.below(8) > 0);
    let Some(mut parts) = whole else {
        blind(random, &mut bytes, other);
        return bytes;
    };
    let (at, to) = (random.below(parts.len()), random.below(parts.len()));
    match random.below(16) {
        0 => drop(parts.remove(at)),
        1 => parts.insert(to, parts[at].clone()),
        2 => parts.swap(at, to),
        3 => {
            let others = sections(other).unwrap_or_default();
            if !others.is_empty() {
                parts.insert(to, others[random.below(others.len())].clone());
            }
        }
        _ if parts[at].1.starts_with(b"\0asm") => parts[at].1 = mutate(random, &parts[at].1, other),
        _ => blind(random, &mut parts[at].1, other),
    }
    join(&wasm[..8], &parts)
}

/// The nth input.
fn input(random: &mut Xorshift, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut wasm = seeds[random.below(seeds.len())].clone();
    for _ in 0..[1, 1, 1, 2, 3][random.below(5)] {
        let other = random.below(seeds.len());
        wasm = mutate(random, &wasm, &seeds[other]);
    }
    let mode = match random.below(2) {
        0 => MODES[random.below(MODES.len())],
        _ => random.next() as u8,
    };
    wasm.insert(0, mode);
    wasm
}

fn run(seed: u64, cases: usize) {
    let seeds = seeds();
    let mut random = Xorshift(seed);
    let [mut refused, mut whole] = [0; 2];
    for case in 0..cases {
        let data = input(&mut random, &seeds);
        // A library that aborts leaves no message: this is where its input is.
        if let Some(path) = std::env::var_os("LOWLIFT_FUZZ_LAST") {
            std::fs::write(path, &data).expect("the file is writable");
        }
        match std::panic::catch_unwind(|| link_component(&data)) {
            Ok(Outcome::Whole) => whole += 1,
            Ok(_) => refused += 1,
            Err(_) => {
                if let Some(folder) = std::env::var_os("LOWLIFT_FUZZ_FOUND") {
                    let path = std::path::Path::new(&folder).join(format!("{seed:x}-{case}.bin"));
                    std::fs::write(path, &data).expect("the folder is writable");
                } else {
                    panic!("case {case} of seed {seed:#x}");
                }
            }
        }
    }
    println!("{refused} refused, {whole} whole");
    assert!(refused > cases / 4 && whole > cases / 20, "{refused} refused, {whole} whole");
}

#[test]
fn seeds_are_linked_or_refused() {
    for seed in seeds() {
        let outcomes = MODES.map(|mode| link_component(&[&[mode], &seed[..]].concat()));
        assert_eq!(outcomes[0], Outcome::Whole);
    }
}

/// Found by mutation: an import that is lowered and never called, verified with and without a preview1 adapter's removal.
#[test]
fn an_import_that_nobody_calls_is_no_part_of_the_proof() {
    let component = wat::parse_str(
        r#"(component
          (import "tick" (func $tick (result u32)))
          (core func $tick' (canon lower (func $tick)))
          (core module $m (import "" "tick" (func (result i32))) (func (export "f") (result i32) (i32.const 1)))
          (core instance $i (instantiate $m (with "" (instance (export "tick" (func $tick'))))))
          (func (export "f") (result u32) (canon lift (core func $i "f"))))"#,
    );
    let component = component.expect("valid text");
    for mode in [0b1000_0000, 0b1000_0100] {
        assert_eq!(link_component(&[&[mode], &component[..]].concat()), Outcome::Whole);
    }
}

#[test]
fn mutated_components_are_refused_or_linked() {
    run(0x6a09_e667_f3bc_c908, CASES);
}

/// For as long as one likes: `LOWLIFT_FUZZ_SEED`, `LOWLIFT_FUZZ_CASES`.
#[test]
#[ignore = "takes as long as one likes"]
fn more_mutated_components_are_refused_or_linked() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    run(
        number("LOWLIFT_FUZZ_SEED").unwrap_or(0xbb67_ae85_84ca_a73b),
        number("LOWLIFT_FUZZ_CASES").unwrap_or(20_000) as usize,
    );
}
