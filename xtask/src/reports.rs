//! `cargo xtask reports`: what lowlift writes for others, read by others: SARIF, JUnit, the GitHub Action, the hooks.
//!
//! What is missing on the machine is named and skipped.

use crate::paths::Paths;
use crate::run::{command, run, run_quietly};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Readers from PyPI, and the version of each.
const PACKAGES: [&str; 4] =
    ["junitparser==5.0.3", "sarif-tools==3.0.5", "check-jsonschema==0.39.0", "pre-commit==4.7.0"];
/// The validator of SARIF's authors, from npm.
const MULTITOOL: &str = "@microsoft/sarif-multitool@5.7.0";

/// Fixtures with errors, warnings and hints of many kinds.
const MODULES: [&str; 4] = [
    "unknown-interface/fail.wat",
    "version-differs/fail.wat",
    "feature-lacking/fail.wat",
    "signature-mismatch/fail.wat",
];

const COUNT: &str = "import sys, junitparser
suites = junitparser.JUnitXml.fromfile(sys.argv[1])
print(f'{suites.tests} tests, {suites.failures} failures, {suites.skipped} skipped')";

/// Writes reports of the fixtures and has each read.
pub(crate) fn reports(paths: &Paths) -> Result<()> {
    run(command("cargo").args(["build", "--quiet", "--no-default-features"]).current_dir(&paths.root))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let lowlift = paths.root.join(target).join("debug").join("lowlift");
    let folder = tempfile::tempdir()?;
    let known = folder.path().join("known.json");
    write(paths, &lowlift, &["--write-baseline", path(&known)?, "--allow", "feature-lacking"], "text")?;
    let sarif = folder.path().join("lowlift.sarif");
    let junit = folder.path().join("lowlift.xml");
    fs::write(&sarif, write(paths, &lowlift, &["--baseline", path(&known)?], "sarif")?)?;
    fs::write(&junit, write(paths, &lowlift, &["--baseline", path(&known)?], "junit")?)?;
    python(paths, &sarif, &junit)?;
    node(paths, &sarif)
}

/// What `lowlift check` says of the fixtures.
fn write(paths: &Paths, lowlift: &Path, args: &[&str], format: &str) -> Result<String> {
    let mut check = command(lowlift);
    check.current_dir(paths.root.join("fixtures/check")).arg("check").args(MODULES);
    check.args(["--against", "host.wit", "--world", "plain", "--profile", "plain.toml", "--format", format]).args(args);
    let output = check.output().context("lowlift starts")?;
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn python(paths: &Paths, sarif: &Path, junit: &Path) -> Result<()> {
    if !is_there("python3") {
        println!("python3 is missing: JUnit, the action and the hooks are not read");
        return Ok(());
    }
    let tools = paths.tools.join("reports");
    if !tools.join("done").exists() {
        run(command("python3").args(["-m", "venv"]).arg(&tools))?;
        run(command(tools.join("bin/pip")).args(["install", "-q"]).args(PACKAGES))?;
        fs::write(tools.join("done"), "")?;
    }
    let tool = |name: &str| command(tools.join("bin").join(name));
    println!("junitparser: {}", run_quietly(tool("python").args(["-c", COUNT]).arg(junit))?.trim());
    println!("sarif-tools: {}", run_quietly(tool("sarif").arg("summary").arg(sarif))?.trim());
    let action = paths.root.join("action.yml");
    let schema = ["--builtin-schema", "vendor.github-actions"];
    println!("the action: {}", run_quietly(tool("check-jsonschema").args(schema).arg(action))?.trim());
    let hooks = paths.root.join(".pre-commit-hooks.yaml");
    run_quietly(tool("pre-commit").arg("validate-manifest").arg(hooks))?;
    println!("the hooks: ok");
    Ok(())
}

fn node(paths: &Paths, sarif: &Path) -> Result<()> {
    if !is_there("npm") {
        println!("npm is missing: SARIF is not validated");
        return Ok(());
    }
    let tools = paths.tools.join("sarif");
    fs::create_dir_all(&tools)?;
    if !tools.join("node_modules").exists() {
        run(command("npm").args(["install", "--silent", "--no-save", "--prefix"]).arg(&tools).arg(MULTITOOL))?;
    }
    let tool = tools.join("node_modules/.bin/sarif-multitool");
    println!("{}", run_quietly(command(tool).arg("validate").arg(sarif))?.trim());
    Ok(())
}

fn is_there(program: &str) -> bool {
    command(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the temporary folder has a name in UTF-8")
}
