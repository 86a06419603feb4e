//! Random texts that are the same every time.

/// A small generator that gives the same numbers every time.
pub(crate) struct Xorshift(pub(crate) u64);

impl Xorshift {
    /// The next number, never zero.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// The text with a few things lost, copied, moved or put in.
    pub(crate) fn mutate(&mut self, text: &str, tokens: &[&str]) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(3) {
            let (from, length) = (self.below(chars.len()), self.below(12));
            let range = from..(from + length).min(chars.len());
            match self.below(4) {
                0 => drop(chars.drain(range)),
                1 => {
                    let (copy, to) = (chars[range].to_vec(), self.below(chars.len()));
                    chars.splice(to..to, copy);
                }
                2 => drop(chars.splice(from..from, tokens[self.below(tokens.len())].chars())),
                _ => {
                    let (i, j) = (self.below(chars.len()), self.below(chars.len()));
                    chars.swap(i, j);
                }
            }
        }
        chars.into_iter().collect()
    }
}

/// What WIT is made of.
pub(crate) const WIT: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "<",
    ">",
    ",",
    ";",
    ":",
    "=",
    "->",
    ".",
    "@",
    "/*",
    "\"",
    "use ",
    "record ",
    "world ",
    "package a:b ",
    "borrow<",
    "list<",
    "%",
    "é",
    "\u{202e}",
];
