//! Modules that are compared with what a host provides and an engine takes.

use super::{Outcome, obeys_nothing, refused};
use lowlift::abi::Allocation;
use lowlift::check::{Baseline, Budget, Host, Module, Report, Target, breaks, component, diff, module, own};
use lowlift::diagnostic::Color;
use lowlift::profile::Profile;
use lowlift::wit::{Gates, Loaded, built_in, select_world};
use lowlift::witx::{Derivation, Options, Scope, derive};
use std::sync::OnceLock;
use wasmparser::Parser;

/// What modules are compared with, made once.
struct Judges {
    targets: Vec<Target>,
    profiles: Vec<Profile>,
    old: Derivation,
    new: Derivation,
}

fn judges() -> &'static Judges {
    static JUDGES: OnceLock<Judges> = OnceLock::new();
    JUDGES.get_or_init(|| {
        let of = |name: &str| built_in(name, &Gates::default()).expect("built in");
        let (http, cli) = (of("wasi:http@0.2.12"), of("wasi:cli@0.2.12"));
        let world = |loaded: &Loaded, name: &str| {
            let world = select_world(loaded, Some(name)).expect("a world");
            Target::of_world(name, &loaded.resolve, world).expect("a target")
        };
        let derivation = |name: &str| {
            let loaded = of(name);
            let scope = Scope::Packages(loaded.packages.clone());
            let derived = derive(&loaded.resolve, &scope, &Options::default()).expect("derived");
            Derivation::of(derived.document).expect("whole")
        };
        let new = derivation("wasi@0.2.12");
        let targets = vec![
            world(&http, "proxy"),
            world(&cli, "command"),
            Target::of_derivation("wasi", derivation("wasi@0.2.12")),
        ];
        let profiles = Profile::names().filter_map(Profile::built_in).collect();
        Judges { targets, profiles, old: derivation("wasi@0.2.0"), new }
    })
}

/// A module or component, after two bytes that choose what to compare with: what is found can be told in every form, and
/// nothing is left of it once it is known.
pub(super) fn check_module(data: &[u8]) -> Outcome {
    let Some((&[target, profile], wasm)) = data.split_first_chunk() else { return Outcome::NotText };
    let judges = judges();
    let budget =
        Budget { memory_pages: Some(1), table_elements: Some(1), stack: Some(1024), data: Some(u32::from(profile)) };
    let host = Host {
        target: judges.targets.get(usize::from(target) % 4),
        profile: judges.profiles.get(usize::from(profile) % (judges.profiles.len() + 1)),
        budget,
        allocation: match target >> 2 & 3 {
            0 => Allocation::Arena,
            1 => Allocation::None,
            _ => Allocation::Reentrant,
        },
    };
    let own = own("input.wasm", wasm).ok();
    let judged = match Parser::is_component(wasm) {
        true => component(wasm, &host),
        false => module(wasm, &host, own.as_ref()).map(|(checked, survey)| {
            breaks(changes(), &survey);
            (checked, survey.describe())
        }),
    };
    let (checked, what) = match judged {
        Ok(judged) => judged,
        Err(error) => return refused(&error),
    };
    let name = "folder/in\u{1b}<put>]]>\".wasm".to_owned();
    told(Module { name, what, binary: true, checked });
    Outcome::Whole
}

fn changes() -> &'static [lowlift::check::Change] {
    static CHANGES: OnceLock<Vec<lowlift::check::Change>> = OnceLock::new();
    CHANGES.get_or_init(|| diff(&judges().old, &judges().new))
}

fn told(module: Module) {
    let mut report = Report { modules: vec![module], ..Report::default() };
    forms(&report);
    let known = Baseline::of(&report.modules);
    let again = Baseline::parse("known.json", &known.text()).expect("what was written is read");
    assert!(again == known, "another baseline");
    report.stale = again.mark(&mut report.modules);
    assert!(!report.failed() && report.stale.is_empty(), "{report:?}");
    forms(&report);
}

fn forms(report: &Report) {
    obeys_nothing(&report.text(Color::Never, true, false));
    obeys_nothing(&report.markdown());
    for json in [report.json(), report.sarif()] {
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
    }
    let junit = report.junit().expect("JUnit");
    if let Err(error) = roxmltree::Document::parse(&junit) {
        panic!("{error}: {junit}");
    }
}
