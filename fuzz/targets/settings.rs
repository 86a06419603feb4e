//! Files of settings.

use super::{Outcome, refused};
use lowlift::adapt::Pattern;
use lowlift::check::{Baseline, Config};
use lowlift::diagnostic::Diagnostic;
use lowlift::link::NameFile;
use lowlift::profile::Profile;

/// A text, after a byte that chooses who reads it.
pub(super) fn read_settings(data: &[u8]) -> Outcome {
    let Some((&mode, text)) = data.split_first() else { return Outcome::NotText };
    let Ok(text) = std::str::from_utf8(text) else { return Outcome::NotText };
    let path = "input.toml";
    match mode % 7 {
        0 => said(Profile::parse(path, text)),
        1 => said(Config::parse(path, text)),
        2 => match Baseline::parse(path, text) {
            Ok(known) => {
                let again = Baseline::parse(path, &known.text()).expect("what was written is read");
                assert!(again == known, "another baseline");
                Outcome::Whole
            }
            Err(error) => refused(&error),
        },
        3 => said(NameFile::parse(path, text)),
        4 => said(Pattern::parse(text).map(|pattern| pattern.matches(text))),
        5 => site(path, text),
        _ => words(text),
    }
}

fn said<T>(outcome: Result<T, Box<Diagnostic>>) -> Outcome {
    match outcome {
        Ok(_) => Outcome::Whole,
        Err(error) => refused(&error),
    }
}

#[cfg(feature = "serve")]
fn site(path: &str, text: &str) -> Outcome {
    said(lowlift::serve::Site::parse(path, text))
}

#[cfg(feature = "serve")]
fn words(text: &str) -> Outcome {
    use lowlift::serve::{Listen, Pattern, duration, size};
    let is_read = [duration(text).is_ok(), size(text).is_ok(), Listen::parse(text).is_ok()].contains(&true);
    let (route, path) = text.split_once('\n').unwrap_or((text, text));
    let is_route = Pattern::parse(route).is_ok_and(|pattern| {
        assert!(pattern.rest(path).is_none_or(|rest| path.ends_with(rest)), "{route:?} {path:?}");
        true
    });
    if is_read || is_route { Outcome::Whole } else { Outcome::Refused }
}

#[cfg(not(feature = "serve"))]
fn site(_: &str, _: &str) -> Outcome {
    Outcome::NotText
}

#[cfg(not(feature = "serve"))]
fn words(_: &str) -> Outcome {
    Outcome::NotText
}
