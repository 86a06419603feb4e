//! The twelve transcoders: a string moves from one memory to another and changes its encoding.
//!
//! Canonical ABI, `store_string_into_range` and what it calls. Fused adapters do the steps of those functions: they check
//! lengths, allocate and shrink. What is left to a transcoder is to read code units, to trap where they are no string, and to
//! write. Source and destination are in bounds and aligned by then.

use super::text::Text;
use super::words::{always, count, narrow, plain, room, surrogates, widen, widened};

/// What a transcoder does, and its core signature (pointers and lengths are `i32`; lengths are in code units).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in super::super) enum Transcode {
    /// (source, length, destination)
    CopyUtf8,
    /// (source, length, destination)
    CopyUtf16,
    /// (source, length, destination)
    CopyLatin1,
    /// (source, length, destination)
    Latin1ToUtf16,
    /// (source, length, destination) → units written
    Utf8ToUtf16,
    /// (source, length, destination, its length, whether to stop at what is not ASCII) → units read, units written
    Utf16ToUtf8,
    /// As `Utf16ToUtf8`.
    Latin1ToUtf8,
    /// (source, length, destination) → length, tagged if it is UTF-16
    Utf16ToCompactProbablyUtf16,
    /// (source, length, destination) → units read, units written: up to what is not Latin-1
    Utf8ToLatin1,
    /// As `Utf8ToLatin1`.
    Utf16ToLatin1,
    /// (source, length, destination, its length, Latin-1 units that are there) → units that are there in the end
    Utf8ToCompactUtf16,
    /// As `Utf8ToCompactUtf16`.
    Utf16ToCompactUtf16,
}

impl Transcode {
    /// For the name of the function.
    pub(super) fn name(self) -> &'static str {
        match self {
            Transcode::CopyUtf8 => "utf8-to-utf8",
            Transcode::CopyUtf16 => "utf16-to-utf16",
            Transcode::CopyLatin1 => "latin1-to-latin1",
            Transcode::Latin1ToUtf16 => "latin1-to-utf16",
            Transcode::Utf8ToUtf16 => "utf8-to-utf16",
            Transcode::Utf16ToUtf8 => "utf16-to-utf8",
            Transcode::Latin1ToUtf8 => "latin1-to-utf8",
            Transcode::Utf16ToCompactProbablyUtf16 => "utf16-to-compact-probably-utf16",
            Transcode::Utf8ToLatin1 => "utf8-to-latin1",
            Transcode::Utf16ToLatin1 => "utf16-to-latin1",
            Transcode::Utf8ToCompactUtf16 => "utf8-to-compact-utf16",
            Transcode::Utf16ToCompactUtf16 => "utf16-to-compact-utf16",
        }
    }

    /// Parameters after `$source $length $target`, results, body. `$from` and `$to` stand for the memories.
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Transcode::CopyUtf8 => ("", "", COPY_UTF8),
            Transcode::CopyUtf16 => ("", "", COPY_UTF16),
            Transcode::CopyLatin1 => {
                ("", "", "(memory.copy $to $from (local.get $target) (local.get $source) (local.get $length))")
            }
            Transcode::Latin1ToUtf16 => ("", "", LATIN1_TO_UTF16),
            Transcode::Utf8ToUtf16 => ("", "(result i32)", UTF8_TO_UTF16),
            Transcode::Utf16ToUtf8 => ("(param $room i32) (param $ascii i32)", "(result i32 i32)", UTF16_TO_UTF8),
            Transcode::Latin1ToUtf8 => ("(param $room i32) (param $ascii i32)", "(result i32 i32)", LATIN1_TO_UTF8),
            Transcode::Utf16ToCompactProbablyUtf16 => ("", "(result i32)", UTF16_TO_PROBABLY_UTF16),
            Transcode::Utf8ToLatin1 => ("", "(result i32 i32)", UTF8_TO_LATIN1),
            Transcode::Utf16ToLatin1 => ("", "(result i32 i32)", UTF16_TO_LATIN1),
            Transcode::Utf8ToCompactUtf16 => ("(param $room i32) (param $latin1 i32)", "(result i32)", UTF8_TO_COMPACT),
            Transcode::Utf16ToCompactUtf16 => {
                ("(param $room i32) (param $latin1 i32)", "(result i32)", UTF16_TO_COMPACT)
            }
        }
    }
}

/// Writes the function called `name`; `from` and `to` are names of memories.
pub(super) fn write(op: Transcode, name: &str, from: &str, to: &str, text: &mut Text) {
    let (params, results, body) = op.parts();
    // Helpers carry the memory that they work on in their names.
    let body = body.replace("@from", &from[1..]).replace("@to", &to[1..]).replace("$from", from).replace("$to", to);
    for (helper, memory, source) in [
        ("$utf8", from, UTF8),
        ("$utf16", from, UTF16),
        ("$put8", to, PUT_UTF8),
        ("$put16", to, PUT_UTF16),
        ("$inflate", to, INFLATE),
    ] {
        let called = format!("{helper}{}", &memory[1..]);
        let call = format!("(call {called}");
        if body.contains(&call) {
            text.helper(&called, source.replace("@memory", &memory[1..]).replace("$memory", memory));
        }
    }
    text.function(format!(
        "(func {name} (param $source i32) (param $length i32) (param $target i32) {params} {results}{body})"
    ));
}

/// The scalar value at `$at`, of which `$left` bytes (not 0) are there. Traps on what is not the shortest form of one.
const UTF8: &str = "
(func $utf8@memory (param $at i32) (param $left i32) (result i32)
  (local $byte i32) (local $char i32) (local $two i32) (local $three i32) (local $four i32)
  (local.set $byte (i32.load8_u $memory (local.get $at)))
  (if (i32.lt_u (local.get $byte) (i32.const 0x80)) (then (return (local.get $byte))))
  ;; Continuation bytes without their top bit: below 0x40 they are well-formed.
  (if (i32.lt_u (local.get $left) (i32.const 2)) (then (unreachable)))
  (local.set $two (i32.xor (i32.load8_u $memory offset=1 (local.get $at)) (i32.const 0x80)))
  (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 0xc2)) (i32.const 0x1e))
    (then
      (if (i32.ge_u (local.get $two) (i32.const 0x40)) (then (unreachable)))
      (return (i32.or (i32.shl (i32.and (local.get $byte) (i32.const 0x1f)) (i32.const 6)) (local.get $two)))))
  (if (i32.lt_u (local.get $left) (i32.const 3)) (then (unreachable)))
  (local.set $three (i32.xor (i32.load8_u $memory offset=2 (local.get $at)) (i32.const 0x80)))
  (if (i32.ge_u (i32.or (local.get $two) (local.get $three)) (i32.const 0x40)) (then (unreachable)))
  (local.set $char (i32.or (i32.shl (local.get $two) (i32.const 6)) (local.get $three)))
  (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 0xe0)) (i32.const 0x10))
    (then
      (local.set $char (i32.or
        (i32.shl (i32.and (local.get $byte) (i32.const 0xf)) (i32.const 12)) (local.get $char)))
      (if (i32.lt_u (local.get $char) (i32.const 0x800)) (then (unreachable)))
      (if (i32.eq (i32.and (local.get $char) (i32.const 0xf800)) (i32.const 0xd800)) (then (unreachable)))
      (return (local.get $char))))
  (if (i32.ge_u (i32.sub (local.get $byte) (i32.const 0xf0)) (i32.const 5)) (then (unreachable)))
  (if (i32.lt_u (local.get $left) (i32.const 4)) (then (unreachable)))
  (local.set $four (i32.xor (i32.load8_u $memory offset=3 (local.get $at)) (i32.const 0x80)))
  (if (i32.ge_u (local.get $four) (i32.const 0x40)) (then (unreachable)))
  (local.set $char (i32.or
    (i32.shl
      (i32.or (i32.shl (i32.and (local.get $byte) (i32.const 7)) (i32.const 12)) (local.get $char))
      (i32.const 6))
    (local.get $four)))
  (if (i32.ge_u (i32.sub (local.get $char) (i32.const 0x10000)) (i32.const 0x100000)) (then (unreachable)))
  (local.get $char))";

/// The scalar value at `$at`, of which `$left` units (not 0) are there. Traps on a lone surrogate.
const UTF16: &str = "
(func $utf16@memory (param $at i32) (param $left i32) (result i32) (local $unit i32) (local $low i32)
  (local.set $unit (i32.load16_u $memory (local.get $at)))
  (if (i32.ne (i32.and (local.get $unit) (i32.const 0xf800)) (i32.const 0xd800)) (then (return (local.get $unit))))
  (if (i32.ge_u (local.get $unit) (i32.const 0xdc00)) (then (unreachable)))
  (if (i32.lt_u (local.get $left) (i32.const 2)) (then (unreachable)))
  (local.set $low (i32.sub (i32.load16_u $memory offset=2 (local.get $at)) (i32.const 0xdc00)))
  (if (i32.ge_u (local.get $low) (i32.const 0x400)) (then (unreachable)))
  (i32.add (i32.const 0x10000)
    (i32.or (i32.shl (i32.sub (local.get $unit) (i32.const 0xd800)) (i32.const 10)) (local.get $low))))";

/// Writes a scalar value; gives how many bytes that took.
const PUT_UTF8: &str = "
(func $put8@memory (param $at i32) (param $char i32) (result i32)
  (if (i32.lt_u (local.get $char) (i32.const 0x80))
    (then (i32.store8 $memory (local.get $at) (local.get $char)) (return (i32.const 1))))
  (if (i32.lt_u (local.get $char) (i32.const 0x800))
    (then
      (i32.store8 $memory (local.get $at)
        (i32.or (i32.const 0xc0) (i32.shr_u (local.get $char) (i32.const 6))))
      (i32.store8 $memory offset=1 (local.get $at)
        (i32.or (i32.const 0x80) (i32.and (local.get $char) (i32.const 0x3f))))
      (return (i32.const 2))))
  (if (i32.lt_u (local.get $char) (i32.const 0x10000))
    (then
      (i32.store8 $memory (local.get $at)
        (i32.or (i32.const 0xe0) (i32.shr_u (local.get $char) (i32.const 12))))
      (i32.store8 $memory offset=1 (local.get $at)
        (i32.or (i32.const 0x80) (i32.and (i32.shr_u (local.get $char) (i32.const 6)) (i32.const 0x3f))))
      (i32.store8 $memory offset=2 (local.get $at)
        (i32.or (i32.const 0x80) (i32.and (local.get $char) (i32.const 0x3f))))
      (return (i32.const 3))))
  (i32.store8 $memory (local.get $at)
    (i32.or (i32.const 0xf0) (i32.shr_u (local.get $char) (i32.const 18))))
  (i32.store8 $memory offset=1 (local.get $at)
    (i32.or (i32.const 0x80) (i32.and (i32.shr_u (local.get $char) (i32.const 12)) (i32.const 0x3f))))
  (i32.store8 $memory offset=2 (local.get $at)
    (i32.or (i32.const 0x80) (i32.and (i32.shr_u (local.get $char) (i32.const 6)) (i32.const 0x3f))))
  (i32.store8 $memory offset=3 (local.get $at)
    (i32.or (i32.const 0x80) (i32.and (local.get $char) (i32.const 0x3f))))
  (i32.const 4))";

/// Writes a scalar value; gives how many units that took.
const PUT_UTF16: &str = "
(func $put16@memory (param $at i32) (param $char i32) (result i32)
  (if (i32.lt_u (local.get $char) (i32.const 0x10000))
    (then (i32.store16 $memory (local.get $at) (local.get $char)) (return (i32.const 1))))
  (local.set $char (i32.sub (local.get $char) (i32.const 0x10000)))
  (i32.store16 $memory (local.get $at)
    (i32.or (i32.const 0xd800) (i32.shr_u (local.get $char) (i32.const 10))))
  (i32.store16 $memory offset=2 (local.get $at)
    (i32.or (i32.const 0xdc00) (i32.and (local.get $char) (i32.const 0x3ff))))
  (i32.const 2))";

/// Widens `$count` Latin-1 bytes at `$at` to UTF-16 where they are, from the last to the first.
const INFLATE: &str = "
(func $inflate@memory (param $at i32) (param $count i32)
  (block $end
    (loop $more
      (br_if $end (i32.eqz (local.get $count)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (i32.store16 $memory
        (i32.add (local.get $at) (i32.shl (local.get $count) (i32.const 1)))
        (i32.load8_u $memory (i32.add (local.get $at) (local.get $count))))
      (br $more))))";

/// Nothing is written on the way, so that eight plain bytes are passed over with two branches.
const COPY_UTF8: &str = "
  (local $done i32) (local $char i32)
  (block $end
    (loop $more
      (block $other
        (loop $plain
          (br_if $other (i32.lt_u (i32.sub (local.get $length) (local.get $done)) (i32.const 8)))
          (br_if $other (i64.ne (i64.const 0) (i64.and
            (i64.load $from align=1 (i32.add (local.get $source) (local.get $done)))
            (i64.const 0x8080808080808080))))
          (local.set $done (i32.add (local.get $done) (i32.const 8)))
          (br $plain)))
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
      (local.set $char (call $utf8@from
        (i32.add (local.get $source) (local.get $done)) (i32.sub (local.get $length) (local.get $done))))
      (local.set $done (i32.add (i32.add (local.get $done) (i32.const 1)) (i32.add
        (i32.ge_u (local.get $char) (i32.const 0x80))
        (i32.add
          (i32.ge_u (local.get $char) (i32.const 0x800))
          (i32.ge_u (local.get $char) (i32.const 0x10000))))))
      (br $more)))
  (memory.copy $to $from (local.get $target) (local.get $source) (local.get $length))";

const COPY_UTF16: &str = concat!(
    "
  (local $done i32) (local $word i64) (local $run i32)
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(units, of surrogates!(), always!(), ""),
    "
      (local.set $done (i32.add (i32.add (local.get $done) (i32.const 1)) (i32.ge_u
        (call $utf16@from
          (i32.add (local.get $source) (i32.shl (local.get $done) (i32.const 1)))
          (i32.sub (local.get $length) (local.get $done)))
        (i32.const 0x10000))))
      (br $more)))
  (memory.copy $to $from
    (local.get $target) (local.get $source) (i32.shl (local.get $length) (i32.const 1)))"
);

const LATIN1_TO_UTF16: &str = concat!(
    "
  (local $done i32) (local $word i64) (local $run i32) (local $half i64)
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(
        bytes,
        "0",
        always!(),
        widen!("$to", "(i32.add (local.get $target) (i32.shl (local.get $done) (i32.const 1)))")
    ),
    "
      (i32.store16 $to
        (i32.add (local.get $target) (i32.shl (local.get $done) (i32.const 1)))
        (i32.load8_u $from (i32.add (local.get $source) (local.get $done))))
      (local.set $done (i32.add (local.get $done) (i32.const 1)))
      (br $more)))"
);

/// UTF-8 to UTF-16, after `$begin`. The units written are never more than the bytes read, for which there is room.
macro_rules! to_utf16 {
    ($begin:literal) => {
        concat!(
            "
  (local $done i32) (local $char i32) (local $units i32) (local $word i64) (local $run i32) (local $half i64)
",
            $begin,
            "  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
            plain!(
                bytes,
                "0x8080808080808080",
                always!(),
                concat!(
                    widen!("$to", "(i32.add (local.get $target) (i32.shl (local.get $units) (i32.const 1)))"),
                    count!("$units")
                )
            ),
            "
      (local.set $char (call $utf8@from
        (i32.add (local.get $source) (local.get $done)) (i32.sub (local.get $length) (local.get $done))))
      (local.set $units (i32.add (local.get $units) (call $put16@to
        (i32.add (local.get $target) (i32.shl (local.get $units) (i32.const 1))) (local.get $char))))
      (local.set $done (i32.add (i32.add (local.get $done) (i32.const 1)) (i32.add
        (i32.ge_u (local.get $char) (i32.const 0x80))
        (i32.add
          (i32.ge_u (local.get $char) (i32.const 0x800))
          (i32.ge_u (local.get $char) (i32.const 0x10000))))))
      (br $more)))
  (local.get $units)"
        )
    };
}

const UTF8_TO_UTF16: &str = to_utf16!("");

const UTF16_TO_UTF8: &str = concat!(
    "
  (local $done i32) (local $char i32) (local $bytes i32) (local $word i64) (local $run i32)
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(units, "0xff80ff80ff80ff80", room!("4"), concat!(narrow!("$bytes"), count!("$bytes"))),
    "
      (local.set $char (call $utf16@from
        (i32.add (local.get $source) (i32.shl (local.get $done) (i32.const 1)))
        (i32.sub (local.get $length) (local.get $done))))
      (br_if $end (i32.and (i32.ne (local.get $ascii) (i32.const 0)) (i32.ge_u (local.get $char) (i32.const 0x80))))
      ;; A unit becomes three bytes at most, and a pair four.
      (br_if $end (i32.lt_u
        (i32.sub (local.get $room) (local.get $bytes))
        (i32.add (i32.const 1) (i32.add
          (i32.ge_u (local.get $char) (i32.const 0x80))
          (i32.add
            (i32.ge_u (local.get $char) (i32.const 0x800))
            (i32.ge_u (local.get $char) (i32.const 0x10000)))))))
      (local.set $bytes (i32.add (local.get $bytes)
        (call $put8@to (i32.add (local.get $target) (local.get $bytes)) (local.get $char))))
      (local.set $done (i32.add (i32.add (local.get $done) (i32.const 1))
        (i32.ge_u (local.get $char) (i32.const 0x10000))))
      (br $more)))
  (local.get $done) (local.get $bytes)"
);

const LATIN1_TO_UTF8: &str = concat!(
    "
  (local $done i32) (local $char i32) (local $bytes i32) (local $word i64) (local $run i32)
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(
        bytes,
        "0x8080808080808080",
        room!("8"),
        concat!(
            "(i64.store $to align=1 (i32.add (local.get $target) (local.get $bytes)) (local.get $word))",
            count!("$bytes")
        )
    ),
    "
      (local.set $char (i32.load8_u $from (i32.add (local.get $source) (local.get $done))))
      (br_if $end (i32.and (i32.ne (local.get $ascii) (i32.const 0)) (i32.ge_u (local.get $char) (i32.const 0x80))))
      (br_if $end (i32.lt_u
        (i32.sub (local.get $room) (local.get $bytes))
        (i32.add (i32.const 1) (i32.ge_u (local.get $char) (i32.const 0x80)))))
      (local.set $bytes (i32.add (local.get $bytes)
        (call $put8@to (i32.add (local.get $target) (local.get $bytes)) (local.get $char))))
      (local.set $done (i32.add (local.get $done) (i32.const 1)))
      (br $more)))
  (local.get $done) (local.get $bytes)"
);

/// Two passes: the first validates and tells whether all is Latin-1, the second writes.
const UTF16_TO_PROBABLY_UTF16: &str = concat!(
    "
  (local $done i32) (local $char i32) (local $all i32) (local $word i64) (local $run i32)
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(units, "0xff00ff00ff00ff00", always!(), ""),
    "
      (local.set $char (call $utf16@from
        (i32.add (local.get $source) (i32.shl (local.get $done) (i32.const 1)))
        (i32.sub (local.get $length) (local.get $done))))
      (local.set $all (i32.or (local.get $all) (local.get $char)))
      (local.set $done (i32.add (i32.add (local.get $done) (i32.const 1))
        (i32.ge_u (local.get $char) (i32.const 0x10000))))
      (br $more)))
  (if (i32.ge_u (local.get $all) (i32.const 0x100))
    (then
      (memory.copy $to $from
        (local.get $target) (local.get $source) (i32.shl (local.get $length) (i32.const 1)))
      (return (i32.or (local.get $length) (i32.const 0x80000000)))))
  (local.set $done (i32.const 0))
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
      (i32.store8 $to (i32.add (local.get $target) (local.get $done))
        (i32.load16_u $from (i32.add (local.get $source) (i32.shl (local.get $done) (i32.const 1)))))
      (local.set $done (i32.add (local.get $done) (i32.const 1)))
      (br $more)))
  (local.get $length)"
);

const UTF8_TO_LATIN1: &str = concat!(
    "
  (local $done i32) (local $char i32) (local $bytes i32) (local $word i64) (local $run i32)
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(
        bytes,
        "0x8080808080808080",
        always!(),
        concat!(
            "(i64.store $to align=1 (i32.add (local.get $target) (local.get $bytes)) (local.get $word))",
            count!("$bytes")
        )
    ),
    "
      (local.set $char (call $utf8@from
        (i32.add (local.get $source) (local.get $done)) (i32.sub (local.get $length) (local.get $done))))
      (br_if $end (i32.ge_u (local.get $char) (i32.const 0x100)))
      (i32.store8 $to (i32.add (local.get $target) (local.get $bytes)) (local.get $char))
      (local.set $bytes (i32.add (local.get $bytes) (i32.const 1)))
      (local.set $done (i32.add (i32.add (local.get $done) (i32.const 1))
        (i32.ge_u (local.get $char) (i32.const 0x80))))
      (br $more)))
  (local.get $done) (local.get $bytes)"
);

const UTF16_TO_LATIN1: &str = concat!(
    "
  (local $done i32) (local $char i32) (local $word i64) (local $run i32)
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(units, "0xff00ff00ff00ff00", always!(), narrow!("$done")),
    "
      (local.set $char (i32.load16_u $from (i32.add (local.get $source) (i32.shl (local.get $done) (i32.const 1)))))
      (br_if $end (i32.ge_u (local.get $char) (i32.const 0x100)))
      (i32.store8 $to (i32.add (local.get $target) (local.get $done)) (local.get $char))
      (local.set $done (i32.add (local.get $done) (i32.const 1)))
      (br $more)))
  (local.get $done) (local.get $done)"
);

const UTF8_TO_COMPACT: &str = to_utf16!(
    "  (call $inflate@to (local.get $target) (local.get $latin1))
  (local.set $units (local.get $latin1))
"
);

const UTF16_TO_COMPACT: &str = concat!(
    "
  (local $done i32) (local $word i64) (local $run i32)
  (call $inflate@to (local.get $target) (local.get $latin1))
  (block $end
    (loop $more
      (br_if $end (i32.eq (local.get $done) (local.get $length)))
",
    plain!(units, of surrogates!(), always!(), ""),
    "
      (local.set $done (i32.add (i32.add (local.get $done) (i32.const 1)) (i32.ge_u
        (call $utf16@from
          (i32.add (local.get $source) (i32.shl (local.get $done) (i32.const 1)))
          (i32.sub (local.get $length) (local.get $done)))
        (i32.const 0x10000))))
      (br $more)))
  (memory.copy $to $from
    (i32.add (local.get $target) (i32.shl (local.get $latin1) (i32.const 1)))
    (local.get $source)
    (i32.shl (local.get $length) (i32.const 1)))
  (i32.add (local.get $latin1) (local.get $length))"
);

#[cfg(test)]
#[path = "transcode_model.rs"]
mod model;

#[cfg(test)]
#[path = "transcode_tests.rs"]
mod tests;
