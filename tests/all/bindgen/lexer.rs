//! A small lexer of C: what a compiler makes of the text before it parses it.

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Number(String),
    Text(String),
    Mark(char),
}

/// The tokens of `text`, with its comments left out. Fails where a compiler would see something else than is meant: a
/// trigraph, a line that continues on the next outside of a macro, a character that is not ASCII, a comment in a comment.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    if let Some(c) = text.chars().find(|c| !c.is_ascii() || (c.is_ascii_control() && *c != '\n')) {
        return Err(format!("the character {c:?}"));
    }
    if text.contains("??") {
        return Err("what may be a trigraph".to_owned());
    }
    if text.contains("\\\n") || text.lines().any(|line| line.trim_end().ends_with('\\')) {
        return Err("a line that continues".to_owned());
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut out) = (0, Vec::new());
    while at < chars.len() {
        let rest = &chars[at..];
        let word = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count();
        match rest {
            ['/', '*', ..] => {
                let end = rest.windows(2).skip(2).position(|w| w == ['*', '/']).ok_or("a comment without an end")?;
                if rest[2..end + 2].windows(2).any(|w| w == ['/', '*']) {
                    return Err("a comment in a comment".to_owned());
                }
                at += end + 4;
            }
            ['/', '/', ..] => return Err("a comment of C++".to_owned()),
            ['"', ..] => {
                let mut end = 1;
                while *rest.get(end).ok_or("a string without an end")? != '"' {
                    if rest[end] == '\n' {
                        return Err("a string over two lines".to_owned());
                    }
                    end += if rest[end] == '\\' { 2 } else { 1 };
                }
                out.push(Token::Text(rest[1..end].iter().collect()));
                at += end + 1;
            }
            ['\'', ..] => {
                let end = rest.iter().skip(1).position(|c| *c == '\'').ok_or("a character without an end")?;
                at += end + 2;
            }
            [c, ..] if c.is_ascii_digit() => {
                out.push(Token::Number(rest[..word].iter().collect()));
                at += word;
            }
            [_, ..] if word > 0 => {
                out.push(Token::Word(rest[..word].iter().collect()));
                at += word;
            }
            [c, ..] => {
                if !c.is_whitespace() {
                    out.push(Token::Mark(*c));
                }
                at += 1;
            }
            [] => break,
        }
    }
    Ok(out)
}

/// Whether all brackets close.
pub(super) fn balanced(tokens: &[Token]) -> bool {
    let mut open = Vec::new();
    tokens.iter().all(|token| match token {
        Token::Mark(c @ ('(' | '[' | '{')) => {
            open.push(*c);
            true
        }
        Token::Mark(')') => open.pop() == Some('('),
        Token::Mark(']') => open.pop() == Some('['),
        Token::Mark('}') => open.pop() == Some('{'),
        _ => true,
    }) && open.is_empty()
}

/// The structs of a header that are asserted: name, and members at their own level without padding.
pub(super) fn structs(header: &str) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        if line != "typedef struct {" {
            continue;
        }
        let mut members = Vec::new();
        for line in lines.by_ref() {
            if let Some(name) = line.strip_prefix("} ").and_then(|rest| rest.strip_suffix(';')) {
                out.push((name.to_owned(), std::mem::take(&mut members)));
                break;
            }
            let Some(declared) = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' ')) else { continue };
            let Some(declared) = declared.strip_suffix(';') else { continue };
            let name = declared.rsplit([' ', '*']).next().unwrap_or_default();
            let name = name.split('[').next().unwrap_or_default();
            if !name.starts_with("_pad") {
                members.push(name.to_owned());
            }
        }
    }
    // Those of the support code have no numbers of the guest.
    out.retain(|(name, _)| header.contains(&format!("_ASSERT({}_size, ", name.strip_suffix("_t").unwrap_or(name))));
    out
}
