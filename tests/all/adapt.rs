//! Which adapter a module gets.

use lowlift::adapt::{Adapter, FileKind, choose, sniff, survey};

fn chosen(fields: &str) -> Result<Option<Adapter>, lowlift::diagnostic::Code> {
    let module = wat::parse_str(format!("(module {fields})")).expect("text");
    choose(&survey(&module).expect("valid"), None).map_err(|e| e.code)
}

const WRITE: &str = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1)"#;

#[test]
fn by_what_it_exports() {
    assert_eq!(chosen(&format!(r#"{WRITE} (func (export "_start"))"#)), Ok(Some(Adapter::Command)));
    assert_eq!(chosen(WRITE), Ok(Some(Adapter::Reactor)));
    let handler = r#"(func (export "wasi:http/incoming-handler@0.2.3#handle") (param i32 i32))"#;
    assert_eq!(chosen(&format!("{WRITE} {handler}")), Ok(Some(Adapter::Proxy)));
    let bound = r#"(@custom "component-type" "") (func (export "f"))"#;
    assert_eq!(chosen(bound), Ok(None), "it is bound to a world and needs no adapter");
}

#[test]
fn files_are_told_apart_by_their_first_bytes() {
    for (bytes, kind) in [
        (&b"\0asm\x01\0\0\0"[..], FileKind::Module),
        (b"\0asm\x0d\0\x01\0", FileKind::Component),
        (b";; text\n(module)", FileKind::Wat),
        (b"// a comment\npackage a:b;", FileKind::Wit),
        (b"(typename $a u8)", FileKind::Witx),
        (b"\x7fELF\x02", FileKind::Native),
        (b"PK\x03\x04", FileKind::Zip),
        (b"{\"a\": 1}", FileKind::Json),
        (b"hello", FileKind::Text),
        (b"\xff\xfe\xfd", FileKind::Unknown),
        (b"", FileKind::Empty),
    ] {
        assert_eq!(sniff(bytes), kind, "{bytes:?}");
    }
}
