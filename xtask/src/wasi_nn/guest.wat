;; A guest of wasi:nn, written by hand: three exports that each tell one story.
(module
  (import "wasi:nn/graph@0.2.0-rc-2024-10-28" "load-by-name" (func $load (param i32 i32 i32)))
  (import "wasi:nn/graph@0.2.0-rc-2024-10-28" "[method]graph.init-execution-context" (func $context (param i32 i32)))
  (import "wasi:nn/graph@0.2.0-rc-2024-10-28" "[resource-drop]graph" (func $drop-graph (param i32)))
  (import "wasi:nn/tensor@0.2.0-rc-2024-10-28" "[constructor]tensor"
    (func $tensor (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi:nn/tensor@0.2.0-rc-2024-10-28" "[method]tensor.data" (func $data (param i32 i32)))
  (import "wasi:nn/tensor@0.2.0-rc-2024-10-28" "[resource-drop]tensor" (func $drop-tensor (param i32)))
  (import "wasi:nn/inference@0.2.0-rc-2024-10-28" "[method]graph-execution-context.compute"
    (func $compute (param i32 i32 i32 i32)))
  (import "wasi:nn/inference@0.2.0-rc-2024-10-28" "[resource-drop]graph-execution-context"
    (func $drop-context (param i32)))
  (import "wasi:nn/errors@0.2.0-rc-2024-10-28" "[method]error.code" (func $code (param i32) (result i32)))
  (import "wasi:nn/errors@0.2.0-rc-2024-10-28" "[method]error.data" (func $text (param i32 i32)))
  (import "wasi:nn/errors@0.2.0-rc-2024-10-28" "[resource-drop]error" (func $drop-error (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "sum")
  (data (i32.const 24) "nope")
  ;; The dimensions [2, 2], and the floats 1, 2, 3.5 and 4.
  (data (i32.const 32) "\02\00\00\00\02\00\00\00")
  (data (i32.const 48) "\00\00\80\3f\00\00\00\40\00\00\60\40\00\00\80\40")
  (global $top (mut i32) (i32.const 4096))

  ;; It only ever grows: what the host allocates is never freed here.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $ptr i32)
    global.get $top
    local.get 2
    i32.add
    i32.const 1
    i32.sub
    i32.const 0
    local.get 2
    i32.sub
    i32.and
    local.tee $ptr
    local.get 3
    i32.add
    global.set $top
    local.get $ptr)

  ;; Runs the model over the four floats; the sum times ten.
  (func (export "sum") (result i32)
    (local $graph i32) (local $run i32) (local $answer i32)
    (call $load (i32.const 16) (i32.const 3) (i32.const 128))
    (if (i32.load8_u (i32.const 128)) (then unreachable))
    (local.set $graph (i32.load (i32.const 132)))
    (call $context (local.get $graph) (i32.const 128))
    (local.set $run (i32.load (i32.const 132)))
    ;; One named tensor: `sum`, and its handle.
    (i32.store (i32.const 160) (i32.const 16))
    (i32.store (i32.const 164) (i32.const 3))
    (i32.store (i32.const 168)
      (call $tensor (i32.const 32) (i32.const 2) (i32.const 1) (i32.const 48) (i32.const 16)))
    (call $compute (local.get $run) (i32.const 160) (i32.const 1) (i32.const 192))
    (if (i32.load8_u (i32.const 192)) (then unreachable))
    ;; The first of the answers: its handle is behind its name.
    (local.set $answer (i32.load offset=8 (i32.load (i32.const 196))))
    (call $data (local.get $answer) (i32.const 224))
    (call $drop-tensor (local.get $answer))
    (call $drop-context (local.get $run))
    (call $drop-graph (local.get $graph))
    (i32.trunc_f32_s (f32.mul (f32.load (i32.load (i32.const 224))) (f32.const 10))))

  ;; A model that is not there: a hundred times the length of what is said, and the error's code.
  (func (export "missing") (result i32)
    (local $error i32)
    (call $load (i32.const 24) (i32.const 4) (i32.const 128))
    (if (i32.eqz (i32.load8_u (i32.const 128))) (then unreachable))
    (local.set $error (i32.load (i32.const 132)))
    (call $text (local.get $error) (i32.const 256))
    (i32.add (i32.mul (i32.load (i32.const 260)) (i32.const 100)) (call $code (local.get $error)))
    (call $drop-error (local.get $error)))

  ;; A handle that it never had.
  (func (export "forged") (result i32)
    (call $data (i32.const 9) (i32.const 224))
    (i32.const 0)))
