//! Reading inputs, writing outputs, and saying what an input is that does not fit.

use super::{Failure, Outcome, Run};
use crate::adapt::{FileKind, sniff};
use crate::diagnostic::{Code, Diagnostic, Place, Result};
use crate::wit::refuse_deep;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// An input that was read.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// As the user named it, `-` for standard input.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// An input larger than this is refused: no component comes near it.
const MAX_INPUT: u64 = 1 << 30;

/// Reads a file, or standard input where the path is absent or `-`.
pub(super) fn read(path: Option<&Path>) -> Result<Input> {
    let (name, reader): (String, Box<dyn Read>) = match path {
        None => ("-".to_owned(), Box::new(std::io::stdin())),
        Some(path) if path == Path::new("-") => ("-".to_owned(), Box::new(std::io::stdin())),
        Some(path) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path).map_err(|e| cannot_read(&name, &e))?;
            (name, Box::new(file))
        }
    };
    let mut bytes = Vec::new();
    reader.take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(|e| cannot_read(&name, &e))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Diagnostic::new(Code::CannotRead, format!("more than {MAX_INPUT} bytes")).in_file(&name, ""));
    }
    Ok(Input { name, bytes })
}

pub(super) fn cannot_read(name: &str, error: &std::io::Error) -> Box<Diagnostic> {
    Diagnostic::new(Code::CannotRead, format!("cannot be read: {error}")).in_file(name, "")
}

/// Reads WebAssembly, binary or text, and says which of the two binary forms it is.
pub(super) fn read_wasm(path: Option<&Path>) -> Result<(Input, FileKind)> {
    as_wasm(read(path)?)
}

/// Turns text into binary, and says which of the two binary forms it is.
pub(super) fn as_wasm(mut input: Input) -> Result<(Input, FileKind)> {
    let kind = match sniff(&input.bytes) {
        kind @ (FileKind::Module | FileKind::Component) => kind,
        FileKind::Wat => {
            input.bytes = parse_text(&input)?;
            sniff(&input.bytes)
        }
        other => {
            return Err(Diagnostic::new(Code::NotWasm, "this is not WebAssembly")
                .in_file(&input.name, "")
                .fact("looks like", other.to_string()));
        }
    };
    refuse_deep(&input.bytes).map_err(|e| e.in_file(&input.name, ""))?;
    Ok((input, kind))
}

fn parse_text(input: &Input) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(&input.bytes)
        .map_err(|e| Diagnostic::new(Code::InvalidText, format!("not UTF-8: {e}")).in_file(&input.name, ""))?;
    let wrong = |e: wast::Error| {
        let start = e.span().offset();
        Diagnostic::new(Code::InvalidText, e.message()).at(Place::Text {
            path: input.name.clone(),
            source: text.to_owned(),
            span: start..start + 1,
        })
    };
    let buffer = wast::parser::ParseBuffer::new(text).map_err(wrong)?;
    wast::parser::parse::<wast::Wat<'_>>(&buffer).and_then(|mut wat| wat.encode()).map_err(wrong)
}

/// Where results go.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Output {
    /// Where to write the result; standard output if absent.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Write WebAssembly text instead of binary.
    #[arg(short = 't', long)]
    pub(super) wat: bool,
}

impl Output {
    /// Writes a WebAssembly binary, or its text.
    pub(super) fn wasm(&self, bytes: &[u8]) -> Run {
        if self.wat {
            let text = wasmprinter::print_bytes(bytes)
                .map_err(|e| Diagnostic::new(Code::Internal, "the result cannot be printed").cause(e))?;
            return self.bytes(text.as_bytes());
        }
        let to_terminal = self.output.is_none() && std::io::stdout().is_terminal();
        if to_terminal {
            return Err(Diagnostic::new(Code::BinaryToTerminal, "a binary is not printed to a terminal")
                .hint("name a file with `-o`, or ask for text with `-t`")
                .into());
        }
        self.bytes(bytes)
    }

    fn bytes(&self, bytes: &[u8]) -> Run {
        match &self.output {
            Some(path) if path != Path::new("-") => write_file(path, bytes)?,
            _ => print(bytes)?,
        }
        Ok(Outcome::Fine)
    }
}

/// Prints to standard output.
pub(super) fn print(bytes: &[u8]) -> std::result::Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Writes a file whole or not at all: what stood there before stays until the new one is complete.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |e: std::io::Error| {
        let reason = system_reason(&e);
        Diagnostic::new(Code::CannotWrite, format!("cannot be written: {reason}"))
            .at(Place::File { path: path.display().to_string(), what: String::new() })
    };
    // A device or pipe cannot be replaced; it is written in place.
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        return std::fs::write(path, bytes).map_err(fail);
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::metadata(folder).map_err(fail)?;
    if path.is_dir() {
        return Err(fail(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lowlift-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file, less the umask; an existing file keeps its own.
        let kept = std::fs::metadata(path).map(|m| m.permissions());
        builder.permissions(kept.unwrap_or_else(|_| std::fs::Permissions::from_mode(0o666)));
    }
    let mut file = builder.tempfile_in(folder).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// The operating system's reason. A library's error around it would name a temporary file that the user never asked for.
fn system_reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => error.to_string(),
        None => error.kind().to_string(),
    }
}

/// `1 import`, `2 imports`.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Sizes for people.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
