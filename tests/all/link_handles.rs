//! Handles that the host keeps and gives back, which fixtures cannot say: results of one call are arguments of the next.

use lowlift::link::{Options, link, rewrap};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Store};

/// One instance defines a resource, and another takes its handles from the host and lends them to the first.
const KEPT: &str = r#"(component
  (component $owner
    (type $r' (resource (rep i32)))
    (export $r "r" (type $r'))
    (core func $new (canon resource.new $r))
    (core module $m
      (import "" "new" (func $new (param i32) (result i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
      (func (export "read") (param i32) (result i32) (local.get 0)))
    (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
    (func (export "make") (param "x" u32) (result (own $r)) (canon lift (core func $i "make")))
    (func (export "read") (param "r" (borrow $r)) (result u32) (canon lift (core func $i "read"))))
  (component $user
    (import "r" (type $r (sub resource)))
    (import "read" (func $read (param "r" (borrow $r)) (result u32)))
    (core func $read' (canon lower (func $read)))
    (core func $drop (canon resource.drop $r))
    (core module $m
      (import "" "read" (func $read (param i32) (result i32)))
      (import "" "drop" (func $drop (param i32)))
      (func (export "take") (param i32) (result i32) (local i32)
        (local.set 1 (call $read (local.get 0)))
        (call $drop (local.get 0))
        (local.get 1)))
    (core instance $i (instantiate $m (with "" (instance (export "read" (func $read')) (export "drop" (func $drop))))))
    (func (export "take") (param "r" (own $r)) (result u32) (canon lift (core func $i "take"))))
  (instance $o (instantiate $owner))
  (instance $u (instantiate $user (with "r" (type $o "r")) (with "read" (func $o "read"))))
  (component $shape
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (param "x" u32) (result (own $r))))
    (import "take" (func $take (param "r" (own $r)) (result u32)))
    (export $r2 "r" (type $r))
    (export "make" (func $make) (func (param "x" u32) (result (own $r2))))
    (export "take" (func $take) (func (param "r" (own $r2)) (result u32))))
  (instance $x (instantiate $shape
    (with "r" (type $o "r")) (with "make" (func $o "make")) (with "take" (func $u "take"))))
  (export "my:pkg/iface" (instance $x)))"#;

/// What is read of handles that go out and come in again.
fn read(wasm: &[u8]) -> Vec<Val> {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, wasm).expect("valid");
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component).expect("instantiates");
    let interface = instance.get_export_index(&mut store, None, "my:pkg/iface").expect("the interface");
    let [make, take] = ["make", "take"].map(|name| {
        let index = instance.get_export_index(&mut store, Some(&interface), name).expect("the function");
        instance.get_func(&mut store, index).expect("a function")
    });
    let handles = [42, 43, 1 << 31].map(|rep| {
        let mut handle = [Val::Bool(false)];
        make.call(&mut store, &[Val::U32(rep)], &mut handle).expect("returns");
        handle
    });
    let mut results = Vec::new();
    for handle in handles {
        let mut result = [Val::Bool(false)];
        take.call(&mut store, &handle, &mut result).expect("returns");
        results.extend(result);
    }
    results
}

#[test]
fn an_owner_is_lent_the_representation_of_what_the_host_kept() {
    let component = wat::parse_str(KEPT).expect("valid text");
    let linked = link(&component, Options { verify: true, ..Options::default() }).expect("links");
    let want = [42, 43, 1 << 31].map(Val::U32);
    assert_eq!(read(&component), want);
    assert_eq!(read(&rewrap(&linked.wasm).expect("re-wraps")), want);
}
