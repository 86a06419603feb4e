//! Names and documentation that want to be code.

use super::corpus::{ALLOCATIONS, C_ENGINES, all, options, parse, world};
use super::lexer::{Token, balanced, tokens};
use super::omitting;
use super::words::package;
use crate::random::Xorshift;
use lowlift::bindgen::{Allocation, Engine, Options, generate};
use lowlift::diagnostic::Code;
use lowlift::witx::{Derivation, Document, FuncRole};
use std::collections::HashSet;

/// Parts of names and docs that mean something to a C compiler.
const EVIL: &[&str] = &[
    "*/",
    "/*",
    "//",
    "\\",
    "\\\n",
    "??/",
    "??/\n",
    "\"",
    "'",
    "%:",
    "<:",
    "#include",
    "\n#define x",
    "*/int y;/*",
    "??",
    "é",
    "\u{202e}",
    "\r",
    "\t",
    "\u{7f}",
    "$p",
    "$P",
    "errno",
    "NULL",
    "EOF",
    "int",
    "while",
    "9",
    "_",
    "__",
    "{}",
    "%s",
    "\\u0041",
    "a\\",
    "`",
    "*",
    "/",
    "?",
    "\u{2028}",
    "-",
    ".",
    " ",
];

/// A text of them.
pub(super) fn evil(random: &mut Xorshift) -> String {
    (0..=random.below(5)).map(|_| EVIL[random.below(EVIL.len())]).collect()
}

/// Checks the tokens of all files: nothing that a compiler reads otherwise, brackets that close, and no word twice where it
/// is defined.
fn sound(files: &[(String, String)]) -> Result<(), String> {
    for (name, text) in files {
        let tokens = tokens(text).map_err(|reason| format!("{name}: {reason}"))?;
        if !balanced(&tokens) {
            return Err(format!("{name}: brackets that do not close"));
        }
        if let Some(word) = defined_twice(&tokens) {
            return Err(format!("{name}: `{word}` is defined twice"));
        }
    }
    let safe =
        |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)) && !name.starts_with('.');
    files.iter().all(|(name, _)| safe(name)).then_some(()).ok_or_else(|| "a file name".to_owned())
}

/// A macro that is defined twice, in alternatives of an `#if` not counted.
fn defined_twice(tokens: &[Token]) -> Option<&str> {
    let mut defined = HashSet::new();
    let mut alternatives: Vec<(HashSet<&str>, HashSet<&str>)> = Vec::new();
    for directive in tokens.windows(3) {
        let [Token::Mark('#'), Token::Word(directive), word] = directive else { continue };
        match (directive.as_str(), word) {
            ("if" | "ifdef" | "ifndef", _) => alternatives.push((defined.clone(), HashSet::new())),
            ("else" | "elif", _) => {
                let (before, others) = alternatives.last_mut()?;
                others.extend(std::mem::replace(&mut defined, before.clone()));
            }
            ("endif", _) => defined.extend(alternatives.pop()?.1),
            ("define", Token::Word(word)) if !defined.insert(word) => return Some(word),
            _ => {}
        }
    }
    None
}

#[test]
fn every_output_is_sound() {
    for derivation in all(12) {
        for engine in C_ENGINES {
            for allocation in ALLOCATIONS {
                let generated = generate(&derivation, &omitting(engine, allocation)).expect("generated");
                sound(&generated.files).unwrap_or_else(|e| panic!("{}: {e}", derivation.document.title));
            }
        }
    }
}

/// Derivations whose names and docs are evil texts.
pub(super) fn corrupted(random: &mut Xorshift, seeds: u64) -> Vec<Derivation> {
    let clean = all(2);
    let rounds = usize::try_from(seeds).expect("few").saturating_mul(8);
    let documents = (0..rounds).map(|round| {
        let mut document = clean[round % clean.len()].document.clone();
        corrupt(&mut document, random);
        document
    });
    documents.filter_map(|document| Derivation::of(document).ok()).collect()
}

/// Puts evil texts where WITX may hold any, and keeps what contradicts nothing.
fn corrupt(document: &mut Document, random: &mut Xorshift) {
    document.title = evil(random);
    for ty in &mut document.types {
        if random.below(2) == 0 {
            ty.docs = Some(evil(random));
        }
        if random.below(4) == 0 {
            ty.wit = evil(random);
        }
        if random.below(4) == 0 {
            ty.owner = Some(evil(random));
        }
    }
    for module in document.files.iter_mut().flat_map(|f| &mut f.modules) {
        module.docs = Some(evil(random));
        if random.below(3) == 0 {
            module.core_name = evil(random);
            module.interface = Some(evil(random));
        }
        for func in &mut module.funcs {
            func.docs = Some(evil(random));
            if let FuncRole::Call { wit, params, .. } = &mut func.role {
                if random.below(2) == 0 {
                    func.name = evil(random);
                    *wit = format!("{}: {}", func.name, evil(random));
                }
                params.iter_mut().for_each(|param| param.name = evil(random));
            }
        }
    }
}

#[test]
fn evil_names_and_docs_stay_names_and_docs() {
    let mut random = Xorshift(0x5eed);
    let (mut whole, mut refused) = (0, 0);
    let clean = all(4);
    for round in 0..400 {
        let mut document = clean[round % clean.len()].document.clone();
        corrupt(&mut document, &mut random);
        let Ok(derivation) = Derivation::of(document) else {
            refused += 1;
            continue;
        };
        let (engine, allocation) = (C_ENGINES[round % 6], ALLOCATIONS[round / 6 % 3]);
        let prefix = (random.below(3) == 0).then(|| evil(&mut random));
        match generate(&derivation, &Options { prefix, ..omitting(engine, allocation) }) {
            Ok(generated) => {
                sound(&generated.files).unwrap_or_else(|e| panic!("round {round}: {e}"));
                whole += 1;
            }
            // Two functions of a module that share an evil name.
            Err(error) if error.code == Code::NameMapInvalid => refused += 1,
            Err(error) => panic!("round {round}: {error:?}"),
        }
    }
    assert!(whole > 150, "{whole} whole, {refused} refused");
}

/// Names that are taken, and names that C does not tell apart.
#[test]
fn taken_words_are_told_apart() {
    let mut random = Xorshift(0x3071);
    for round in 0..60 {
        let derivation = package(&mut random);
        let prefix = (random.below(2) == 0).then(|| evil(&mut random));
        let options = Options { prefix, ..omitting(C_ENGINES[round % 6], ALLOCATIONS[round / 6 % 3]) };
        let generated = generate(&derivation, &options).expect("generated");
        sound(&generated.files).unwrap_or_else(|e| panic!("round {round}: {e}"));
    }
}

#[test]
fn words_of_c_and_its_headers_get_a_mark() {
    let text = "package int:least8; world max { import f: func(errno: u8, int: u8, call: u8, ret: u8) -> u8; enum eof { null, c } }";
    let derivation = world(&parse("evil.wit", text.to_owned()), "max");
    let generated = generate(&derivation, &options(Engine::None, Allocation::None)).expect("generated");
    sound(&generated.files).expect("sound");
    let header = &generated.files[0].1;
    for wanted in ["errno_", "int_", "call_2", "ret_2"] {
        let words = tokens(header).expect("tokens");
        assert!(words.contains(&Token::Word(wanted.to_owned())), "`{wanted}` is missing: {header}");
    }
    // An engine has a function of this name.
    let text = "package wasm:runtime; interface module { malloc: func(); } world w { import module; }";
    let derivation = world(&parse("engine.wit", text.to_owned()), "w");
    let generated = generate(&derivation, &options(Engine::Wamr, Allocation::None)).expect("generated");
    assert!(generated.files[0].1.contains("bool wasm_runtime_module_malloc_("), "{}", generated.files[0].1);
}

#[test]
fn names_that_c_cannot_hold_are_refused() {
    for name in ["a\0b".to_owned(), "x".repeat(5000)] {
        let mut document = super::sample().document;
        let module = &mut document.files[0].modules[0];
        module.core_name = name;
        let derivation = Derivation::of(document).expect("whole");
        let error = generate(&derivation, &options(Engine::None, Allocation::Reentrant)).expect_err("refused");
        assert_eq!(error.code, Code::BindgenName);
    }
}
