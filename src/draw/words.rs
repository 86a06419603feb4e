//! Words on the page. Whatever a WIT file calls its types, it comes out of here as plain text on one line.

/// Replaces what moves the cursor, hides, or turns the reading direction round.
pub(crate) fn clean(text: &str) -> String {
    let visible = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() || is_invisible(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// [`clean`] text for element content and quoted attributes, in XML and HTML alike.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// How wide a character can be, in monospaced columns. Foreign scripts may take two.
fn width(c: char) -> usize {
    match c {
        ' '..='~' | '·' | '…' | '×' | '→' | '≤' => 1,
        _ => 2,
    }
}

/// Columns that a text takes at most.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// [`clean`] text in so many columns, cut with `…`.
pub(crate) fn fit(text: &str, room: usize) -> String {
    let text = clean(text);
    if columns(&text) <= room {
        return text;
    }
    let mut left = room;
    let mut out = String::new();
    for c in text.chars() {
        // One column is kept for the `…`.
        if width(c) >= left {
            break;
        }
        left -= width(c);
        out.push(c);
    }
    if room > 0 {
        out.push('…');
    }
    out
}

/// Lines of at most so many columns, broken at spaces where there are any; the last ends in `…` if there are more.
pub(crate) fn wrap(text: &str, room: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in clean(text).split(' ').filter(|w| !w.is_empty()) {
        let word = fit(word, room);
        let line = lines.last().map_or(0, |l| columns(l));
        if line > 0 && line + 1 + columns(&word) > room {
            if lines.len() == most {
                if let Some(last) = lines.last_mut() {
                    *last = fit(&format!("{last} {word}"), room);
                }
                break;
            }
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(&word);
        }
    }
    lines
}

/// `12,000`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 byte`, `12,000 bytes`.
pub(crate) fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}
