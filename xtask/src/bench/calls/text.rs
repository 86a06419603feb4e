//! The components that are measured, in text. Each is small: what it costs is the call.

use super::{Case, Value, Way};
use std::fmt::Write;

/// How a component has its strings.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
    Compact,
}

impl Encoding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf8",
            Encoding::Utf16 => "utf16",
            Encoding::Compact => "latin1+utf16",
        }
    }

    /// Bytes, and the length as the canonical ABI has it.
    fn encode(self, text: &str) -> (Vec<u8>, u32) {
        let units = || text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        match self {
            Encoding::Utf8 => (text.into(), length(text.len())),
            Encoding::Utf16 => (units(), length(text.encode_utf16().count())),
            Encoding::Compact => {
                match text.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<Vec<_>, _>>() {
                    Ok(bytes) => (bytes.clone(), length(bytes.len())),
                    Err(_) => (units(), length(text.encode_utf16().count()) | 1 << 31),
                }
            }
        }
    }
}

/// Memory and a realloc that only takes; who calls sets it back.
const LIBC: &str = r#"
(core module $libc
  (memory (export "memory") 4)
  (global $top (export "top") (mut i32) (i32.const 65536))
  (func (export "realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (if (i32.and (i32.ne (local.get $had) (i32.const 0)) (i32.le_u (local.get $size) (local.get $had)))
      (then (return (local.get $old))))
    (local.set $at (i32.and
      (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (if (local.get $had) (then (memory.copy (local.get $at) (local.get $old) (local.get $had))))
    (local.get $at)))
(core instance $libc (instantiate $libc))"#;

/// What a module that uses it imports.
const USES_LIBC: &str = r#"
  (import "libc" "memory" (memory 1))
  (import "libc" "top" (global $top (mut i32)))"#;

/// How a value is passed: its types, what it is flattened to, the arguments of the guest, and its data.
struct Shape {
    /// Of the component's function.
    params: &'static str,
    /// Of the core function.
    flat: &'static str,
    args: String,
    data: String,
}

fn shape(value: &Value, encoding: Encoding) -> Shape {
    let at = |length: u32| format!("(i32.const 1024) (i32.const {length})");
    let (params, flat, args, bytes) = match value {
        Value::Numbers => (
            r#"(param "a" u32) (param "b" u64) (param "c" f64)"#,
            "(param i32 i64 f64)",
            "(i32.const 1) (i64.const 2) (f64.const 3)".to_owned(),
            Vec::new(),
        ),
        Value::Text(text) => {
            let (bytes, length) = encoding.encode(text);
            (r#"(param "v" string)"#, "(param i32 i32)", at(length), bytes)
        }
        Value::List(list) => {
            let length = u32::try_from(list.len()).unwrap_or(u32::MAX);
            let bytes = list.iter().flat_map(|n| n.to_le_bytes()).collect();
            (r#"(param "v" (list u32))"#, "(param i32 i32)", at(length), bytes)
        }
        Value::Record(number, text) => {
            let (bytes, length) = encoding.encode(text);
            let args = format!("(i32.const {number}) {0} {0}", at(length));
            (r#"(param "v" (tuple u32 string string))"#, "(param i32 i32 i32 i32 i32)", args, bytes)
        }
        Value::Borrow | Value::Own => ("", "", String::new(), Vec::new()),
    };
    let mut data = String::new();
    for byte in bytes {
        let _ = write!(data, "\\{byte:02x}");
    }
    Shape { params, flat, args, data }
}

/// What an echo returns, in the component and in core.
fn echoed(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Numbers => ("(result u64)", "(result i64)"),
        Value::Text(_) => ("(result string)", "(result i32)"),
        Value::List(_) => ("(result (list u32))", "(result i32)"),
        _ => ("(result (tuple u32 string string))", "(result i32)"),
    }
}

/// The component of a case.
pub(super) fn component(case: &Case) -> String {
    match (&case.value, case.way) {
        (Value::Borrow | Value::Own, Way::Export) => EXPORTED_RESOURCE.to_owned(),
        (Value::Borrow | Value::Own, Way::Import) => IMPORTED_RESOURCE.to_owned(),
        (Value::Borrow, Way::Within(..)) => resource_within(r#"(drop (call $peek (local.get $handle)))"#),
        (Value::Own, Way::Within(..)) => resource_within(r#"(local.set $handle (call $pass (local.get $handle)))"#),
        (value, Way::Export) => export(value),
        (value, Way::Import) => import(value),
        (value, Way::Within(from, to)) => within(value, from, to),
    }
}

/// The host calls: the guest gives back what it gets.
fn export(value: &Value) -> String {
    let Shape { params, flat, .. } = shape(value, Encoding::Utf8);
    let (result, core) = echoed(value);
    let count = flat.matches("i32").count();
    let (body, post) = match value {
        Value::Numbers => ("(i64.add (local.get 1) (i64.extend_i32_u (local.get 0)))".to_owned(), ""),
        _ => {
            let mut body = String::new();
            for i in 0..count {
                let _ = write!(body, "(i32.store offset={} (i32.const 16) (local.get {i}))", i * 4);
            }
            (body + "(i32.const 16)", r#"(post-return (core func $m "after"))"#)
        }
    };
    format!(
        r#"(component {LIBC}
(core module $m {USES_LIBC}
  (func (export "echo") {flat} {core} {body})
  (func (export "after") (param i32) (global.set $top (i32.const 65536))))
(core instance $m (instantiate $m (with "libc" (instance $libc))))
(func (export "echo") {params} {result}
  (canon lift (core func $m "echo") (memory $libc "memory") (realloc (func $libc "realloc")) {post})))"#
    )
}

/// A loop that calls, and frees what it was given.
fn run(call: &str) -> String {
    format!(
        r#"(func (export "run") (param $n i32)
    (loop $next
      {call}
      (global.set $top (i32.const 65536))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"#
    )
}

/// The guest calls, the host gives back what it gets.
fn import(value: &Value) -> String {
    let Shape { params, flat, args, data } = shape(value, Encoding::Utf8);
    let (result, _) = echoed(value);
    let (flat, call) = match value {
        Value::Numbers => (format!("{flat} (result i64)"), format!("(drop (call $echo {args}))")),
        _ => (format!("{flat} (param i32)"), format!("(call $echo {args} (i32.const 16))")),
    };
    let run = run(&call);
    format!(
        r#"(component {LIBC}
(import "echo" (func $echo {params} {result}))
(core func $echo' (canon lower (func $echo) (memory $libc "memory") (realloc (func $libc "realloc"))))
(core module $m {USES_LIBC}
  (import "" "echo" (func $echo {flat}))
  (data (i32.const 1024) "{data}")
  {run})
(core instance $m (instantiate $m (with "libc" (instance $libc)) (with "" (instance (export "echo" (func $echo'))))))
(func (export "run") (param "n" u32) (canon lift (core func $m "run"))))"#
    )
}

/// One instance calls another.
fn within(value: &Value, from: Encoding, to: Encoding) -> String {
    let Shape { params, flat, args, data } = shape(value, from);
    let run = run(&format!("(drop (call $take {args}))"));
    let (from, to) = (from.name(), to.name());
    format!(
        r#"(component
(component $callee {LIBC}
  (core module $m {USES_LIBC}
    (func (export "take") {flat} (result i32) (global.set $top (i32.const 65536)) (local.get 0)))
  (core instance $m (instantiate $m (with "libc" (instance $libc))))
  (func (export "take") {params} (result u32) (canon lift (core func $m "take")
    (memory $libc "memory") (realloc (func $libc "realloc")) string-encoding={to})))
(component $caller {LIBC}
  (import "take" (func $take {params} (result u32)))
  (core func $take' (canon lower (func $take)
    (memory $libc "memory") (realloc (func $libc "realloc")) string-encoding={from}))
  (core module $m {USES_LIBC}
    (import "" "take" (func $take {flat} (result i32)))
    (data (i32.const 1024) "{data}")
    {run})
  (core instance $m (instantiate $m (with "libc" (instance $libc)) (with "" (instance (export "take" (func $take'))))))
  (func (export "run") (param "n" u32) (canon lift (core func $m "run"))))
(instance $callee (instantiate $callee))
(instance $caller (instantiate $caller (with "take" (func $callee "take"))))
(export "run" (func $caller "run")))"#
    )
}

/// A resource between two instances; `call` is what the caller does with its `$handle`.
fn resource_within(call: &str) -> String {
    format!(
        r#"(component
(component $callee
  (type $r' (resource (rep i32)))
  (export $r "r" (type $r'))
  (core func $new (canon resource.new $r'))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "pass") (param i32) (result i32) (local.get 0))
    (func (export "peek") (param i32) (result i32) (local.get 0)))
  (core instance $m (instantiate $m (with "" (instance (export "new" (func $new))))))
  (func (export "make") (param "n" u32) (result (own $r)) (canon lift (core func $m "make")))
  (func (export "pass") (param "h" (own $r)) (result (own $r)) (canon lift (core func $m "pass")))
  (func (export "peek") (param "h" (borrow $r)) (result u32) (canon lift (core func $m "peek"))))
(component $caller
  (import "r" (type $r (sub resource)))
  (import "make" (func $make (param "n" u32) (result (own $r))))
  (import "pass" (func $pass (param "h" (own $r)) (result (own $r))))
  (import "peek" (func $peek (param "h" (borrow $r)) (result u32)))
  (core func $drop (canon resource.drop $r))
  (core func $make' (canon lower (func $make)))
  (core func $pass' (canon lower (func $pass)))
  (core func $peek' (canon lower (func $peek)))
  (core module $m
    (import "" "drop" (func $drop (param i32)))
    (import "" "make" (func $make (param i32) (result i32)))
    (import "" "pass" (func $pass (param i32) (result i32)))
    (import "" "peek" (func $peek (param i32) (result i32)))
    (func (export "run") (param $n i32) (local $handle i32)
      (local.set $handle (call $make (i32.const 5)))
      (loop $next
        {call}
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (call $drop (local.get $handle))))
  (core instance $m (instantiate $m (with "" (instance
    (export "drop" (func $drop)) (export "make" (func $make'))
    (export "pass" (func $pass')) (export "peek" (func $peek'))))))
  (func (export "run") (param "n" u32) (canon lift (core func $m "run"))))
(instance $callee (instantiate $callee))
(instance $caller (instantiate $caller (with "r" (type $callee "r")) (with "make" (func $callee "make"))
  (with "pass" (func $callee "pass")) (with "peek" (func $callee "peek"))))
(export "run" (func $caller "run")))"#
    )
}

/// A resource of the guest's: the host calls a method.
const EXPORTED_RESOURCE: &str = r#"(component
(type $r (resource (rep i32)))
(core func $new (canon resource.new $r))
(core module $m
  (import "" "new" (func $new (param i32) (result i32)))
  (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
  (func (export "get") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
(core instance $m (instantiate $m (with "" (instance (export "new" (func $new))))))
(func $make (param "n" u32) (result (own $r)) (canon lift (core func $m "make")))
(func $get (param "self" (borrow $r)) (param "x" u32) (result u32) (canon lift (core func $m "get")))
(component $shape
  (import "thing" (type $r (sub resource)))
  (import "make" (func $make (param "n" u32) (result (own $r))))
  (import "get" (func $get (param "self" (borrow $r)) (param "x" u32) (result u32)))
  (export $s "thing" (type $r))
  (export "[constructor]thing" (func $make) (func (param "n" u32) (result (own $s))))
  (export "[method]thing.get" (func $get) (func (param "self" (borrow $s)) (param "x" u32) (result u32))))
(instance $x (instantiate $shape (with "thing" (type $r)) (with "make" (func $make)) (with "get" (func $get))))
(export "lowlift:calls/things" (instance $x)))"#;

/// A resource of the host's: the guest calls a method.
const IMPORTED_RESOURCE: &str = r#"(component
(import "lowlift:calls/things" (instance $i
  (export "thing" (type $t (sub resource)))
  (export "[constructor]thing" (func (param "n" u32) (result (own $t))))
  (export "[method]thing.get" (func (param "self" (borrow $t)) (param "x" u32) (result u32)))))
(alias export $i "thing" (type $t))
(core func $drop (canon resource.drop $t))
(core func $make (canon lower (func $i "[constructor]thing")))
(core func $get (canon lower (func $i "[method]thing.get")))
(core module $m
  (import "" "drop" (func $drop (param i32)))
  (import "" "make" (func $make (param i32) (result i32)))
  (import "" "get" (func $get (param i32 i32) (result i32)))
  (func (export "run") (param $n i32) (local $handle i32)
    (local.set $handle (call $make (i32.const 5)))
    (loop $next
      (drop (call $get (local.get $handle) (local.get $n)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $drop (local.get $handle))))
(core instance $m (instantiate $m (with "" (instance
  (export "drop" (func $drop)) (export "make" (func $make)) (export "get" (func $get))))))
(func (export "run") (param "n" u32) (canon lift (core func $m "run"))))"#;
