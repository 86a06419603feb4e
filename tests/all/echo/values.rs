//! Values: made up at random, lowered into a guest and lifted out of it, from the text of the Canonical ABI alone.

use super::types::{Ty, offsets};
use crate::random::Xorshift;
use wasmtime::component::Val;

/// A string encoding of canonical options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
    Latin1,
}

impl Encoding {
    pub(super) const ALL: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Latin1];

    /// As canonical options and reports write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf8",
            Encoding::Utf16 => "utf16",
            Encoding::Latin1 => "latin1+utf16",
        }
    }
}

/// The call ended in a trap, of the guest or of the host that reads from it.
#[derive(Debug)]
pub(super) struct Trapped;

/// A memory with an allocator.
pub(super) trait Guest {
    fn realloc(&mut self, align: u32, size: u32) -> Result<u32, Trapped>;
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Trapped>;
    fn read(&mut self, at: u32, length: u32) -> Result<Vec<u8>, Trapped>;
}

/// The bit of a length that says UTF-16.
const TAG: u32 = 1 << 31;

fn lower_string(guest: &mut dyn Guest, text: &str, encoding: Encoding) -> Result<[u64; 2], Trapped> {
    let utf16 = || text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let latin1 = || text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>();
    let (align, bytes, units) = match encoding {
        Encoding::Utf8 => (1, text.as_bytes().to_vec(), text.len()),
        Encoding::Utf16 => (2, utf16(), text.encode_utf16().count()),
        Encoding::Latin1 => match latin1() {
            Some(bytes) => (2, bytes.clone(), bytes.len()),
            None => (2, utf16(), text.encode_utf16().count() | TAG as usize),
        },
    };
    let at = guest.realloc(align, bytes.len() as u32)?;
    guest.write(at, &bytes)?;
    Ok([u64::from(at), units as u64])
}

fn lift_string(guest: &mut dyn Guest, at: u32, units: u32, encoding: Encoding) -> Result<String, Trapped> {
    let wide = encoding == Encoding::Utf16 || encoding == Encoding::Latin1 && units & TAG != 0;
    let align = if encoding == Encoding::Utf8 { 1 } else { 2 };
    if !at.is_multiple_of(align) {
        return Err(Trapped);
    }
    let units = if encoding == Encoding::Latin1 { units & !TAG } else { units };
    let bytes = guest.read(at, if wide { units.checked_mul(2).ok_or(Trapped)? } else { units })?;
    match (wide, encoding) {
        (true, _) => {
            let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).map_err(|_| Trapped)
        }
        (false, Encoding::Utf8) => String::from_utf8(bytes).map_err(|_| Trapped),
        (false, _) => Ok(bytes.into_iter().map(char::from).collect()),
    }
}

/// Lowers and lifts with one encoding.
pub(super) struct Abi<'g> {
    pub(super) guest: &'g mut dyn Guest,
    pub(super) encoding: Encoding,
}

impl Abi<'_> {
    /// Words of a value: as many as its type has core values. Narrow ones are extended with zeros, as joined cases are.
    pub(super) fn lower(&mut self, ty: &Ty, value: &Val) -> Result<Vec<u64>, Trapped> {
        Ok(match (ty, value) {
            (Ty::String, Val::String(text)) => lower_string(self.guest, text, self.encoding)?.to_vec(),
            (Ty::List(element), Val::List(values)) => {
                let at = self.guest.realloc(element.align(), element.size() * values.len() as u32)?;
                for (i, value) in values.iter().enumerate() {
                    self.store(element, value, at + element.size() * i as u32)?;
                }
                vec![u64::from(at), values.len() as u64]
            }
            (Ty::Record(fields) | Ty::Tuple(fields), value) => {
                let words = fields.iter().zip(parts(value)).map(|(ty, value)| self.lower(ty, value));
                words.collect::<Result<Vec<_>, _>>()?.concat()
            }
            (ty, value) if ty.cases().is_some() => {
                let (case, payload) = chosen(ty, value);
                let mut words = vec![case as u64];
                if let (Some(ty), Some(value)) = (ty.cases().expect("has cases")[case], payload) {
                    words.extend(self.lower(ty, value)?);
                }
                words.resize(ty.flat().len(), 0);
                words
            }
            (ty, value) => vec![scalar(ty, value)],
        })
    }

    /// Stores a value at an aligned address.
    pub(super) fn store(&mut self, ty: &Ty, value: &Val, at: u32) -> Result<(), Trapped> {
        if let Some(fields) = ty.fields() {
            for ((ty, value), offset) in fields.iter().zip(parts(value)).zip(offsets(fields)) {
                self.store(ty, value, at + offset)?;
            }
            return Ok(());
        }
        if let Some(cases) = ty.cases() {
            let (case, payload) = chosen(ty, value);
            self.guest.write(at, &case.to_le_bytes()[..Ty::discriminant(cases.len()) as usize])?;
            if let (Some(inner), Some(value)) = (cases[case], payload) {
                self.store(inner, value, at + ty.payload())?;
            }
            return Ok(());
        }
        let words = self.lower(ty, value)?;
        let width = (ty.size() as usize) / words.len();
        for (i, word) in words.iter().enumerate() {
            self.guest.write(at + (i * width) as u32, &word.to_le_bytes()[..width])?;
        }
        Ok(())
    }

    /// The value of as many words as the type has.
    pub(super) fn lift(&mut self, ty: &Ty, words: &[u64]) -> Result<Val, Trapped> {
        if let Some(fields) = ty.fields() {
            let mut rest = words;
            let mut values = Vec::new();
            for field in fields {
                let (own, others) = rest.split_at(field.flat().len());
                values.push(self.lift(field, own)?);
                rest = others;
            }
            return Ok(whole(ty, values));
        }
        if let Some(cases) = ty.cases() {
            let case = words[0] as u32 as usize;
            let payload = match cases.get(case).ok_or(Trapped)? {
                Some(inner) => Some(self.lift(inner, &words[1..1 + inner.flat().len()])?),
                None => None,
            };
            return Ok(choice(ty, case, payload));
        }
        match ty {
            Ty::String => Ok(Val::String(lift_string(self.guest, words[0] as u32, words[1] as u32, self.encoding)?)),
            Ty::List(element) => {
                let (at, count) = (words[0] as u32, words[1] as u32);
                let bytes = count.checked_mul(element.size()).ok_or(Trapped)?;
                if !at.is_multiple_of(element.align()) {
                    return Err(Trapped);
                }
                self.guest.read(at, bytes)?;
                let values = (0..count).map(|i| self.load(element, at + i * element.size()));
                Ok(Val::List(values.collect::<Result<_, _>>()?))
            }
            _ => unscalar(ty, words[0]),
        }
    }

    /// The value at an address.
    pub(super) fn load(&mut self, ty: &Ty, at: u32) -> Result<Val, Trapped> {
        if let Some(fields) = ty.fields() {
            let values = fields.iter().zip(offsets(fields)).map(|(ty, offset)| self.load(ty, at + offset));
            return Ok(whole(ty, values.collect::<Result<_, _>>()?));
        }
        if let Some(cases) = ty.cases() {
            let case = word(&self.guest.read(at, Ty::discriminant(cases.len()))?) as usize;
            let payload = match cases.get(case).ok_or(Trapped)? {
                Some(inner) => Some(self.load(inner, at + ty.payload())?),
                None => None,
            };
            return Ok(choice(ty, case, payload));
        }
        let count = ty.flat().len() as u32;
        let bytes = self.guest.read(at, ty.size())?;
        let words: Vec<u64> = bytes.chunks((ty.size() / count) as usize).map(word).collect();
        self.lift(ty, &words)
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn scalar(ty: &Ty, value: &Val) -> u64 {
    let signed = |v: i32| u64::from(v as u32);
    match value {
        Val::Bool(v) => u64::from(*v),
        Val::U8(v) => u64::from(*v),
        Val::S8(v) => signed(i32::from(*v)),
        Val::U16(v) => u64::from(*v),
        Val::S16(v) => signed(i32::from(*v)),
        Val::U32(v) => u64::from(*v),
        Val::S32(v) => signed(*v),
        Val::U64(v) => *v,
        Val::S64(v) => *v as u64,
        Val::Float32(v) => u64::from(v.to_bits()),
        Val::Float64(v) => v.to_bits(),
        Val::Char(v) => u64::from(u32::from(*v)),
        Val::Flags(names) => names.iter().fold(0, |bits, name| bits | 1 << place(name)),
        other => panic!("{other:?} is no {ty:?}"),
    }
}

fn unscalar(ty: &Ty, word: u64) -> Result<Val, Trapped> {
    Ok(match ty {
        Ty::Bool => Val::Bool(word as u32 != 0),
        Ty::U8 => Val::U8(word as u8),
        Ty::S8 => Val::S8(word as i8),
        Ty::U16 => Val::U16(word as u16),
        Ty::S16 => Val::S16(word as i16),
        Ty::U32 | Ty::Own | Ty::Borrow => Val::U32(word as u32),
        Ty::S32 => Val::S32(word as i32),
        Ty::U64 => Val::U64(word),
        Ty::S64 => Val::S64(word as i64),
        Ty::F32 => Val::Float32(f32::from_bits(word as u32)),
        Ty::F64 => Val::Float64(f64::from_bits(word)),
        Ty::Char => Val::Char(char::from_u32(word as u32).ok_or(Trapped)?),
        Ty::Flags(labels) => Val::Flags((0..*labels).filter(|i| word >> i & 1 == 1).map(|i| format!("b{i}")).collect()),
        other => panic!("{other:?} is no scalar"),
    })
}

/// The number in a name such as `c12`.
fn place(name: &str) -> usize {
    name[1..].parse().expect("names end in their place")
}

fn parts(value: &Val) -> Vec<&Val> {
    match value {
        Val::Record(fields) => fields.iter().map(|(_, value)| value).collect(),
        Val::Tuple(values) => values.iter().collect(),
        other => panic!("{other:?} has no fields"),
    }
}

fn whole(ty: &Ty, values: Vec<Val>) -> Val {
    match ty {
        Ty::Record(_) => Val::Record(values.into_iter().enumerate().map(|(i, v)| (format!("f{i}"), v)).collect()),
        _ => Val::Tuple(values),
    }
}

fn chosen<'v>(ty: &Ty, value: &'v Val) -> (usize, Option<&'v Val>) {
    match value {
        Val::Variant(name, payload) => (place(name), payload.as_deref()),
        Val::Enum(name) => (place(name), None),
        Val::Option(payload) => (usize::from(payload.is_some()), payload.as_deref()),
        Val::Result(Ok(payload)) => (0, payload.as_deref()),
        Val::Result(Err(payload)) => (1, payload.as_deref()),
        other => panic!("{other:?} is no {ty:?}"),
    }
}

fn choice(ty: &Ty, case: usize, payload: Option<Val>) -> Val {
    let payload = payload.map(Box::new);
    match ty {
        Ty::Enum(_) => Val::Enum(format!("e{case}")),
        Ty::Option(_) => Val::Option(payload),
        Ty::Result(..) if case == 0 => Val::Result(Ok(payload)),
        Ty::Result(..) => Val::Result(Err(payload)),
        _ => Val::Variant(format!("c{case}"), payload),
    }
}

/// Characters of one, two, three and four bytes; those below U+0100 are Latin-1.
const CHARS: [&[char]; 5] = [
    &['a', 'Z', '\u{0}', '\u{7f}', '"'],
    &['\u{80}', 'é', 'ÿ', '\u{a0}'],
    &['\u{100}', 'ψ', '\u{7ff}'],
    &['\u{800}', '水', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{feff}'],
    &['\u{10000}', '🦀', '\u{10ffff}'],
];

pub(super) fn text(random: &mut Xorshift) -> String {
    let classes = 1 + random.below(CHARS.len());
    let length = match random.below(20) {
        0 => 0,
        1 => 300 + random.below(3_000),
        _ => random.below(40),
    };
    // Text that stays narrow for long and widens at the end takes the longest way through a transcoder.
    let widens = random.below(3) == 0;
    let one = |random: &mut Xorshift, i: usize| {
        let class = if widens && i + 2 < length { random.below(2) } else { random.below(classes) };
        CHARS[class][random.below(CHARS[class].len())]
    };
    (0..length).map(|i| one(random, i)).collect()
}

fn bits(random: &mut Xorshift) -> u64 {
    let edges = [0, 1, u64::MAX, 1 << 63, i64::MAX as u64, 0x80, 0xff, 0x8000_0000, 0x7fff_ffff];
    match random.below(3) {
        0 => edges[random.below(edges.len())],
        _ => (random.below(usize::MAX) as u64) >> random.below(64),
    }
}

/// Handles that a caller has, as far as it knows.
#[derive(Debug, Default, Clone)]
pub(super) struct Handles(pub(super) Vec<u32>);

impl Handles {
    /// One that is there, most of the time.
    pub(super) fn any(&self, random: &mut Xorshift) -> u32 {
        if self.0.is_empty() || random.below(12) == 0 {
            return if random.below(6) == 0 { bits(random) as u32 } else { random.below(6) as u32 };
        }
        self.0[random.below(self.0.len())]
    }
}

/// A value of the type. What `free` has is given away once, most of the time.
pub(super) fn random(ty: &Ty, random: &mut Xorshift, free: &mut Handles) -> Val {
    match ty {
        Ty::Char => {
            let class = CHARS[random.below(CHARS.len())];
            Val::Char(class[random.below(class.len())])
        }
        Ty::String => Val::String(text(random)),
        Ty::Borrow => Val::U32(free.any(random)),
        Ty::Own => {
            let handle = free.any(random);
            free.0.retain(|other| *other != handle || random.below(20) == 0);
            Val::U32(handle)
        }
        Ty::List(element) => {
            let count = match random.below(10) {
                0 if element.children().is_empty() && !element.has_handles() => 200,
                _ if element.has_handles() => random.below(3),
                _ => random.below(6),
            };
            Val::List((0..count).map(|_| self::random(element, random, free)).collect())
        }
        Ty::Flags(labels) => unscalar(ty, bits(random) & ((1 << labels) - 1)).expect("in range"),
        ty if ty.fields().is_some() => {
            whole(ty, ty.fields().unwrap_or_default().iter().map(|ty| self::random(ty, random, free)).collect())
        }
        ty => match ty.cases() {
            Some(cases) => {
                let case = random.below(cases.len());
                choice(ty, case, cases[case].map(|ty| self::random(ty, random, free)))
            }
            None => unscalar(ty, bits(random)).expect("in range"),
        },
    }
}
