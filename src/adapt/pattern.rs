//! Interfaces as they are named on the command line.

use crate::abi::Track;
use crate::diagnostic::{Code, Diagnostic, Result, nearest};

/// A package (`wasi:sockets`), or an interface (`wasi:sockets/tcp`), of one version, one track (`@0.2`), or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    name: String,
    version: Option<String>,
}

impl Pattern {
    /// Reads one. Fails with [`Code::Usage`] for what cannot be a name.
    pub fn parse(text: &str) -> Result<Pattern> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let word = |c: char| c.is_ascii_alphanumeric() || "-:/".contains(c);
        let number = |v: &str| !v.is_empty() && v.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
        let ends = |name: &str| name.starts_with([':', '/']) || name.ends_with([':', '/']);
        if name.is_empty() || !name.chars().all(word) || ends(name) || !version.is_none_or(number) {
            return Err(Diagnostic::new(Code::Usage, format!("`{text}` is no name of an interface")).hint(
                "such as `wasi:sockets/tcp`, `wasi:sockets/tcp@0.2.12`, or `wasi:sockets` for the whole package",
            ));
        }
        Ok(Pattern { text: text.to_owned(), name: name.to_owned(), version: version.map(str::to_owned) })
    }

    /// Whether an interface is meant.
    pub fn matches(&self, interface: &str) -> bool {
        let (track, version) = Track::of(interface);
        let package = || track.interface.split_once('/').is_some_and(|(package, _)| package == self.name);
        let named = track.interface == self.name || !self.name.contains('/') && package();
        let versioned = self.version.as_ref().is_none_or(|wanted| {
            version.is_some_and(|v| v.to_string() == *wanted) || track.track.as_ref() == Some(wanted)
        });
        named && versioned
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fails with [`Code::Usage`] if it means none of the interfaces that there are.
    pub(super) fn known<'a>(&self, names: impl IntoIterator<Item = &'a str> + Clone) -> Result<()> {
        if names.clone().into_iter().any(|name| self.matches(name)) {
            return Ok(());
        }
        let bare: Vec<String> = names.into_iter().map(|name| Track::of(name).0.interface).collect();
        let packages = bare.iter().filter_map(|name| name.split_once('/').map(|(package, _)| package));
        let error = Diagnostic::new(Code::Usage, format!("there is no interface `{}`", self.text));
        Err(match nearest(&self.name, bare.iter().map(String::as_str).chain(packages)) {
            Some(near) if near != self.name => error.hint(format!("did you mean `{near}`?")),
            Some(_) => error.hint("there is one of another version: leave the version away"),
            None => error.hint("such as `wasi:sockets/tcp`, or `wasi:sockets` for the whole package"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn packages_interfaces_and_versions() {
        let tcp = "wasi:sockets/tcp@0.2.12";
        for (text, want) in [
            ("wasi:sockets", true),
            ("wasi:sockets/tcp", true),
            ("wasi:sockets/tcp@0.2.12", true),
            ("wasi:sockets@0.2", true),
            ("wasi:sockets/tcp@0.2.6", false),
            ("wasi:sockets/tcp@0.3", false),
            ("wasi:socket", false),
            ("wasi:sockets/tc", false),
            ("wasi", false),
        ] {
            assert_eq!(Pattern::parse(text).expect("a name").matches(tcp), want, "{text}");
        }
        assert!(Pattern::parse("host").expect("a name").matches("host"));
        for text in ["", "@0.2", "a b", "wasi:", "wasi:io/", "wasi:io@", "wasi:io@0.2@1"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
