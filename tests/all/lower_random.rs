//! Random modules with what targets lack, and their lowered forms: the same results, traps and memory. The seeds are fixed.

use crate::lower::{Pair, i32};
use crate::random::Xorshift;
use std::fmt::Write;
use wasmtime::{Config, Engine, Val};

const TYPES: [&str; 4] = ["i32", "i64", "f32", "f64"];

type Types = Vec<&'static str>;

/// A function that may be called: parameters and results.
struct Func {
    params: Types,
    results: Types,
}

struct Generator {
    random: Xorshift,
    text: String,
    funcs: Vec<Func>,
    /// Types of the labels around, the innermost last.
    labels: Vec<Types>,
    /// How much may still be written.
    budget: usize,
}

impl Generator {
    fn types(&mut self, most: usize) -> Types {
        (0..self.random.below(most + 1)).map(|_| TYPES[self.random.below(4)]).collect()
    }

    fn write(&mut self, text: &str) {
        writeln!(self.text, "{text}").expect("text");
    }

    fn constant(&mut self, ty: &str) {
        let value = match (ty, self.random.below(3)) {
            ("i32", 0) => (self.random.next() as u32).to_string(),
            ("i64", 0) => self.random.next().to_string(),
            ("f32" | "f64", 0) => format!("{}e{}", self.random.below(1000), self.random.below(30)),
            _ => self.random.below(6).to_string(),
        };
        self.write(&format!("{ty}.const {value}"));
    }

    /// Pushes values of these types.
    fn values(&mut self, types: &[&'static str]) {
        if self.budget == 0 || (types.len() > 1 && self.random.below(3) == 0) {
            for ty in types {
                self.value(ty);
            }
            return;
        }
        self.budget -= 1;
        match self.random.below(10) {
            0..3 => self.block("block", types),
            3..5 => {
                let params = self.types(2);
                self.values(&params);
                self.value("i32");
                self.open("if", &params, types);
                self.body(&params, types);
                if params != types || self.random.below(2) == 0 {
                    self.write("else");
                    self.body(&params, types);
                }
                self.labels.pop();
                self.write("end");
            }
            5 => self.block("loop", types),
            6..9 => self.call(types),
            _ => {
                for ty in types {
                    self.value(ty);
                }
            }
        }
    }

    fn open(&mut self, kind: &str, params: &[&'static str], results: &[&'static str]) {
        self.write(&format!("{kind} (param {}) (result {})", params.join(" "), results.join(" ")));
        self.labels.push(if kind == "loop" { params.to_vec() } else { results.to_vec() });
    }

    fn block(&mut self, kind: &str, results: &[&'static str]) {
        let params = self.types(3);
        self.values(&params);
        self.open(kind, &params, results);
        if kind == "loop" {
            // No loop is endless.
            self.write("global.get $fuel\ni32.eqz\nif\nunreachable\nend");
            self.write("global.get $fuel\ni32.const 1\ni32.sub\nglobal.set $fuel");
        }
        self.body(&params, results);
        self.labels.pop();
        self.write("end");
    }

    /// The inside of a block.
    fn body(&mut self, params: &[&'static str], results: &[&'static str]) {
        for _ in 0..self.random.below(3) {
            self.statement();
        }
        if params == results && self.random.below(2) == 0 {
            return;
        }
        for _ in params {
            self.write("drop");
        }
        self.values(results);
        if self.random.below(4) == 0 {
            self.branch();
            self.values(results);
        }
    }

    fn label(&mut self) -> (usize, Types) {
        let depth = self.random.below(self.labels.len());
        (depth, self.labels[self.labels.len() - 1 - depth].clone())
    }

    /// What leaves the stack as it was.
    fn statement(&mut self) {
        match self.random.below(8) {
            0 | 1 => {
                let (depth, types) = self.label();
                self.values(&types);
                self.value("i32");
                self.write(&format!("br_if {depth}"));
                for _ in types {
                    self.write("drop");
                }
            }
            2 => {
                for _ in 0..3 {
                    let small = self.random.below(64);
                    let near = if self.random.below(8) == 0 { 65510 } else { 0 };
                    self.write(&format!("i32.const {}", small + near));
                }
                let op = ["memory.copy", "memory.fill"][self.random.below(2)];
                self.write(op);
            }
            3 => {
                let ty = TYPES[self.random.below(4)];
                let at = self.random.below(200);
                self.write(&format!("i32.const {at}"));
                self.value(ty);
                self.write(&format!("{ty}.store"));
            }
            4 => {
                let local = TYPES.iter().position(|_| self.random.below(3) == 0).unwrap_or(0);
                self.value(TYPES[local]);
                self.write(&format!("local.set ${}", TYPES[local]));
            }
            5 if self.random.below(3) == 0 => {
                self.write("i32.const 100\ni32.const 2\ni32.const 20\nmemory.init $data");
                if self.random.below(4) == 0 {
                    self.write("data.drop $data");
                }
            }
            _ => {}
        }
    }

    /// A branch that is always taken; what follows is never reached.
    fn branch(&mut self) {
        let (depth, types) = self.label();
        self.values(&types);
        match self.random.below(3) {
            0 => self.write(&format!("br {depth}")),
            1 => {
                let same: Vec<usize> =
                    (0..self.labels.len()).filter(|d| self.labels[self.labels.len() - 1 - d] == types).collect();
                let picked: Vec<String> =
                    (0..=self.random.below(4)).map(|_| same[self.random.below(same.len())].to_string()).collect();
                self.value("i32");
                self.write(&format!("br_table {} {depth}", picked.join(" ")));
            }
            _ => {
                let results = self.labels[0].clone();
                self.values(&results);
                self.write("return");
            }
        }
    }

    fn call(&mut self, types: &[&'static str]) {
        let fits: Vec<usize> = (0..self.funcs.len()).filter(|f| self.funcs[*f].results == types).collect();
        if fits.is_empty() {
            return self.block("block", types);
        }
        let func = fits[self.random.below(fits.len())];
        let params = self.funcs[func].params.clone();
        self.values(&params);
        if self.random.below(2) == 0 {
            return self.write(&format!("call $f{func}"));
        }
        // Mostly the right one; any other traps, or is of the same type.
        let slot = if self.random.below(5) == 0 { self.random.below(self.funcs.len()) } else { func };
        let signature = format!("(param {}) (result {})", params.join(" "), types.join(" "));
        self.write(&format!("i32.const {slot}\ncall_indirect {signature}"));
    }

    fn value(&mut self, ty: &'static str) {
        if self.budget == 0 {
            return self.constant(ty);
        }
        self.budget -= 1;
        match (self.random.below(6), ty) {
            (0, _) => self.write(&format!("local.get ${ty}")),
            (1, _) => self.values(&[ty]),
            (2, "i32") => {
                self.value("i32");
                let op = ["i32.extend8_s", "i32.extend16_s", "i32.eqz", "i32.clz"][self.random.below(4)];
                self.write(op);
            }
            (2, "i64") => {
                self.value("i64");
                let op = ["i64.extend8_s", "i64.extend16_s", "i64.extend32_s"][self.random.below(3)];
                self.write(op);
            }
            (3, "i32" | "i64") => {
                let from = ["f32", "f64"][self.random.below(2)];
                self.value(from);
                let sign = ["s", "u"][self.random.below(2)];
                self.write(&format!("{ty}.trunc_sat_{from}_{sign}"));
            }
            (4, "i32" | "i64") => {
                self.value(ty);
                self.value(ty);
                let op = ["add", "sub", "mul", "xor"][self.random.below(4)];
                self.write(&format!("{ty}.{op}"));
            }
            (3 | 4, "f32" | "f64") => {
                let from = ["i32", "i64"][self.random.below(2)];
                self.value(from);
                self.write(&format!("{ty}.convert_{from}_s"));
            }
            (5, _) => {
                self.value(ty);
                self.value(ty);
                self.value("i32");
                self.write(&format!("select (result {ty})"));
            }
            _ => self.constant(ty),
        }
    }

    fn module(seed: u64) -> String {
        let text = "(module (memory (export \"memory\") 1) (global $fuel (mut i32) (i32.const 50))\n\
                    (data $data \"some text to be read in parts\")\n";
        let random = Xorshift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut generator =
            Generator { random, text: text.to_owned(), funcs: Vec::new(), labels: Vec::new(), budget: 0 };
        for index in 0..6 {
            let params = generator.types(3);
            let results = generator.types(3);
            let signature = format!("(param {}) (result {})", params.join(" "), results.join(" "));
            generator.write(&format!("(func $f{index} {signature}"));
            for ty in TYPES {
                generator.write(&format!("(local ${ty} {ty})"));
            }
            generator.budget = 50;
            generator.labels = vec![results.clone()];
            // Only functions before this one are called, so that no recursion is endless.
            generator.body(&[], &results);
            generator.write(")");
            // Exports cannot have several results: each is stored instead.
            let export = format!("(func (export \"f{index}\") {}", signature.split(" (result").next().expect("text"));
            generator.write(&export);
            for ty in TYPES {
                generator.write(&format!("(local ${ty} {ty})"));
            }
            for param in 0..params.len() {
                generator.write(&format!("local.get {param}"));
            }
            generator.write(&format!("call $f{index}"));
            for (at, ty) in results.iter().enumerate().rev() {
                generator.write(&format!("local.set ${ty}\ni32.const {}\nlocal.get ${ty}\n{ty}.store", 1000 + at * 8));
            }
            generator.write(")");
            generator.funcs.push(Func { params, results });
        }
        generator.write("(table funcref (elem $f0 $f1 $f2 $f3 $f4 $f5))");
        generator.write("(func (export \"refuel\") (global.set $fuel (i32.const 50))))");
        generator.text
    }
}

#[test]
fn random_modules_behave_as_before() {
    let mut config = Config::new();
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    let engine = Engine::new(&config).expect("an engine");
    let (mut fine, mut traps, mut lowered) = (0, 0, 0);
    for seed in 0..40 {
        let text = Generator::module(seed);
        let mut pair = Pair::new(&engine, &text);
        lowered += usize::from(text.contains("br_table") && text.contains("loop (param i"));
        let mut random = Xorshift(seed + 1);
        for round in 0..18 {
            let name = format!("f{}", round % 6);
            let args: Vec<Val> = pair
                .params(&name)
                .iter()
                .map(|ty| match ty {
                    wasmtime::ValType::I32 => i32(random.next() as u32),
                    wasmtime::ValType::I64 => Val::I64(random.next().cast_signed()),
                    wasmtime::ValType::F32 => Val::F32((random.below(1 << 20) as f32 - 5e5).to_bits()),
                    _ => Val::F64((random.next() as f64 - 1e19).to_bits()),
                })
                .collect();
            pair.same("refuel", &[]).expect("no trap");
            match pair.same(&name, &args) {
                Ok(_) => fine += 1,
                Err(_) => traps += 1,
            }
            pair.same_memory();
        }
    }
    println!("{fine} calls gave the same, {traps} trapped alike");
    assert!(fine > 300 && traps > 50 && lowered > 3, "{fine} {traps} {lowered}");
}
