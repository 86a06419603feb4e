//! Documentation from anyone as lines of a comment. Code in the comments of Rust is compiled and run by `cargo test`,
//! so no text may become code: no line is indented, and no line is a fence.

/// The lines, none of which ends with a space.
pub(super) fn lines(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split_whitespace().map(shown).collect::<Vec<_>>().join(" ");
        // One empty line is as good as many, and none is needed in front.
        if !line.is_empty() || out.last().is_some_and(|last| !last.is_empty()) {
            out.push(line);
        }
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out
}

/// A word without what a comment cannot hold, what turns the direction of text, and what opens a block of code.
fn shown(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.replace("```", "\\`\\`\\`").replace("~~~", "\\~\\~\\~")
}
