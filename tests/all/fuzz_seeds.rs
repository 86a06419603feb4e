//! Inputs for every target of `fuzz/`: the repository's own modules, components, WIT, WITX and settings, and made-up WIT.
//! Each is tried as it is, and with a few things lost, copied, moved or changed.

use crate::fuzz::targets::{self, Outcome, Target};
use crate::fuzz::{loaded, witx};
use crate::fuzz_link::mutate as mutate_wasm;
use crate::random::{WIT, Xorshift};
use crate::root;
use crate::witx_corpus::{sorted, sources_of};
use arbitrary::Unstructured;
use lowlift::abi::Forms;
use lowlift::wit::{Gates, built_in, built_in_packages};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

/// Larger files make a fuzzer slow, and show it nothing new.
const MAX_SEED: u64 = 30_000;

/// What settings are made of.
const TOML: &[&str] =
    &["[", "]", "{", "}", "=", "\"", "'", "\n", "#", ",", ".", "-1", "99999999999999999999", "1e9", "\u{202e}", "é"];

/// A target's name and its inputs.
type Inputs = (&'static str, Vec<Vec<u8>>);

/// The files below a folder, by extension.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<Vec<u8>>>);

impl Files {
    fn folder(&mut self, folder: &Path) {
        for path in sorted(folder) {
            if path.is_dir() {
                self.folder(&path);
            } else if path.metadata().is_ok_and(|m| m.len() <= MAX_SEED) {
                let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
                let bytes = std::fs::read(&path).expect("readable");
                self.0.entry(extension.to_owned()).or_default().push(bytes);
            }
        }
    }

    fn of(&self, extension: &str) -> &[Vec<u8>] {
        self.0.get(extension).map_or(&[], Vec::as_slice)
    }
}

/// Every input after each of these.
fn after(heads: &[&[u8]], inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    heads.iter().flat_map(|head| inputs.iter().map(move |input| [head, &input[..]].concat())).collect()
}

/// Made-up packages of WIT in binary form.
fn made_up(count: u64) -> Vec<Vec<u8>> {
    let mut random = Xorshift(0x5851_f42d_4c95_7f2d);
    let made = (0..count).filter_map(|_| {
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.next().to_le_bytes()).take(1 << 9).flatten().collect();
        let mut input = Unstructured::new(&bytes);
        wit_smith::smith(&input.arbitrary().ok()?, &mut input).ok()
    });
    made.filter(|wasm| wasm.len() as u64 <= MAX_SEED).collect()
}

/// Arbitrary bytes, almost all of them zero.
fn memories() -> Vec<Vec<u8>> {
    let mut random = Xorshift(0x1f83_d9ab_fb41_bd6b);
    let mut byte = move || if random.below(16) > 0 { 0 } else { random.next() as u8 };
    (0..200u8).map(|which| std::iter::once(which).chain((0..600).map(|_| byte())).collect()).collect()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root(path)).expect("a fixture")
}

/// All targets; `all` takes the inputs of dependencies too.
fn inputs(all: bool) -> Vec<Inputs> {
    let mut files = Files::default();
    for folder in ["fixtures", "witx-out", "src/profile"] {
        files.folder(&root(folder));
    }
    if all {
        for (name, folder) in [("wit-parser", "tests/ui"), ("wit-component", "tests")] {
            files.folder(&sources_of(name).join(folder));
        }
    }
    let assembled = files.of("wat").iter().filter_map(|text| wat::parse_bytes(text).ok()).map(|wasm| wasm.into_owned());
    let binaries: Vec<Vec<u8>> = assembled.chain(files.of("wasm").iter().cloned()).collect();
    let (components, modules): (Vec<_>, Vec<_>) =
        binaries.into_iter().partition(|wasm| wasmparser::Parser::is_component(wasm));
    let both = [&modules[..], &components[..]].concat();
    let packages = [made_up(if all { 200 } else { 10 }), components.clone()].concat();
    // The binary begins with the zero byte that ends the text.
    let names = b"\x08[imports]\n\"host f\" = \"env f\"\n[exports]\nf = \"g\"\n";
    let texts: Vec<String> = built_in_packages()
        .iter()
        .map(|package| witx(&built_in(package, &Gates::default()).expect("built in"), Forms::Sync))
        .chain([
            witx(&loaded(text("fixtures/witx/kinds.wit")), Forms::All),
            witx(&loaded(text("fixtures/witx/names.wit")), Forms::Sync),
            witx(&loaded(text("fixtures/bindgen/shelf.wit")), Forms::Async),
        ])
        .filter(|text| text.len() as u64 <= 2 * MAX_SEED)
        .collect();
    let derived: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    let settings = [files.of("toml"), files.of("json")].concat();
    vec![
        ("witx_read", [&derived, files.of("witx")].concat()),
        ("wit_derive", after(&[&[0], &[0x82], &[0x44]], files.of("wit"))),
        ("wit_binary", after(&[&[0], &[0x82]], &packages)),
        ("wit_forms", after(&[&[0], &[0x82]], files.of("wit"))),
        (
            "bindgen_text",
            [
                after(&[&[0, 0x30], &[0x80, 0x11], &[0, 0x72], &[1, 0x35], &[0, 0x06], &[0, 0x33]], files.of("wit")),
                after(&[&[0, 0x80], &[0, 0xb5]], &derived),
            ]
            .concat(),
        ),
        ("link_component", after(&[&[0], &[0x80], &[0x1b]], &components)),
        ("link_named", after(&[&[0], &[0x81], &[4], names], &components)),
        ("adapt_module", after(&[&[0], &[2], &[4], &[0x81]], &modules)),
        ("migrate_file", both.clone()),
        ("check_module", after(&[&[0, 0], &[1, 11], &[2, 3]], &both)),
        ("values", memories()),
        ("read_settings", after(&[&[0], &[1], &[2], &[3], &[4], &[5], &[6]], &settings)),
    ]
}

/// Bytes of WebAssembly, or text, with something changed behind its head.
fn mutated(random: &mut Xorshift, input: &[u8], other: &[u8]) -> Vec<u8> {
    let at = input.windows(4).take(200).position(|four| four == b"\0asm").unwrap_or(input.len());
    if let (head, wasm @ [_, ..]) = input.split_at(at) {
        let mut out = head.to_vec();
        out.extend(mutate_wasm(random, wasm, other));
        return out;
    }
    let head = 2;
    if input.len() <= head {
        return input.to_vec();
    }
    let tokens = if input.contains(&b'=') { TOML } else { WIT };
    let mut out = input[..head].to_vec();
    out.extend(random.mutate(&String::from_utf8_lossy(&input[head..]), tokens).into_bytes());
    out
}

/// Runs a target, and keeps the input on which it panics in the folder `LOWLIFT_FUZZ_FOUND`, if there is one.
fn tried(name: &str, target: Target, input: &[u8], case: usize) -> Outcome {
    let Some(folder) = std::env::var_os("LOWLIFT_FUZZ_FOUND") else { return target(input) };
    std::panic::catch_unwind(|| target(input)).unwrap_or_else(|_| {
        std::fs::write(Path::new(&folder).join(format!("{name}-{case}")), input).expect("the folder is writable");
        Outcome::Refused
    })
}

#[test]
fn every_target_takes_its_inputs_and_what_becomes_of_them() {
    let cases = std::env::var("LOWLIFT_FUZZ_CASES").map_or(150, |n| n.parse().expect("a number"));
    let mut random = Xorshift(0x3c6e_f372_fe94_f82b);
    for (name, inputs) in inputs(false) {
        let target = targets::find(name).expect("a target");
        let mut whole = 0;
        for case in 0..cases {
            let (input, other) = (&inputs[random.below(inputs.len())], &inputs[random.below(inputs.len())]);
            whole += usize::from(tried(name, target, input, case) == Outcome::Whole);
            tried(name, target, &mutated(&mut random, input, other), case);
        }
        assert!(whole * 12 > cases, "{name}: {whole} of {cases}");
    }
}

/// Writes them for the fuzzer: `LOWLIFT_FUZZ_CORPUS` is a folder, in which each target has its own.
#[test]
#[ignore = "writes files"]
fn inputs_are_written() {
    let folder = std::env::var_os("LOWLIFT_FUZZ_CORPUS").expect("LOWLIFT_FUZZ_CORPUS names a folder");
    for (name, inputs) in inputs(true) {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).expect("the folder is writable");
        for (number, input) in inputs.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), input).expect("the folder is writable");
        }
    }
}
