//! `lowlift explain`: what a code means.

use super::{Format, Outcome, Run, Shared, io};
use crate::diagnostic::{Code, Diagnostic, nearest};
use serde_json::json;

/// Explain a diagnostic code, or list all of them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Such as `LL0203`, or the name of a rule of `lowlift check`.
    code: Option<String>,
}

pub(super) fn run(args: &Args, shared: &Shared) -> Run {
    let codes: Vec<Code> = match &args.code {
        None => Code::ALL.to_vec(),
        Some(text) => vec![Code::find(text).ok_or_else(|| unknown(text))?],
    };
    say(&codes, shared)
}

/// Says what codes mean: one in full, several in a line each.
pub(super) fn say(codes: &[Code], shared: &Shared) -> Run {
    let mut out = String::new();
    for code in codes {
        match (shared.format, codes.len()) {
            (Format::Json, _) => {
                let json = json!({ "code": code.id(), "title": code.title(), "explanation": code.explanation() });
                out.push_str(&format!("{json}\n"));
            }
            (_, 1) => out.push_str(&format!("{}: {}\n\n{}\n", code, code.title(), code.explanation())),
            (_, _) => out.push_str(&format!("{}  {}\n", code, code.title())),
        }
    }
    io::print(out.as_bytes())?;
    Ok(Outcome::Fine)
}

fn unknown(text: &str) -> Box<Diagnostic> {
    let error = Diagnostic::new(Code::Usage, format!("there is no code `{text}`"));
    match nearest(&text.to_ascii_uppercase(), Code::ALL.iter().map(|c| c.id())) {
        Some(near) => error.hint(format!("did you mean `lowlift explain {near}`?")),
        None => error.hint("`lowlift explain` lists all codes"),
    }
}
