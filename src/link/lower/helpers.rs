//! Functions that stand in for instructions.
//!
//! Each does what its instruction does, and traps as it does: an access out of bounds is made to trap by a load that is out
//! of bounds of every memory, before anything is written.
//!
//! ```wat
//! (func $memory.fill (param $to i32) (param $value i32) (param $count i32) (local $word i64)
//!   (if (i64.gt_u (i64.add (i64.extend_i32_u (local.get $to)) (i64.extend_i32_u (local.get $count)))
//!                 (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
//!     (then (drop (i32.load8_u offset=4294967295 (i32.const -1))) unreachable))
//!   …)
//! ```

use super::plan::Plan;
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};
use wasmparser::Operator;

/// A helper function. Those that touch memory are made per memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Helper {
    /// A saturating conversion.
    Truncate(Truncate),
    /// `memory.copy`.
    Copy { to: u32, from: u32 },
    /// `memory.fill`.
    Fill { memory: u32 },
    /// `memory.init` of a constant part of a segment.
    Init { memory: u32, segment: u32, start: u32, count: u32 },
    /// Stores a part of a segment, whose bounds are checked.
    Store { memory: u32, segment: u32, start: u32, count: u32 },
}

/// A saturating conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Truncate {
    from64: bool,
    to64: bool,
    signed: bool,
}

impl Truncate {
    /// The conversion that an instruction is.
    pub(super) fn of(op: &Operator<'_>) -> Option<Truncate> {
        let of = |to64, from64, signed| Some(Truncate { from64, to64, signed });
        match op {
            Operator::I32TruncSatF32S => of(false, false, true),
            Operator::I32TruncSatF32U => of(false, false, false),
            Operator::I32TruncSatF64S => of(false, true, true),
            Operator::I32TruncSatF64U => of(false, true, false),
            Operator::I64TruncSatF32S => of(true, false, true),
            Operator::I64TruncSatF32U => of(true, false, false),
            Operator::I64TruncSatF64S => of(true, true, true),
            Operator::I64TruncSatF64U => of(true, true, false),
            _ => None,
        }
    }

    /// Strictly between the bounds the plain conversion does not trap. Below them the result is the least integer, above
    /// them the greatest, and zero for a NaN, which compares with nothing.
    fn emit(self, code: &mut InstructionSink<'_>) {
        let bits = if self.to64 { 64 } else { 32 };
        let high = if self.signed { 2f64.powi(bits - 1) } else { 2f64.powi(bits) };
        let low = if self.signed { -high } else { 0.0 };
        let result = BlockType::Result(if self.to64 { ValType::I64 } else { ValType::I32 });
        self.compare(code, low, true);
        code.if_(result);
        self.compare(code, high, false);
        code.if_(result).local_get(0);
        match (self.to64, self.from64, self.signed) {
            (false, false, true) => code.i32_trunc_f32_s(),
            (false, false, false) => code.i32_trunc_f32_u(),
            (false, true, true) => code.i32_trunc_f64_s(),
            (false, true, false) => code.i32_trunc_f64_u(),
            (true, false, true) => code.i64_trunc_f32_s(),
            (true, false, false) => code.i64_trunc_f32_u(),
            (true, true, true) => code.i64_trunc_f64_s(),
            (true, true, false) => code.i64_trunc_f64_u(),
        };
        code.else_();
        match (self.to64, self.signed) {
            (false, true) => code.i32_const(i32::MAX),
            (false, false) => code.i32_const(-1),
            (true, true) => code.i64_const(i64::MAX),
            (true, false) => code.i64_const(-1),
        };
        code.end().else_();
        match (self.to64, self.signed) {
            (false, true) => code.i32_const(i32::MIN).i32_const(0),
            (false, false) => code.i32_const(0).i32_const(0),
            (true, true) => code.i64_const(i64::MIN).i64_const(0),
            (true, false) => code.i64_const(0).i64_const(0),
        };
        code.local_get(0).local_get(0);
        if self.from64 {
            code.f64_eq()
        } else {
            code.f32_eq()
        };
        code.select().end();
    }

    #[expect(clippy::cast_possible_truncation, reason = "the bounds are powers of two, which both types hold")]
    fn compare(self, code: &mut InstructionSink<'_>, bound: f64, greater: bool) {
        code.local_get(0);
        match (self.from64, greater) {
            (true, true) => code.f64_const(bound.into()).f64_gt(),
            (true, false) => code.f64_const(bound.into()).f64_lt(),
            (false, true) => code.f32_const((bound as f32).into()).f32_gt(),
            (false, false) => code.f32_const((bound as f32).into()).f32_lt(),
        };
    }

    fn name(self) -> String {
        let (to, from) = (if self.to64 { 64 } else { 32 }, if self.from64 { 64 } else { 32 });
        format!("i{to}.trunc_sat_f{from}_{}", if self.signed { "s" } else { "u" })
    }
}

/// A function body holds at most 7,654,321 bytes by the engines' common limits; eight bytes of data take 20 of code.
pub(super) const STORED_AT_ONCE: u32 = 256 << 10;

impl Helper {
    /// Parameters and results.
    pub(super) fn signature(self) -> (Vec<ValType>, Vec<ValType>) {
        match self {
            Helper::Truncate(t) => (
                vec![if t.from64 { ValType::F64 } else { ValType::F32 }],
                vec![if t.to64 { ValType::I64 } else { ValType::I32 }],
            ),
            Helper::Copy { .. } | Helper::Fill { .. } => (vec![ValType::I32; 3], vec![]),
            Helper::Init { .. } | Helper::Store { .. } => (vec![ValType::I32], vec![]),
        }
    }

    /// What the name section calls it.
    pub(super) fn name(self) -> String {
        match self {
            Helper::Truncate(t) => format!("{} [lowered]", t.name()),
            Helper::Copy { .. } => "memory.copy [lowered]".to_owned(),
            Helper::Fill { .. } => "memory.fill [lowered]".to_owned(),
            Helper::Init { segment, .. } => format!("memory.init {segment} [lowered]"),
            Helper::Store { segment, start, .. } => format!("memory.init {segment} [lowered, from {start}]"),
        }
    }

    /// The stores that an `Init` calls, where this many bytes of the segment exist at run time.
    pub(super) fn stores(self, left: u32) -> Vec<Helper> {
        let Helper::Init { memory, segment, start, count } = self else { return Vec::new() };
        if !fits(start, count, left) {
            return Vec::new();
        }
        let parts = (start..start + count).step_by(STORED_AT_ONCE as usize);
        parts
            .map(|at| Helper::Store { memory, segment, start: at, count: STORED_AT_ONCE.min(start + count - at) })
            .collect()
    }

    /// The body.
    pub(super) fn body(self, plan: &Plan<'_, '_>) -> Function {
        let mut body = match self {
            Helper::Fill { .. } => Function::new([(1, ValType::I64)]),
            _ => Function::new([]),
        };
        let mut code = body.instructions();
        match self {
            Helper::Truncate(truncate) => truncate.emit(&mut code),
            Helper::Copy { to, from } => copy(&mut code, to, from),
            Helper::Fill { memory } => fill(&mut code, memory),
            Helper::Init { memory, segment, start, count } => {
                let left = plan.view.left(segment);
                if !fits(start, count, left) {
                    out_of_bounds(&mut code, memory);
                } else if let (Some(dropped), true) = (plan.dropped(segment), start + count > 0) {
                    code.global_get(dropped).if_(BlockType::Empty);
                    out_of_bounds(&mut code, memory);
                    code.end();
                }
                check(&mut code, memory, 0, |code| {
                    code.i64_const(i64::from(count));
                });
                for store in self.stores(left) {
                    let Helper::Store { start: at, .. } = store else { continue };
                    code.local_get(0);
                    if at > start {
                        code.i32_const(bits(at - start)).i32_add();
                    }
                    code.call(plan.helper(store));
                }
            }
            Helper::Store { memory, segment, start, count } => {
                let data = plan.view.data.get(segment as usize).map_or(&[][..], |data| data.data);
                let bytes = data.get(start as usize..).and_then(|d| d.get(..count as usize));
                store(&mut code, memory, bytes.unwrap_or_default());
            }
        }
        code.end();
        body
    }
}

fn fits(start: u32, count: u32, left: u32) -> bool {
    start.checked_add(count).is_some_and(|end| end <= left)
}

fn bits(value: u32) -> i32 {
    i32::from_ne_bytes(value.to_ne_bytes())
}

/// An access without any alignment.
fn at(memory: u32, offset: u64) -> MemArg {
    MemArg { offset, align: 0, memory_index: memory }
}

/// Traps as an access out of bounds does. The address is beyond 2^32, so no memory reaches it.
fn out_of_bounds(code: &mut InstructionSink<'_>, memory: u32) {
    code.i32_const(-1).i32_load8_u(at(memory, u64::from(u32::MAX))).drop().unreachable();
}

/// Traps unless the range from local `start`, of the length that `count` pushes as `i64`, is in the memory.
fn check(code: &mut InstructionSink<'_>, memory: u32, start: u32, count: impl Fn(&mut InstructionSink<'_>)) {
    code.local_get(start).i64_extend_i32_u();
    count(code);
    code.i64_add().memory_size(memory).i64_extend_i32_u().i64_const(16).i64_shl().i64_gt_u().if_(BlockType::Empty);
    out_of_bounds(code, memory);
    code.end();
}

const TO: u32 = 0;
/// The source of a copy, or the value of a fill.
const FROM: u32 = 1;
const COUNT: u32 = 2;
/// The value of a fill in each byte.
const WORD: u32 = 3;

fn count64(code: &mut InstructionSink<'_>) {
    code.local_get(COUNT).i64_extend_i32_u();
}

/// Runs `step` while at least `width` bytes are left, and counts them down before (`backward`) or after it.
fn each(code: &mut InstructionSink<'_>, width: u32, backward: bool, step: impl Fn(&mut InstructionSink<'_>)) {
    let count_down = |code: &mut InstructionSink<'_>| {
        code.local_get(COUNT).i32_const(bits(width)).i32_sub().local_set(COUNT);
    };
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(COUNT).i32_const(bits(width)).i32_lt_u().br_if(1);
    if backward {
        count_down(code);
    }
    step(code);
    if !backward {
        count_down(code);
    }
    code.br(0).end().end();
}

fn advance(code: &mut InstructionSink<'_>, local: u32, width: u32) {
    code.local_get(local).i32_const(bits(width)).i32_add().local_set(local);
}

/// Words first, then bytes. Where the target begins within the source, from the end, so that nothing is overwritten before
/// it is read.
fn copy(code: &mut InstructionSink<'_>, to: u32, from: u32) {
    check(code, to, TO, count64);
    check(code, from, FROM, count64);
    let moves = |code: &mut InstructionSink<'_>, width: u32| {
        if width == 8 {
            code.i64_load(at(from, 0)).i64_store(at(to, 0));
        } else {
            code.i32_load8_u(at(from, 0)).i32_store8(at(to, 0));
        }
    };
    code.local_get(TO).local_get(FROM).i32_sub().local_get(COUNT).i32_lt_u().if_(BlockType::Empty);
    for width in [8, 1] {
        each(code, width, true, |code| {
            code.local_get(TO).local_get(COUNT).i32_add().local_get(FROM).local_get(COUNT).i32_add();
            moves(code, width);
        });
    }
    code.else_();
    for width in [8, 1] {
        each(code, width, false, |code| {
            code.local_get(TO).local_get(FROM);
            moves(code, width);
            advance(code, TO, width);
            advance(code, FROM, width);
        });
    }
    code.end();
}

fn fill(code: &mut InstructionSink<'_>, memory: u32) {
    check(code, memory, TO, count64);
    code.local_get(FROM).i32_const(0xff).i32_and().i64_extend_i32_u();
    code.i64_const(0x0101_0101_0101_0101).i64_mul().local_set(WORD);
    for width in [8, 1] {
        each(code, width, false, |code| {
            code.local_get(TO).local_get(WORD);
            if width == 8 {
                code.i64_store(at(memory, 0))
            } else {
                code.i64_store8(at(memory, 0))
            };
            advance(code, TO, width);
        });
    }
}

fn store(code: &mut InstructionSink<'_>, memory: u32, bytes: &[u8]) {
    let mut offset = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        code.local_get(0).i64_const(i64::from_le_bytes(*word)).i64_store(at(memory, offset));
        offset += 8;
    }
    for byte in rest {
        code.local_get(0).i32_const(i32::from(*byte)).i32_store8(at(memory, offset));
        offset += 1;
    }
}
