//! Spliced bodies against bodies whose every instruction is re-encoded.

use super::*;
use crate::link::module::Module;
use wasm_encoder::reencode;
use wasmparser::Operator;

/// Moves every index of every space by `by`.
fn moved(by: u32) -> Indices {
    let space = || (0..20_000).map(|i| Some(i + by)).collect::<Vec<_>>();
    Indices {
        funcs: space(),
        tables: space(),
        memories: space(),
        globals: space(),
        tags: space(),
        types: space(),
        elements: space(),
        data: space(),
    }
}

fn operators(bytes: &[u8]) -> Vec<Operator<'_>> {
    let body = FunctionBody::new(BinaryReader::new(bytes, 0));
    body.get_operators_reader().expect("valid").into_iter().map(|op| op.expect("valid")).collect()
}

/// Every instruction, re-encoded.
fn reencoded(body: &FunctionBody<'_>, indices: &Indices) -> Vec<u8> {
    let mut code = wasm_encoder::CodeSection::new();
    Renumber(indices).parse_function_body(&mut code, body.clone()).expect("re-encodes");
    let mut bytes = Vec::new();
    code.encode(&mut bytes);
    let mut reader = BinaryReader::new(&bytes, 0);
    for what in ["the section's size", "the count", "the body's size"] {
        reader.read_var_u32().expect(what);
    }
    bytes[reader.original_position()..].to_vec()
}

/// How many bodies were compared, and how many came out byte for byte as re-encoded.
fn compare(wasm: &[u8]) -> (usize, usize) {
    let module = Module::parse(wasm).expect("parses");
    // 200 makes an index longer, and 1 moves memory 0.
    let spaces = [0, 1, 200].map(moved);
    let mut same = 0;
    for body in &module.bodies {
        let scan = Scan::body(body).expect("scans");
        for indices in &spaces {
            let mut spliced = Vec::new();
            splice(&Body { body, scan: &scan, indices }, &mut spliced).expect("splices");
            let want = reencoded(body, indices);
            assert_eq!(operators(&spliced), operators(&want));
            same += usize::from(spliced == want);
        }
    }
    (module.bodies.len() * 3, same)
}

/// Core modules in a component, nested ones too.
fn modules(component: &[u8]) -> Vec<&[u8]> {
    let payloads = wasmparser::Parser::new(0).parse_all(component).map(|p| p.expect("valid"));
    let sections = payloads.filter_map(|payload| match payload {
        wasmparser::Payload::ModuleSection { unchecked_range, .. } => Some(&component[unchecked_range]),
        _ => None,
    });
    sections.collect()
}

#[test]
fn every_instruction_with_an_index_is_found() {
    let wasm = wat::parse_str(EVERYTHING).expect("text");
    wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(&wasm).expect("valid");
    let (compared, same) = compare(&wasm);
    assert_eq!(compared, same);
}

#[test]
fn bodies_of_guests_and_fixtures_are_spliced_as_they_are_re_encoded() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut bodies = 0;
    for folder in ["guests", "link/pass"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the folder exists") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "wasm" || e == "wat") {
                let file = wat::parse_file(&path).expect("parses");
                let core = if wasmparser::Parser::is_component(&file) { modules(&file) } else { vec![&file[..]] };
                bodies += core.into_iter().map(|module| compare(module).0).sum::<usize>();
            }
        }
    }
    assert!(bodies > 1_000, "{bodies}");
}

/// Scanning while validating finds the same, and accepts the same.
#[test]
fn bodies_are_scanned_as_they_are_validated() {
    use crate::link::validate::sections;
    use wasmparser::WasmFeatures;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guests/http-hello-c.wasm");
    let guest = std::fs::read(path).expect("a guest");
    for wasm in [wat::parse_str(EVERYTHING).expect("text"), modules(&guest)[1].to_vec()] {
        let (bodies, rest) = sections(&wasm, WasmFeatures::all());
        rest.expect("valid sections");
        let scans = bodies.scan().expect("valid");
        let module = Module::parse(&wasm).expect("parses");
        let plain: Vec<_> = module.bodies.iter().map(|b| Scan::body(b).expect("scans")).collect();
        assert_eq!(scans.0.iter().map(|(_, scan)| scan.clone()).collect::<Vec<_>>(), plain);
        assert!(scans.of(&module).expect("known").iter().all(|scan| matches!(scan, std::borrow::Cow::Borrowed(_))));
        // A copy has other addresses.
        let copy = wasm.clone();
        let copied = scans.of(&Module::parse(&copy).expect("parses")).expect("scans");
        assert!(copied.iter().all(|scan| matches!(scan, std::borrow::Cow::Owned(_))));
        for at in (0..wasm.len()).step_by(7) {
            let mut mutated = wasm.clone();
            mutated[at] ^= 0x15;
            let (bodies, rest) = sections(&mutated, WasmFeatures::WASM3);
            let whole = wasmparser::Validator::new_with_features(WasmFeatures::WASM3).validate_all(&mutated);
            let scanned = bodies.scan().map(drop).and(rest);
            assert_eq!(scanned.map_err(|e| e.to_string()).err().is_some(), whole.is_err(), "at {at}");
        }
    }
}

/// An index that the encoder meets and the scanner does not would be copied unchanged. So whatever makes the encoder
/// ask for an index, in any instruction that the parser knows, must be a site.
#[test]
fn the_scanner_sees_what_the_encoder_asks_for() {
    struct Asked(Vec<(Kind, u32)>);
    type Answer = std::result::Result<u32, reencode::Error>;
    impl Asked {
        fn note(&mut self, kind: Kind, index: u32) -> Answer {
            self.0.push((kind, index));
            Ok(index)
        }
    }
    impl Reencode for Asked {
        type Error = std::convert::Infallible;
        fn function_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Func, index)
        }
        fn table_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Table, index)
        }
        fn memory_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Memory, index)
        }
        fn global_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Global, index)
        }
        fn tag_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Tag, index)
        }
        fn type_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Type, index)
        }
        fn element_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Element, index)
        }
        fn data_index(&mut self, index: u32) -> Answer {
            self.note(Kind::Data, index)
        }
    }
    let wasm = wat::parse_str(EVERYTHING).expect("text");
    let module = Module::parse(&wasm).expect("parses");
    let mut seen = Vec::new();
    for body in &module.bodies {
        let mut asked = Asked(Vec::new());
        for op in body.get_operators_reader().expect("valid") {
            asked.instruction(op.expect("valid")).expect("re-encodes");
        }
        let scan = Scan::body_with_memories(body).expect("scans");
        let plain = |kind| if kind == Kind::FuncRef { Kind::Func } else { kind };
        let sites = scan.sites.iter().filter(|s| s.kind != Kind::Padded);
        let mut found: Vec<_> = sites.map(|s| (plain(s.kind), s.index)).collect();
        // The encoder may ask in another order within one instruction.
        let key = |(kind, index): &(Kind, u32)| (format!("{kind:?}"), *index);
        found.sort_by_key(key);
        asked.0.sort_by_key(key);
        assert_eq!(found, asked.0);
        seen.extend(found.into_iter().map(|(kind, _)| format!("{kind:?}")));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["Data", "Element", "Func", "Global", "Memory", "Table", "Tag", "Type"]);
}

/// One of each kind of immediate, and of each instruction that has an index.
const EVERYTHING: &str = r#"(module
  (type $v (func))
  (type $b (func (param i32) (result i32)))
  (type $m (func (param i32 i32) (result i32 i32)))
  (import "" "f" (func $i (type $v)))
  (import "" "g" (global $i (mut i32)))
  (import "" "m" (memory $i 1))
  (import "" "t" (table $i 1 funcref))
  (import "" "e" (tag $i (param i32)))
  (memory $m 1)
  (table $t 1 funcref)
  (table $x 1 externref)
  (global $g (mut i64) (i64.const 0))
  (tag $e (param i32))
  (elem $p func $f)
  (elem declare func $f $i)
  (data $d "x")
  (func $f (type $b) local.get 0)
  (func (export "calls") (param i32) (result i32)
    (call $i)
    (drop (call_indirect $t (type $b) (i32.const 1) (i32.const 0)))
    (drop (call_indirect $i (type $b) (i32.const 1) (i32.const 0)))
    (drop (ref.func $f))
    (drop (ref.is_null (ref.null func)))
    (drop (ref.null extern))
    (call $f (local.get 0)))
  (func (export "tails") (param i32) (result i32)
    (if (local.get 0) (then (return_call $f (local.get 0))))
    (return_call_indirect $t (type $b) (local.get 0) (i32.const 0)))
  (func (export "globals") (result i64)
    (global.set $i (global.get $i))
    (global.set $g (i64.add (global.get $g) (i64.const -1)))
    (global.get $g))
  (func (export "tables") (param externref)
    (table.set $t (i32.const 0) (table.get $i (i32.const 0)))
    (table.set $x (i32.const 0) (local.get 0))
    (drop (table.grow $t (ref.null func) (table.size $t)))
    (table.fill $x (i32.const 0) (ref.null extern) (i32.const 0))
    (table.copy $t $i (i32.const 0) (i32.const 0) (i32.const 0))
    (table.init $t $p (i32.const 0) (i32.const 0) (i32.const 0))
    (elem.drop $p))
  (func (export "memories")
    (memory.copy $m $i (i32.const 0) (i32.const 0) (i32.const 0))
    (memory.fill $m (i32.const 0) (i32.const 0) (i32.const 0))
    (memory.fill $i (i32.const 0) (i32.const 0) (i32.const 0))
    (memory.init $m $d (i32.const 0) (i32.const 0) (i32.const 0))
    (data.drop $d)
    (drop (memory.grow $m (memory.size $m)))
    (drop (memory.grow $i (memory.size $i)))
    (i32.store $m offset=8 align=1 (i32.const 0) (i32.load $i offset=4 (i32.const 0)))
    (f64.store $i offset=0xfffffff (i32.const 0) (f64.load $m offset=16 align=4 (i32.const 0)))
    (i64.store16 $m (i32.const -2147483648) (i64.load32_s $m (i32.const 2147483647))))
  (func (export "blocks") (param i32) (result i32) (local i64 f32 v128 funcref externref)
    (i32.const 1) (i32.const 2)
    (block (type $m) (br_if 0 (i32.const 1)))
    (loop (type $m))
    drop
    (if (type $b) (local.get 0) (then) (else (drop) (i32.const 2)))
    (block (block (block (br_table 0 1 2 1 (local.get 0)))))
    (drop (select (result funcref) (ref.null func) (ref.func $i) (i32.const 0)))
    (drop (select (f32.const nan:0x200000) (f32.const -0) (i32.const 0))))
  (func (export "exceptions") (result i32)
    (block $all (block $one (result i32)
      (try_table (catch $e $one) (catch $i $one) (catch_all $all) (throw $e (i32.const 1)))
      (i32.const 1)
      (try_table (type $b))
      (drop)
      (return (i32.const 0)))
      (return))
    (block $ref (result i32 exnref)
      (try_table (catch_ref $i $ref))
      unreachable)
    (throw_ref))
  (func (export "simd") (param v128) (result v128)
    (v128.store $m offset=16 (i32.const 0) (v128.load $i (i32.const 0)))
    (v128.store8_lane $m offset=300 3 (i32.const 0) (local.get 0))
    (local.set 0 (v128.load64_lane $i 1 (i32.const 0) (local.get 0)))
    (local.set 0 (v128.load32_splat $m (i32.const 0)))
    (drop (i8x16.extract_lane_u 15 (local.get 0)))
    (drop (i32x4.relaxed_trunc_f32x4_s (local.get 0)))
    (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get 0) (v128.const i64x2 1 -1)))
  (func (export "threads") (param i32) (result i64)
    (drop (i32.atomic.rmw8.add_u $m offset=4 (i32.const 0) (local.get 0)))
    (drop (memory.atomic.notify $i (i32.const 0) (i32.const 0)))
    (atomic.fence)
    (i64.atomic.rmw.cmpxchg $m (i32.const 0) (i64.const 0) (i64.const 0)))
  (func (export "references") (param i32) (result i32)
    (drop (call_ref $b (i32.const 1) (ref.func $f)))
    (drop (ref.null $b))
    (drop (ref.cast (ref null $b) (ref.func $f)))
    (block (drop (br_on_null 0 (ref.null $b))))
    (return_call_ref $b (local.get 0) (ref.func $f)))
  (func (export "numbers")
    (drop (i32.const 2147483647))
    (drop (i64.const -9223372036854775808))
    (drop (i64.extend8_s (i64.trunc_sat_f64_u (f64.const nan:0x4000000000000))))))"#;
