//! The transcoders against the conversions of Rust's own library.

use super::super::testing::{Random, call, engine, exported, instantiate, memory};
use super::model::{Given, Source, expected, reads, room};
use super::*;
use wasmtime::{Instance, Memory, MemoryType, Store};

const ALL: [Transcode; 12] = [
    Transcode::CopyUtf8,
    Transcode::CopyUtf16,
    Transcode::CopyLatin1,
    Transcode::Latin1ToUtf16,
    Transcode::Utf8ToUtf16,
    Transcode::Utf16ToUtf8,
    Transcode::Latin1ToUtf8,
    Transcode::Utf16ToCompactProbablyUtf16,
    Transcode::Utf8ToLatin1,
    Transcode::Utf16ToLatin1,
    Transcode::Utf8ToCompactUtf16,
    Transcode::Utf16ToCompactUtf16,
];

/// Scalar values where something changes: a length, a lead byte, a plane.
const EDGES: [u32; 31] = [
    0, 1, 0x41, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xff, 0x100, 0x101, 0x7ff, 0x800, 0x801, 0xfff, 0x1000, 0xcfff, 0xd000,
    0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x10001, 0x103ff, 0x10400, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10ffff,
];

/// Units around surrogates.
const UNITS: [u16; 12] = [0, 0x41, 0x80, 0xff, 0x100, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xffff];

/// Bytes around those that lead and follow.
const BYTES: [u8; 12] = [0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe1, 0xff];

/// What no transcoder writes by chance everywhere.
const BLANK: u8 = 0xa5;

fn edges() -> impl Iterator<Item = char> {
    EDGES.into_iter().map(|c| char::from_u32(c).expect("a scalar value"))
}

/// Where strings lie.
#[derive(Debug, Clone, Copy)]
enum At {
    Start,
    End,
}

struct Rig {
    store: Store<()>,
    instance: Instance,
    from: Memory,
    to: Memory,
    compared: usize,
    trapped: usize,
}

impl Rig {
    fn new(pages: u32) -> Rig {
        let engine = engine();
        let mut store = Store::new(&engine, ());
        let mut text = Text::default();
        let names = [memory(0), memory(1)].map(|def| text.memory(&def));
        for op in ALL {
            write(op, &exported(op.name()), &names[0], &names[1], &mut text);
        }
        let [from, to] = [0, 1].map(|_| Memory::new(&mut store, MemoryType::new(pages, None)).expect("a memory"));
        to.data_mut(&mut store).fill(BLANK);
        let provide = |def: &_| if *def == memory(0) { from.into() } else { to.into() };
        let instance = instantiate(&mut store, text, provide);
        Rig { store, instance, from, to, compared: 0, trapped: 0 }
    }

    /// Runs a transcoder and compares results, what was written, and all of memory beside it.
    fn compare(&mut self, op: Transcode, source: &Source, given: &Given, at: At) {
        let (bytes, room) = (source.bytes(), room(op, source, given));
        let size = self.to.data_size(&self.store);
        let (src, dst) = match at {
            At::Start => (0, 0),
            At::End => (size - bytes.len(), size - room),
        };
        // Two-byte units are aligned.
        let dst = dst & !1;
        self.from.data_mut(&mut self.store)[src..src + bytes.len()].copy_from_slice(&bytes);
        let latin1 = given.latin1.len();
        self.to.data_mut(&mut self.store)[dst..dst + latin1].copy_from_slice(&given.latin1);
        let mut args = vec![src as u32, source.units() as u32, dst as u32];
        match op {
            Transcode::Utf16ToUtf8 | Transcode::Latin1ToUtf8 => args.extend([room as u32, u32::from(given.ascii)]),
            Transcode::Utf8ToCompactUtf16 | Transcode::Utf16ToCompactUtf16 => args.extend([room as u32, latin1 as u32]),
            _ => {}
        }
        let results = call(&mut self.store, self.instance, op.name(), &args);
        let want = expected(op, source, given);
        let memory = self.to.data_mut(&mut self.store);
        let mut written = memory[dst..dst + room].to_vec();
        memory[dst..dst + room].fill(BLANK);
        assert!(memory.iter().step_by(4_097).all(|byte| *byte == BLANK), "{op:?} {source:?} {given:?} {at:?}");
        let (before, after) = (&memory[dst.saturating_sub(64)..dst], &memory[dst + room..(dst + room + 64).min(size)]);
        assert!(before.iter().chain(after).all(|byte| *byte == BLANK), "{op:?} {source:?} {given:?} {at:?}");
        self.compared += 1;
        self.trapped += usize::from(want.is_none());
        let have = results.map(|results| {
            let length = want.as_ref().map_or(0, |(_, bytes)| bytes.len().min(room));
            assert!(written.split_off(length).iter().all(|b| *b == BLANK), "{op:?} {source:?} {given:?} {at:?}");
            (results, written)
        });
        assert_eq!(have, want, "{op:?} {source:?} {given:?} {at:?}");
    }

    /// Compares with everything that may be given beside the source.
    fn compare_all(&mut self, op: Transcode, source: &Source, random: &mut Random) {
        let at = random.pick(&[At::Start, At::End]);
        match op {
            Transcode::Utf16ToUtf8 | Transcode::Latin1ToUtf8 => {
                let whole = source.units() * 3;
                for (room, ascii) in [(whole, false), (source.units(), true), (random.below(whole + 1), false)] {
                    self.compare(op, source, &Given { room, ascii, ..Given::default() }, at);
                }
            }
            Transcode::Utf8ToCompactUtf16 | Transcode::Utf16ToCompactUtf16 => {
                for count in [0, 1, random.below(40)] {
                    let latin1 = (0..count).map(|_| random.next() as u8).collect();
                    self.compare(op, source, &Given { latin1, ..Given::default() }, at);
                }
            }
            _ => self.compare(op, source, &Given::default(), at),
        }
    }

    /// Says what was seen; at least so much was.
    fn done(&self, compared: usize, trapped: usize) {
        println!("{} compared, of which {} trap", self.compared, self.trapped);
        assert!(self.compared >= compared && self.trapped >= trapped, "{} {}", self.compared, self.trapped);
    }
}

#[test]
fn every_scalar_value_is_transcoded() {
    let mut rig = Rig::new(8);
    let mut random = Random(0x1f83_d9ab_fb41_bd6b);
    let all: Vec<char> = (0..=0x10_ffff).filter_map(char::from_u32).collect();
    for op in ALL {
        for chars in all.chunks(16_384) {
            if let Some(source) = Source::of(op, chars) {
                rig.compare_all(op, &source, &mut random);
            }
        }
        for byte in 0..=255_u8 {
            let source = Source::of(op, &[char::from(byte)]).expect("Latin-1 is everywhere");
            rig.compare_all(op, &source, &mut random);
        }
    }
    rig.done(5_000, 0);
}

#[test]
fn every_place_around_eight_bytes_is_transcoded() {
    let mut rig = Rig::new(1);
    let mut random = Random(0x5be0_cd19_137e_2179);
    for op in ALL {
        for length in 0..=40 {
            rig.compare_all(op, &Source::of(op, &vec!['a'; length]).expect("ASCII is everywhere"), &mut random);
            for place in 0..length {
                let mut chars = vec!['z'; length];
                chars[place] = edges().nth(4 + random.below(EDGES.len() - 4)).expect("an edge");
                if let Some(source) = Source::of(op, &chars) {
                    rig.compare_all(op, &source, &mut random);
                }
                if let Some(source) = spoilt(op, length, place, &mut random) {
                    rig.compare_all(op, &source, &mut random);
                }
            }
        }
    }
    rig.done(25_000, 5_000);
}

/// ASCII, but for one place that is no string.
fn spoilt(op: Transcode, length: usize, place: usize, random: &mut Random) -> Option<Source> {
    match reads(op) {
        8 => {
            let mut bytes = vec![b'a'; length];
            bytes[place] = random.pick(&[0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0xff]);
            Some(Source::Utf8(bytes))
        }
        16 => {
            let mut units = vec![u16::from(b'a'); length];
            units[place] = random.pick(&[0xd800, 0xdbff, 0xdc00, 0xdfff]);
            Some(Source::Utf16(units))
        }
        _ => None,
    }
}

#[test]
fn every_edge_of_utf8_is_transcoded_or_traps() {
    let mut rig = Rig::new(1);
    let mut random = Random(0x9b05_688c_2b3e_6c1f);
    for op in ALL.into_iter().filter(|op| reads(*op) == 8) {
        for pair in 0..=u16::MAX {
            rig.compare(op, &Source::Utf8(pair.to_le_bytes().to_vec()), &Given::default(), At::End);
        }
        for lead in 0xdf..=0xff {
            for (second, third) in BYTES.iter().flat_map(|second| BYTES.map(|third| (*second, third))) {
                rig.compare(op, &Source::Utf8(vec![lead, second, third]), &Given::default(), At::End);
                let fourth = random.pick(&BYTES);
                let mut bytes = vec![lead, second, third, fourth];
                rig.compare(op, &Source::Utf8(bytes.clone()), &Given::default(), At::End);
                bytes.insert(0, b'a');
                bytes[4] = 0x80;
                rig.compare_all(op, &Source::Utf8(bytes), &mut random);
            }
        }
    }
    rig.done(300_000, 100_000);
}

#[test]
fn every_edge_of_utf16_is_transcoded_or_traps() {
    let mut rig = Rig::new(1);
    let mut random = Random(0x510e_527f_ade6_82d1);
    for op in ALL.into_iter().filter(|op| reads(*op) == 16) {
        for unit in 0..=u16::MAX {
            rig.compare(op, &Source::Utf16(vec![unit]), &Given { room: 3, ..Given::default() }, At::End);
        }
        for first in UNITS {
            for second in UNITS {
                rig.compare_all(op, &Source::Utf16(vec![first, second]), &mut random);
                for third in UNITS {
                    rig.compare_all(op, &Source::Utf16(vec![first, second, third]), &mut random);
                    rig.compare_all(op, &Source::Utf16(vec![first, second, third, 0xdc00]), &mut random);
                }
            }
        }
    }
    rig.done(300_000, 10_000);
}

#[test]
fn random_strings_are_transcoded_or_trap() {
    let mut rig = Rig::new(1);
    let mut random = Random(0x3c6e_f372_fe94_f82b);
    for case in 0..30_000 {
        let op = ALL[case % ALL.len()];
        let limit = random.pick(&[0x80, 0x100, 0x800, 0x1_0000, 0x11_0000]);
        let most = random.pick(&[4, 20, 200]);
        let length = random.below(most);
        let one = |random: &mut Random| match random.below(3) {
            0 => edges().nth(random.below(EDGES.len())).filter(|c| (*c as usize) < limit),
            _ => char::from_u32(random.below(limit) as u32),
        };
        let mut chars: Vec<char> = (0..length).map(|_| one(&mut random).unwrap_or('a')).collect();
        if reads(op) == 1 {
            chars.retain(|c| (*c as u32) < 0x100);
        }
        let mut source = Source::of(op, &chars).expect("within the encoding");
        if random.one_in(3) && source.units() > 0 {
            let place = random.below(source.units());
            match &mut source {
                Source::Utf8(bytes) | Source::Latin1(bytes) => match random.below(3) {
                    0 => bytes.truncate(place),
                    1 => drop(bytes.remove(place)),
                    _ => bytes[place] = random.next() as u8,
                },
                Source::Utf16(units) => match random.below(3) {
                    0 => units.truncate(place),
                    1 => drop(units.remove(place)),
                    _ => units[place] = random.pick(&UNITS),
                },
            }
        }
        rig.compare_all(op, &source, &mut random);
    }
    rig.done(40_000, 1_000);
}
