//! Random modules of several memories, and random calls: joined, they answer the same and hold the same.

use crate::random::Xorshift;
use crate::single::{ACCESSES, Pair, access, hash};
use std::fmt::Write;
use wasmtime::{Config, Engine, OptLevel, Val};

const MODULES: usize = 24;
const CALLS: usize = 240;
/// Hashing all memories takes longer than a call.
const HASH_EVERY: usize = 15;
const PASSIVE: usize = 2;

/// A module and what it exports.
struct Made {
    text: String,
    /// Names and how many 32-bit parameters they take.
    functions: Vec<(String, usize)>,
    hashes: Vec<String>,
}

struct Maker<'r> {
    random: &'r mut Xorshift,
    memories: usize,
}

impl Maker<'_> {
    fn one_in(&mut self, n: usize) -> bool {
        self.random.below(n) == 0
    }

    fn memory(&mut self) -> usize {
        self.random.below(self.memories)
    }

    /// A number near something that matters: zero, ends of pages, 2^32.
    fn edge(&mut self) -> u32 {
        let near = [0, 0, 0x1_0000, 0x2_0000, 0x3_0000, 0x8000_0000, 0u32][self.random.below(7)];
        let by = [1, 4, 20, 300][self.random.below(4)];
        let by = u32::try_from(self.random.below(by)).expect("small");
        if near > 0 && self.one_in(2) || self.one_in(12) { near.wrapping_sub(by) } else { near + by }
    }

    fn made(&mut self) -> Made {
        let mut text = String::from("(module\n");
        let mut minimums = Vec::new();
        let exported = self.random.below(self.memories * 2);
        for memory in 0..self.memories {
            let minimum = [0, 1, 1, 1, 1, 1, 2, 2][self.random.below(8)];
            minimums.push(minimum);
            let maximum = if self.one_in(2) { String::new() } else { (minimum + self.random.below(3)).to_string() };
            let export = if memory == exported { "(export \"memory\")" } else { "" };
            line(&mut text, format!("(memory {export} {minimum} {maximum})"));
        }
        self.segments(&mut text, &minimums);
        let mut functions = self.accesses(&mut text);
        functions.extend(self.bulk(&mut text));
        for i in 0..6 {
            let body: String = (0..=self.random.below(5)).map(|_| self.statement(3)).collect();
            let result = self.word(3);
            line(
                &mut text,
                format!(
                    "(func (export \"mixed{i}\") (param i32 i32 i32) (result i32) (local f64 i64 i32 i32 i32) {body} {result})"
                ),
            );
            functions.extend([(format!("mixed{i}"), 3), (format!("mixed{i}"), 3)]);
        }
        let hashes: Vec<String> = (0..self.memories).map(|m| format!("hash{m}")).collect();
        hashes.iter().enumerate().for_each(|(memory, name)| text += &hash(name, memory));
        Made { text: text + ")", functions, hashes }
    }

    fn bytes(&mut self) -> String {
        (0..self.random.below(24)).map(|_| format!("\\{:02x}", self.random.below(256))).collect()
    }

    fn segments(&mut self, text: &mut String, minimums: &[usize]) {
        for _ in 0..PASSIVE {
            line(text, format!("(data \"{}\")", self.bytes()));
        }
        for _ in 0..self.random.below(5) {
            let memory = self.memory();
            let wild = minimums[memory] == 0 || self.one_in(24);
            let offset = if wild { self.edge() as usize } else { self.random.below(65536 - 24) };
            if wild && self.one_in(2) {
                continue;
            }
            line(text, format!("(data (memory {memory}) (i32.const {offset}) \"{}\")", self.bytes()));
        }
    }

    fn accesses(&mut self, text: &mut String) -> Vec<(String, usize)> {
        let chosen = (0..14).map(|i| {
            let (of, memory) = (ACCESSES[self.random.below(ACCESSES.len())], self.memory());
            let offset = if self.one_in(2) { 0 } else { self.edge() };
            *text += &access(&format!("access{i}"), of, memory, offset.into());
            (format!("access{i}"), 1)
        });
        chosen.collect()
    }

    /// One of each instruction that takes a memory and no offset.
    fn bulk(&mut self, text: &mut String) -> Vec<(String, usize)> {
        let mut functions = Vec::new();
        let mut add = |name: String, params: usize, result: &str, op: String| {
            let gets: String = (0..params).map(|i| format!("(local.get {i})")).collect();
            let declared = "i32 ".repeat(params);
            line(text, format!("(func (export \"{name}\") (param {declared}) {result} ({op} {gets}))"));
            functions.push((name, params));
        };
        for m in 0..self.memories {
            add(format!("size{m}"), 0, "(result i32)", format!("memory.size {m}"));
            add(format!("grow{m}"), 1, "(result i32)", format!("memory.grow {m}"));
            add(format!("fill{m}"), 3, "", format!("memory.fill {m}"));
            for other in 0..self.memories {
                add(format!("copy{m}{other}"), 3, "", format!("memory.copy {m} {other}"));
            }
            for segment in 0..PASSIVE {
                add(format!("init{m}{segment}"), 3, "", format!("memory.init {m} {segment}"));
            }
        }
        add("drop0".to_owned(), 0, "", "data.drop 0".to_owned());
        functions
    }

    /// An expression of 32 bits.
    fn word(&mut self, depth: usize) -> String {
        let memory = self.memory();
        match self.random.below(if depth == 0 { 2 } else { 9 }) {
            0 => format!("(i32.const {})", self.edge()),
            1 => format!("(local.get {})", self.random.below(3)),
            2 => format!("(i32.load8_u {memory} {})", self.near(depth - 1)),
            3 => format!("(i32.load {memory} offset={} {})", self.random.below(9), self.near(depth - 1)),
            4 => format!("(i32.wrap_i64 (i64.load {memory} {}))", self.near(depth - 1)),
            5 => format!("(memory.size {memory})"),
            6 if self.one_in(3) => {
                format!("(memory.grow {memory} (i32.and {} (i32.const 1)))", self.word(depth - 1))
            }
            7 => format!("(i32.reinterpret_f32 (f32.load {memory} {}))", self.near(depth - 1)),
            _ => format!("(i32.add {} {})", self.word(depth - 1), self.word(depth - 1)),
        }
    }

    /// An address that a memory of a page mostly has.
    fn near(&mut self, depth: usize) -> String {
        if self.one_in(24) { self.word(depth) } else { format!("(i32.and {} (i32.const 0xfff7))", self.word(depth)) }
    }

    fn statement(&mut self, depth: usize) -> String {
        let (memory, other) = (self.memory(), self.memory());
        let kind = self.random.below(if depth == 0 { 6 } else { 10 });
        let deeper = depth.saturating_sub(1);
        match kind {
            0 => format!("(i32.store {memory} {} {})\n", self.near(deeper), self.word(deeper)),
            1 => {
                let value = format!("(i64.extend_i32_s {})", self.word(deeper));
                format!("(i64.store16 {memory} offset={} {} {value})\n", self.random.below(9), self.near(deeper))
            }
            2 => {
                let vector = format!("(i32x4.splat {})", self.word(deeper));
                format!("(v128.store32_lane {memory} 2 {} {vector})\n", self.near(deeper))
            }
            3 => {
                let (to, from, length) = (self.near(deeper), self.near(deeper), self.random.below(300));
                format!("(memory.copy {memory} {other} {to} {from} (i32.const {length}))\n")
            }
            4 => {
                let (at, value, length) = (self.near(deeper), self.word(deeper), self.random.below(300));
                format!("(memory.fill {memory} {at} {value} (i32.const {length}))\n")
            }
            5 => format!("(local.set {} {})\n", self.random.below(3), self.word(deeper)),
            6 => {
                let condition = self.word(deeper);
                format!("(if {condition} (then {}) (else {}))\n", self.statement(deeper), self.statement(deeper))
            }
            7 => {
                let (first, condition) = (self.statement(deeper), self.word(deeper));
                format!("(block {first} (br_if 0 {condition}) {})\n", self.statement(deeper))
            }
            8 => {
                // A local counts, one for each depth, so that it ends.
                let (first, condition, count) = (self.statement(deeper), self.word(deeper), 4 + depth);
                format!(
                    "(local.set {count} (i32.const 3))
                    (loop {first}
                      (local.set {count} (i32.sub (local.get {count}) (i32.const 1)))
                      (br_if 0 (i32.and (i32.gt_s (local.get {count}) (i32.const 0)) (i32.ne {condition} (i32.const 0)))))\n"
                )
            }
            _ => format!("(block (br 0 {}))\n", self.statement(deeper)),
        }
    }
}

fn line(text: &mut String, line: impl AsRef<str>) {
    writeln!(text, "{}", line.as_ref()).expect("text grows");
}

/// Arguments for a function: growth stays small, or cannot be.
fn arguments(maker: &mut Maker<'_>, name: &str, count: usize) -> Vec<Val> {
    let grows = name.starts_with("grow");
    (0..count)
        .map(|_| {
            let small = [0, 1, 1, 2, 70_000, u32::MAX][maker.random.below(6)];
            Val::I32(if grows { small } else { maker.edge() }.cast_signed())
        })
        .collect()
}

#[test]
fn random_modules_behave_the_same() {
    let engine = Engine::new(Config::new().cranelift_opt_level(OptLevel::None)).expect("an engine");
    let mut random = Xorshift(0x5851_f42d_4c95_7f2d);
    let (mut fine, mut traps, mut unborn) = (0, 0, 0);
    for _ in 0..MODULES {
        let memories = 2 + random.below(3);
        let mut maker = Maker { random: &mut random, memories };
        let made = maker.made();
        let wasm = wat::parse_str(&made.text).unwrap_or_else(|e| panic!("{e}\n{}", made.text));
        // Shown only if something differs.
        println!("{}", made.text);
        let Some(mut pair) = Pair::new(&engine, &wasm) else {
            unborn += 1;
            continue;
        };
        for i in 1..=CALLS {
            let (name, params) = &made.functions[maker.random.below(made.functions.len())];
            let args = arguments(&mut maker, name, *params);
            *(if pair.call(name, &args).is_some() { &mut fine } else { &mut traps }) += 1;
            if i % HASH_EVERY == 0 {
                made.hashes.iter().for_each(|hash| drop(pair.call(hash, &[])));
            }
        }
    }
    println!("{fine} calls returned, {traps} trapped, {unborn} modules trapped at once");
    assert!(fine > 2500 && traps > 2000 && unborn > 0, "{fine} returned, {traps} trapped, {unborn} never began");
}
