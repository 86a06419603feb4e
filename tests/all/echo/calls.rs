//! Calls of a generated component: honest ones, ones that a caller makes up word by word, and switches.

use super::code::{END, HEAP, IMAGE};
use super::component::{Case, Shape};
use super::host::{Call, Outcome};
use super::root::{DIRECT, THROUGH};
use super::types::{Echo, Ty};
use super::values::{self, Abi, Guest, Handles, Trapped};
use crate::random::Xorshift;
use wasmtime::component::Val;

/// A memory that a caller makes up.
#[derive(Default)]
struct Image(Vec<u8>);

impl Guest for Image {
    fn realloc(&mut self, align: u32, size: u32) -> Result<u32, Trapped> {
        let at = self.0.len().next_multiple_of(align as usize);
        if at + size as usize > (HEAP - IMAGE) as usize {
            return Err(Trapped);
        }
        self.0.resize(at + size as usize, 0);
        Ok(IMAGE + at as u32)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Trapped> {
        let at = (at - IMAGE) as usize;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, at: u32, length: u32) -> Result<Vec<u8>, Trapped> {
        let at = (at - IMAGE) as usize;
        Ok(self.0[at..at + length as usize].to_vec())
    }
}

/// Words that are the end or the beginning of something.
const WORDS: [u32; 24] = [
    0,
    1,
    2,
    3,
    5,
    255,
    256,
    257,
    0xd800,
    0xdfff,
    0xe000,
    0x10_ffff,
    0x11_0000,
    IMAGE,
    IMAGE + 1,
    HEAP,
    END - 8,
    END - 1,
    END,
    0x1000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0003,
    0xffff_fff8,
];

/// Makes honest words and bytes into others.
fn spoil(random: &mut Xorshift, words: &mut [u64], image: &mut [u8]) {
    for _ in 0..=random.below(2) {
        let word = WORDS[random.below(WORDS.len())];
        match random.below(5) {
            0 if !words.is_empty() => words[random.below(words.len())] = u64::from(word),
            1 if !words.is_empty() => {
                let i = random.below(words.len());
                words[i] = words[i].wrapping_add(1 + random.below(3) as u64) ^ ((random.below(2) as u64) << 31);
            }
            2 if image.len() >= 4 => {
                let at = random.below(image.len() / 4) * 4;
                image[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            3 if image.len() >= 2 => {
                let at = random.below(image.len() / 2) * 2;
                image[at..at + 2].copy_from_slice(&[random.below(256) as u8, 0xd8 + random.below(8) as u8]);
            }
            _ if !image.is_empty() => image[random.below(image.len())] = random.below(256) as u8,
            _ => {}
        }
    }
}

fn raw(index: usize, echo: &Echo, case: &Case, live: &Handles, random: &mut Xorshift) -> Call {
    let mut image = Image::default();
    // What is moved away comes back under the same numbers: the last that is free is taken first.
    let mut free = live.clone();
    let args: Vec<Val> = echo.params.iter().map(|ty| values::random(ty, random, &mut free)).collect();
    let mut abi = Abi { guest: &mut image, encoding: case.encodings[0] };
    let words = if echo.spilled() {
        let all = Ty::Tuple(echo.params.clone());
        let at = abi.guest.realloc(all.align(), all.size());
        at.and_then(|at| abi.store(&all, &Val::Tuple(args), at).map(|()| vec![u64::from(at)]))
    } else {
        let words = echo.params.iter().zip(&args).map(|(ty, value)| abi.lower(ty, value));
        words.collect::<Result<Vec<_>, _>>().map(|words| words.concat())
    };
    // What does not fit is passed as nothing, which is hostile too.
    let mut words = words.unwrap_or_else(|_| vec![0; echo.core_params().len()]);
    if random.below(3) > 0 {
        spoil(random, &mut words, &mut image.0);
    }
    let list = |ty| Ty::List(Box::new(ty));
    Call {
        export: format!("raw{index}"),
        params: vec![Ty::U32, list(Ty::U8), list(Ty::U64)],
        result: Some(Ty::Tuple(vec![list(Ty::U8), list(Ty::U8)])),
        want: None,
        args: vec![
            Val::U32(IMAGE),
            Val::List(image.0.into_iter().map(Val::U8).collect()),
            Val::List(words.into_iter().map(Val::U64).collect()),
        ],
    }
}

fn honest(index: usize, echo: &Echo, case: &Case, random: &mut Xorshift) -> Call {
    let direct = case.shape == Shape::Callee || case.direct && random.below(2) == 0;
    let interface = if direct { DIRECT } else { THROUGH };
    let args: Vec<Val> = echo.params.iter().map(|ty| values::random(ty, random, &mut Handles::default())).collect();
    Call {
        export: format!("{interface}#run{index}"),
        params: echo.params.clone(),
        result: echo.result(),
        want: match args.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(Val::Tuple(many.to_vec())),
        },
        args,
    }
}

/// A function of numbers.
fn number(name: impl Into<String>, arg: Option<u32>, result: bool) -> Call {
    Call {
        export: name.into(),
        params: arg.iter().map(|_| Ty::U32).collect(),
        result: result.then_some(Ty::U32),
        want: None,
        args: arg.map(Val::U32).into_iter().collect(),
    }
}

/// The counters, which a sequence of calls ends with.
pub(super) fn counters(case: &Case) -> Vec<Call> {
    let mut names = vec!["a-posts"];
    if case.shape != Shape::Callee {
        names.extend(["b-posts", "dtors"]);
    }
    // What the host allocates is its own choice: only allocations between components are counted.
    if !case.direct {
        names.push("a-count");
    }
    names.into_iter().map(|name| number(name, None, true)).collect()
}

/// A call, by chance.
pub(super) fn random(case: &Case, live: &Handles, random: &mut Xorshift) -> Call {
    let index = random.below(case.echoes.len());
    let echo = &case.echoes[index];
    let alone = case.shape == Shape::Callee;
    match random.below(20) {
        0 => {
            let mut all = counters(case);
            all.swap_remove(random.below(all.len()))
        }
        1 if random.below(3) == 0 => {
            let side = if alone || random.below(2) == 0 { 'a' } else { 'b' };
            let switch = ["mode", "post-mode"][random.below(2)];
            number(format!("{side}-{switch}"), Some(random.below(5) as u32), false)
        }
        2 if !alone && random.below(4) == 0 => {
            let name = if case.shape == Shape::Three { ["d-mode", "keep"][random.below(2)] } else { "d-mode" };
            number(name, Some(random.below(3) as u32), false)
        }
        2..=6 if !alone => handle(case.shape, live, random),
        7..=11 if !alone => raw(index, echo, case, live, random),
        _ if !echo.has_handles() => honest(index, echo, case, random),
        _ => raw(index, echo, case, live, random),
    }
}

/// Something that is done with one handle. The caller's functions are `c-`; the owner's, which has a table of its own, `o-`.
fn handle(shape: Shape, live: &Handles, random: &mut Xorshift) -> Call {
    const NAMES: [&str; 12] = [
        "c-make", "c-make", "c-make", "c-make", "c-take", "c-peek", "c-pass", "c-drop", "c-via", "o-new", "o-rep",
        "o-drop",
    ];
    let name = match NAMES[random.below(if live.0.is_empty() { 4 } else { NAMES.len() })] {
        "c-via" if shape != Shape::Three => "c-peek",
        // The owner's own handles are seldom there, and a trap ends all.
        "o-rep" | "o-drop" if random.below(3) > 0 => "o-new",
        name => name,
    };
    let arg = if name.ends_with("make") || name == "o-new" { random.below(1 << 32) as u32 } else { live.any(random) };
    number(name, Some(arg), !name.ends_with("drop"))
}

/// What the caller knows of its handles after a call.
pub(super) fn learn(live: &mut Handles, call: &Call, outcome: &Outcome) {
    match (&outcome.result, call.export.as_str(), call.args.as_slice()) {
        (None, ..) => live.0.clear(),
        (Some(Some(Val::U32(made))), "c-make", _) => live.0.push(*made),
        (Some(_), "c-take" | "c-drop", [Val::U32(gone)]) => live.0.retain(|handle| handle != gone),
        _ => {}
    }
}
