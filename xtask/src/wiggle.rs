//! `cargo xtask wiggle`: the `wiggle` crate compiles what lowlift derives for it.

use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use crate::table::Table;
use anyhow::{Context, Result, anyhow, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::rc::Rc;
use std::{env, fs};
use witx::WasmType;

/// The crate that compiles it all. Edition 2024 has the most keywords.
const MANIFEST: &str = r#"[package]
name = "compiled"
version = "0.0.0"
edition = "2024"

[dependencies]
wiggle = { version = "=48.0.8", default-features = false, features = ["wiggle_metadata"] }

[workspace]
"#;

/// A function that a file declares: the core module, the field and the core signature.
struct Function {
    module: String,
    name: String,
    params: Vec<WasmType>,
    returns: bool,
}

/// One file, in both profiles.
struct Interface {
    file: String,
    all: Vec<Function>,
    /// What wiggle gets; nothing where it does not get the file.
    taken: Option<Vec<Function>>,
}

/// Derives WASI, and a package of awkward names, checks that everything compiles, and prints a table of WASI.
pub(crate) fn wiggle(paths: &Paths) -> Result<()> {
    let target = paths.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let folder = target.join("wiggle");
    fs::create_dir_all(folder.join("src"))?;
    let wasi = interfaces(paths, &folder, "wasi", &["wasi"])?;
    let names = interfaces(paths, &folder, "names", &["fixtures/witx/names.wit", "--world", "try"])?;
    let kinds = interfaces(paths, &folder, "kinds", &["fixtures/witx/kinds.wit", "--world", "all"])?;
    let mut source = "#![allow(warnings)]\n".to_owned();
    for (set, interfaces) in [("wasi", &wasi), ("names", &names), ("kinds", &kinds)] {
        for interface in interfaces {
            uses(&mut source, set, interface)?;
        }
    }
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::write(folder.join("src").join("lib.rs"), source)?;
    run(command("cargo").arg("check").current_dir(&folder).env_remove("CARGO_TARGET_DIR"))?;
    print!("{}", table(&wasi)?);
    Ok(())
}

/// Derives the same WIT in both profiles. What wiggle gets is counted in one, what there is in the other.
fn interfaces(paths: &Paths, folder: &Path, set: &str, wit: &[&str]) -> Result<Vec<Interface>> {
    let derive = |profile: &str| {
        let out = folder.join(set).join(profile);
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let mut cargo = command("cargo");
        cargo.args(["run", "--quiet", "--package", "lowlift", "--", "witx", "--quiet", "--verify"]).args(wit);
        cargo.args(["--profile", profile, "--out-dir"]).arg(&out).current_dir(&paths.root);
        run_quietly(&mut cargo)?;
        functions(&out)
    };
    let (core, mut wiggle) = (derive("core")?, derive("wiggle")?);
    let interface = |(file, all)| Interface { taken: wiggle.remove(&file), file, all };
    let interfaces = core.into_iter().map(interface).collect();
    ensure!(wiggle.is_empty(), "files that the other profile has not: {:?}", wiggle.keys());
    Ok(interfaces)
}

/// The functions of each file.
fn functions(folder: &Path) -> Result<BTreeMap<String, Vec<Function>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "types.witx" || name == "all.witx" {
            continue;
        }
        let document = witx::load(&[&path]).map_err(|e| anyhow!("{}: {}", path.display(), e.report()))?;
        let of = |module: Rc<witx::Module>| {
            let function = |f: Rc<witx::InterfaceFunc>| {
                let (params, results) = f.wasm_signature();
                let name = f.name.as_str().to_owned();
                Function { module: module.name.as_str().to_owned(), name, params, returns: !results.is_empty() }
            };
            module.funcs().map(function).collect::<Vec<_>>()
        };
        files.insert(name, document.modules().flat_map(of).collect());
    }
    Ok(files)
}

/// Rust that compiles only if each function is a method of the generated trait, and if what calls that method has the
/// core signature of the other profile.
fn uses(source: &mut String, set: &str, interface: &Interface) -> Result<()> {
    let Some(taken) = &interface.taken else { return Ok(()) };
    let file = &interface.file;
    writeln!(source, "mod {set}_{} {{", snake(file))?;
    writeln!(source, "    wiggle::from_witx!({{ witx: [\"{set}/wiggle/{file}\"], wasmtime: false }});")?;
    for (i, function) in taken.iter().enumerate() {
        let original = interface.all.iter().find(|f| f.module == function.module && f.name == function.name);
        let original = original.with_context(|| format!("{file}: `{}` was added", function.name))?;
        let (module, name) = (snake(&function.module), method(&function.name));
        let host = camel(&function.module);
        let zeros: String = original.params.iter().map(|&ty| format!(", {}", zero(ty))).collect();
        let memory = "memory: &mut wiggle::GuestMemory<'_>";
        writeln!(
            source,
            "    fn use_{i}<T: {module}::{host}>(host: &mut T, {memory}) -> wiggle::error::Result<()> {{"
        )?;
        writeln!(source, "        let _ = T::{name};")?;
        writeln!(source, "        {module}::{name}(host, memory{zeros})")?;
        writeln!(source, "    }}")?;
    }
    writeln!(source, "}}")?;
    Ok(())
}

fn zero(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I32 => "0_i32",
        WasmType::I64 => "0_i64",
        WasmType::F32 => "0_f32",
        WasmType::F64 => "0_f64",
    }
}

/// The generator puts an underscore behind keywords. Of these, one is a function here.
fn method(name: &str) -> String {
    if name == "loop" { "loop_".to_owned() } else { snake(name) }
}

fn snake(name: &str) -> String {
    words(name).collect::<Vec<_>>().join("_")
}

fn camel(name: &str) -> String {
    words(name).map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Everything in it was compiled. Drops are functions that no WIT spells out.
fn table(interfaces: &[Interface]) -> Result<Table> {
    let mut table = Table::new(&["interface", "functions", "taken", "omitted: return a core value", "drops"]);
    let mut sum = [0; 4];
    for Interface { file, all, taken } in interfaces {
        let taken = taken.as_ref().with_context(|| format!("{file} is not in the profile"))?;
        let is_drop = |f: &&Function| f.name.starts_with("[resource-drop]");
        let (drops, taken_drops) = (all.iter().filter(is_drop).count(), taken.iter().filter(is_drop).count());
        ensure!(drops == taken_drops, "{file}: {drops} drops, of which {taken_drops} are in the profile");
        let returning = all.iter().filter(|f| f.returns).count();
        ensure!(all.len() == taken.len() + returning, "{file}: functions are missing that return nothing");
        let row = [all.len() - drops, taken.len() - drops, returning, drops];
        sum.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
        table.row(cells(file.trim_end_matches(".witx"), row));
    }
    table.row(cells(&format!("{} interfaces", interfaces.len()), sum));
    Ok(table)
}

fn cells(name: &str, numbers: [usize; 4]) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(numbers.map(|n| n.to_string())).collect()
}
