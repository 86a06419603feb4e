//! Guests too big to be committed: JavaScript and Python with their interpreters inside.
//!
//! They are not reproducible: the path of the folder that they were made in is inside.

use super::c::pip_install;
use super::files::{copy, entries, make_once, read_text, write};
use super::wasm;
use crate::paths::Paths;
use crate::run::{command, run};
use anyhow::Result;
use std::path::PathBuf;

/// componentize-js is pinned by `fixtures/guests/http-js/package.json`.
const COMPONENTIZE_PY: &str = "0.25.1";

/// A guest in JavaScript, 13 MB. `features` are those of the engine inside that it is made without.
pub(super) fn javascript(paths: &Paths, name: &str, features: &[&str]) -> Result<()> {
    let source = paths.guests.join(name);
    let tool = componentize_js(paths)?;
    let folder = wasm::folder_with_wit(paths, name)?;
    for file in entries(&folder.join("wit").join("deps"))? {
        write(&file, &older_wit(&read_text(&file)?))?;
    }
    copy(&source.join("app.js"), &folder.join("app.js"))?;
    let mut node = command("node");
    node.arg(tool).args(["app.js", "--wit", "wit", "--world-name", "guest", "--out"]).arg(output(paths, name));
    node.args(features.iter().flat_map(|feature| ["--disable", feature]));
    run(node.current_dir(&folder))
}

/// The guest in Python, 18 MB.
pub(super) fn python(paths: &Paths, name: &str) -> Result<()> {
    let packages = paths.tools.join("py");
    make_once(&packages, |part| pip_install(part, &format!("componentize-py=={COMPONENTIZE_PY}")))?;
    let folder = wasm::folder_with_wit(paths, name)?;
    copy(&paths.guests.join(name).join("app.py"), &folder.join("app.py"))?;
    let mut tool = command(packages.join("bin").join("componentize-py"));
    tool.args(["-d", "wit", "-w", "guest", "componentize", "app", "-o"]).arg(output(paths, name));
    run(tool.env("PYTHONPATH", &packages).current_dir(&folder))
}

fn output(paths: &Paths, name: &str) -> PathBuf {
    paths.big.join(format!("{name}.wasm"))
}

/// The script of componentize-js. There is no lock file, as some of its optional packages are for other platforms
/// and not to be had everywhere; without the override in `package.json` it may bring a jco that node 20 cannot run.
fn componentize_js(paths: &Paths) -> Result<PathBuf> {
    let packages = paths.tools.join("js");
    let pinned = paths.guests.join("http-js").join("package.json");
    make_once(&packages, |part| {
        copy(&pinned, &part.join("package.json"))?;
        run(command("npm").args(["install", "--silent", "--no-package-lock", "--no-audit"]).current_dir(part))
    })?;
    Ok(packages.join("node_modules/@bytecodealliance/componentize-js/src/cli.js"))
}

/// WIT of 0.2.12 as componentize-js takes it: its fetch-event handler is for wasi:http 0.2.10, and its parser does not
/// know features, so that the one unstable import has to go.
fn older_wit(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let unstable = line.contains("@unstable(feature = clocks-timezone)");
        if unstable && lines.next_if(|next| next.trim_start().starts_with("import ")).is_some() {
            continue;
        }
        kept.push_str(&line.replace("0.2.12", "0.2.10"));
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::older_wit;

    #[test]
    fn takes_the_unstable_import_out() {
        let text = "package wasi:clocks@0.2.12;\n  @unstable(feature = clocks-timezone)\n  import timezone;\n\
                    @unstable(feature = clocks-timezone)\ninterface timezone {}\n";
        let older = "package wasi:clocks@0.2.10;\n@unstable(feature = clocks-timezone)\ninterface timezone {}\n";
        assert_eq!(older_wit(text), older);
    }
}
