//! Types: which byte moved, what else the bytes mean, and what that does to which side.

use super::{changes, interface, lines, told, words};
use lowlift::check::Verdict;

/// What is told of `type t`, passed to the host and back within a list.
fn of_t(old: &str, new: &str) -> Vec<String> {
    let with = |t: &str| format!("{t} f: func(t: list<t>) -> list<t>;");
    told(&with(old), &with(new))
}

fn of_record(old: &str, new: &str) -> Vec<String> {
    of_t(&format!("record t {{ {old} }}"), &format!("record t {{ {new} }}"))
}

fn of_variant(old: &str, new: &str) -> Vec<String> {
    of_t(&format!("variant t {{ {old} }}"), &format!("variant t {{ {new} }}"))
}

fn of_flags(old: u32, new: u32) -> Vec<String> {
    let flags = |n: u32| format!("flags t {{ {} }}", (0..n).map(|i| format!("f{i}")).collect::<Vec<_>>().join(", "));
    of_t(&flags(old), &flags(new))
}

#[test]
fn a_field_more_or_less() {
    assert_eq!(of_record("a: u32, b: u32", "x: u32, a: u32, b: u32"), ["breaking LL0704 t @0 a"]);
    assert_eq!(of_record("a: u32, b: u32", "a: u32, x: u32, b: u32"), ["breaking LL0704 t @4 b"]);
    assert_eq!(of_record("a: u32, b: u32", "a: u32, b: u32, x: u32"), ["breaking LL0704 t @8"]);
    assert_eq!(of_record("x: u32, a: u32, b: u32", "a: u32, b: u32"), ["breaking LL0704 t @0 x"]);
    assert_eq!(of_record("a: u32, x: u32, b: u32", "a: u32, b: u32"), ["breaking LL0704 t @4 x"]);
    assert_eq!(of_record("a: u32, b: u32, x: u32", "a: u32, b: u32"), ["breaking LL0704 t @8 x"]);
    // Into padding, of which nobody knows what it holds.
    assert_eq!(of_record("a: u8, b: u32", "a: u8, x: u8, b: u32"), ["breaking LL0704 t @1"]);
    assert_eq!(of_record("a: u32, b: u8", "a: u32, b: u8, x: u8"), ["breaking LL0704 t @5"]);
    assert_eq!(
        words(
            "record t { a: u32, b: u8 } f: func(t: list<t>);",
            "record t { a: u32, b: u8, x: u8 } f: func(t: list<t>);"
        ),
        ("padding".into(), "x".into())
    );
}

#[test]
fn a_field_of_another_type() {
    assert_eq!(of_record("a: u32, b: u32", "a: u32, b: u64"), ["breaking LL0704 t @4 b"]);
    assert_eq!(of_record("a: u8, b: u32", "a: u64, b: u32"), ["breaking LL0704 t @0 a"]);
    assert_eq!(of_record("a: u8, b: u64", "a: u8, b: u16"), ["breaking LL0704 t @2 b"]);
    // Sizes stay, within padding.
    assert_eq!(of_record("a: u8, b: u64", "a: u16, b: u64"), ["breaking LL0704 t @0 a"]);
    assert_eq!(of_record("a: u32, b: option<u8>", "a: u32, b: option<u64>"), ["breaking LL0704 t @4 b"]);
    assert_eq!(of_record("a: list<u32>", "a: list<u64>"), ["breaking LL0704 t @0 a[]"]);
    assert_eq!(
        of_record("a: u64, b: list<tuple<u8, u8>>", "a: u64, b: list<tuple<u8, u16>>"),
        ["breaking LL0704 t @1 b[].1"]
    );
    assert_eq!(of_record("a: u8, b: list<u8, 4>", "a: u8, b: list<u8, 6>"), ["breaking LL0704 t @5 b"]);
    assert_eq!(of_record("a: tuple<u32, u32>, b: u8", "a: u64, b: u8"), ["breaking LL0704 t @0 a"]);
}

#[test]
fn bytes_that_mean_something_else() {
    for (old, new) in
        [("u32", "f32"), ("u32", "s32"), ("char", "u32"), ("string", "list<u8>"), ("u64", "f64"), ("bool", "u8")]
    {
        let record = |ty: &str| format!("a: u64, b: {ty}");
        assert_eq!(of_record(&record(old), &record(new)), ["breaking LL0708 t @8 b"], "{old} {new}");
    }
    assert_eq!(of_record("a: u32, b: u32, c: u8", "b: u32, a: u32, c: u8"), ["breaking LL0708 t @0 a"]);
    assert_eq!(of_record("z: u8, a: u32, b: u32", "z: u8, b: u32, a: u32"), ["breaking LL0708 t @4 a"]);
    assert_eq!(of_record("a: u64, b: u8", "b: u8, a: u64"), ["breaking LL0704 t @0 a"]);
    assert_eq!(of_record("a: option<u32>", "a: result<_, u32>"), ["breaking LL0708 t @0 a"]);
    assert_eq!(words("f: func(a: u32);", "f: func(a: s32);"), ("f: func(a: u32)".into(), "f: func(a: s32)".into()));
}

#[test]
fn names_are_no_part_of_the_abi() {
    assert_eq!(of_record("a: u32, b: u32", "a: u32, c: u32"), ["none LL0709 t"]);
    assert_eq!(of_t("enum t { a, b }", "enum t { a, c }"), ["none LL0709 t"]);
    assert_eq!(of_t("flags t { a, b }", "flags t { a, c }"), ["none LL0709 t"]);
    assert_eq!(of_t("type t = tuple<u8, u8>;", "record t { a: u8, b: u8 }"), ["none LL0709 t"]);
    assert_eq!(of_t("enum t { a, b }", "variant t { a, b }"), [""; 0]);
    assert_eq!(told("f: func(a: u32);", "f: func(b: u32);"), [""; 0]);
}

#[test]
fn cases() {
    assert_eq!(of_variant("a(u32), b", "a(u64), b"), ["breaking LL0704 t @4 a"]);
    assert_eq!(of_variant("a(u32), b(u8)", "a(u32), b(u16)"), ["breaking LL0704 t @4 b"]);
    assert_eq!(of_variant("a(u32), b", "a(u32), b(f32)"), ["breaking LL0704 t @4 b"]);
    assert_eq!(of_variant("a(u32), b", "a(u32), b(tuple<u32, u32>)"), ["breaking LL0704 t @4 b"]);
    assert_eq!(of_variant("a(u32), b(u32)", "a(u32), b(f32)"), ["breaking LL0708 t @4 b"]);
    assert_eq!(of_variant("a, b", "a, b, c(u64)"), ["breaking LL0704 t @1"]);
    assert_eq!(of_variant("a(u32), b", "a(u32), b, c(tuple<u32, u32>)"), ["breaking LL0704 t @8"]);
    assert_eq!(of_t("enum t { a, b }", "variant t { a, b(u32) }"), ["breaking LL0704 t @4 b"]);
    assert_eq!(of_t("enum t { a, b, c }", "enum t { a, c, b }"), ["breaking LL0708 t @0"]);
    assert_eq!(of_t("enum t { a, c }", "enum t { a, b, c }"), ["breaking LL0708 t @0"]);
    let many = |n: u32| format!("enum t {{ {} }}", (0..n).map(|i| format!("c{i}")).collect::<Vec<_>>().join(", "));
    assert_eq!(of_t(&many(256), &many(257)), ["breaking LL0704 t @1"]);
    assert_eq!(of_t(&many(255), &many(256)), ["breaking LL0707 t"]);
    // Behind the discriminant, in the payload.
    let outer = "variant t { x, y(inner) }";
    let inner = |b: &str| format!("record inner {{ a: u8, b: {b} }} {outer}");
    assert_eq!(of_t(&inner("u16"), &inner("u32")), ["breaking LL0704 inner @2 b", "breaking LL0704 t @2 y"]);
}

#[test]
fn more_and_fewer_depend_on_who_sends() {
    let [two, three] = ["enum t { a, b }", "enum t { a, b, c }"];
    let to_host = |t: &str| format!("{t} f: func(t: list<t>);");
    let to_guest = |t: &str| format!("{t} f: func() -> list<t>;");
    assert_eq!(told(&to_host(two), &to_host(three)), ["additive LL0707 t"]);
    assert_eq!(told(&to_guest(two), &to_guest(three)), ["breaking LL0707 t"]);
    assert_eq!(told(&to_host(three), &to_host(two)), ["breaking LL0710 t"]);
    assert_eq!(told(&to_guest(three), &to_guest(two)), ["none LL0710 t"]);
    assert_eq!(words(&to_guest(two), &to_guest(three)), (String::new(), "c".into()));
    let world = |t: &str, side: &str| format!("package a:b; world w {{ {t} {side} f: func(t: list<t>); }}");
    let verdicts = |side: &str| changes(&world(two, side), &world(three, side))[0].verdict;
    assert_eq!((verdicts("import"), verdicts("export")), (Verdict::Additive, Verdict::Breaking));
    // Within what holds it, and through a stream either way.
    let held = |t: &str| format!("{t} record r {{ t: option<t> }} f: func() -> list<r>;");
    assert_eq!(told(&held(two), &held(three)), ["breaking LL0707 t"]);
    let streamed = |t: &str| format!("{t} f: func(s: stream<t>);");
    assert_eq!(told(&streamed(two), &streamed(three)), ["breaking LL0707 t"]);
    assert_eq!(of_flags(7, 8), ["additive LL0707 t"]);
    assert_eq!(of_flags(8, 7), ["breaking LL0710 t"]);
    assert_eq!(of_flags(8, 9), ["breaking LL0704 t @1"]);
    assert_eq!(of_t("flags t { a, b }", "flags t { b, a }"), ["breaking LL0708 t @0"]);
}

#[test]
fn what_holds_a_type_is_told_only_where_it_moves() {
    let inner = |b: &str| format!("record inner {{ a: u32, b: {b} }}");
    for (holder, told_of_it) in [
        ("record t { x: u32, y: list<inner> }", None),
        ("record t { x: u32, y: inner }", Some("breaking LL0704 t @8 y.b")),
        ("record t { x: u32, y: option<inner>, z: u8 }", Some("breaking LL0704 t @12 y.some.b")),
        ("record t { x: u32, y: result<inner, u8> }", Some("breaking LL0704 t @12 y.ok.b")),
        ("variant t { x(list<inner>), y }", None),
        ("variant t { x, y(inner) }", Some("breaking LL0704 t @8 y.b")),
        ("type t = list<inner>;", None),
        ("type t = inner;", None),
        ("type t = tuple<inner, u8>;", Some("breaking LL0704 t @4 0.b")),
    ] {
        let mut found = of_t(&format!("{} {holder}", inner("u32")), &format!("{} {holder}", inner("tuple<u32, u32>")));
        let mut wanted: Vec<&str> = told_of_it.into_iter().collect();
        wanted.push("breaking LL0704 inner @4 b");
        found.sort();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{holder}");
    }
    // What means something else within is told once.
    let swapped = "record inner { b: u32, a: u32 } record t { x: u32, y: inner }";
    assert_eq!(
        of_t(&format!("{} record t {{ x: u32, y: inner }}", inner("u32")), swapped),
        ["breaking LL0708 inner @0 a"]
    );
}

#[test]
fn types_without_a_name_are_told_of_their_functions() {
    assert_eq!(told("f: func(a: list<u32>);", "f: func(a: list<u64>);"), ["breaking LL0704 f @0 a[]"]);
    assert_eq!(told("f: func() -> tuple<u8, u8>;", "f: func() -> tuple<u8, u64>;"), ["breaking LL0704 f @1 result.1"]);
    assert_eq!(told("f: func(a: option<u8>);", "f: func(a: option<u64>);"), ["breaking LL0703 f"]);
    assert_eq!(
        told("f: func(a: list<option<u8>>);", "f: func(a: list<option<u64>>);"),
        ["breaking LL0704 f @1 a[].some"]
    );
    assert_eq!(told("f: func(a: u8, b: u32);", "f: func(a: u8, b: f32);"), ["breaking LL0703 f"]);
    assert_eq!(told("f: func(a: u8, b: u32);", "f: func(a: u8, b: char);"), ["breaking LL0708 f @0 b"]);
    assert_eq!(
        told("f: func(p: u32);", "f: func() -> tuple<u32, u32>;"),
        ["breaking LL0706 f", "breaking LL0708 f @0"]
    );
    // Where the parts have names of their own, it is told of those.
    let part = |a: &str| format!("record p {{ a: {a} }} f: func(a: option<list<tuple<p, u8>>>);");
    assert_eq!(told(&part("u32"), &part("f32")), ["breaking LL0708 p @0 a"]);
}

#[test]
fn other_names_for_types() {
    assert_eq!(of_t("type t = u16;", "type t = u32;"), ["breaking LL0704 t @0"]);
    assert_eq!(told("record a { x: u32 } f: func(a: list<a>);", "record b { x: u32 } f: func(b: list<b>);"), [""; 0]);
    assert_eq!(
        told("record a { x: u32 } f: func(a: list<a>);", "record b { x: u64 } f: func(b: list<b>);"),
        ["breaking LL0704 f @0 a[].x"]
    );
    assert_eq!(
        told(
            "record a { x: u32 } type b = a; f: func(b: list<b>);",
            "record a { x: u32 } type b = a; f: func(b: list<a>);"
        ),
        [""; 0]
    );
}

#[test]
fn a_type_that_moved_to_another_interface() {
    let wit = |of_i: &str, of_j: &str| {
        format!("package a:b; interface i {{ {of_i} }} interface j {{ {of_j} f: func(t: list<t>); }}")
    };
    let moved = |a: &str, b: &str| {
        let here = wit("", &format!("record t {{ x: u32, y: {a} }}"));
        let there = wit(&format!("record t {{ x: u32, y: {b} }}"), "use i.{t};");
        lines(&changes(&here, &there))
    };
    assert_eq!(moved("u32", "u32"), [""; 0]);
    assert_eq!(moved("u32", "u64"), ["breaking LL0704 t @4 y"]);
}

#[test]
fn what_passes_nowhere_breaks_nothing() {
    assert_eq!(told("record t { a: u32 } f: func();", "record t { a: u64 } f: func();"), ["none LL0704 t @0 a"]);
    assert_eq!(told("record t { a: u32 }", ""), [""; 0]);
    // Its only function is gone, which is told.
    let old = "record t { a: u32 } f: func(t: list<t>);";
    assert_eq!(told(old, "record t { a: u64 }"), ["breaking LL0701 f", "none LL0704 t @0 a"]);
}

#[test]
fn shared_parts_take_no_exponential_time() {
    let chain = |prefix: &str, leaf: &str| {
        let mut wit = format!("record {prefix}0 {{ a: {leaf} }} ");
        for i in 1..9 {
            let part = format!("{prefix}{}", i - 1);
            wit += &format!("record {prefix}{i} {{ a: list<tuple<{part}, {part}>>, b: option<list<{part}>> }} ");
        }
        interface(&format!("{wit} f: func(t: {prefix}8);"))
    };
    let found = lines(&changes(&chain("r", "u32"), &chain("r", "u64")));
    // The elements of the second have no name that it could be told of.
    assert_eq!(found, ["breaking LL0704 r0 @0 a", "breaking LL0704 r1 @0 a[].0.a"]);
    // Under other names, so that none is known by its name.
    let path = ["t"].into_iter().chain(["a[].0"; 8]).chain(["a"]).collect::<Vec<_>>().join(".");
    let found = lines(&changes(&chain("r", "u32"), &chain("q", "u64")));
    assert_eq!(found, [format!("breaking LL0704 f @0 {path}")]);
}
