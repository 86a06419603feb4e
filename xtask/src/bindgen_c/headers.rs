//! Headers of the engines: those that crates vendor, where cargo has fetched them; stand-ins of ours for the rest.

use crate::paths::Paths;
use crate::run::{command, run_quietly};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The crate's WAMR is of 2020. Where a parameter is called like what has the prefix, that is another one.
const WAMR: [&str; 2] = ["-DGEN_WAMR_MAJOR=1", "-DGEN_2_WAMR_MAJOR=1"];

/// Where the headers of each engine are.
pub(crate) struct Headers {
    /// Engine, options for the compiler.
    found: Vec<(&'static str, Vec<String>)>,
}

impl Headers {
    /// Has cargo fetch the crates that carry them; says which it could not. `folder` is for copies.
    pub(crate) fn find(paths: &Paths, folder: &Path) -> Result<Headers> {
        let stand_in = paths.root.join("xtask/src/bindgen_c/include");
        let mut found = vec![("none", Vec::new()), ("toywasm", vec!["-I".to_owned(), stand_in.display().to_string()])];
        for (engine, name, version, folder, defines) in [
            ("wamr", "wamr-sys", "0.1.1", "wasm-micro-runtime/core/iwasm/include", &WAMR[..]),
            ("wasm3", "wasm3-sys", "0.3.0", "wasm3/source", &[]),
            ("wasm-c-api", "wasmi_c_api_impl", "2.0.0", "include", &[]),
        ] {
            match fetched(name, version) {
                Ok(root) => {
                    let mut options = vec!["-isystem".to_owned(), root.join(folder).display().to_string()];
                    options.extend(defines.iter().map(|&define| define.to_owned()));
                    found.push((engine, options));
                }
                Err(error) => println!("{engine}: skipped: `{name}` {version} cannot be fetched: {error:#}"),
            }
        }
        // A copy, since other machines' compilers are not to find the rest of that folder.
        match std::fs::copy("/usr/include/wasm-rt.h", folder.join("wasm-rt.h")) {
            Ok(_) => {
                let options = [
                    "-isystem",
                    &folder.display().to_string(),
                    "-DGEN_WASM2C_GUEST=guest",
                    "-DGEN_2_WASM2C_GUEST=guest",
                ];
                found.push(("wasm2c", options.map(str::to_owned).to_vec()));
            }
            Err(error) => println!("wasm2c: skipped: no wasm-rt.h of WABT: {error}"),
        }
        println!("toywasm: compiled against a stand-in for its headers");
        Ok(Headers { found })
    }

    /// The options for `engine`; none where it has no headers.
    pub(crate) fn of(&self, engine: &str) -> Option<&[String]> {
        self.found.iter().find(|(name, _)| *name == engine).map(|(_, options)| options.as_slice())
    }
}

/// The sources of a published crate that is no dependency of ours: by a package of its own that does nothing else.
pub(crate) fn fetched(name: &str, version: &str) -> Result<PathBuf> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("src"))?;
    std::fs::write(folder.path().join("src/lib.rs"), "")?;
    let manifest = folder.path().join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n[dependencies]\n{name} = {{ version = \"={version}\", default-features = false }}\n[workspace]\n"
    );
    std::fs::write(&manifest, text)?;
    let mut metadata = command("cargo");
    metadata.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let text = run_quietly(&mut metadata)?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    let packages = json["packages"].as_array().context("cargo metadata lists packages")?;
    let package = packages.iter().find(|p| p["name"] == name).context("the crate is among its own dependencies")?;
    let manifest = package["manifest_path"].as_str().context("a package has a manifest")?;
    Ok(Path::new(manifest).parent().context("a manifest lies in a folder")?.to_owned())
}
