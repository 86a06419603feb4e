//! Names as wit-bindgen's Rust generator forms them, made safe: keywords and names that are taken get an underscore.

use std::collections::{HashMap, HashSet};

/// Words that are no identifiers in any edition, reserved ones included.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super \
    trait true try type typeof unsafe unsized use virtual where while yield Self _";

/// Types that generated code names without a path.
const TYPES: &str = "Err Guest Host None Ok Option Result Some String Trap Vec";

/// The words of a name: what lies between its hyphens, or whatever else is no letter or digit.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// An identifier cannot start with a digit, and is not empty.
fn started(name: String, first: char) -> String {
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("{first}{name}") }
}

/// `error-code` as `error_code`.
pub(super) fn snake(name: &str) -> String {
    started(words(name).collect::<Vec<_>>().join("_").to_ascii_lowercase(), 'n')
}

/// `error-code` as `ErrorCode`.
pub(super) fn camel(name: &str) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..].to_ascii_lowercase();
    started(words(name).map(capital).collect(), 'N')
}

/// `error-code` as `ERROR_CODE`.
pub(super) fn shouty(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// The names of one scope.
#[derive(Debug, Default)]
pub(super) struct Namer {
    taken: HashSet<String>,
    counts: HashMap<String, usize>,
}

impl Namer {
    /// A scope in which these are taken.
    pub(super) fn of<'a>(taken: impl IntoIterator<Item = &'a str>) -> Namer {
        Namer { taken: taken.into_iter().map(str::to_owned).collect(), counts: HashMap::new() }
    }

    /// A scope of types.
    pub(super) fn of_types() -> Namer {
        Namer::of(TYPES.split(' '))
    }

    /// The name, or the first of `name_`, `name2_`, `name3_` … that is free and no keyword. What ends with an underscore
    /// is fine for the compiler's lints on the style of names.
    pub(super) fn pick(&mut self, name: String) -> String {
        if !self.taken.contains(&name) && !KEYWORDS.split(' ').any(|word| word == name) {
            self.taken.insert(name.clone());
            return name;
        }
        let count = self.counts.entry(name.clone()).or_insert(1);
        loop {
            let other = if *count == 1 { format!("{name}_") } else { format!("{name}{count}_") };
            *count += 1;
            if self.taken.insert(other.clone()) {
                return other;
            }
        }
    }
}
