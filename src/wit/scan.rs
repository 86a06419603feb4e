//! A rough reading of WIT that holds up where the parser does not: statements, blocks and words of a text with mistakes.

use std::ops::Range;

/// The text with spaces in place of comments, strings and whatever is not ASCII; every offset stays what it is.
pub(super) fn bare(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = bytes.iter().map(|b| if b.is_ascii() { *b } else { b' ' }).collect();
    let mut i = 0;
    while i < bytes.len() {
        let end = match (bytes[i], bytes.get(i + 1)) {
            (b'/', Some(b'/')) => i + bytes[i..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - i),
            (b'/', Some(b'*')) => end_of_comment(bytes, i),
            (b'"', _) => end_of_string(bytes, i),
            _ => {
                i += 1;
                continue;
            }
        };
        out[i..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        i = end;
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Block comments nest.
fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < bytes.len() {
        match (bytes[i], bytes.get(i + 1)) {
            (b'/', Some(b'*')) => depth += 1,
            (b'*', Some(b'/')) => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'"' => return i + 1,
            b'\n' => return i,
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// Whether every brace has its counterpart.
pub(super) fn braces_match(bare: &str) -> bool {
    let mut depth = 0usize;
    for b in bare.bytes() {
        match b {
            b'{' => depth += 1,
            b'}' if depth == 0 => return false,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

/// The smallest part of a text around a mistake that the rest can do without.
#[derive(Debug)]
pub(super) struct Piece {
    /// In a list in braces: the list, without its braces, and the item of it.
    pub(super) list: Option<List>,
    /// The statement, with its block.
    pub(super) whole: Range<usize>,
}

/// Such as the fields of a record, or the names of a `use`.
#[derive(Debug)]
pub(super) struct List {
    pub(super) body: Range<usize>,
    pub(super) item: Range<usize>,
    /// Whether it must not be empty: the cases of an enum or variant.
    pub(super) wants_one: bool,
}

/// Finds the piece around an offset.
pub(super) fn piece(bare: &str, at: usize) -> Piece {
    let whole = |whole: Range<usize>| Piece { list: None, whole };
    let blank = |range: Range<usize>| bare[range].trim().is_empty();
    let mut heads: Vec<usize> = Vec::new();
    let (mut start, mut i) = (0, 0);
    while let Some(step) = bare[i..].find(['{', '}', ';']) {
        i += step;
        let mut end = i + 1;
        match bare.as_bytes()[i] {
            b'{' => {
                let head = bare[start..i].trim_end();
                if is_list(head) {
                    let close = bare[i..].find('}').map_or(bare.len(), |n| i + n);
                    let tail = end_of_list(bare, head, close);
                    if (i + 1..=close).contains(&at) && !blank(i + 1..close) {
                        return Piece { list: Some(list(bare, head, i + 1..close, at)), whole: start..tail };
                    }
                    if at < tail {
                        return whole(start..tail);
                    }
                    if is_use(head) && !bare[..tail].ends_with(';') {
                        // Its semicolon is missing, so what follows belongs to it.
                        i = tail;
                        continue;
                    }
                    end = tail;
                } else {
                    heads.push(start);
                }
            }
            b';' if at < end => return whole(start..end),
            b'}' => {
                if at <= i && !blank(start..i) {
                    return whole(start..i);
                }
                let head = heads.pop().unwrap_or(i);
                if at < end {
                    return whole(head..end);
                }
            }
            _ => {}
        }
        (start, i) = (end, end);
    }
    if blank(start..bare.len()) {
        start = heads.pop().unwrap_or(start);
    }
    whole(start..bare.len())
}

/// Behind the brace at `close`, and behind the semicolon of a `use`.
fn end_of_list(bare: &str, head: &str, close: usize) -> usize {
    let end = (close + 1).min(bare.len());
    let rest = bare[end..].trim_start();
    if is_use(head) && rest.starts_with(';') { bare.len() - rest.len() + 1 } else { end }
}

fn list(bare: &str, head: &str, body: Range<usize>, at: usize) -> List {
    let wants_one = ["enum", "variant"].contains(&word_before_last(head));
    List { item: item(bare, body.clone(), at), body, wants_one }
}

fn is_list(head: &str) -> bool {
    is_use(head)
        || words(head).next_back() == Some("with")
        || ["record", "variant", "enum", "flags"].contains(&word_before_last(head))
}

/// Whether this is a `use`, or the head of one.
pub(super) fn is_use(head: &str) -> bool {
    head.ends_with('.') || words(head).any(|w| w == "use")
}

fn word_before_last(head: &str) -> &str {
    words(head).nth_back(1).unwrap_or_default()
}

/// The item of a list with the comma that follows, or the whole list where its brackets do not match.
fn item(bare: &str, body: Range<usize>, at: usize) -> Range<usize> {
    let (mut depth, mut start) = (0i64, body.start);
    let mut found = None;
    for (i, b) in bare[body.clone()].bytes().enumerate().map(|(n, b)| (body.start + n, b)) {
        match b {
            b'<' | b'(' => depth += 1,
            b'>' | b')' => depth -= 1,
            b',' if depth == 0 => {
                if at <= i && found.is_none() {
                    found = Some(start..i + 1);
                }
                start = i + 1;
            }
            _ => {}
        }
        if depth < 0 {
            return body;
        }
    }
    if depth == 0 { found.unwrap_or(start..body.end) } else { body }
}

/// Words, in order.
pub(super) fn words(bare: &str) -> impl DoubleEndedIterator<Item = &str> {
    bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|w| !w.is_empty())
}

/// Words that may be names of something defined here: all that do not stand where a type is used, and those behind a
/// word that defines, whatever stands between the two.
pub(super) fn names(bare: &str) -> Vec<&str> {
    let mut found = defined(bare, &TYPE_WORDS);
    found.extend(defined(bare, &ITEM_WORDS));
    let (mut depth, mut last, mut i) = (0usize, b' ', 0);
    while i < bare.len() {
        let b = bare.as_bytes()[i];
        let word = bare[i..].bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
        if word > 1 || b.is_ascii_alphanumeric() {
            if !matches!(last, b':' | b'=' | b'<' | b'(' | b'>') && (last != b',' || depth == 0) {
                found.push(&bare[i..i + word]);
            }
            (last, i) = (b'a', i + word);
            continue;
        }
        match b {
            b'<' | b'(' => depth += 1,
            b'>' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !b.is_ascii_whitespace() {
            last = b;
        }
        i += 1;
    }
    found
}

/// Words in front of the names of types.
pub(super) const TYPE_WORDS: [&str; 7] = ["type", "record", "variant", "enum", "flags", "resource", "as"];

/// Words in front of the names of interfaces and worlds.
pub(super) const ITEM_WORDS: [&str; 3] = ["interface", "world", "as"];

/// Names that stand behind one of these words.
pub(super) fn defined<'b>(bare: &'b str, by: &[&str]) -> Vec<&'b str> {
    let all: Vec<&str> = words(bare).collect();
    all.windows(2).filter(|w| by.contains(&w[0])).map(|w| w[1]).collect()
}

/// Names that a `use` brings.
pub(super) fn used(bare: &str) -> Vec<&str> {
    bare.split(".{").skip(1).flat_map(|rest| words(rest.split('}').next().unwrap_or_default())).collect()
}

/// The body of the interface or world around an offset, or the whole text.
pub(super) fn scope(bare: &str, at: usize) -> &str {
    let mut bodies: Vec<Option<usize>> = Vec::new();
    let mut start = 0;
    for (i, b) in bare.bytes().enumerate() {
        match b {
            b'{' => {
                let holds_types = words(&bare[start..i]).any(|w| w == "interface" || w == "world");
                bodies.push(holds_types.then_some(i + 1));
            }
            b'}' => {
                let body = bodies.pop().flatten();
                if let (Some(body), true) = (body, at <= i)
                    && at >= body
                {
                    return &bare[body..i];
                }
            }
            b';' => {}
            _ => continue,
        }
        start = i + 1;
    }
    bare
}

/// Whether a type stands behind this text: a field, parameter or result, a definition, or an argument of a type.
pub(super) fn names_a_type(before: &str) -> bool {
    let before = before.trim_end();
    if before.ends_with([':', '=', '<', '(']) || before.ends_with("->") {
        return true;
    }
    let mut depth = 0;
    before.ends_with(',')
        && before.chars().rev().find_map(|c| match c {
            '>' | ')' | '}' => {
                depth += 1;
                None
            }
            '<' | '(' | '{' if depth > 0 => {
                depth -= 1;
                None
            }
            '<' | '(' => Some(true),
            '{' | ';' => Some(false),
            _ => None,
        }) == Some(true)
}
