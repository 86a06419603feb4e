;; Calls a function of the host many times: generated or by hand, without memory (`add`) and with it (`move-by`).
;; wasm3 finds an export by the names of functions, those of imports included: so they differ.
(module
  (import "env" "add" (func $add (param i32 i64) (result i64)))
  (import "env" "move-by" (func $move (param i32 i32 i32 i32 i32)))
  (import "env" "hand-add" (func $hand-add (param i32 i64) (result i64)))
  (import "env" "hand-move-by" (func $hand-move (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "run") (param i32))
  (func (export "call-add") (local $n i32) (local $sum i64)
    (loop $again
      (local.set $sum (call $add (local.get $n) (local.get $sum)))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 400000)))))
  (func (export "call-hand-add") (local $n i32) (local $sum i64)
    (loop $again
      (local.set $sum (call $hand-add (local.get $n) (local.get $sum)))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 400000)))))
  (func (export "call-move-by") (local $n i32)
    (loop $again
      (call $move (local.get $n) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 1024))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 400000)))))
  (func (export "call-hand-move-by") (local $n i32)
    (loop $again
      (call $hand-move (local.get $n) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 1024))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 400000))))))
