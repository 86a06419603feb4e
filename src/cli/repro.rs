//! `link --save-repro DIR`: everything that a bug report needs, in a folder. What a machine is called and where its files
//! lie stays out of it.

use super::link::{Args, json};
use super::{Shared, VERSION, io};
use crate::adapt::{FileKind, sniff};
use crate::diagnostic::{Code, Diagnostic, Place, Result, to_json};
use crate::link::Linked;
use serde_json::{Value, json as value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A folder that is being filled.
pub(super) struct Repro {
    folder: PathBuf,
    /// The input as the user named it, and as the folder does.
    given: String,
    name: &'static str,
    command: Vec<String>,
}

impl Repro {
    /// Writes what is known before linking, so that it is there whatever happens then.
    pub(super) fn open(folder: &Path, input: &io::Input, args: &Args, shared: &Shared) -> Result<Repro> {
        let fail = |reason: String| {
            let place = Place::File { path: folder.display().to_string(), what: String::new() };
            Diagnostic::new(Code::CannotWrite, reason).at(place)
        };
        std::fs::create_dir_all(folder).map_err(|e| fail(format!("cannot be made: {e}")))?;
        let mut there = std::fs::read_dir(folder).map_err(|e| fail(format!("cannot be read: {e}")))?;
        if there.next().is_some() {
            return Err(fail("the folder is not empty".to_owned()).hint("name a folder that does not exist yet"));
        }
        let name = if sniff(&input.bytes) == FileKind::Wat { "component.wat" } else { "component.wasm" };
        let command = command(&shared.line, args, name);
        let others = [&args.target, &args.name_map].into_iter().flatten().filter(|name| is_toml(name));
        // What cannot be read fails the link, which says so.
        let others: Vec<io::Input> = others.filter_map(|name| io::read(Some(Path::new(name))).ok()).collect();
        let repro = Repro { folder: folder.to_owned(), given: input.name.clone(), name, command };
        repro.write(name, &input.bytes)?;
        if name == "component.wat"
            && let Ok((binary, _)) = io::as_wasm(input.clone())
        {
            repro.write("component.wasm", &binary.bytes)?;
        }
        for other in others {
            repro.write(&bare(&other.name, true), &other.bytes)?;
        }
        repro.write("README.md", repro.readme().as_bytes())?;
        repro.outcome("not finished")?;
        Ok(repro)
    }

    /// Writes what came of it. A folder that cannot be written does not hide why linking failed.
    pub(super) fn close(&self, linked: Result<Linked>) -> Result<Linked> {
        match linked {
            Ok(linked) => {
                self.write("report.json", json(&linked.report)?.as_bytes())?;
                self.outcome("linked")?;
                Ok(linked)
            }
            Err(error) => {
                let all: Vec<Value> = std::iter::once(&*error).chain(&error.others).map(to_json).collect();
                let said = self.nameless(Value::Array(all));
                let written = self.write("diagnostic.json", format!("{said:#}\n").as_bytes());
                match written.and_then(|()| self.outcome("failed")) {
                    Ok(()) => Err(error),
                    Err(other) => Err(error.and(*other)),
                }
            }
        }
    }

    fn outcome(&self, outcome: &str) -> Result<()> {
        let libraries = libraries().map(|(name, version)| (name.to_owned(), Value::from(version)));
        let facts = value!({
            "lowlift": VERSION,
            "libraries": libraries.collect::<serde_json::Map<_, _>>(),
            "platform": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "command": self.command,
            "outcome": outcome,
        });
        self.write("repro.json", format!("{facts:#}\n").as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        io::write_file(&self.folder.join(name), bytes)
    }

    /// Diagnostics name the input as the user did, which may tell where it lies.
    fn nameless(&self, value: Value) -> Value {
        match value {
            // Standard input has no name to hide.
            Value::String(text) if self.given.len() > 1 => text.replace(&self.given, self.name).into(),
            Value::Array(items) => items.into_iter().map(|item| self.nameless(item)).collect(),
            Value::Object(fields) => fields.into_iter().map(|(key, item)| (key, self.nameless(item))).collect(),
            other => other,
        }
    }

    fn readme(&self) -> String {
        let command: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        let libraries: Vec<String> = libraries().map(|(name, version)| format!("{name} {version}")).collect();
        format!(
            "# A bug report for lowlift\n\n\
             **This folder contains the component**, whole: whoever gets it has the program.\n\n\
             To replay, with lowlift {VERSION}, in this folder:\n\n\
             ```sh\n{}\n```\n\n\
             - `{}`: the input{}.\n\
             - `*.toml`: profiles and name maps that the command names.\n\
             - `repro.json`: the command, versions, and what came of it.\n\
             - `report.json`: what was linked, with its explanation; there if linking went well.\n\
             - `diagnostic.json`: why linking failed; there if it did.\n\n\
             Built with {}.\n",
            command.join(" "),
            self.name,
            if self.name == "component.wat" {
                " as it was given; `component.wasm` is the same in binary form"
            } else {
                ""
            },
            libraries.join(", "),
        )
    }
}

/// Names and versions of the libraries that do the work; `build.rs` reads them from the manifest.
fn libraries() -> impl Iterator<Item = (&'static str, &'static str)> {
    env!("LOWLIFT_LIBRARIES").split(", ").filter_map(|library| library.split_once(' '))
}

/// The command with the input's name in the folder, and without the folders of this machine.
fn command(line: &[OsString], args: &Args, input: &str) -> Vec<String> {
    let mut out = vec!["lowlift".to_owned()];
    let (mut verb, mut named) = (false, false);
    let mut before = String::new();
    for word in line.iter().skip(1).map(|word| word.to_string_lossy().into_owned()) {
        let is = |path: &Option<PathBuf>| path.as_deref().is_some_and(|path| path == Path::new(&word));
        let value_of = |flags: &[&str]| flags.contains(&before.as_str());
        if value_of(&["--save-repro"]) || word.starts_with("--save-repro") {
            // The folder is not part of what is replayed.
        } else if value_of(&["-o", "--output", "--report", "--name-map-out"]) {
            out.push(bare(&word, true));
        } else if !verb && word == "link" {
            verb = true;
            out.push(word.clone());
        } else if !named && is(&args.input) {
            named = true;
            out.push(input.to_owned());
        } else {
            let is_output =
                ["-o", "--output=", "--report=", "--name-map-out="].iter().any(|flag| word.starts_with(flag));
            out.push(bare(&word, is_output || is_toml(&word)));
        }
        before = word;
    }
    if !named {
        out.push(input.to_owned());
    }
    out
}

/// Whether a word names a profile or a name map of the user's own.
fn is_toml(word: &str) -> bool {
    Path::new(word).extension().is_some_and(|extension| extension == "toml")
}

/// A word without the folders that are in it: of paths that are surely paths, or known to be.
fn bare(word: &str, known: bool) -> String {
    let (flag, value) = match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (format!("{flag}="), value),
        _ if word.starts_with("-o") => ("-o".to_owned(), &word[2..]),
        _ => (String::new(), word),
    };
    let surely = value.starts_with(['/', '.', '~']) || value.contains('\\');
    let name = value.rsplit(['/', '\\']).next().unwrap_or(value);
    if known || surely { format!("{flag}{name}") } else { word.to_owned() }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{bare, quoted};

    #[test]
    fn folders_stay_out() {
        for (word, known, want) in [
            ("/home/me/a.wasm", false, "a.wasm"),
            ("../../me/a.wasm", false, "a.wasm"),
            ("~/a.wasm", false, "a.wasm"),
            ("C:\\me\\a.wasm", false, "a.wasm"),
            ("--name-map=/home/me/map.json", false, "--name-map=map.json"),
            ("-o/home/me/a.wasm", false, "-oa.wasm"),
            ("-osome/a.wasm", true, "-oa.wasm"),
            ("some/a.wasm", true, "a.wasm"),
            ("wasi:http/proxy@0.2.12", false, "wasi:http/proxy@0.2.12"),
            ("--verify", false, "--verify"),
        ] {
            assert_eq!(bare(word, known), want, "{word}");
        }
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
