//! A component from a seed: a callee that gives back what it gets, a caller between it and the root, and sometimes a
//! third that owns the resource of which handles pass.

use super::code;
use super::scope::{Scope, nominal};
use super::types::{Echo, Ty};
use super::values::Encoding;
use crate::random::Xorshift;
use std::fmt::Write;

/// What a seed decided.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) text: String,
    pub(super) shape: Shape,
    /// Whether the callee faces the host, alone or beside the caller.
    pub(super) direct: bool,
    /// Of the caller, which is the boundary's, and of the callee.
    pub(super) encodings: [Encoding; 2],
    pub(super) echoes: Vec<Echo>,
}

/// Who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// The callee alone, at the root.
    Callee,
    /// A caller and a callee, which owns the resource.
    Pair,
    /// The resource is of a third component; the callee holds handles of it as the caller does.
    Three,
}

pub(super) struct Writer<'c> {
    pub(super) shape: Shape,
    /// Whether the callee is at the root too, beside the caller.
    pub(super) direct: bool,
    encodings: [Encoding; 2],
    pub(super) echoes: &'c [Echo],
    pub(super) scope: Scope<'c>,
    /// Whether allocations of caller and callee always move.
    moves: [bool; 2],
    /// Whether lifts of caller and callee have a post-return.
    posts: [bool; 2],
}

pub(super) const TICK: &str = r#"(import "tick" (func $tick (param "n" u32) (result u32)))
    (core func $tick' (canon lower (func $tick)))"#;

/// The owner of the resource: a destructor that counts, and the functions that work on handles.
pub(super) const OWNER: &str = r#"(core module $d
      (import "" "tick" (func $tick (param i32) (result i32)))
      (global $n (mut i32) (i32.const 0)) (global $sum (mut i32) (i32.const 0)) (global $mode (mut i32) (i32.const 0))
      (func (export "dtor") (param i32)
        (if (i32.eq (global.get $mode) (i32.const 1)) (then (drop (call $tick (local.get 0)))))
        (if (i32.eq (global.get $mode) (i32.const 2)) (then unreachable))
        (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 31)) (local.get 0))))
      (func (export "n") (result i32) (i32.add (i32.mul (global.get $n) (i32.const 1000000)) (global.get $sum)))
      (func (export "mode") (param i32) (global.set $mode (local.get 0))))
    (core instance $d (instantiate $d (with "" (instance (export "tick" (func $tick'))))))
    (type $r' (resource (rep i32) (dtor (core func $d "dtor"))))
    (export $r "r" (type $r'))
    (core func $new (canon resource.new $r'))
    (core func $rep (canon resource.rep $r'))
    (core func $drop (canon resource.drop $r'))
    (core module $o
      (import "" "new" (func $new (param i32) (result i32)))
      (import "" "rep" (func $rep (param i32) (result i32)))
      (import "" "drop" (func $drop (param i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
      (func (export "rep") (param i32) (result i32) (call $rep (local.get 0)))
      (func (export "drop") (param i32) (call $drop (local.get 0)))
      (func (export "take") (param i32) (result i32) (local i32)
        (local.set 1 (call $rep (local.get 0))) (call $drop (local.get 0)) (local.get 1))
      (func (export "peek") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
      (func (export "pass") (param i32) (result i32) (local.get 0)))
    (core instance $o (instantiate $o (with "" (instance
      (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))))
    (func (export "make") (param "n" u32) (result (own $r)) (canon lift (core func $o "make")))
    (func (export "take") (param "h" (own $r)) (result u32) (canon lift (core func $o "take")))
    (func (export "peek") (param "h" (borrow $r)) (result u32) (canon lift (core func $o "peek")))
    (func (export "pass") (param "h" (own $r)) (result (own $r)) (canon lift (core func $o "pass")))
    (func (export "o-new") (param "n" u32) (result u32) (canon lift (core func $o "make")))
    (func (export "o-rep") (param "h" u32) (result u32) (canon lift (core func $o "rep")))
    (func (export "o-drop") (param "h" u32) (canon lift (core func $o "drop")))
    (func (export "dtors") (result u32) (canon lift (core func $d "n")))
    (func (export "d-mode") (param "m" u32) (canon lift (core func $d "mode")))
"#;

/// What the caller does with handles: it names them by number, right or wrong.
const HANDLES: [(&str, &str, &str); 5] = [
    ("make", r#"(param "n" u32) (result (own $r))"#, r#"(param "n" u32) (result u32)"#),
    ("take", r#"(param "h" (own $r)) (result u32)"#, r#"(param "n" u32) (result u32)"#),
    ("peek", r#"(param "h" (borrow $r)) (result u32)"#, r#"(param "n" u32) (result u32)"#),
    ("pass", r#"(param "h" (own $r)) (result (own $r))"#, r#"(param "n" u32) (result u32)"#),
    ("via", r#"(param "h" (borrow $r)) (result u32)"#, r#"(param "n" u32) (result u32)"#),
];

impl Writer<'_> {
    /// Functions of the owner that the caller calls; `via` is the callee's way to the third.
    pub(super) fn handles(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self.shape {
            Shape::Callee => &[],
            Shape::Pair => &HANDLES[..4],
            Shape::Three => &HANDLES,
        }
    }

    fn lift(&self, side: usize, ty: &str, name: &str, core: &str, post: Option<usize>) -> String {
        let post = post.filter(|_| self.posts[side]);
        let post = post.map_or_else(String::new, |i| format!(r#"(post-return (core func $m "post{i}"))"#));
        format!(
            "(func (export \"{name}\") {ty} (canon lift (core func $m \"{core}\") {} {post}))\n",
            self.options(side)
        )
    }

    fn options(&self, side: usize) -> String {
        let encoding = self.encodings[side].name();
        format!(r#"(memory $mem "memory") (realloc (func $mem "realloc")) string-encoding={encoding}"#)
    }

    /// Counters and switches of a side, at the root.
    fn switches(&self) -> String {
        let plain =
            |name: &str, ty: &str| format!("(func (export \"{name}\") {ty} (canon lift (core func $m \"{name}\")))\n");
        [
            plain("posts", "(result u32)"),
            plain("count", "(result u32)"),
            plain("mode", r#"(param "m" u32)"#),
            plain("post-mode", r#"(param "m" u32)"#),
        ]
        .concat()
    }

    pub(super) fn callee(&self) -> String {
        let three = self.shape == Shape::Three;
        let mut out = format!("(component $callee\n    {TICK}\n    {}\n", code::memory(self.moves[1]));
        let (mut imports, mut given) = (String::new(), String::new());
        match self.shape {
            Shape::Callee => {}
            Shape::Pair => out.push_str(OWNER),
            Shape::Three => {
                out.push_str(
                    r#"(import "r" (type $r (sub resource))) (core func $drop (canon resource.drop $r))
                    (import "peek" (func $peek (param "h" (borrow $r)) (result u32)))
                    (core func $peek' (canon lower (func $peek)))"#,
                );
                imports.push_str(
                    r#"(import "" "drop" (func $drop (param i32))) (import "" "peek" (func $peek (param i32) (result i32)))"#,
                );
                given.push_str(r#"(export "drop" (func $drop)) (export "peek" (func $peek'))"#);
            }
        }
        out.push_str(&self.scope.exported(|_| true));
        let _ = write!(
            out,
            r#"(core module $m
      (import "" "tick" (func $tick (param i32) (result i32)))
      (import "mem" "memory" (memory 1)) (import "mem" "count" (func $count (result i32))) (import "mem" "mode" (func $mode (param i32)))
      {imports} (global $keep (mut i32) (i32.const 0))
      (func (export "keep") (param i32) (global.set $keep (local.get 0)))
      {}
"#,
            code::POSTS
        );
        if three {
            out.push_str(
                r#"(func (export "via") (param i32) (result i32) (call $peek (local.get 0))
                (if (i32.eqz (global.get $keep)) (then (call $drop (local.get 0)))))"#,
            );
        }
        for (i, echo) in self.echoes.iter().enumerate() {
            let _ = writeln!(out, "{}\n{}", code::echo(i, echo, three), code::post(i, echo));
        }
        let _ = writeln!(
            out,
            r#") (core instance $m (instantiate $m (with "mem" (instance $mem)) (with "" (instance (export "tick" (func $tick')) {given}))))"#
        );
        for (i, echo) in self.echoes.iter().enumerate() {
            out.push_str(&self.lift(1, &self.scope.signature(echo), &format!("f{i}"), &format!("f{i}"), Some(i)));
        }
        if three {
            out.push_str(
                r#"(func (export "via") (param "h" (borrow $r)) (result u32) (canon lift (core func $m "via")))"#,
            );
            out.push_str(r#"(func (export "keep") (param "m" u32) (canon lift (core func $m "keep")))"#);
        }
        out + &self.switches() + ")\n"
    }

    pub(super) fn caller(&self) -> String {
        let mut out = format!("(component $caller\n    {TICK}\n    {}\n", code::memory(self.moves[0]));
        let _ = writeln!(
            out,
            r#"(import "log" (func $log (param "n" u32) (param "s" string) (result u32)))
    (core func $log' (canon lower (func $log) {}))
    (import "r" (type $r (sub resource))) (core func $drop' (canon resource.drop $r))"#,
            self.options(0)
        );
        out.push_str(&self.scope.imported(|_| true));
        let said = if self.encodings[0] == Encoding::Utf16 { r"h\00i\00" } else { "hi" };
        let mut module = String::from(
            r#"(core module $m
      (import "" "tick" (func $tick (param i32) (result i32))) (import "" "log" (func $log (param i32 i32 i32) (result i32)))
      (import "" "drop" (func $drop (param i32)))
      (import "mem" "memory" (memory 1)) (import "mem" "count" (func $count (result i32))) (import "mem" "mode" (func $mode (param i32)))
      (import "mem" "reset" (func $reset)) (import "mem" "used" (func $used (result i32)))
"#,
        );
        let mut bodies = format!(
            "(data (i32.const 0x300) \"{said}\")\n(func (export \"drop\") (param i32) (call $drop (local.get 0)))\n"
        );
        let (mut given, mut lifts) = (String::new(), String::new());
        for (i, echo) in self.echoes.iter().enumerate() {
            let ty = self.scope.signature(echo);
            let _ = writeln!(
                out,
                r#"(import "f{i}" (func $f{i} {ty})) (core func $f{i}' (canon lower (func $f{i}) {}))"#,
                self.options(0)
            );
            let _ = writeln!(module, r#"(import "" "f{i}" (func $f{i} {}))"#, code::lowered(echo));
            let _ = write!(given, r#"(export "f{i}" (func $f{i}'))"#);
            if !echo.has_handles() {
                let _ = writeln!(bodies, "{}\n{}", code::run(i, echo), code::post(i, echo));
                lifts.push_str(&self.lift(0, &ty, &format!("run{i}"), &format!("run{i}"), Some(i)));
            }
            bodies.push_str(&code::raw(i, echo));
            let ty = r#"(param "at" u32) (param "image" (list u8)) (param "args" (list u64)) (result (tuple (list u8) (list u8)))"#;
            lifts.push_str(&self.lift(0, ty, &format!("raw{i}"), &format!("raw{i}"), None));
        }
        for (name, inner, outer) in self.handles() {
            let _ = writeln!(
                out,
                r#"(import "{name}" (func ${name} {inner})) (core func ${name}' (canon lower (func ${name})))"#
            );
            let _ = writeln!(module, r#"(import "" "{name}" (func ${name} (param i32) (result i32)))"#);
            let _ = write!(given, r#"(export "{name}" (func ${name}'))"#);
            let _ =
                writeln!(bodies, r#"(func (export "{name}") (param i32) (result i32) (call ${name} (local.get 0)))"#);
            lifts.push_str(&self.lift(0, outer, &format!("c-{name}"), name, None));
        }
        lifts.push_str(&self.lift(0, r#"(param "h" u32)"#, "c-drop", "drop", None));
        let _ = writeln!(
            out,
            r#"{module} {} {bodies})
    (core instance $m (instantiate $m (with "mem" (instance $mem)) (with "" (instance
      (export "tick" (func $tick')) (export "log" (func $log')) (export "drop" (func $drop')) {given}))))"#,
            code::POSTS
        );
        out + &lifts + &self.switches() + ")\n"
    }
}

/// The component of a seed.
pub(super) fn component(seed: u64) -> Case {
    // Neighbouring seeds must not begin alike.
    let mut random = Xorshift(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..8).for_each(|_| {
        random.below(2);
    });
    let shape = [Shape::Callee, Shape::Pair, Shape::Pair, Shape::Pair, Shape::Three][random.below(5)];
    let mut encodings = [Encoding::ALL[random.below(3)], Encoding::ALL[random.below(3)]];
    if shape == Shape::Callee {
        encodings[0] = encodings[1];
    }
    let echoes: Vec<Echo> = (0..=random.below(3)).map(|_| echo(&mut random, shape != Shape::Callee)).collect();
    let mut named = Vec::new();
    for echo in &echoes {
        echo.params.iter().chain(echo.result().as_ref()).for_each(|ty| nominal(ty, &mut named));
    }
    let mut pair = || [random.below(2) == 0, random.below(2) == 0];
    let (moves, posts) = (pair(), pair());
    let direct = shape == Shape::Callee || random.below(4) == 0;
    let scope = Scope { names: &named, prefix: "$t" };
    let text = Writer { shape, direct, encodings, echoes: &echoes, scope, moves, posts }.root();
    Case { text, shape, direct, encodings, echoes }
}

fn echo(random: &mut Xorshift, handles: bool) -> Echo {
    let handles = handles && random.below(3) == 0;
    let count = if random.below(4) == 0 { random.below(21) } else { 1 + random.below(4) };
    let mut leaves = 40;
    Echo { params: (0..count).map(|_| Ty::random(random, 3, &mut leaves, handles)).collect() }
}
