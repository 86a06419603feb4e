//! The targets of `fuzz/`, with inputs that are the same every time.

#[path = "../../fuzz/targets/mod.rs"]
pub(crate) mod targets;

use crate::random::{WIT, Xorshift};
use crate::root;
use lowlift::abi::{Abi, Forms, Names};
use lowlift::wit::{Gates, Loaded, Sources, WitFile, built_in, load};
use lowlift::witx::{Options, Scope, derive, print, single};
use targets::Outcome;

const CASES: usize = 1_500;

/// What derived WITX is made of.
const WITX: &[&str] = &[
    "(",
    ")",
    "\"",
    "$",
    ";;; ",
    "(; ",
    "(@cabi ",
    "(@witx ",
    "typename ",
    "u8",
    "u64",
    "string",
    "(list ",
    "(tuple ",
    "(handle)",
    " memory",
    " realloc",
    " rep",
    "(size 0)",
    "(pad 0)",
    "\\u{0}",
    "é",
    "\u{202e}",
    "99999999999",
];

fn fixture(name: &str) -> String {
    std::fs::read_to_string(root("fixtures/witx").join(name)).expect("a fixture")
}

pub(crate) fn loaded(text: String) -> Loaded {
    let main = vec![WitFile { path: "test.wit".to_owned(), text }];
    load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &Gates::default())
        .expect("the WIT is valid")
}

/// Everything in one text.
pub(crate) fn witx(loaded: &Loaded, forms: Forms) -> String {
    let options = Options { abi: Abi { names: Names::Legacy, forms }, aliases: Vec::new() };
    let scope = Scope::Packages(loaded.packages.clone());
    single(&print(&derive(&loaded.resolve, &scope, &options).expect("derives").document))
}

/// How many came how far: refused, plain, whole.
fn run(seed: u64, seeds: &[String], tokens: &[&str], target: impl Fn(&str, usize) -> Outcome) -> [usize; 3] {
    for (i, text) in seeds.iter().enumerate() {
        assert_eq!(target(text, i), Outcome::Whole, "{text}");
    }
    let mut random = Xorshift(seed);
    let mut outcomes = [0; 3];
    for i in 0..CASES {
        match target(&random.mutate(&seeds[i % seeds.len()], tokens), i / seeds.len()) {
            Outcome::NotText => {}
            Outcome::Refused => outcomes[0] += 1,
            Outcome::Plain => outcomes[1] += 1,
            Outcome::Whole => outcomes[2] += 1,
        }
    }
    outcomes
}

#[test]
fn mutated_witx_is_refused_or_read_again() {
    let mut seeds =
        vec![witx(&loaded(fixture("kinds.wit")), Forms::All), witx(&loaded(fixture("names.wit")), Forms::Sync)];
    for (package, forms) in
        [("wasi:io@0.2.12", Forms::Sync), ("wasi:random@0.3.2", Forms::Async), ("wasi:clocks@0.3.2", Forms::Async)]
    {
        seeds.push(witx(&built_in(package, &Gates::default()).expect("built in"), forms));
    }
    let [refused, _, whole] = run(0x2545_f491_4f6c_dd1d, &seeds, WITX, |text, _| {
        targets::find("witx_read").expect("a target")(text.as_bytes())
    });
    assert!(refused > CASES / 4 && whole > CASES / 20, "{refused} refused, {whole} whole");
}

#[test]
fn mutated_wit_is_refused_or_derived_and_proven() {
    let mut seeds = vec![fixture("kinds.wit"), fixture("names.wit")];
    let wasi = built_in("wasi@0.3.2", &Gates::default()).expect("built in");
    seeds.extend(
        wasi.files.into_iter().map(|file| file.text).filter(|text| text.len() < 3_000 && !text.contains("use ")),
    );
    let [refused, _, whole] = run(0x9e37_79b9_7f4a_7c15, &seeds, WIT, |text, mode| {
        let mut data = vec![(mode % 5) as u8];
        data.extend_from_slice(text.as_bytes());
        targets::find("wit_derive").expect("a target")(&data)
    });
    assert!(refused > CASES / 4 && whole > CASES / 20, "{refused} refused, {whole} whole");
}
