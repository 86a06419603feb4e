//! Types of components that are nested too deeply are refused before anybody reads them by recursion.

use lowlift::diagnostic::Code;
use lowlift::link::{Options as LinkOptions, link};
use lowlift::wit::{Gates, Sources, load};

/// A component of one type, with so many types of components inside it.
fn nested(depth: usize) -> Vec<u8> {
    let section: Vec<u8> = [1].into_iter().chain([0x41, 1, 1].repeat(depth)).chain([0x41, 0]).collect();
    let mut wasm = b"\0asm\x0d\0\x01\0\x07".to_vec();
    let mut rest = section.len();
    while rest > 0x7f {
        wasm.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    wasm.push(rest as u8);
    wasm.extend(section);
    wasm
}

#[test]
fn types_that_are_too_deep_are_refused() {
    for depth in [4001, 400_000] {
        let wasm = nested(depth);
        assert_eq!(link(&wasm, LinkOptions::default()).expect_err("too deep").code, Code::TooLarge, "{depth}");
        let sources = Sources::Binary { path: "deep.wasm".to_owned(), bytes: wasm };
        assert_eq!(load(&sources, &Gates::default()).expect_err("too deep").code, Code::TooLarge, "{depth}");
    }
    link(&nested(20), LinkOptions::default()).expect("links");
}
