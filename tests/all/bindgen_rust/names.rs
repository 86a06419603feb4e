//! Names and documentation from anyone: the output parses, and nothing of them becomes code.

use super::{ENGINES, derivation, fixture, options};
use crate::random::Xorshift;
use lowlift::bindgen::{Allocation, generate};
use lowlift::witx::{Derivation, Document, FuncRole, Witx};

const NAMES: [&str; 16] = [
    "self",
    "Self",
    "type",
    "gen",
    "1st",
    "'a|b",
    "a--b",
    "_",
    "r#fn",
    "option",
    "String",
    "host",
    "*/injected-by-name/*",
    "a.b",
    "$",
    "\u{202e}é",
];

const DOCS: [&str; 6] = [
    "*/ fn injected_by_docs() {}",
    "one\nfn injected_by_docs() {}\r\nfn injected_by_docs() {}",
    "```\nfn injected_by_docs() {}\n```",
    "    fn injected_by_docs() {}\n\n- x\n\n      code",
    "\u{202e}\u{2066}\0\r\u{feff}",
    "\"] fn injected_by_docs() {} #[doc = \"~~~",
];

fn hostile(document: &mut Document, random: &mut Xorshift) {
    let mut name = |name: &mut String| {
        if random.below(3) == 0 {
            *name = NAMES[random.below(NAMES.len())].to_owned();
        }
    };
    for ty in &mut document.types {
        name(&mut ty.wit);
        match &mut ty.def {
            Witx::Record(fields) => fields.iter_mut().for_each(|(field, _)| name(field)),
            Witx::Flags(_, names) | Witx::Enum(_, names) if ty.id != "bool" => names.iter_mut().for_each(&mut name),
            Witx::Variant(_, cases) if ty.owner.is_some() => cases.iter_mut().for_each(|(case, _)| name(case)),
            _ => {}
        }
    }
    for module in document.files.iter_mut().flat_map(|f| &mut f.modules) {
        for func in &mut module.funcs {
            if let FuncRole::Call { wit, params, .. } = &mut func.role {
                params.iter_mut().for_each(|param| name(&mut param.name));
                let own = wit.split_once(": ").map_or(wit.as_str(), |(own, _)| own).to_owned();
                let mut new = own.clone();
                name(&mut new);
                func.name = func.name.replace(&own, &new);
                *wit = format!("{new}: func()");
            }
        }
    }
    let mut docs = |docs: &mut Option<String>| *docs = Some(DOCS[random.below(DOCS.len())].to_owned());
    document.types.iter_mut().for_each(|ty| docs(&mut ty.docs));
    for module in document.files.iter_mut().flat_map(|f| &mut f.modules) {
        docs(&mut module.docs);
        module.funcs.iter_mut().for_each(|func| docs(&mut func.docs));
    }
}

/// All names of items, and the text of all documentation.
fn walk(items: &[syn::Item], names: &mut Vec<String>) {
    for item in items {
        match item {
            syn::Item::Mod(module) => {
                names.push(module.ident.to_string());
                if let Some((_, items)) = &module.content {
                    walk(items, names);
                }
            }
            syn::Item::Fn(function) => names.push(function.sig.ident.to_string()),
            syn::Item::Struct(item) => names.push(item.ident.to_string()),
            syn::Item::Enum(item) => names.push(item.ident.to_string()),
            syn::Item::Trait(item) => {
                for item in &item.items {
                    if let syn::TraitItem::Fn(function) = item {
                        names.push(function.sig.ident.to_string());
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn hostile_names_stay_names() {
    let mut random = Xorshift(0xc0de);
    let (mut whole, mut unusual) = (0, 0);
    let wits = [
        derivation(&fixture("every.wit"), Some("every")),
        derivation(&fixture("small.wit"), Some("small")),
        derivation(&std::fs::read_to_string(crate::root("fixtures/witx/names.wit")).expect("readable"), Some("try")),
    ];
    for round in 0..90 {
        let mut document = wits[round % wits.len()].document.clone();
        hostile(&mut document, &mut random);
        if round % 4 == 0 {
            document.title = DOCS[random.below(DOCS.len())].to_owned();
        }
        let Ok(derivation) = Derivation::of(document) else { continue };
        for engine in ENGINES {
            for allocation in [Allocation::Reentrant, Allocation::Arena] {
                let Ok(generated) = generate(&derivation, &options(engine, allocation)) else { continue };
                let text = &generated.files[0].1;
                let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
                let mut names = Vec::new();
                walk(&file.items, &mut names);
                assert!(!names.iter().any(|name| name.contains("injected_by_docs")), "{text}");
                let comments = || text.lines().filter_map(|line| line.trim_start().strip_prefix("///"));
                assert!(
                    !comments().any(|line| line.starts_with("    ") || line.contains("```") || line.contains("~~~"))
                );
                assert!(!text.contains(['\u{202e}', '\u{2066}', '\0', '\r', '\u{feff}']));
                whole += 1;
                unusual += names.iter().filter(|name| name.ends_with('_')).count();
            }
        }
    }
    println!("{whole} files parse, {unusual} names were changed");
    assert!(whole > 100 && unusual > 100, "{whole} {unusual}");
}
