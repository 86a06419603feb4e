//! The host of the guest `fixtures/guests/engines`, by hand, for engines that no code is generated for.

use super::{Engine, Guest, Host, Import, Stop, Value};
use lowlift::profile::Profile;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The parts of the guest: those that end, and those that the host must stop.
pub(crate) const PARTS: [std::ops::RangeInclusive<u32>; 2] = [0..=6, 10..=31];

/// Runs one part in an instance of its own: what the guest says, and how it ends.
pub(crate) fn part(engine: &dyn Engine, wasm: &[u8], part: u32) -> String {
    let reentrant = Profile::built_in(engine.profile()).is_none_or(|profile| profile.reentrant);
    let board = Rc::new(RefCell::new(Board::new(reentrant)));
    let end = match engine.run(wasm, board.clone(), "run", &[Value::I32(part)]) {
        Ok(_) => String::new(),
        Err(Stop::Trapped(_)) => "trap\n".to_owned(),
        Err(Stop::Refused(reason)) => format!("refused: {reason}\n"),
    };
    let said = board.borrow().lines.clone();
    said + &end
}

/// What stops the guest.
type Answer<T> = Result<T, String>;

/// The state of the host.
struct Board {
    /// Whether it may call `cabi_realloc`.
    reentrant: bool,
    /// The free part of the region that the guest named, where it may not.
    region: (u32, u32),
    counters: BTreeMap<u32, u32>,
    next: u32,
    gone: u32,
    lines: String,
}

impl Board {
    fn new(reentrant: bool) -> Board {
        Board { reentrant, region: (0, 0), counters: BTreeMap::new(), next: 1, gone: 0, lines: String::new() }
    }

    fn counter(&mut self, handle: u32) -> Answer<&mut u32> {
        self.counters.get_mut(&handle).ok_or_else(|| "no such handle".to_owned())
    }

    fn remove(&mut self, handle: u32) -> Answer<u32> {
        let value = self.counters.remove(&handle).ok_or("no such handle")?;
        self.gone += 1;
        Ok(value)
    }

    fn create(&mut self, value: u32) -> u32 {
        let handle = self.next;
        self.next += 1;
        self.counters.insert(handle, value);
        handle
    }

    fn allocate(&mut self, guest: &mut dyn Guest, align: u32, size: u32) -> Answer<u32> {
        let at = if self.reentrant {
            let args = [0, 0, align, size].map(Value::I32);
            match guest.call("cabi_realloc", &args)? {
                Some(Value::I32(at)) => at,
                _ => return Err("no pointer".to_owned()),
            }
        } else {
            let start = self.region.0.next_multiple_of(align);
            if start > self.region.1 || size > self.region.1 - start {
                return Err("the region is full".to_owned());
            }
            self.region.0 = start + size;
            start
        };
        aligned(at, align)?;
        guest.read(at, size).map(|_| at).ok_or_else(|| "beyond the end".to_owned())
    }

    fn give(&mut self, guest: &mut dyn Guest, text: &str) -> Answer<(u32, u32)> {
        let at = self.allocate(guest, 1, text.len() as u32)?;
        write(guest, at, text.as_bytes())?;
        Ok((at, text.len() as u32))
    }
}

/// Arguments, one after the other.
struct Args<'a>(std::slice::Iter<'a, Value>);

impl Args<'_> {
    fn word(&mut self) -> Answer<u32> {
        Ok(self.long()? as u32)
    }

    fn long(&mut self) -> Answer<u64> {
        self.0.next().map(|value| value.bits()).ok_or_else(|| "an argument is missing".to_owned())
    }

    fn text(&mut self, guest: &mut dyn Guest) -> Answer<String> {
        let (at, length) = (self.word()?, self.word()?);
        String::from_utf8(read(guest, at, length)?).map_err(|e| e.to_string())
    }

    /// The bytes of a list.
    fn list(&mut self, guest: &mut dyn Guest, size: u32, align: u32) -> Answer<Vec<u8>> {
        let (at, count) = (self.word()?, self.word()?);
        aligned(at, align)?;
        read(guest, at, count.checked_mul(size).ok_or("more bytes than there are")?)
    }

    /// Where the result goes.
    fn place(&mut self, guest: &mut dyn Guest, size: u32, align: u32) -> Answer<u32> {
        let at = self.word()?;
        aligned(at, align)?;
        read(guest, at, size)?;
        Ok(at)
    }

    fn shape(&mut self) -> Answer<Shape> {
        let (tag, a, b) = (self.word()?, self.long()?, self.word()?);
        Ok(match tag {
            0 => Shape::Nothing,
            1 => Shape::Circle(f32::from_bits(a as u32)),
            2 => Shape::Box((a as u32).cast_signed(), b.cast_signed()),
            3 => Shape::Tagged,
            _ => return Err("no such shape".to_owned()),
        })
    }
}

enum Shape {
    Nothing,
    Circle(f32),
    Box(i32, i32),
    Tagged,
}

impl Host for Board {
    fn call(&mut self, guest: &mut dyn Guest, import: &Import, args: &[Value]) -> Answer<Option<Value>> {
        let module = import.module.strip_prefix("lowlift:engines/").unwrap_or(&import.module);
        let module = module.strip_suffix("@1.0.0").unwrap_or(module);
        let args = &mut Args(args.iter());
        match (module, import.name.as_str()) {
            ("lowlift", "arena") => {
                let (start, length) = (args.word()?, args.word()?);
                read(guest, start, length)?;
                self.region = (start, start + length);
                Ok(None)
            }
            ("transcript", "say") => {
                self.lines += &args.text(guest)?;
                self.lines.push('\n');
                Ok(None)
            }
            ("values", name) => values(guest, name, args),
            ("heap", name) => self.heap(guest, name, args).map(|()| None),
            ("counters", name) => self.counters(name, args),
            other => Err(format!("no import {other:?}")),
        }
    }
}

fn values(guest: &mut dyn Guest, name: &str, args: &mut Args<'_>) -> Answer<Option<Value>> {
    Ok(Some(match name {
        "add" => {
            let (a, b) = (args.word()?.cast_signed(), args.long()?.cast_signed());
            Value::I64(i64::from(a).wrapping_add(b).cast_unsigned())
        }
        "narrow" => {
            let (a, b) = (args.word()? as u8, args.word()? as i8);
            let (c, d, e) = (args.word()? as u16, args.word()? as i16, args.word()? != 0);
            let sum = i32::from(a) + i32::from(b) + i32::from(c) + i32::from(d) + i32::from(e);
            Value::I32(i32::from(sum as i16).cast_unsigned())
        }
        "floats" => {
            let (a, b) = (f32::from_bits(args.word()?), f64::from_bits(args.long()?));
            Value::F64((f64::from(a) * 2.0 + b).to_bits())
        }
        "next-char" => {
            let c = char::from_u32(args.word()?).ok_or("no character")?;
            Value::I32(match c {
                '\u{d7ff}' => 0xe000,
                char::MAX => 0,
                c => c as u32 + 1,
            })
        }
        "sixteen" => Value::I32(weigh((0..16).map(|_| args.word()).collect::<Answer<Vec<u32>>>()?)),
        "seventeen" => {
            let at = args.word()?;
            aligned(at, 4)?;
            let bytes = read(guest, at, 17 * 4)?;
            Value::I32(weigh(words(&bytes).collect()))
        }
        "total" => {
            let bytes = args.list(guest, 2, 2)?;
            Value::I32(bytes.chunks(2).fold(0, |sum: u32, b| sum.wrapping_add(u16::from_le_bytes([b[0], b[1]]).into())))
        }
        "length" => Value::I32(args.text(guest)?.chars().count() as u32),
        _ => return stored(guest, name, args).map(|()| None),
    }))
}

/// Functions whose results go to memory.
fn stored(guest: &mut dyn Guest, name: &str, args: &mut Args<'_>) -> Answer<()> {
    match name {
        "move-by" => {
            let (x, y, dx, dy) = (args.word()?, args.word()?, args.word()?, args.word()?);
            let at = args.place(guest, 8, 4)?;
            write_words(guest, at, &[x.wrapping_add(dx), y.wrapping_add(dy)])
        }
        "latest" => {
            let (sensor, time, level) = (args.word()? as u8, args.long()?, f32::from_bits(args.word()?));
            let (x, y, ok) = (args.word()?, args.word()?, args.word()? != 0);
            let at = args.place(guest, 32, 8)?;
            write(guest, at, &[sensor.wrapping_add(1)])?;
            write(guest, at + 8, &time.wrapping_add(1000).to_le_bytes())?;
            write_words(guest, at + 16, &[(level * 0.5).to_bits(), y, x])?;
            write(guest, at + 28, &[u8::from(!ok)])
        }
        "area" => {
            let shape = args.shape()?;
            let at = args.place(guest, 8, 4)?;
            let area = match shape {
                Shape::Nothing | Shape::Tagged => None,
                Shape::Circle(radius) => Some(3.0 * radius * radius),
                Shape::Box(x, y) => Some(x.wrapping_mul(y) as f32),
            };
            write(guest, at, &[u8::from(area.is_some())])?;
            area.map_or(Ok(()), |area| write_words(guest, at + 4, &[area.to_bits()]))
        }
        "grow-shape" => {
            let shape = args.shape()?;
            let at = args.place(guest, 16, 8)?;
            let (tag, payload) = match shape {
                Shape::Nothing => (1, vec![1f32.to_bits()]),
                Shape::Circle(radius) => (2, vec![(radius as i32).cast_unsigned(); 2]),
                Shape::Box(x, y) => (3, vec![y.cast_unsigned(), x.cast_unsigned()]),
                Shape::Tagged => (0, vec![]),
            };
            write(guest, at, &[tag])?;
            write_words(guest, at + 8, &payload)
        }
        "paint" => {
            let (color, modes) = (args.word()?, args.word()? & 0x1ff);
            let at = args.place(guest, 4, 2)?;
            if color > 2 {
                return Err("no such color".to_owned());
            }
            if modes & 2 != 0 {
                write(guest, at, &[0])?;
                write(guest, at + 2, &[((color + 1) % 3) as u8])
            } else {
                write(guest, at, &[1])?;
                write(guest, at + 2, &((modes ^ 0x100) as u16).to_le_bytes())
            }
        }
        "sum-points" => {
            let bytes = args.list(guest, 8, 4)?;
            let at = args.place(guest, 8, 4)?;
            let all: Vec<u32> = words(&bytes).collect();
            let side = |from: usize| all.iter().skip(from).step_by(2).fold(0, |sum: u32, n| sum.wrapping_add(*n));
            write_words(guest, at, &[side(0), side(1)])
        }
        other => Err(format!("no import `{other}`")),
    }
}

impl Board {
    fn heap(&mut self, guest: &mut dyn Guest, name: &str, args: &mut Args<'_>) -> Answer<()> {
        match name {
            "squares" => {
                let count = args.word()?;
                let at = args.place(guest, 8, 4)?;
                let list = self.allocate(guest, 8, count.checked_mul(8).ok_or("too many")?)?;
                for i in 0..count {
                    write(guest, list + 8 * i, &(u64::from(i) * u64::from(i)).to_le_bytes())?;
                }
                write_words(guest, at, &[list, count])
            }
            "greet" => {
                let name = args.text(guest)?;
                let at = args.place(guest, 8, 4)?;
                let (text, length) = self.give(guest, &format!("Hello, {name}!"))?;
                write_words(guest, at, &[text, length])
            }
            "split" => {
                let text = args.text(guest)?;
                let at = args.place(guest, 8, 4)?;
                let parts: Vec<&str> = text.split(' ').collect();
                let list = self.allocate(guest, 4, 8 * parts.len() as u32)?;
                for (i, part) in parts.iter().enumerate() {
                    let (text, length) = self.give(guest, part)?;
                    write_words(guest, list + 8 * i as u32, &[text, length])?;
                }
                write_words(guest, at, &[list, parts.len() as u32])
            }
            "find" => {
                let key = args.text(guest)?;
                let at = args.place(guest, 16, 4)?;
                match key.as_str() {
                    "" => {
                        let (text, length) = self.give(guest, "empty")?;
                        write(guest, at, &[1])?;
                        write_words(guest, at + 4, &[text, length])
                    }
                    "none" => write(guest, at, &[0]).and_then(|()| write(guest, at + 4, &[0])),
                    key => {
                        let (text, length) = self.give(guest, &key.repeat(2))?;
                        write(guest, at, &[0])?;
                        write(guest, at + 4, &[1])?;
                        write_words(guest, at + 8, &[text, length])
                    }
                }
            }
            other => Err(format!("no import `{other}`")),
        }
    }

    fn counters(&mut self, name: &str, args: &mut Args<'_>) -> Answer<Option<Value>> {
        Ok(Some(Value::I32(match name {
            "[constructor]counter" | "counter-new" => {
                let start = args.word()?;
                self.create(start)
            }
            "[method]counter.add" | "counter-add" => {
                let (handle, n) = (args.word()?, args.word()?);
                let value = self.counter(handle)?;
                *value = value.wrapping_add(n);
                *value
            }
            "[static]counter.merge" | "counter-merge" => {
                let (a, b) = (args.word()?, args.word()?);
                let sum = *self.counter(a)?;
                // The first is the host's from here on, also if the second is none.
                self.remove(a)?;
                let sum = sum.wrapping_add(*self.counter(b)?);
                self.create(sum)
            }
            "[resource-drop]counter" | "counter-drop" => {
                self.remove(args.word()?)?;
                return Ok(None);
            }
            "gone" => self.gone,
            other => return Err(format!("no import `{other}`")),
        })))
    }
}

fn weigh(numbers: Vec<u32>) -> u32 {
    (1u32..).zip(numbers).fold(0, |sum, (place, n)| sum.wrapping_add(n.wrapping_mul(place)))
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn aligned(at: u32, align: u32) -> Answer<()> {
    if at.is_multiple_of(align) { Ok(()) } else { Err("misaligned".to_owned()) }
}

fn read(guest: &mut dyn Guest, at: u32, length: u32) -> Answer<Vec<u8>> {
    guest.read(at, length).ok_or_else(|| "beyond the end".to_owned())
}

fn write(guest: &mut dyn Guest, at: u32, bytes: &[u8]) -> Answer<()> {
    if guest.write(at, bytes) { Ok(()) } else { Err("beyond the end".to_owned()) }
}

fn write_words(guest: &mut dyn Guest, at: u32, words: &[u32]) -> Answer<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    write(guest, at, &bytes)
}
