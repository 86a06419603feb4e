//! What is written as JSON: published schemas, an independent reader of schemas, and values that are known.

use crate::{golden, root};
use lowlift::abi::{Abi, Forms, Names};
use lowlift::layout::{Sheet, sheet};
use lowlift::link::Report;
use lowlift::wit::{Gates, Loaded, Sources, WitFile, built_in, load, select_world};
use lowlift::witx::{Derivation, Model, Options, Reading, Rebuilt, Scope, derive, json, print, read, verify};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::collections::HashSet;

/// The schema of what is written: a field that may be left away is not required.
pub(crate) fn schema<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    serde_json::to_value(generator.into_root_schema_for::<T>()).expect("a schema is JSON")
}

/// What is wrong with `value`, if anything.
pub(crate) fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("schema.json", schema.clone()).expect("a schema");
    let index = compiler.compile("schema.json", &mut schemas).expect("compiles");
    schemas.validate(value, index).map_err(|e| format!("{e:#}").chars().take(2000).collect())
}

fn kinds() -> Loaded {
    let text = std::fs::read_to_string(root("fixtures/witx/kinds.wit")).expect("the fixture");
    let main = vec![WitFile { path: "kinds.wit".to_owned(), text }];
    load(&Sources::Text { main, deps: Vec::new(), binary_deps: Vec::new() }, &Gates::default()).expect("valid")
}

fn release(version: &str) -> Loaded {
    built_in(&format!("wasi@{version}"), &Gates::default()).expect("built in")
}

fn model(loaded: &Loaded, scope: &Scope, names: Names, forms: Forms) -> Value {
    let options = Options { abi: Abi { names, forms }, aliases: Vec::new() };
    let derived = derive(&loaded.resolve, scope, &options).expect("derives");
    let mut model = json(&derived.document, &Rebuilt::of(&derived.document).expect("rebuilds"));
    let counts = verify(&loaded.resolve, scope, &derived, &print(&derived.document)).expect("verifies");
    model.verified = (forms == Forms::All).then_some(counts);
    serde_json::to_value(&model).expect("JSON")
}

/// Of every release and kind of type, in all forms.
fn models() -> Vec<Value> {
    let (old, new, kinds) = (release("0.2.12"), release("0.3.2"), kinds());
    let packages = |loaded: &Loaded| Scope::Packages(loaded.packages.clone());
    let world = || Scope::World(select_world(&kinds, None).expect("the world"));
    let mut all = vec![
        model(&old, &packages(&old), Names::Legacy, Forms::Sync),
        model(&old, &packages(&old), Names::Cm32p2, Forms::Sync),
        model(&kinds, &packages(&kinds), Names::Canonical, Forms::Sync),
        model(&kinds, &world(), Names::Cm32p2, Forms::Sync),
    ];
    for forms in [Forms::Sync, Forms::Async, Forms::All] {
        all.push(model(&new, &packages(&new), Names::Legacy, forms));
        all.push(model(&kinds, &world(), Names::Legacy, forms));
    }
    all
}

fn find<'v>(list: &'v Value, key: &str, name: &str) -> &'v Value {
    let found = list.as_array().expect("a list").iter().find(|item| item[key] == name);
    found.unwrap_or_else(|| panic!("{name} is missing"))
}

#[test]
fn the_published_schemas_are_fresh() {
    for (schema, path) in [
        (schema::<Model>(), "docs/abi.schema.json"),
        (schema::<Sheet>(), "docs/layout.schema.json"),
        (schema::<Report>(), "docs/link.schema.json"),
        (schema::<lowlift::check::Sheet>(), "docs/check.schema.json"),
        (schema::<lowlift::adapt::Report>(), "docs/adapt.schema.json"),
        (schema::<lowlift::migrate::Report>(), "docs/migrate.schema.json"),
    ] {
        golden(&root(path), &format!("{schema:#}\n"));
    }
}

#[test]
fn every_model_fits_the_schema() {
    let schema = schema::<Model>();
    for model in models() {
        validate(&schema, &model).unwrap_or_else(|e| panic!("{}: {e}", model["title"]));
    }
}

#[test]
fn the_schema_refuses_what_is_no_model() {
    let (schema, io) = (schema::<Model>(), built_in("wasi:io", &Gates::default()).expect("built in"));
    let model = model(&io, &Scope::Packages(io.packages.clone()), Names::Legacy, Forms::Sync);
    validate(&schema, &model).expect("fits");
    let refused = |pointer: &str, value: Value| {
        let mut other = model.clone();
        *other.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is there")) = value;
        assert!(validate(&schema, &other).is_err(), "{pointer}");
    };
    refused("/types", Value::Null);
    refused("/types/0/id", 1.into());
    refused("/modules/0/functions/0/params/0/type", "i31".into());
    refused("/modules/0/functions/0/needs", Value::Bool(true));
    for required in ["schema", "types", "modules", "memory"] {
        let mut other = model.clone();
        other.as_object_mut().expect("an object").remove(required);
        assert!(validate(&schema, &other).is_err(), "{required}");
    }
}

/// Every id in a type expression below `value`.
fn ids<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| ids(item, out)),
        Value::Object(fields) => {
            // An expression is an object with this one field; a named type has others.
            match (fields.len(), fields.get("id")) {
                (1, Some(id)) => out.extend(id.as_str()),
                _ => fields.values().for_each(|field| ids(field, out)),
            }
        }
        _ => {}
    }
}

#[test]
fn every_id_is_defined_before_it_is_used() {
    for model in models() {
        let mut defined = HashSet::new();
        let mut count = 0;
        for ty in model["types"].as_array().expect("types") {
            let mut used = Vec::new();
            ids(ty, &mut used);
            count += used.len();
            assert!(used.iter().all(|id| defined.contains(*id)), "{}: {used:?}", ty["id"]);
            assert!(defined.insert(ty["id"].as_str().expect("an id")), "{} twice", ty["id"]);
        }
        let mut used = Vec::new();
        ids(&model["modules"], &mut used);
        let missing: Vec<_> = used.iter().filter(|id| !defined.contains(**id)).collect();
        assert!(missing.is_empty() && count > 10 && used.len() > 10, "{missing:?}");
    }
}

#[test]
fn known_values() {
    let wasi = release("0.2.12");
    let model = model(&wasi, &Scope::Packages(wasi.packages.clone()), Names::Legacy, Forms::Sync);
    assert_eq!((model["schema"].clone(), model["memory"].clone()), (1.into(), "memory".into()));
    let code = find(&model["types"], "id", "http-types.error-code");
    assert_eq!(code["kind"], "variant");
    assert_eq!(code["layout"]["size"], 32);
    assert_eq!((&code["layout"]["align"], &code["layout"]["payload"]), (&8.into(), &8.into()));
    assert_eq!(code["cases"].as_array().map(Vec::len), Some(39));
    let types = find(&model["modules"], "name", "wasi:http/types@0.2.12");
    let set = find(&types["functions"], "name", "[static]response-outparam.set");
    let cores: Vec<&str> =
        set["params"].as_array().expect("params").iter().filter_map(|p| p["type"].as_str()).collect();
    assert_eq!(cores, ["i32", "i32", "i32", "i32", "i64", "i32", "i32", "i32", "i32"]);
    assert_eq!((&set["result"], &set["params_spilled"]), (&Value::Null, &false.into()));
    let modules = model["modules"].as_array().expect("modules");
    let functions = modules.iter().flat_map(|m| m["functions"].as_array().expect("functions"));
    let drops: Vec<&Value> = functions.filter(|f| f["role"] == "resource-drop").collect();
    assert_eq!(drops.len(), 25);
    for drop in drops {
        let name = drop["name"].as_str().expect("a name");
        let resource = drop["of"]["id"].as_str().expect("a resource");
        assert!(resource.ends_with(&format!(".{}", name.trim_start_matches("[resource-drop]"))), "{name} {resource}");
        assert_eq!(find(&model["types"], "id", resource)["layout"], Value::Null);
    }
}

#[test]
fn every_sheet_fits_its_schema() {
    let schema = schema::<Sheet>();
    let (http, kinds) = (built_in("wasi:http", &Gates::default()).expect("built in"), kinds());
    let world = Scope::World(select_world(&kinds, None).expect("the world"));
    for (loaded, scope, item, forms) in [
        (&http, Scope::Packages(http.packages.clone()), Some("types.error-code"), Forms::Sync),
        (&http, Scope::Packages(http.packages.clone()), Some("response-outparam.set"), Forms::Sync),
        (&kinds, world, None, Forms::All),
    ] {
        let options = Options { abi: Abi { names: Names::Legacy, forms }, aliases: Vec::new() };
        let derived = derive(&loaded.resolve, &scope, &options).expect("derives");
        let Reading::Derived(derivation) = read(&print(&derived.document)).expect("reads") else {
            panic!("derived WITX is known as such");
        };
        let derivation: Derivation = *derivation;
        let drawn = serde_json::to_value(sheet(&derivation, item).expect("a sheet")).expect("JSON");
        validate(&schema, &drawn).unwrap_or_else(|e| panic!("{item:?}: {e}"));
        let mut other = drawn.clone();
        other["types"] = Value::Null;
        assert!(validate(&schema, &other).is_err());
    }
}
