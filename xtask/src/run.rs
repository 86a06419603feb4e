//! Running other programs: each command is printed, and a failure ends the task.

use anyhow::{Context, Result, anyhow, bail};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What to install for a program that is not there.
const ORIGINS: &[(&str, &str)] = &[
    ("apt-get", "Debian 12"),
    ("cargo", "rustup, https://rustup.rs"),
    ("dpkg", "Debian 12"),
    ("node", "Node.js 20"),
    ("npm", "Node.js 20 with npm"),
    ("python3", "Python 3.11 with pip"),
    ("rustc", "rustup, https://rustup.rs"),
    ("tar", "GNU tar"),
];

/// A command for `program`.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Runs a command with its output passed through.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs a command and shows its output only if it fails; gives stdout.
pub(crate) fn run_quietly(command: &mut Command) -> Result<String> {
    announce(command);
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if !status.success() {
        eprint!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        bail!("`{}` failed: {status}", line(command));
    }
    String::from_utf8(stdout).with_context(|| format!("`{}` printed no UTF-8", line(command)))
}

fn announce(command: &Command) {
    let folder = command.get_current_dir().map(|dir| format!("(in {}) ", dir.display())).unwrap_or_default();
    eprintln!("$ {folder}{}", line(command));
}

/// The command as one could type it, the variables it sets in front.
fn line(command: &Command) -> String {
    let variables =
        command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quoted(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    if !word.chars().any(|c| c.is_ascii_control()) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let escaped = |c: char| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("$'{}'", word.chars().map(escaped).collect::<String>())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> anyhow::Error {
    let program = Path::new(command.get_program());
    let folder_missing = command.get_current_dir().is_some_and(|dir| !dir.is_dir());
    if error.kind() != ErrorKind::NotFound || folder_missing {
        return anyhow!("cannot run `{}`: {error}", line(command));
    }
    match ORIGINS.iter().find(|(name, _)| program == Path::new(name)) {
        Some((name, origin)) => anyhow!("`{name}` is not installed; it comes with {origin}"),
        None => anyhow!("`{}` is not there", program.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_missing_program() {
        let error = cannot_start(&command("npm"), &ErrorKind::NotFound.into());
        assert_eq!(error.to_string(), "`npm` is not installed; it comes with Node.js 20 with npm");
    }

    #[test]
    fn shows_a_command_as_typed() {
        let mut shown = command("cargo");
        shown.args(["build", "two words"]).env("CARGO_TERM_COLOR", "never").env_remove("RUSTFLAGS");
        assert_eq!(line(&shown), "CARGO_TERM_COLOR=never cargo build 'two words'");
        assert_eq!(quoted(r"it's \.d".as_ref()), r"'it'\''s \.d'");
        assert_eq!(quoted("a\u{1f}b".as_ref()), r"$'a\x1fb'");
    }
}
