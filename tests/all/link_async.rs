//! Asynchronous components of one instance: what a toolchain named comes out of the linker under the same name.
//!
//! The judge is `wit-component`: it makes up a module with every name that a world allows, wraps it, and takes the linked
//! module for the original.

use crate::witx::release;
use lowlift::link::{Options, link};
use std::collections::BTreeSet;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{CodeSection, Function, ValType};
use wasmparser::{Parser, Payload, TypeRef};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, WorldId};

/// Import names as `module name`, and export names.
fn names(wasm: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("valid") {
            Payload::ImportSection(section) => {
                let all = section.into_imports().map(|i| i.expect("valid"));
                imports.extend(all.map(|i| format!("{} {}", i.module, i.name)));
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|e| e.expect("valid").name.to_owned()))
            }
            _ => {}
        }
    }
    (imports, exports)
}

/// A module of `wasm`'s shape whose functions call every import.
struct CallsAll {
    imports: Vec<Vec<ValType>>,
    results: Vec<usize>,
}

impl CallsAll {
    fn body(&self) -> Function {
        let mut body = Function::new([]);
        let mut code = body.instructions();
        for (index, (params, results)) in (0u32..).zip(self.imports.iter().zip(&self.results)) {
            for param in params {
                match param {
                    ValType::I64 => code.i64_const(0),
                    ValType::F32 => code.f32_const(0.0.into()),
                    ValType::F64 => code.f64_const(0.0.into()),
                    _ => code.i32_const(0),
                };
            }
            code.call(index);
            for _ in 0..*results {
                code.drop();
            }
        }
        code.unreachable().end();
        body
    }
}

impl Reencode for CallsAll {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        _: wasmparser::FunctionBody<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        code.function(&self.body());
        Ok(())
    }
}

fn calls_all(wasm: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    let mut shape = CallsAll { imports: Vec::new(), results: Vec::new() };
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("valid") {
            Payload::TypeSection(section) => {
                types.extend(section.into_iter_err_on_gc_types().map(|t| t.expect("a function")))
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let TypeRef::Func(ty) = import.expect("valid").ty else { panic!("only functions are imported") };
                    let ty = &types[ty as usize];
                    let params = ty.params().iter().map(|t| RoundtripReencoder.val_type(*t).expect("plain"));
                    shape.imports.push(params.collect());
                    shape.results.push(ty.results().len());
                }
            }
            _ => {}
        }
    }
    let mut out = wasm_encoder::Module::new();
    shape.parse_core_module(&mut out, Parser::new(0), wasm).expect("re-encodes");
    out.finish()
}

fn judged(resolve: &Resolve, world: WorldId, abi: LiftLowerAbi) -> usize {
    let mut module = calls_all(&dummy_module(resolve, world, ManglingAndAbi::Legacy(abi)));
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).expect("embeds");
    let name = &resolve.worlds[world].name;
    let component = ComponentEncoder::default()
        .validate(false)
        .module(&module)
        .and_then(|mut e| e.encode())
        .unwrap_or_else(|e| panic!("{name} wraps: {e:#}"));
    let linked = link(&component, Options { verify: true, ..Options::default() })
        .unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.cause));
    let (imports, exports) = names(&module);
    let (linked_imports, linked_exports) = names(&linked.wasm);
    // What supports a module that has no need of it is left out.
    let support = |name: &&String| !["memory", "cabi_realloc", "_initialize"].contains(&name.as_str());
    let functions = |names: &BTreeSet<String>| names.iter().filter(support).cloned().collect::<BTreeSet<_>>();
    assert_eq!(functions(&linked_exports), functions(&exports), "{name} {abi:?}");
    let missing: Vec<&String> = imports.difference(&linked_imports).collect();
    let extra: Vec<&String> = linked_imports.difference(&imports).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{name} {abi:?}: missing {missing:?}, extra {extra:?}");
    imports.len()
}

#[test]
fn built_ins_of_wasi_0_3_2_pass_through_under_their_names() {
    let loaded = release("0.3.2");
    let resolve = &loaded.resolve;
    let mut compared = 0;
    for (world, _) in resolve.worlds.iter() {
        for abi in [LiftLowerAbi::Sync, LiftLowerAbi::AsyncCallback, LiftLowerAbi::AsyncStackful] {
            compared += judged(resolve, world, abi);
        }
    }
    println!("{compared} names");
    assert!(compared > 100);
}
