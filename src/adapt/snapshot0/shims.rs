//! The functions that bridge what differs. None needs memory of its own: the module's allocator knows nothing of them.

use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};

/// `fd_seek(fd, offset, whence, result)`: numbers of `whence` that have no meaning are passed on, and refused there.
pub(super) fn fd_seek(import: u32) -> Function {
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.local_get(0).local_get(1);
    code.local_get(2).i32_const(1).i32_add().i32_const(3).i32_rem_u();
    code.local_get(2).local_get(2).i32_const(3).i32_lt_u().select();
    code.local_get(3).call(import).end();
    body
}

/// `fd_filestat_get(fd, result)`.
pub(super) fn fd_filestat_get(import: u32) -> Function {
    filestat(2, import)
}

/// `path_filestat_get(fd, flags, path, length, result)`.
pub(super) fn path_filestat_get(import: u32) -> Function {
    filestat(5, import)
}

/// Bytes of a `filestat`, here and there.
const FILESTAT: (i32, i64) = (56, 64);
/// Too large for its field (`errno`).
const OVERFLOW: i32 = 61;

fn at(offset: u64) -> MemArg {
    MemArg { offset, align: 0, memory_index: 0 }
}

/// The last parameter points to a `filestat`. Preview1's is eight bytes longer: these are taken from behind, or at the end of
/// memory from before, and put back.
fn filestat(params: u32, import: u32) -> Function {
    let buffer = params - 1;
    let (fits, base, spare, error, saved) = (params, params + 1, params + 2, params + 3, params + 4);
    let mut body = Function::new([(4, ValType::I32), (1, ValType::I64)]);
    let mut code = body.instructions();
    code.local_get(buffer).i64_extend_i32_u().i64_const(FILESTAT.1).i64_add();
    memory_bytes(&mut code);
    code.i64_le_u().local_set(fits);
    code.local_get(buffer).local_get(buffer).i32_const(8).i32_sub().local_get(fits).select().local_set(base);
    code.local_get(buffer).i32_const(FILESTAT.0).i32_add();
    code.local_get(buffer).i32_const(8).i32_sub().local_get(fits).select().local_tee(spare);
    code.i64_load(at(0)).local_set(saved);
    (0..buffer).for_each(|param| {
        code.local_get(param);
    });
    code.local_get(base).call(import).local_tee(error).i32_eqz().if_(BlockType::Empty);
    code.local_get(base).i64_load(at(24)).i64_const(32).i64_shr_u().i64_eqz().if_(BlockType::Empty);
    rearrange(&mut code, buffer, base);
    code.else_().i32_const(OVERFLOW).local_set(error).end();
    code.end();
    code.local_get(spare).local_get(saved).i64_store(at(0));
    code.local_get(error).end();
    body
}

/// Takes all fields before it stores the first, since both places overlap.
fn rearrange(code: &mut InstructionSink<'_>, buffer: u32, base: u32) {
    let fields: [(u64, u64); 8] = [(0, 0), (8, 8), (16, 16), (24, 20), (32, 24), (40, 32), (48, 40), (56, 48)];
    for (from, _) in fields {
        code.local_get(buffer).local_get(base);
        match from {
            16 => code.i32_load8_u(at(from)),
            24 => code.i32_load(at(from)),
            _ => code.i64_load(at(from)),
        };
    }
    for (from, to) in fields.into_iter().rev() {
        match from {
            16 => code.i32_store8(at(to)),
            24 => code.i32_store(at(to)),
            _ => code.i64_store(at(to)),
        };
    }
}

/// Pushes the size of memory in bytes, as i64: all of it are one more than a pointer can say.
fn memory_bytes(code: &mut InstructionSink<'_>) {
    code.memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl();
}

/// Parameters of `poll_oneoff`.
const SUBSCRIPTIONS: u32 = 0;
const EVENTS: u32 = 1;
const COUNT: u32 = 2;
const TOLD: u32 = 3;
/// Its locals: the number of a subscription, a pointer to it, a counter, the answer, whether to put things back; seven words.
const INDEX: u32 = 4;
const PLACE: u32 = 5;
const K: u32 = 6;
const ERROR: u32 = 7;
const APART: u32 = 8;
const WORD: u32 = 9;
/// Bytes of an event, the same in both.
const EVENT: i32 = 32;
/// Bytes of a subscription, here and there.
const SUBSCRIPTION: (i32, i32) = (56, 48);

/// `poll_oneoff(subscriptions, events, count, told)`.
///
/// A subscription loses eight bytes: the `identifier` of a clock, or what follows the descriptor. All that are lost are
/// collected behind the shorter subscriptions, so that the array is a permutation of itself while the host reads it and is as
/// it was afterwards, as its `const` promises. Moving costs the square of the count, which is one or two in practice.
/// Whoever has the events written over the subscriptions gets no subscriptions back.
pub(super) fn poll_oneoff(import: u32) -> Function {
    let mut body = Function::new([(5, ValType::I32), (7, ValType::I64)]);
    let mut code = body.instructions();
    in_bounds(&mut code);
    apart(&mut code);
    upwards(&mut code, INDEX, COUNT, pack);
    code.local_get(SUBSCRIPTIONS).local_get(EVENTS).local_get(COUNT).local_get(TOLD).call(import).local_set(ERROR);
    code.local_get(APART).if_(BlockType::Empty);
    code.local_get(COUNT).local_set(INDEX);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(INDEX).i32_eqz().br_if(1);
    code.local_get(INDEX).i32_const(1).i32_sub().local_set(INDEX);
    unpack(&mut code);
    code.br(0).end().end().end();
    code.local_get(ERROR).end();
    body
}

/// Traps, as the host would, before anything is moved.
fn in_bounds(code: &mut InstructionSink<'_>) {
    end_of_subscriptions(code);
    memory_bytes(code);
    code.i64_gt_u().if_(BlockType::Empty).unreachable().end();
}

fn end_of_subscriptions(code: &mut InstructionSink<'_>) {
    code.local_get(COUNT).i64_extend_i32_u().i64_const(SUBSCRIPTION.0.into()).i64_mul();
    code.local_get(SUBSCRIPTIONS).i64_extend_i32_u().i64_add();
}

/// Whether neither events nor their count are written over the subscriptions.
fn apart(code: &mut InstructionSink<'_>) {
    let before = |code: &mut InstructionSink<'_>, pointer| {
        end_of_subscriptions(code);
        code.local_get(pointer).i64_extend_i32_u().i64_le_u();
    };
    before(code, EVENTS);
    code.local_get(COUNT).i64_extend_i32_u().i64_const(EVENT.into()).i64_mul();
    code.local_get(EVENTS).i64_extend_i32_u().i64_add().local_get(SUBSCRIPTIONS).i64_extend_i32_u().i64_le_u();
    code.i32_or();
    before(code, TOLD);
    code.local_get(TOLD).i64_extend_i32_u().i64_const(4).i64_add();
    code.local_get(SUBSCRIPTIONS).i64_extend_i32_u().i64_le_u();
    code.i32_or().i32_and().local_set(APART);
}

/// `for counter in 0..end`.
fn upwards(code: &mut InstructionSink<'_>, counter: u32, end: u32, step: fn(&mut InstructionSink<'_>)) {
    code.i32_const(0).local_set(counter);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(counter).local_get(end).i32_ge_u().br_if(1);
    step(code);
    code.local_get(counter).i32_const(1).i32_add().local_set(counter);
    code.br(0).end().end();
}

/// Pushes `subscriptions + size * index`.
fn place_of(code: &mut InstructionSink<'_>, size: i32) {
    code.local_get(INDEX).i32_const(size).i32_mul().local_get(SUBSCRIPTIONS).i32_add();
}

/// Whether the subscription in the words is a clock's: the byte of its type is 0.
fn if_clock(code: &mut InstructionSink<'_>) {
    code.local_get(WORD + 1).i32_wrap_i64().i32_const(0xff).i32_and().i32_eqz().if_(BlockType::Empty);
}

/// Moves words one place along, the first behind the last.
fn rotate(code: &mut InstructionSink<'_>, words: &[u32]) {
    code.local_get(WORD + words[0]);
    for pair in words.windows(2) {
        code.local_get(WORD + pair[1]).local_set(WORD + pair[0]);
    }
    code.local_set(WORD + words[words.len() - 1]);
}

/// Before: short subscriptions, what they lost, a long one. After: one more short, one more lost word.
fn pack(code: &mut InstructionSink<'_>) {
    place_of(code, SUBSCRIPTION.0);
    code.local_set(PLACE);
    for word in 0..7 {
        code.local_get(PLACE).i64_load(at(u64::from(word) * 8)).local_set(WORD + word);
    }
    if_clock(code);
    rotate(code, &[2, 3, 4, 5, 6]);
    code.end();
    // What was lost moves up, from its end.
    code.local_get(INDEX).local_set(K);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(K).i32_eqz().br_if(1);
    code.local_get(K).i32_const(1).i32_sub().local_set(K);
    lost(code);
    lost(code);
    code.i64_load(at(0)).i64_store(at(48)).br(0).end().end();
    place_of(code, SUBSCRIPTION.1);
    code.local_set(K);
    for word in 0..6 {
        code.local_get(K).local_get(WORD + word).i64_store(at(u64::from(word) * 8));
    }
    code.local_get(PLACE).local_get(WORD + 6).i64_store(at(48));
}

/// Pushes the place of a lost word behind `INDEX` short subscriptions.
fn lost(code: &mut InstructionSink<'_>) {
    place_of(code, SUBSCRIPTION.1);
    code.local_get(K).i32_const(8).i32_mul().i32_add();
}

/// The same, backwards.
fn unpack(code: &mut InstructionSink<'_>) {
    place_of(code, SUBSCRIPTION.1);
    code.local_set(K);
    for word in 0..6 {
        code.local_get(K).i64_load(at(u64::from(word) * 8)).local_set(WORD + word);
    }
    place_of(code, SUBSCRIPTION.0);
    code.local_tee(PLACE).i64_load(at(48)).local_set(WORD + 6);
    upwards(code, K, INDEX, |code| {
        lost(code);
        lost(code);
        code.i64_load(at(48)).i64_store(at(0));
    });
    if_clock(code);
    rotate(code, &[6, 5, 4, 3, 2]);
    code.end();
    for word in 0..7 {
        code.local_get(PLACE).local_get(WORD + word).i64_store(at(u64::from(word) * 8));
    }
}
