//! The fast path of transcoders: eight bytes or four UTF-16 units at once, where they are of the plain kind.
//!
//! [`plain`] is a statement of a transcoder's loop `$more`, over `$source`, `$length`, `$done`, `$word` and `$run`. The eight
//! bytes are read as a word; `$run` is how many units come before the first that is not plain. Only a whole word is taken, else
//! one character by the statements that follow: nothing is written behind what is plain, since guests can read it.

/// Takes a word of units that have no bit of `$mask`. `$shift` is 3 for bytes and 4 for UTF-16; `$room` is a condition.
macro_rules! plain {
    (bytes, $mask:literal, $room:expr, $then:expr) => {
        plain!("8", "3", "(local.get $done)", concat!("(i64.and (local.get $word) (i64.const ", $mask, "))"), $room, $then)
    };
    (units, $mask:literal, $room:expr, $then:expr) => {
        plain!(units, of concat!("(i64.and (local.get $word) (i64.const ", $mask, "))"), $room, $then)
    };
    // The lowest bit that is set in `$other` is in the first unit that is not plain.
    (units, of $other:expr, $room:expr, $then:expr) => {
        plain!("4", "4", "(i32.shl (local.get $done) (i32.const 1))", $other, $room, $then)
    };
    ($count:literal, $shift:literal, $offset:literal, $other:expr, $room:expr, $then:expr) => {
        concat!(
            "(if (i32.and ", $room, " (i32.ge_u (i32.sub (local.get $length) (local.get $done)) (i32.const ", $count, ")))
               (then
                 (local.set $word (i64.load $from align=1 (i32.add (local.get $source) ", $offset, ")))
                 (local.set $run (i32.wrap_i64 (i64.shr_u (i64.ctz ", $other, ") (i64.const ", $shift, "))))
                 (if (i32.eq (local.get $run) (i32.const ", $count, "))
                   (then ",
                     $then,
                     "(local.set $done (i32.add (local.get $done) (local.get $run)))
                     (br $more)))))"
        )
    };
}

/// No condition.
macro_rules! always {
    () => {
        "(i32.const 1)"
    };
}

/// Room for so many bytes more.
macro_rules! room {
    ($count:literal) => {
        concat!("(i32.ge_u (i32.sub (local.get $room) (local.get $bytes)) (i32.const ", $count, "))")
    };
}

/// The top bits of units that are surrogates, up to the first: zero is looked for, and borrows only go up.
macro_rules! surrogates {
    () => {
        "(i64.and (i64.const 0x8000800080008000) (i64.and
           (i64.sub
             (local.tee $word (i64.and (i64.const 0xf800f800f800f800)
               (i64.xor (local.get $word) (i64.const 0xd800d800d800d800))))
             (i64.const 0x0001000100010001))
           (i64.xor (local.get $word) (i64.const -1))))"
    };
}

/// Four bytes as units.
macro_rules! widened {
    ($four:literal) => {
        concat!(
            "(i64.and (i64.const 0x00ff00ff00ff00ff) (i64.or
               (local.tee $half (i64.and (i64.const 0x0000ffff0000ffff) (i64.or
                 (local.tee $half ",
            $four,
            ") (i64.shl (local.get $half) (i64.const 16)))))
               (i64.shl (local.get $half) (i64.const 8))))"
        )
    };
}

/// Writes the bytes of `$word` as UTF-16 to an address.
macro_rules! widen {
    ($memory:literal, $at:literal) => {
        concat!(
            "(i64.store ",
            $memory,
            " align=2 ",
            $at,
            widened!("(i64.and (local.get $word) (i64.const 0xffffffff))"),
            ") (i64.store ",
            $memory,
            " offset=8 align=2 ",
            $at,
            widened!("(i64.shr_u (local.get $word) (i64.const 32))"),
            ")"
        )
    };
}

/// Writes the units of `$word` as bytes after those that are written.
macro_rules! narrow {
    ($bytes:literal) => {
        concat!(
            "(local.set $word (i64.and (i64.const 0x0000ffff0000ffff)
               (i64.or (local.get $word) (i64.shr_u (local.get $word) (i64.const 8)))))
             (i32.store $to align=1 (i32.add (local.get $target) (local.get ",
            $bytes,
            "))
               (i32.wrap_i64 (i64.or (local.get $word) (i64.shr_u (local.get $word) (i64.const 16)))))"
        )
    };
}

/// Adds the run to what was written.
macro_rules! count {
    ($written:literal) => {
        concat!("(local.set ", $written, " (i32.add (local.get ", $written, ") (local.get $run)))")
    };
}

pub(super) use {always, count, narrow, plain, room, surrogates, widen, widened};
