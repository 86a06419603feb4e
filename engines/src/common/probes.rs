//! Probes: small modules that each need one thing, and give 42 where they have it.
//!
//! The first lines of a probe say what it needs, as comments: `;; feature simd`, `;; name-length 64`, `;; params 10`,
//! `;; tables 2`, `;; memories 2`, `;; reentrant`, `;; start-imports`. Where a profile has all of that, its engine must run the probe.

use super::{Engine, Guest, Host, Import, Stop, Value};
use lowlift::profile::{Limits, Profile, set};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;

/// What a probe gives.
pub(crate) const ANSWER: u32 = 42;

/// A module, and what it needs beyond 1.0.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    /// The name of its file, without the ending.
    pub(crate) name: String,
    /// The binary.
    pub(crate) wasm: Vec<u8>,
    /// The features it needs; the first is the one that it is about.
    pub(crate) features: Vec<&'static str>,
    /// Limits that are as large as it needs them.
    pub(crate) needs: Limits,
    /// Whether the host calls the guest while it waits.
    pub(crate) reentrant: bool,
    /// Whether its start function calls an import, which no profile promises.
    pub(crate) start_imports: bool,
}

impl Probe {
    /// Reads all probes of a folder, by name.
    pub(crate) fn all(folder: &Path) -> Result<Vec<Probe>, String> {
        let mut out = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let path = entry.map_err(|e| e.to_string())?.path();
            if path.extension().is_some_and(|e| e == "wat") {
                let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                out.push(Probe::parse(&name, &text).map_err(|e| format!("{}: {e}", path.display()))?);
            }
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    fn parse(name: &str, text: &str) -> Result<Probe, String> {
        let wasm = wat::parse_str(text).map_err(|e| e.to_string())?;
        let mut probe = Probe {
            name: name.to_owned(),
            wasm,
            features: Vec::new(),
            needs: Limits::default(),
            reentrant: false,
            start_imports: false,
        };
        for line in text.lines().map_while(|line| line.strip_prefix(";; ")) {
            let mut words = line.split(' ');
            let (word, value) = (words.next().unwrap_or_default(), words.next());
            let number = || value.and_then(|v| v.parse().ok()).ok_or_else(|| format!("`{line}`: a number is wanted"));
            match word {
                "feature" => probe.features.push(known(value.unwrap_or_default())?),
                "name-length" => probe.needs.name_length = Some(number()?),
                "params" => probe.needs.params = Some(number()?),
                "tables" => probe.needs.tables = Some(number()?),
                "memories" => probe.needs.memories = Some(number()?),
                "reentrant" => probe.reentrant = true,
                "start-imports" => probe.start_imports = true,
                // The comment begins.
                _ => break,
            }
        }
        Ok(probe)
    }

    /// Whether a profile says that its engine runs the probe.
    pub(crate) fn claimed_by(&self, profile: &Profile) -> bool {
        let enough = |limit: Option<u32>, need: Option<u32>| limit.is_none_or(|limit| need.is_none_or(|n| n <= limit));
        let (limits, needs) = (&profile.limits, &self.needs);
        self.features.iter().all(|name| set(name).is_some_and(|f| profile.features.contains(f)))
            && enough(limits.name_length, needs.name_length)
            && enough(limits.params, needs.params)
            && enough(limits.tables, needs.tables)
            && enough(limits.memories, needs.memories)
            && (profile.reentrant || !self.reentrant)
            && !self.start_imports
    }

    /// Runs it, and says what came instead of the answer.
    pub(crate) fn run(&self, engine: &dyn Engine) -> Result<(), String> {
        match engine.run(&self.wasm, Rc::new(RefCell::new(Answers)), "probe", &[]) {
            Ok(Some(Value::I32(ANSWER))) => Ok(()),
            Ok(other) => Err(format!("gave {other:?}")),
            Err(Stop::Refused(reason)) => Err(format!("refused: {reason}")),
            Err(Stop::Trapped(reason)) => Err(format!("trapped: {reason}")),
        }
    }
}

fn known(name: &str) -> Result<&'static str, String> {
    let mut names = lowlift::profile::FEATURES.iter().map(|(name, _)| *name).chain(["mvp"]);
    names.find(|known| *known == name).ok_or_else(|| format!("there is no feature `{name}`"))
}

/// What a profile says of a probe, and what the engine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Claimed, and run.
    Yes,
    /// Not claimed, and not run.
    No,
    /// Run, though the profile does not claim it: the profile is smaller than the engine, which is safe.
    More,
    /// Claimed, and not run.
    Lie,
}

impl Verdict {
    /// Compares.
    pub(crate) fn of(claimed: bool, runs: bool) -> Verdict {
        match (claimed, runs) {
            (true, true) => Verdict::Yes,
            (false, false) => Verdict::No,
            (false, true) => Verdict::More,
            (true, false) => Verdict::Lie,
        }
    }

    /// As the table shows it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Yes => "yes",
            Verdict::No => "-",
            Verdict::More => "more",
            Verdict::Lie => "LIE",
        }
    }
}

/// The host of probes: `again` calls the guest's `inner`; every other import adds its parameters up, or gives 42 if it has
/// none.
pub(crate) struct Answers;

impl Host for Answers {
    fn call(&mut self, guest: &mut dyn Guest, import: &Import, args: &[Value]) -> Result<Option<Value>, String> {
        if import.name == "again" {
            return guest.call("inner", &[]);
        }
        let sum = args.iter().fold(0u32, |sum, arg| sum.wrapping_add(arg.bits() as u32));
        Ok(Some(Value::I32(if args.is_empty() { ANSWER } else { sum })))
    }
}
