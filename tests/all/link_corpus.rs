//! The components that `wit-component` tests itself with: each is linked, validated and wrapped again, or refused for a
//! reason that stands here. Folders without a component hold what cannot be encoded as one.

use crate::witx_corpus::{sorted, sources_of};
use lowlift::link::{Options, link, rewrap};
use std::collections::BTreeMap;

#[test]
fn the_components_of_wit_component_are_linked_or_refused() {
    let folders: Vec<_> = sorted(&sources_of("wit-component").join("tests/components"));
    let folders: Vec<_> = folders.into_iter().filter(|path| path.is_dir()).collect();
    let (mut components, mut linked) = (0, 0);
    let mut refused: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for text in folders.iter().map(|folder| folder.join("component.wat")).filter(|path| path.exists()) {
        components += 1;
        let name = text.display();
        let component = wat::parse_file(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        match link(&component, Options { verify: true, ..Options::default() }) {
            Ok(done) => {
                wasmparser::Validator::new().validate_all(&done.wasm).unwrap_or_else(|e| panic!("{name}: {e}"));
                rewrap(&done.wasm).unwrap_or_else(|e| panic!("{name}: {e}"));
                linked += 1;
            }
            Err(error) => {
                assert!(!error.code.is_ours(), "{name}: {error} {:?} {:?}", error.cause, error.facts);
                *refused.entry((error.code.id(), error.message.clone())).or_default() += 1;
            }
        }
    }
    let refusals = refused.iter().map(|((code, why), count)| format!("refused: {count} {code} {why}\n"));
    let have = format!("{} folders, {components} components: {linked} linked\n", folders.len());
    let have = have + &refusals.collect::<String>();
    println!("{have}");
    let want = "115 folders, 97 components: 89 linked
        refused: 2 LL0303 the component is asynchronous
        refused: 2 LL0303 the component uses a stream or future that no function of its root mentions
        refused: 1 LL0308 a feature that is not lowered: `context.get` immediate must be zero: 1
        refused: 1 LL0308 a feature that is not lowered: `error-context.drop` requires the component model error-context feature
        refused: 1 LL0308 a feature that is not lowered: the `cm-implements` feature is not active
        refused: 1 LL0308 a feature that is not lowered: the custom page sizes proposal must be enabled to customize a memory's page size
        ";
    assert!(have.lines().eq(want.trim_end().lines().map(str::trim)), "{have}");
}
