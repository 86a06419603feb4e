//! What a file is, by its first bytes.

use std::fmt;

/// A guess that is right for every well-formed file of the kinds named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A core module in binary form.
    Module,
    /// A component or a WIT package in binary form.
    Component,
    /// WebAssembly text.
    Wat,
    /// WIT text.
    Wit,
    /// WITX text.
    Witx,
    /// Nothing at all.
    Empty,
    /// gzip data.
    Gzip,
    /// A native program or object file.
    Native,
    /// A ZIP archive.
    Zip,
    /// An HTML page, usually a server's error page saved as a file.
    Html,
    /// JSON.
    Json,
    /// Some other text.
    Text,
    /// Some other bytes.
    Unknown,
}

/// Looks at the first bytes.
pub fn sniff(bytes: &[u8]) -> FileKind {
    match bytes {
        [] => FileKind::Empty,
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => FileKind::Module,
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => FileKind::Component,
        [0x1f, 0x8b, ..] => FileKind::Gzip,
        [0x7f, b'E', b'L', b'F', ..] | [b'M', b'Z', ..] | [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => FileKind::Native,
        [b'P', b'K', 3, 4, ..] => FileKind::Zip,
        _ => match std::str::from_utf8(&bytes[..bytes.len().min(4096)]) {
            Ok(text) => sniff_text(text),
            // The cut may have split a character.
            Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => {
                sniff_text(std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default())
            }
            Err(_) => FileKind::Unknown,
        },
    }
}

fn sniff_text(text: &str) -> FileKind {
    let code = text
        .lines()
        .map(str::trim_start)
        .find(|line| !line.is_empty() && !line.starts_with(";;") && !line.starts_with("//") && !line.starts_with("(;"))
        .unwrap_or_default();
    let lower = code.to_ascii_lowercase();
    let starts = |words: &[&str]| words.iter().any(|w| lower.starts_with(w));
    if starts(&["(module $", "(typename", "(use \""]) && text.contains("(@") || starts(&["(typename", "(use \""]) {
        FileKind::Witx
    } else if starts(&["(module", "(component"]) {
        FileKind::Wat
    } else if starts(&["<!doctype", "<html", "<?xml"]) {
        FileKind::Html
    } else if starts(&["package ", "interface ", "world ", "@since", "/**"]) {
        FileKind::Wit
    } else if starts(&["{", "["]) {
        FileKind::Json
    } else if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        FileKind::Unknown
    } else {
        FileKind::Text
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Module => "a core module",
            FileKind::Component => "a component",
            FileKind::Wat => "WebAssembly text",
            FileKind::Wit => "WIT text",
            FileKind::Witx => "WITX text",
            FileKind::Empty => "empty",
            FileKind::Gzip => "gzip data (unpack it first)",
            FileKind::Native => "a native program or object file",
            FileKind::Zip => "a ZIP archive",
            FileKind::Html => "an HTML page (a download that failed?)",
            FileKind::Json => "JSON",
            FileKind::Text => "plain text",
            FileKind::Unknown => "something else",
        })
    }
}
