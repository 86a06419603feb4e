//! The host of the guest `fixtures/guests/engines`, behind code that lowlift generates: the same for all engines in Rust.

use crate::bindings::lowlift::engines::counters::{self, Counter, CounterBorrow};
use crate::bindings::lowlift::engines::heap;
use crate::bindings::lowlift::engines::transcript;
use crate::bindings::lowlift::engines::values::{self, Color, Modes, Point, Reading, Shape};
#[cfg(feature = "arena")]
use crate::bindings::{Arena, Region};
use crate::bindings::{Fault, Reason, Trap};
use std::collections::BTreeMap;

/// The state of the host.
#[derive(Default)]
pub(crate) struct Board {
    /// By handle. No number comes twice, as it would with `Handles`: a guest that uses one that it gave away is stopped.
    counters: BTreeMap<u32, u32>,
    created: u32,
    gone: u32,
    lines: String,
    #[cfg(feature = "arena")]
    arena: Arena,
}

#[cfg(feature = "arena")]
impl Region for Board {
    fn arena(&mut self) -> &mut Arena {
        &mut self.arena
    }
}

impl Board {
    /// Prints what the guest said, and whether it was stopped.
    pub(crate) fn report(&self, is_stopped: bool) {
        print!("{}{}", self.lines, if is_stopped { "trap\n" } else { "" });
    }

    fn create(&mut self, value: u32) -> Result<Counter, Trap> {
        self.created += 1;
        self.counters.insert(self.created, value);
        Ok(Counter(self.created))
    }

    /// The guest's handle is none from here on.
    fn take(&mut self, counter: Counter) -> Result<u32, Trap> {
        let value = self.counters.remove(&counter.0).ok_or_else(no_handle)?;
        self.gone += 1;
        Ok(value)
    }
}

pub(crate) fn no_handle() -> Trap {
    Trap::from(Fault { function: "counter", reason: Reason::Handle })
}

/// The guest and the numbers of its parts.
pub(crate) fn arguments() -> (Vec<u8>, Vec<u32>) {
    let mut words = std::env::args().skip(1);
    let wasm = std::fs::read(words.next().expect("a guest")).expect("a file");
    (wasm, words.map(|word| word.parse().expect("a number")).collect())
}

impl values::Host for Board {
    fn add(&mut self, a: i32, b: i64) -> Result<i64, Trap> {
        Ok(i64::from(a).wrapping_add(b))
    }

    fn narrow(&mut self, a: u8, b: i8, c: u16, d: i16, e: bool) -> Result<i16, Trap> {
        let sum = i32::from(a) + i32::from(b) + i32::from(c) + i32::from(d) + i32::from(e);
        Ok(sum as i16)
    }

    fn floats(&mut self, a: f32, b: f64) -> Result<f64, Trap> {
        Ok(f64::from(a) * 2.0 + b)
    }

    fn next_char(&mut self, c: char) -> Result<char, Trap> {
        Ok((c..=char::MAX).nth(1).unwrap_or('\0'))
    }

    fn move_by(&mut self, p: Point, by: Point) -> Result<Point, Trap> {
        Ok(Point { x: p.x.wrapping_add(by.x), y: p.y.wrapping_add(by.y) })
    }

    fn latest(&mut self, r: Reading) -> Result<Reading, Trap> {
        Ok(Reading {
            sensor: r.sensor.wrapping_add(1),
            at: r.at.wrapping_add(1000),
            level: r.level * 0.5,
            place: Point { x: r.place.y, y: r.place.x },
            ok: !r.ok,
        })
    }

    fn area(&mut self, s: Shape) -> Result<Option<f32>, Trap> {
        Ok(match s {
            Shape::Circle(radius) => Some(3.0 * radius * radius),
            Shape::Box(sides) => Some(sides.x.wrapping_mul(sides.y) as f32),
            Shape::Nothing | Shape::Tagged(_) => None,
        })
    }

    fn grow_shape(&mut self, s: Shape) -> Result<Shape, Trap> {
        Ok(match s {
            Shape::Nothing => Shape::Circle(1.0),
            Shape::Circle(radius) => Shape::Box(Point { x: radius as i32, y: radius as i32 }),
            Shape::Box(Point { x, y }) => Shape::Tagged(u64::from(x as u32) << 32 | u64::from(y as u32)),
            Shape::Tagged(_) => Shape::Nothing,
        })
    }

    fn paint(&mut self, c: Color, m: Modes) -> Result<Result<Color, Modes>, Trap> {
        if !m.contains(Modes::WRITE) {
            return Ok(Err(Modes::from_bits_truncate(m.bits() ^ Modes::LAST.bits())));
        }
        Ok(Ok(match c {
            Color::Red => Color::Green,
            Color::Green => Color::Blue,
            Color::Blue => Color::Red,
        }))
    }

    #[rustfmt::skip]
    fn sixteen(&mut self, p1: u32, p2: u32, p3: u32, p4: u32, p5: u32, p6: u32, p7: u32, p8: u32, p9: u32, p10: u32, p11: u32, p12: u32, p13: u32, p14: u32, p15: u32, p16: u32) -> Result<u32, Trap> {
        Ok(weigh(&[p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16]))
    }

    #[rustfmt::skip]
    fn seventeen(&mut self, p1: u32, p2: u32, p3: u32, p4: u32, p5: u32, p6: u32, p7: u32, p8: u32, p9: u32, p10: u32, p11: u32, p12: u32, p13: u32, p14: u32, p15: u32, p16: u32, p17: u32) -> Result<u32, Trap> {
        Ok(weigh(&[p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17]))
    }

    fn total(&mut self, xs: Vec<u16>) -> Result<u32, Trap> {
        Ok(xs.iter().map(|x| u32::from(*x)).sum())
    }

    fn sum_points(&mut self, ps: Vec<Point>) -> Result<Point, Trap> {
        ps.into_iter().try_fold(Point { x: 0, y: 0 }, |sum, p| self.move_by(sum, p))
    }

    fn length(&mut self, s: &str) -> Result<u32, Trap> {
        Ok(s.chars().count() as u32)
    }
}

fn weigh(numbers: &[u32]) -> u32 {
    (1..).zip(numbers).fold(0, |sum: u32, (place, n)| sum.wrapping_add(n.wrapping_mul(place)))
}

impl heap::Host for Board {
    fn squares(&mut self, n: u32) -> Result<Vec<u64>, Trap> {
        Ok((0..u64::from(n)).map(|i| i * i).collect())
    }

    fn greet(&mut self, name: &str) -> Result<String, Trap> {
        Ok(format!("Hello, {name}!"))
    }

    fn split(&mut self, text: &str) -> Result<Vec<String>, Trap> {
        Ok(text.split(' ').map(str::to_owned).collect())
    }

    fn find(&mut self, key: &str) -> Result<Result<Option<String>, String>, Trap> {
        Ok(match key {
            "" => Err("empty".to_owned()),
            "none" => Ok(None),
            key => Ok(Some(key.repeat(2))),
        })
    }
}

impl counters::Host for Board {
    fn counter_new(&mut self, start: u32) -> Result<Counter, Trap> {
        self.create(start)
    }

    fn counter_add(&mut self, counter: CounterBorrow, n: u32) -> Result<u32, Trap> {
        let value = self.counters.get_mut(&counter.0).ok_or_else(no_handle)?;
        *value = value.wrapping_add(n);
        Ok(*value)
    }

    fn counter_merge(&mut self, a: Counter, b: CounterBorrow) -> Result<Counter, Trap> {
        // The first is the host's from here on, also if the second is none.
        let a = self.take(a)?;
        let b = *self.counters.get(&b.0).ok_or_else(no_handle)?;
        self.create(a.wrapping_add(b))
    }

    fn counter_drop(&mut self, counter: Counter) -> Result<(), Trap> {
        self.take(counter).map(drop)
    }

    fn gone(&mut self) -> Result<u32, Trap> {
        Ok(self.gone)
    }
}

impl transcript::Host for Board {
    fn say(&mut self, line: &str) -> Result<(), Trap> {
        self.lines += line;
        self.lines.push('\n');
        Ok(())
    }
}
