//! What transcoders do, by the conversions of Rust's own library.

use super::*;

/// A source string in the encoding that the transcoder reads.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Utf8(Vec<u8>),
    Utf16(Vec<u16>),
    Latin1(Vec<u8>),
}

impl Source {
    /// Of these scalar values; none if the encoding has no such string.
    pub(super) fn of(op: Transcode, chars: &[char]) -> Option<Source> {
        let text: String = chars.iter().collect();
        Some(match reads(op) {
            8 => Source::Utf8(text.into_bytes()),
            16 => Source::Utf16(text.encode_utf16().collect()),
            _ => Source::Latin1(chars.iter().map(|c| u8::try_from(u32::from(*c))).collect::<Result<_, _>>().ok()?),
        })
    }

    pub(super) fn units(&self) -> usize {
        match self {
            Source::Utf8(bytes) | Source::Latin1(bytes) => bytes.len(),
            Source::Utf16(units) => units.len(),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Source::Utf8(bytes) | Source::Latin1(bytes) => bytes.clone(),
            Source::Utf16(units) => units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        }
    }

    /// The scalar values up to what is no string, and whether there is such.
    fn decode(&self) -> (Vec<char>, bool) {
        match self {
            Source::Latin1(bytes) => (bytes.iter().map(|byte| char::from(*byte)).collect(), false),
            Source::Utf8(bytes) => {
                let end = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
                (String::from_utf8_lossy(&bytes[..end]).chars().collect(), end < bytes.len())
            }
            Source::Utf16(units) => {
                let all: Vec<_> = char::decode_utf16(units.iter().copied()).collect();
                let good: Vec<char> = all.iter().map_while(|c| c.as_ref().ok().copied()).collect();
                let bad = good.len() < all.len();
                (good, bad)
            }
        }
    }
}

/// Bits of a unit that is read; 1 is Latin-1.
pub(super) fn reads(op: Transcode) -> u32 {
    match op {
        Transcode::CopyUtf8 | Transcode::Utf8ToUtf16 | Transcode::Utf8ToLatin1 | Transcode::Utf8ToCompactUtf16 => 8,
        Transcode::CopyLatin1 | Transcode::Latin1ToUtf16 | Transcode::Latin1ToUtf8 => 1,
        _ => 16,
    }
}

/// What a transcoder is given beside the source.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    /// Bytes of the destination, for transcoders that are told.
    pub(super) room: usize,
    /// Stop at what is not ASCII.
    pub(super) ascii: bool,
    /// Latin-1 that is in the destination.
    pub(super) latin1: Vec<u8>,
}

/// Results and what was written, or a trap.
pub(super) type Outcome = Option<(Vec<u32>, Vec<u8>)>;

fn wide(text: impl Iterator<Item = char>) -> Vec<u16> {
    text.collect::<String>().encode_utf16().collect()
}

fn little(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

fn narrow(chars: &[char]) -> Vec<u8> {
    chars.iter().map(|c| u8::try_from(u32::from(*c)).expect("Latin-1")).collect()
}

/// What must come out.
pub(super) fn expected(op: Transcode, source: &Source, given: &Given) -> Outcome {
    let (chars, bad) = source.decode();
    let length = source.units() as u32;
    let unit = |c: &char| match reads(op) {
        8 => c.len_utf8() as u32,
        16 => c.len_utf16() as u32,
        _ => 1,
    };
    match op {
        Transcode::CopyUtf8 | Transcode::CopyUtf16 | Transcode::CopyLatin1 => {
            (!bad).then(|| (Vec::new(), source.bytes()))
        }
        Transcode::Latin1ToUtf16 => Some((Vec::new(), little(&wide(chars.into_iter())))),
        Transcode::Utf8ToUtf16 => {
            let units = wide(chars.into_iter());
            (!bad).then(|| (vec![units.len() as u32], little(&units)))
        }
        Transcode::Utf16ToUtf8 | Transcode::Latin1ToUtf8 => {
            let (mut read, mut bytes) = (0, String::new());
            for c in &chars {
                if (given.ascii && !c.is_ascii()) || bytes.len() + c.len_utf8() > given.room {
                    return Some((vec![read, bytes.len() as u32], bytes.into_bytes()));
                }
                bytes.push(*c);
                read += unit(c);
            }
            (!bad).then(|| (vec![read, bytes.len() as u32], bytes.into_bytes()))
        }
        Transcode::Utf16ToCompactProbablyUtf16 if bad => None,
        Transcode::Utf16ToCompactProbablyUtf16 => Some(match chars.iter().all(|c| u32::from(*c) < 0x100) {
            true => (vec![length], narrow(&chars)),
            false => (vec![length | 0x8000_0000], source.bytes()),
        }),
        Transcode::Utf8ToLatin1 | Transcode::Utf16ToLatin1 => {
            let end = chars.iter().position(|c| u32::from(*c) >= 0x100);
            // A surrogate is not Latin-1 either, whatever follows.
            let stops = end.is_some() || !bad || op == Transcode::Utf16ToLatin1;
            let chars = &chars[..end.unwrap_or(chars.len())];
            stops.then(|| (vec![chars.iter().map(unit).sum(), chars.len() as u32], narrow(chars)))
        }
        Transcode::Utf8ToCompactUtf16 | Transcode::Utf16ToCompactUtf16 => {
            let units = wide(given.latin1.iter().map(|byte| char::from(*byte)).chain(chars));
            (!bad).then(|| (vec![units.len() as u32], little(&units)))
        }
    }
}

/// How many bytes of the destination are the transcoder's.
pub(super) fn room(op: Transcode, source: &Source, given: &Given) -> usize {
    match op {
        Transcode::CopyUtf8 | Transcode::CopyLatin1 | Transcode::Utf8ToLatin1 | Transcode::Utf16ToLatin1 => {
            source.units()
        }
        Transcode::Utf16ToUtf8 | Transcode::Latin1ToUtf8 => given.room,
        Transcode::Utf8ToCompactUtf16 | Transcode::Utf16ToCompactUtf16 => 2 * (given.latin1.len() + source.units()),
        _ => 2 * source.units(),
    }
}
