//! Directories as they are named and opened.

use lowlift::diagnostic::Code;
use lowlift::host::files::{DirSpec, ErrorCode, Preopen};
use lowlift::wit::{Gates, built_in};
use std::path::Path;

#[test]
fn directories_are_named() {
    for (text, host, guest, read_only) in [
        (".", ".", ".", false),
        ("data", "data", "data", false),
        ("data:ro", "data", "data", true),
        ("/srv/data::/data", "/srv/data", "/data", false),
        ("/srv/data::/data:ro", "/srv/data", "/data", true),
        ("odd:ro::/data", "odd:ro", "/data", false),
        ("data::ro", "data", "ro", false),
        ("a:b::c:d", "a:b", "c:d", false),
    ] {
        let spec: DirSpec = text.parse().expect(text);
        assert_eq!(spec, DirSpec { host: host.into(), guest: guest.to_owned(), read_only }, "{text}");
    }
    for text in ["", "::", "::/data", "data::", "data:::ro", ":ro", "a::b::c"] {
        let error = text.parse::<DirSpec>().expect_err(text);
        assert_eq!((error.code, error.hints.len()), (Code::Usage, 1), "{text}: {error:?}");
    }
}

#[test]
fn what_cannot_be_opened_has_the_systems_reason() {
    let missing = Preopen::open(Path::new("/nothing/here"), "/", false).expect_err("it is not there");
    assert_eq!(missing.code, Code::CannotRead);
    assert!(missing.message.contains("`/nothing/here`: No such file or directory"), "{missing}");
    let file = Preopen::open(&crate::root("Cargo.toml"), "/", false).expect_err("it is no directory");
    assert!(file.message.contains("Not a directory"), "{file}");
    let docker = "src:/src".parse::<DirSpec>().and_then(|spec| spec.open()).expect_err("one colon");
    assert!(docker.hints[0].contains("`::`"), "{docker:?}");
}

#[test]
fn codes_are_those_of_the_wit() {
    let wit = built_in("wasi", &Gates::default()).expect("it is built in");
    let types = wit.resolve.interfaces.iter().filter(|(_, i)| i.name.as_deref() == Some("types"));
    let mut code = types.filter_map(|(_, i)| {
        let wasi = i.package.is_some_and(|p| wit.resolve.packages[p].name.name == "filesystem");
        if wasi { i.types.get("error-code") } else { None }
    });
    let &id = code.next_back().expect("the interface has it");
    let wit_parser::TypeDefKind::Enum(cases) = &wit.resolve.types[id].kind else { panic!("an enum") };
    let names: Vec<&str> = cases.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(ErrorCode::ALL.iter().map(|code| code.name()).collect::<Vec<_>>(), names);
    assert!(ErrorCode::ALL.iter().enumerate().all(|(n, &code)| code as usize == n));
    assert_eq!(ErrorCode::of(&std::io::Error::from(ErrorCode::Quota)), ErrorCode::Quota, "there and back");
    assert_eq!(ErrorCode::of(&std::io::Error::other("else")), ErrorCode::Io);
}
