//! Made-up WIT packages: each is derived and proven, or refused with a code.

use arbitrary::Unstructured;
use lowlift::abi::{Abi, Forms, Names};
use lowlift::diagnostic::Code;
use lowlift::wit::{Gates, Loaded, Sources, load};
use lowlift::witx::{Options, Scope, derive, print, read, verify};
use std::collections::BTreeMap;

const FORMS: [(Names, Forms); 5] = [
    (Names::Legacy, Forms::Sync),
    (Names::Legacy, Forms::Async),
    (Names::Legacy, Forms::All),
    (Names::Canonical, Forms::Sync),
    (Names::Cm32p2, Forms::Sync),
];

/// A package from a seed; none where the seed makes none.
fn package(seed: u64) -> Option<Loaded> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(1 << 10)
    .flatten()
    .collect();
    let mut input = Unstructured::new(&bytes);
    let config = input.arbitrary().ok()?;
    let wasm = wit_smith::smith(&config, &mut input).ok()?;
    let source = Sources::Binary { path: format!("seed-{seed}.wasm"), bytes: wasm };
    Some(load(&source, &Gates::default()).expect("what wit-smith makes is valid"))
}

/// Derives and proves `seeds`; the number of proven documents, and of refusals by code and message.
fn prove(seeds: std::ops::Range<u64>) -> (usize, BTreeMap<(Code, String), usize>) {
    let (mut proven, mut refused) = (0, BTreeMap::new());
    for seed in seeds {
        let Some(loaded) = package(seed) else { continue };
        let resolve = &loaded.resolve;
        let worlds = loaded.packages.iter().flat_map(|&p| resolve.packages[p].worlds.values());
        let scopes = worlds.map(|&w| Scope::World(w)).chain([Scope::Packages(loaded.packages.clone())]);
        for scope in scopes {
            for (names, forms) in FORMS {
                let options = Options { abi: Abi { names, forms }, aliases: Vec::new() };
                let outcome = derive(resolve, &scope, &options).and_then(|derived| {
                    let files = print(&derived.document);
                    verify(resolve, &scope, &derived, &files)?;
                    read(&files)
                });
                match outcome {
                    Ok(_) => proven += 1,
                    Err(error) if error.code == Code::NotExpressible => {
                        *refused.entry((error.code, error.message.clone())).or_default() += 1;
                    }
                    Err(error) => panic!("seed {seed}, {scope:?}, {names:?}, {forms:?}: {error:?}"),
                }
            }
        }
    }
    (proven, refused)
}

#[test]
fn made_up_packages_are_proven_or_refused() {
    let (proven, refused) = prove(0..300);
    assert!(proven > 3000, "{proven} proven; refused: {refused:#?}");
    println!("{proven} proven; refused: {refused:#?}");
}
