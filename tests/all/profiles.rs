//! Profiles: every line has a source, and none claims what its engine does not run.

#[path = "../../engines/src/common/mod.rs"]
mod common;

use common::probes::{Probe, Verdict};
use lowlift::profile::{FEATURES, Profile, set};
use std::path::Path;
use wasmparser::{Validator, WasmFeatures};

/// Those whose profile speaks of a version of the specification.
const LEVELS: [&str; 4] = ["mvp", "lime1", "wasm2", "wasm3-spec"];

/// All features that a probe needs.
fn needed(probe: &Probe) -> WasmFeatures {
    let floor = set("mvp").expect("a level").union(WasmFeatures::FLOATS).union(WasmFeatures::GC_TYPES);
    probe.features.iter().map(|name| set(name).expect("a feature")).fold(floor, WasmFeatures::union)
}

fn probes() -> Vec<Probe> {
    Probe::all(Path::new("fixtures/probes")).expect("probes")
}

#[test]
fn every_line_of_a_built_in_profile_has_a_source() {
    for name in Profile::names() {
        let profile = Profile::built_in(name).expect(name);
        assert!(
            profile.about.as_deref().is_some_and(|about| about.ends_with('.')),
            "{name} does not say what it is about"
        );
        for (line, source) in &profile.sources {
            assert!(source.as_deref().is_some_and(|source| source.trim().len() > 5), "{name}: `{line}` has no source");
        }
        let says = |line: &str| profile.sources.iter().any(|(have, _)| have == line);
        assert!(LEVELS.contains(&name) || says("reentrant"), "{name} does not say whether it is re-entrant");
    }
    for level in LEVELS {
        assert!(Profile::built_in(level).is_some(), "{level}");
    }
}

#[test]
fn sources_are_kept_and_users_may_leave_them_out() {
    let text = "max-params = { max = 9, source = \"page 3\" }\nmax-tables = 1\n\
                reentrant = { value = false, source = \"page 4\" }\n[features]\nmvp = \"page 1\"\nsimd = \"page 2\"";
    let profile = Profile::parse("own.toml", text).expect("a profile");
    let source =
        |line: &str| profile.sources.iter().find(|(have, _)| have == line).map(|(_, source)| source.as_deref());
    assert_eq!(source("mvp"), Some(Some("page 1")));
    assert_eq!(source("simd"), Some(Some("page 2")));
    assert_eq!(source("max-params"), Some(Some("page 3")));
    assert_eq!(source("max-tables"), Some(None));
    assert_eq!(source("reentrant"), Some(Some("page 4")));
    assert_eq!(source("max-data"), None);
    assert_eq!((profile.limits.params, profile.limits.tables, profile.reentrant), (Some(9), Some(1), false));
    let plain = Profile::parse(
        "own.toml",
        "features = [\"mvp\", \"simd\"]\nmax-data = 9\nmax-stack = 8\nmax-table-elements = 7",
    );
    let plain = plain.expect("a profile");
    assert_eq!(plain.features, profile.features);
    assert_eq!((plain.limits.data, plain.limits.stack, plain.limits.table_elements), (Some(9), Some(8), Some(7)));
    assert!(plain.reentrant, "unless it is said");
}

/// So that a probe that runs shows its feature, and not another.
#[test]
fn a_probe_needs_its_feature_and_no_more_than_it_says() {
    let probes = probes();
    for (name, _) in FEATURES {
        assert!(probes.iter().any(|probe| probe.name == *name && probe.features[0] == *name), "no probe of `{name}`");
    }
    for probe in probes {
        let valid = |features| Validator::new_with_features(features).validate_all(&probe.wasm);
        valid(needed(&probe)).unwrap_or_else(|e| panic!("{}: {e}", probe.name));
        // Reference types allow what the shorter feature does; parsers that know them take it from there.
        if let Some(own) = probe.features.first().filter(|own| **own != "mvp") {
            let own = set(own).expect("a feature");
            assert!(valid(needed(&probe).difference(own)).is_err(), "{} does not need {own:?}", probe.name);
        }
    }
}

#[test]
fn no_profile_claims_what_its_engine_does_not_run() {
    let probes = probes();
    for engine in common::engines() {
        let profile = Profile::built_in(engine.profile()).expect("a profile");
        let mut counts = [0; 4];
        for probe in &probes {
            let result = probe.run(engine.as_ref());
            let verdict = Verdict::of(probe.claimed_by(&profile), result.is_ok());
            println!(
                "{:10} {:26} {:5} {}",
                engine.name(),
                probe.name,
                verdict.word(),
                result.as_ref().err().map_or("", String::as_str)
            );
            assert_ne!(
                verdict,
                Verdict::Lie,
                "{}: `{}` claims {}, which {result:?}",
                engine.name(),
                profile.name,
                probe.name
            );
            counts[verdict as usize] += 1;
        }
        println!("{}: yes, no, more, lie: {counts:?}", engine.name());
        assert!(counts[Verdict::Yes as usize] >= 20, "{}: {counts:?}", engine.name());
    }
}

/// The judge itself: a profile that claims all of 3.0 is a lie on an engine that has less.
#[test]
fn a_profile_that_lies_is_found() {
    let liar = Profile::built_in("wasm3-spec").expect("a level");
    let probes = probes();
    let lies = |engine: &dyn common::Engine| {
        let lie = |probe: &&Probe| Verdict::of(probe.claimed_by(&liar), probe.run(engine).is_ok()) == Verdict::Lie;
        probes.iter().filter(lie).map(|probe| probe.name.clone()).collect::<Vec<_>>()
    };
    for engine in common::engines().iter().filter(|engine| engine.name() != "wasmtime") {
        let lies = lies(engine.as_ref());
        assert!(lies.iter().any(|name| name == "gc"), "{}: {lies:?}", engine.name());
    }
}

/// What the guest says on engines that know nothing of its WIT; `cargo xtask engines` compares the others with the same file.
#[test]
fn a_guest_of_all_types_says_the_same_on_all_engines() {
    let wasm = std::fs::read("fixtures/guests/engines.wasm").expect("a guest");
    let expected = std::fs::read_to_string("fixtures/guests/engines/transcript.txt").expect("a transcript");
    for engine in common::engines() {
        let parts = common::host::PARTS.into_iter().flatten();
        let said: String = parts.map(|part| common::host::part(engine.as_ref(), &wasm, part)).collect();
        assert_eq!(said, expected, "{}", engine.name());
    }
    // What no bindings would do is stopped, each time.
    assert_eq!(expected.lines().filter(|line| *line == "trap").count(), common::host::PARTS[1].clone().count());
    assert!(!expected.contains("not stopped"));
}
