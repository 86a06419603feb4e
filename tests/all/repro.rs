//! `link --save-repro`: the folder holds what a bug report needs, whatever came of the link, and nothing of the machine.

use crate::{guest, root};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn lowlift(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lowlift")).args(args).current_dir(folder).output().expect("starts")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("there")).expect("JSON")
}

/// No file but the input may tell where the folder lies.
fn tells_no_place(folder: &Path, place: &Path) {
    let place = place.to_str().expect("UTF-8");
    for name in names(folder).iter().filter(|name| !name.starts_with("component.")) {
        let text = std::fs::read_to_string(folder.join(name)).expect("text");
        assert!(!text.contains(place), "{name} tells {place}:\n{text}");
    }
}

/// The command of the folder, run in the folder.
fn replay(folder: &Path) -> Output {
    let facts = json(&folder.join("repro.json"));
    let words = facts["command"].as_array().expect("words").iter().map(|w| w.as_str().expect("text"));
    let words: Vec<&str> = words.collect();
    assert_eq!(words[0], "lowlift");
    lowlift(folder, &words[1..])
}

#[test]
fn a_link_is_saved_with_its_report() {
    let place = tempfile::tempdir().expect("a folder");
    let input = place.path().join("secret-place.wasm");
    std::fs::write(&input, guest("http-hello-rust")).expect("written");
    let (input, out) = (input.to_str().expect("UTF-8"), place.path().join("deep-place.wasm"));
    let out = format!("--output={}", out.display());
    let args = ["link", input, &out, "--verify", "--save-repro", "bug"];
    let output = lowlift(place.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let bug = place.path().join("bug");
    assert_eq!(names(&bug), ["README.md", "component.wasm", "report.json", "repro.json"]);
    assert_eq!(std::fs::read(bug.join("component.wasm")).expect("there"), guest("http-hello-rust"));
    let facts = json(&bug.join("repro.json"));
    assert_eq!(facts["outcome"], "linked");
    assert_eq!(
        facts["command"],
        serde_json::json!(["lowlift", "link", "component.wasm", "--output=deep-place.wasm", "--verify"])
    );
    let lock = std::fs::read_to_string(root("Cargo.lock")).expect("there");
    for (name, version) in facts["libraries"].as_object().expect("libraries") {
        let version = version.as_str().expect("a version");
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")), "{name} {version}");
    }
    assert!(facts["libraries"]["wasmparser"].is_string());
    assert!(facts["lowlift"].as_str().is_some_and(|v| v.starts_with(env!("CARGO_PKG_VERSION"))));
    assert!(json(&bug.join("report.json"))["explain"]["read"].is_object());
    let readme = std::fs::read_to_string(bug.join("README.md")).expect("there");
    assert!(readme.contains("contains the component") && readme.contains("lowlift link component.wasm"));
    tells_no_place(&bug, place.path());
    assert_eq!(replay(&bug).status.code(), Some(0));
    assert_eq!(
        std::fs::read(bug.join("deep-place.wasm")).expect("replayed"),
        std::fs::read(place.path().join("deep-place.wasm")).expect("linked")
    );
}

#[test]
fn a_refusal_is_saved_with_its_reason() {
    let place = tempfile::tempdir().expect("a folder");
    let text = std::fs::read(root("fixtures/link/refuse/LL0304-import-module.wat")).expect("there");
    for (name, bytes, code, files) in [
        ("two.wat", text, "LL0304", &["README.md", "component.wasm", "component.wat"][..]),
        ("broken.wat", b"(component (".to_vec(), "LL0108", &["README.md", "component.wat"]),
        ("module.wasm", guest("p1-command"), "LL0107", &["README.md", "component.wasm"]),
        ("cut.wasm", guest("http-hello-rust")[..4000].to_vec(), "LL0105", &["README.md", "component.wasm"]),
        ("junk.wasm", b"junk".to_vec(), "LL0104", &["README.md", "component.wasm"]),
    ] {
        let input = place.path().join(name);
        std::fs::write(&input, &bytes).expect("written");
        let folder = format!("bug-{name}");
        let args = ["link", input.to_str().expect("UTF-8"), "-o", "never.wasm", &format!("--save-repro={folder}")];
        let output = lowlift(place.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let bug = place.path().join(folder);
        let mut want: Vec<String> = files.iter().map(|f| (*f).to_owned()).collect();
        want.extend(["diagnostic.json".to_owned(), "repro.json".to_owned()]);
        want.sort();
        assert_eq!(names(&bug), want, "{name}");
        let given = if name.ends_with("wat") { "component.wat" } else { "component.wasm" };
        assert_eq!(std::fs::read(bug.join(given)).expect("there"), bytes, "{name}");
        assert_eq!(json(&bug.join("repro.json"))["outcome"], "failed");
        let said = json(&bug.join("diagnostic.json"));
        assert_eq!(said[0]["code"], code, "{name}: {said}");
        assert_eq!(said[0]["place"]["path"], given, "{name}: {said}");
        tells_no_place(&bug, place.path());
        let again = replay(&bug);
        assert_eq!(again.status.code(), Some(2), "{name}");
        assert!(String::from_utf8_lossy(&again.stderr).contains(code), "{name}");
    }
    assert!(!place.path().join("never.wasm").exists());
}

#[test]
fn profiles_and_name_maps_go_along() {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(place.path().join("deep")).expect("made");
    std::fs::write(place.path().join("deep/names.toml"), "[exports]\n\"add\" = \"plus\"\n").expect("written");
    let input = root("fixtures/cli/inputs/component.wat");
    let input = input.to_str().expect("UTF-8");
    let args = ["link", input, "-o", "out.wasm", "--name-map", "deep/names.toml", "--save-repro", "bug"];
    let output = lowlift(place.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let bug = place.path().join("bug");
    assert!(names(&bug).contains(&"names.toml".to_owned()));
    assert!(!std::fs::read_to_string(bug.join("repro.json")).expect("there").contains("deep"));
    assert_eq!(replay(&bug).status.code(), Some(0));
    assert_eq!(
        std::fs::read(bug.join("out.wasm")).expect("replayed"),
        std::fs::read(place.path().join("out.wasm")).expect("linked")
    );
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(place.path().join("bug")).expect("made");
    std::fs::write(place.path().join("in.wasm"), guest("http-hello-rust")).expect("written");
    let args = ["link", "in.wasm", "-o", "out.wasm", "--save-repro", "bug"];
    assert_eq!(lowlift(place.path(), &args).status.code(), Some(0), "an empty folder will do");
    let before = std::fs::read(place.path().join("bug/README.md")).expect("there");
    std::fs::remove_file(place.path().join("out.wasm")).expect("there");
    let output = lowlift(place.path(), &args);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the folder is not empty"));
    assert_eq!(std::fs::read(place.path().join("bug/README.md")).expect("there"), before);
    assert!(!place.path().join("out.wasm").exists(), "nothing is linked then");
}

#[test]
fn standard_input_is_saved_too() {
    let place = tempfile::tempdir().expect("a folder");
    let bug = place.path().join("bug");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lowlift"))
        .args(["link", "-", "-o", "-", "--save-repro"])
        .arg(&bug)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), &guest("http-hello-c")).expect("taken");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(
        json(&bug.join("repro.json"))["command"],
        serde_json::json!(["lowlift", "link", "component.wasm", "-o", "-"])
    );
}
