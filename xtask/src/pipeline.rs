//! `cargo xtask pipeline`: the shell of the GitHub Action, and of the GitLab job of the documentation, run as they are written.
//!
//! The runner's part is played here: folders, variables, `bash -eo pipefail`. What only the services have is not run: `uses:`,
//! expressions, the upload of SARIF, the view of JUnit.

use crate::paths::Paths;
use crate::run::{command, run_quietly};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::Output;

/// One step of the action.
struct Step {
    name: String,
    /// Variables, with their expressions.
    env: Vec<(String, String)>,
    script: String,
}

/// A module that the host of the fixtures does not satisfy, and one that it does.
const MODULES: [(&str, &str); 2] =
    [("build/bad one.wat", "import-missing/fail.wat"), ("build/deep/good.wat", "import-missing/pass.wat")];

/// Runs both.
pub(crate) fn pipeline(paths: &Paths) -> Result<()> {
    if command("bash").arg("--version").output().is_err() {
        println!("skipped: bash is missing");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    action(paths, folder.path())?;
    println!("the action: not run: `uses:` of a published commit, the upload of SARIF");
    gitlab(paths, folder.path())?;
    println!("the GitLab job: not run: the image, the view of JUnit");
    Ok(())
}

fn action(paths: &Paths, folder: &Path) -> Result<()> {
    let steps = steps(&fs::read_to_string(paths.root.join("action.yml"))?)?;
    let [install, check] = steps.as_slice() else { bail!("the action has {} steps with a script", steps.len()) };
    let temp = folder.join("runner temp");
    fs::create_dir(&temp)?;
    let clean = folder.join("clean");
    fs::create_dir(&clean)?;
    let source = paths.root.display().to_string();
    let output = bash(install, &clean, &temp, &|expression| match expression {
        "${{ github.action_path }}" => Some(source.clone()),
        _ => None,
    })?;
    ensure!(output.status.success(), "`{}`:\n{}", install.name, String::from_utf8_lossy(&output.stderr));
    ensure!(fs::read_dir(&clean)?.next().is_none(), "`{}` left something where it ran", install.name);
    println!("the action: `{}` installs", install.name);
    let project = folder.join("project");
    sources(paths, &project)?;
    for (modules, fail, code, told) in [
        ("build/bad one.wat", "true", 1, Some("1")),
        ("build/*.wat", "false", 0, Some("1")),
        ("  build/**/good.wat  \n\n", "true", 0, Some("0")),
        ("build/deep/good.wat\nbuild/bad*.wat", "true", 1, Some("1")),
        ("build/*.wasm", "true", 2, None),
        ("build/absent.wat", "true", 2, Some("2")),
        ("$(touch run)`touch run`", "true", 2, Some("2")),
        ("", "false", 2, None),
    ] {
        for file in ["output", "summary"] {
            fs::write(temp.join(file), "")?;
        }
        let output = bash(check, &project, &temp, &|expression| {
            Some(match expression {
                "${{ inputs.modules }}" => modules.to_owned(),
                "${{ inputs.against }}" => "host.wit".to_owned(),
                "${{ inputs.world }}" => "plain".to_owned(),
                "${{ inputs.fail }}" => fail.to_owned(),
                "${{ inputs.sarif }}" => "lowlift.sarif".to_owned(),
                "${{ inputs.working-directory }}" => ".".to_owned(),
                "${{ inputs.profile }}" | "${{ inputs.config }}" | "${{ inputs.baseline }}" => String::new(),
                _ => return None,
            })
        })?;
        let said = format!("{modules:?}:\n{}", String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.code() == Some(code), "{:?} and not {code}: {said}", output.status);
        let wanted = told.map_or_else(String::new, |told| format!("sarif=./lowlift.sarif\nexit-code={told}\n"));
        ensure!(fs::read_to_string(temp.join("output"))? == wanted, "other outputs: {said}");
        if let Some("0" | "1") = told {
            let sarif: serde_json::Value = serde_json::from_str(&fs::read_to_string(project.join("lowlift.sarif"))?)?;
            let results = sarif["runs"][0]["results"].as_array().context("SARIF has results")?;
            ensure!(results.is_empty() == (told == Some("0")), "{} results: {said}", results.len());
            ensure!(!fs::read_to_string(temp.join("summary"))?.is_empty(), "no summary: {said}");
        }
        ensure!(!project.join("run").exists(), "a name of a module was run: {said}");
    }
    println!("the action: `{}`, 8 times: exit codes, outputs, SARIF and summary are as wanted", check.name);
    Ok(())
}

/// What a repository that is checked holds.
fn sources(paths: &Paths, project: &Path) -> Result<()> {
    let fixtures = paths.root.join("fixtures/check");
    fs::create_dir_all(project.join("build/deep"))?;
    fs::copy(fixtures.join("host.wit"), project.join("host.wit"))?;
    for (to, from) in MODULES {
        fs::copy(fixtures.join(from), project.join(to))?;
    }
    Ok(())
}

/// Runs a step as a runner does. `value` says what an expression becomes.
fn bash(step: &Step, folder: &Path, temp: &Path, value: &dyn Fn(&str) -> Option<String>) -> Result<Output> {
    let script = temp.join("step.sh");
    fs::write(&script, &step.script)?;
    let mut bash = command("bash");
    bash.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(&script).current_dir(folder);
    bash.env("RUNNER_TEMP", temp);
    bash.env("GITHUB_OUTPUT", temp.join("output")).env("GITHUB_STEP_SUMMARY", temp.join("summary"));
    for (name, expression) in &step.env {
        let value = value(expression).with_context(|| format!("`{}`: what is {expression}?", step.name))?;
        bash.env(name, value);
    }
    bash.output().context("bash does not start")
}

/// The steps that have a script. The file is our own, and laid out as it is: two spaces to a level.
fn steps(text: &str) -> Result<Vec<Step>> {
    let steps = text.split_once("\n  steps:\n").context("the action has steps")?.1;
    steps.split("    - name: ").skip(1).map(step).collect()
}

fn step(text: &str) -> Result<Step> {
    let name = text.lines().next().unwrap_or_default().to_owned();
    ensure!(text.contains("\n      shell: bash\n"), "`{name}` is no step for bash");
    let (head, script) = text.split_once("\n      run: |\n").with_context(|| format!("`{name}` has no script"))?;
    let env = head.split_once("\n      env:\n").map_or("", |(_, env)| env);
    let env = env.lines().map_while(|line| line.strip_prefix("        "));
    let env = env.map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())));
    let env = env.collect::<Option<Vec<_>>>().with_context(|| format!("`{name}` has other variables"))?;
    let lines = script.lines().map(|line| line.strip_prefix("        ").unwrap_or(line));
    Ok(Step { name, env, script: lines.map(|line| format!("{line}\n")).collect() })
}

/// The job of the documentation, with this repository as the one that is installed from.
fn gitlab(paths: &Paths, folder: &Path) -> Result<()> {
    let Ok(commit) = run_quietly(command("git").args(["rev-parse", "HEAD"]).current_dir(&paths.root)) else {
        println!("the GitLab job: skipped: this is no git repository");
        return Ok(());
    };
    let docs = fs::read_to_string(paths.root.join("docs/check.md"))?;
    let job = docs.split_once("**GitLab**").and_then(|(_, rest)| rest.split("```").nth(1)).context("a job")?;
    let script = job.split_once("  script:\n").context("a script")?.1;
    let script: String = script.lines().map_while(|line| Some(format!("{}\n", line.strip_prefix("    - ")?))).collect();
    ensure!(script.contains("https://example.org/lowlift") && script.contains("COMMIT"), "what is installed?");
    let script = script.replace("https://example.org/lowlift", "\"$REPOSITORY\"").replace("COMMIT", commit.trim());
    let project = folder.join("gitlab");
    sources(paths, &project)?;
    fs::create_dir(project.join("wit"))?;
    fs::rename(project.join("host.wit"), project.join("wit/host.wit"))?;
    fs::write(project.join("lowlift.toml"), "[check]\nworld = \"plain\"\n")?;
    for (from, code) in [("bad one", 1), ("deep/good", 0)] {
        let text = fs::read(project.join(format!("build/{from}.wat")))?;
        fs::write(project.join("build/app.wasm"), wat::parse_bytes(&text)?)?;
        let tools = folder.join("gitlab-tools");
        let mut path = vec![tools.join("bin")];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut bash = command("bash");
        // The compiled dependencies are those of the action.
        bash.args(["-eo", "pipefail", "-c", &script]).current_dir(&project).env("CARGO_TARGET_DIR", target(paths));
        bash.env("CARGO_INSTALL_ROOT", tools).env("PATH", std::env::join_paths(path)?);
        bash.env("REPOSITORY", format!("file://{}", paths.root.display()));
        let output = bash.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code), "{:?} and not {code}:\n{script}\n{said}", output.status);
        let junit = fs::read_to_string(project.join("lowlift.xml"))?;
        ensure!(junit.contains("<failure") == (code == 1), "other findings:\n{junit}");
    }
    println!("the GitLab job: installs from a repository, and checks");
    Ok(())
}

fn target(paths: &Paths) -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths.root.join("target"), |target| paths.root.join(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_with_their_variables() {
        let text = "runs:\n  steps:\n    - name: One\n      shell: bash\n      env:\n        A: ${{ b }}\n      run: |\n        x\n          y\n\n    - name: Two\n      shell: bash\n      run: |\n        z\n";
        let steps = steps(text).expect("read");
        let seen: Vec<_> = steps.iter().map(|s| (s.name.as_str(), s.env.len(), s.script.as_str())).collect();
        assert_eq!(seen, [("One", 1, "x\n  y\n\n"), ("Two", 0, "z\n")]);
        assert_eq!(steps[0].env[0], ("A".to_owned(), "${{ b }}".to_owned()));
        assert!(super::steps("runs:\n  steps:\n    - name: One\n      run: |\n        x\n").is_err());
    }
}
