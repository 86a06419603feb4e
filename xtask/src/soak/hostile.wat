;; A guest that does harm, as the last character of the path says. What it must not do is written in hostile.rs.
(module
  (import "wasi:http/types@0.2.0" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-body.write" (func $stream (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[resource-drop]incoming-request" (func $drop_request (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop_stream (param i32)))
  (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 1024) "x-bomb")
  (data (i32.const 1040) "fine\n")
  (global $heap (mut i32) (i32.const 65536))
  (global $lies (mut i32) (i32.const 0))

  ;; Nothing is freed: the heap starts anew with each request.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (if (global.get $lies) (then (return (i32.const -16))))
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; Answers with 200, and gives the stream of the body. The body's handle is at 36.
  (func $answer (param $out i32) (result i32) (local $response i32)
    (local.set $response (call $response (call $fields)))
    (call $body (local.get $response) (i32.const 32))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $stream (i32.load (i32.const 36)) (i32.const 40))
    (i32.load (i32.const 44)))
  (func $fine (param $out i32) (local $stream i32)
    (local.set $stream (call $answer (local.get $out)))
    (call $write (local.get $stream) (i32.const 1040) (i32.const 5) (i32.const 48))
    (call $drop_stream (local.get $stream))
    (call $finish (i32.load (i32.const 36)) (i32.const 0) (i32.const 0) (i32.const 64)))
  (func $deep (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (local.get 0)))

  (func (export "wasi:http/incoming-handler@0.2.0#handle") (param $request i32) (param $out i32)
    (local $what i32) (local $n i32) (local $stream i32)
    (global.set $heap (i32.const 65536))
    (global.set $lies (i32.const 0))
    (call $path (local.get $request) (i32.const 0))
    (local.set $what
      (i32.load8_u (i32.sub (i32.add (i32.load (i32.const 4)) (i32.load (i32.const 8))) (i32.const 1))))

    ;; o: behaves
    (if (i32.eq (local.get $what) (i32.const 0x6f)) (then
      (call $drop_request (local.get $request))
      (call $fine (local.get $out)) (return)))
    ;; l: loops
    (if (i32.eq (local.get $what) (i32.const 0x6c)) (then (loop $for_ever (br $for_ever))))
    ;; t: traps
    (if (i32.eq (local.get $what) (i32.const 0x74)) (then unreachable))
    ;; d: goes deep
    (if (i32.eq (local.get $what) (i32.const 0x64)) (then (drop (call $deep (i32.const 0)))))
    ;; m: takes all memory and writes to it, then behaves
    (if (i32.eq (local.get $what) (i32.const 0x6d)) (then
      (block $full (loop $more
        (local.set $n (memory.grow (i32.const 16)))
        (br_if $full (i32.eq (local.get $n) (i32.const -1)))
        (memory.fill (i32.shl (local.get $n) (i32.const 16)) (i32.const 1) (i32.const 0x100000))
        (br $more)))
      (call $fine (local.get $out)) (return)))
    ;; h: takes handles
    (if (i32.eq (local.get $what) (i32.const 0x68)) (then (loop $more (drop (call $fields)) (br $more))))
    ;; k: keeps a few handles for ever, but behaves
    (if (i32.eq (local.get $what) (i32.const 0x6b)) (then
      (loop $more
        (drop (call $fields))
        (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 300))))
      (call $fine (local.get $out)) (return)))
    ;; b: header fields without end
    (if (i32.eq (local.get $what) (i32.const 0x62)) (then
      (local.set $n (call $fields))
      (loop $more
        (call $append (local.get $n) (i32.const 1024) (i32.const 6) (i32.const 1024) (i32.const 6) (i32.const 48))
        (br $more))))
    ;; w: a body without end
    (if (i32.eq (local.get $what) (i32.const 0x77)) (then
      (local.set $stream (call $answer (local.get $out)))
      (loop $more
        (call $write (local.get $stream) (i32.const 131072) (i32.const 4096) (i32.const 48))
        (br_if $more (i32.eqz (i32.load8_u (i32.const 48)))))
      unreachable))
    ;; e: traps in mid-answer
    (if (i32.eq (local.get $what) (i32.const 0x65)) (then
      (local.set $stream (call $answer (local.get $out)))
      (call $write (local.get $stream) (i32.const 1040) (i32.const 5) (i32.const 48))
      (call $block (call $after (i64.const 1000000)))
      unreachable))
    ;; s: sleeps for a day
    (if (i32.eq (local.get $what) (i32.const 0x73)) (then (call $block (call $after (i64.const 86400000000000)))))
    ;; p: polls 4000 pollables again and again
    (if (i32.eq (local.get $what) (i32.const 0x70)) (then
      (i32.store (i32.const 131072) (call $after (i64.const 0)))
      (loop $more
        (i32.store (i32.add (i32.const 131072) (i32.shl (local.get $n) (i32.const 2))) (i32.load (i32.const 131072)))
        (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4000))))
      (loop $again
        (global.set $heap (i32.const 65536))
        (call $poll (i32.const 131072) (i32.const 4000) (i32.const 48))
        (br $again))))
    ;; u: points out of its memory
    (if (i32.eq (local.get $what) (i32.const 0x75)) (then
      (call $append (call $fields) (i32.const -64) (i32.const 128) (i32.const 1024) (i32.const 6) (i32.const 48))))
    ;; r: has its realloc point out of its memory
    (if (i32.eq (local.get $what) (i32.const 0x72)) (then
      (global.set $lies (i32.const 1))
      (call $path (local.get $request) (i32.const 0))))
    ;; y: drops what is not its own
    (if (i32.eq (local.get $what) (i32.const 0x79)) (then (call $drop_pollable (i32.const 77))))
    ;; anything else: no answer at all
    (drop (local.get $n))))
