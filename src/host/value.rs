//! Values between the flat ABI and host functions: lifting and lowering by the ABI table (*Canonical ABI Explainer*,
//! *Lifting*, *Lowering*, *Loading*, *Storing*, *Flat Lifting*).
//!
//! Lowering runs in two passes, because only an engine can call the guest's `cabi_realloc`: [`allocations`] lists what is to
//! be allocated, in order; the engine does that; [`lower`] stores the value with the pointers that came back.

use super::{GuestMemory, Trap};
use crate::abi::{Core, Kind, Table, TyId, Variant};
use bytes::Bytes;
use std::cell::Cell;

/// A lifted value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Booleans, integers of all widths (in two's complement), chars, flags and handles.
    Int(u64),
    /// The bits of a float.
    F32(u32),
    /// The bits of a float.
    F64(u64),
    /// A string.
    Str(String),
    /// A `list<u8>`.
    Bytes(Bytes),
    /// Any other list.
    List(Vec<Value>),
    /// Records and tuples.
    Record(Vec<Value>),
    /// Variants, enums, options and results: the case and its payload.
    Case(u32, Option<Box<Value>>),
}

impl Value {
    /// `ok(value)`.
    pub fn ok(value: impl Into<Value>) -> Value {
        Value::Case(0, Some(Box::new(value.into())))
    }

    /// `ok` of a result without a payload.
    pub fn ok_unit() -> Value {
        Value::Case(0, None)
    }

    /// `error(value)`.
    pub fn err(value: impl Into<Value>) -> Value {
        Value::Case(1, Some(Box::new(value.into())))
    }

    /// `error` of a result without a payload.
    pub fn err_unit() -> Value {
        Value::Case(1, None)
    }

    /// An option.
    pub fn option(value: Option<impl Into<Value>>) -> Value {
        match value {
            None => Value::Case(0, None),
            Some(value) => Value::Case(1, Some(Box::new(value.into()))),
        }
    }

    /// A case without a payload.
    pub fn case(index: u32) -> Value {
        Value::Case(index, None)
    }

    /// An unsigned integer.
    pub fn u64(&self) -> Result<u64, Trap> {
        match self {
            Value::Int(value) => Ok(*value),
            _ => Err(unexpected("an integer")),
        }
    }

    /// An unsigned integer of 32 bits, such as a handle.
    pub fn u32(&self) -> Result<u32, Trap> {
        self.u64().and_then(|v| u32::try_from(v).map_err(|_| unexpected("a 32-bit integer")))
    }

    /// A string.
    pub fn str(&self) -> Result<&str, Trap> {
        match self {
            Value::Str(text) => Ok(text),
            _ => Err(unexpected("a string")),
        }
    }

    /// A `list<u8>`.
    pub fn bytes(&self) -> Result<&Bytes, Trap> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(unexpected("bytes")),
        }
    }

    /// The elements of a list, or the members of a record.
    pub fn items(&self) -> Result<&[Value], Trap> {
        match self {
            Value::List(items) | Value::Record(items) => Ok(items),
            _ => Err(unexpected("a list")),
        }
    }

    /// A case and its payload.
    pub fn as_case(&self) -> Result<(u32, Option<&Value>), Trap> {
        match self {
            Value::Case(case, payload) => Ok((*case, payload.as_deref())),
            _ => Err(unexpected("a variant")),
        }
    }

    /// The value of an option.
    pub fn as_option(&self) -> Result<Option<&Value>, Trap> {
        self.as_case().map(|(_, payload)| payload)
    }
}

fn unexpected(what: &str) -> Trap {
    Trap::new(format!("a host function wanted {what}"))
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Str(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Str(value)
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Value {
        Value::Bytes(value)
    }
}

/// Lifts the arguments of a function from its flat slots, and appends them to `args`. A slot holds the bits of its core
/// type, zero-extended.
pub fn lift_args(
    table: &Table<'_>,
    signature: &crate::abi::Signature,
    slots: &[u64],
    memory: &GuestMemory<'_>,
    args: &mut Vec<Value>,
) -> Result<(), Trap> {
    let slots = &mut slots.iter();
    let lifter = Lifter { table, memory, budget: Cell::new(MAX_LIFTED) };
    if !signature.params_spilled {
        for &ty in &signature.params {
            args.push(lifter.flat(ty, slots)?);
        }
        return Ok(());
    }
    let base = pointer(next(slots));
    let align = signature.params.iter().map(|&ty| table.get(ty).align).max().unwrap_or(1);
    let mut offset = base;
    if !base.is_multiple_of(align) {
        return Err(Trap::new("a pointer to spilled parameters that is not aligned"));
    }
    for &ty in &signature.params {
        let laid_out = table.get(ty);
        let at = offset.checked_next_multiple_of(laid_out.align).ok_or_else(overflow)?;
        offset = at.checked_add(laid_out.size).ok_or_else(overflow)?;
        args.push(lifter.load(ty, at)?);
    }
    Ok(())
}

/// Slots that were not lifted yet.
type Slots<'s> = std::slice::Iter<'s, u64>;

fn next(slots: &mut Slots<'_>) -> u64 {
    slots.next().copied().unwrap_or_default()
}

/// Bytes that the arguments of one call may take on the host. Elements of a list may all point to the same string, so
/// the guest's memory is no bound.
const MAX_LIFTED: usize = 64 << 20;

struct Lifter<'t, 'm> {
    table: &'t Table<'t>,
    memory: &'t GuestMemory<'m>,
    budget: Cell<usize>,
}

impl Lifter<'_, '_> {
    fn spend(&self, bytes: usize) -> Result<(), Trap> {
        let left = self.budget.get().checked_sub(bytes);
        self.budget.set(left.ok_or_else(|| Trap::new(format!("arguments of more than {MAX_LIFTED} bytes")))?);
        Ok(())
    }

    fn flat(&self, id: TyId, slots: &mut Slots<'_>) -> Result<Value, Trap> {
        let ty = self.table.get(id);
        match &ty.kind {
            Kind::String => {
                let (ptr, len) = (pointer(next(slots)), pointer(next(slots)));
                self.string(ptr, len)
            }
            Kind::List(element) => {
                let (ptr, len) = (pointer(next(slots)), pointer(next(slots)));
                self.list(*element, ptr, len)
            }
            Kind::FixedList(element, length) => {
                (0..*length).map(|_| self.flat(*element, slots)).collect::<Result<_, _>>().map(Value::List)
            }
            Kind::Record(fields) => {
                fields.iter().map(|f| self.flat(f.ty, slots)).collect::<Result<_, _>>().map(Value::Record)
            }
            Kind::Variant(variant) => {
                let case = pointer(next(slots));
                let payload = payload_of(variant, case)?;
                let joined = ty.flat.as_ref().map_or(0, |f| f.len() - 1).min(slots.len());
                let (raw, rest) = slots.as_slice().split_at(joined);
                *slots = rest.iter();
                let value = payload.map(|ty| self.joined(ty, raw)).transpose()?;
                Ok(Value::Case(case, value.map(Box::new)))
            }
            kind => scalar(kind, next(slots)),
        }
    }

    /// Slots of a variant hold the bits of whatever type was joined; the payload takes the low bits of its own.
    fn joined(&self, id: TyId, raw: &[u64]) -> Result<Value, Trap> {
        let own = self.table.get(id).flat.as_deref().unwrap_or_default();
        let mut slots = [0; super::call::MAX_SLOTS];
        for ((slot, &bits), core) in slots.iter_mut().zip(raw).zip(own) {
            *slot = match core {
                Core::I32 | Core::F32 => u64::from(pointer(bits)),
                Core::I64 | Core::F64 => bits,
            };
        }
        self.flat(id, &mut slots.iter())
    }

    fn load(&self, id: TyId, ptr: u32) -> Result<Value, Trap> {
        let ty = self.table.get(id);
        let field = |offset: u32| ptr.checked_add(offset).ok_or_else(overflow);
        match &ty.kind {
            Kind::String => {
                let (at, len) = (self.memory.read_int(ptr, 4)?, self.memory.read_int(field(4)?, 4)?);
                self.string(pointer(at), pointer(len))
            }
            Kind::List(element) => {
                let (at, len) = (self.memory.read_int(ptr, 4)?, self.memory.read_int(field(4)?, 4)?);
                self.list(*element, pointer(at), pointer(len))
            }
            Kind::FixedList(element, length) => self.elements(*element, ptr, *length),
            Kind::Record(fields) => {
                let values = fields.iter().map(|f| self.load(f.ty, field(f.offset)?));
                values.collect::<Result<_, _>>().map(Value::Record)
            }
            Kind::Variant(variant) => {
                let case = pointer(self.memory.read_int(ptr, variant.tag.size())?);
                let value = payload_of(variant, case)?.map(|ty| self.load(ty, field(variant.payload)?)).transpose()?;
                Ok(Value::Case(case, value.map(Box::new)))
            }
            kind => scalar(kind, self.memory.read_int(ptr, ty.size)?),
        }
    }

    fn string(&self, ptr: u32, len: u32) -> Result<Value, Trap> {
        let bytes = self.memory.read(ptr, len, 1)?;
        self.spend(bytes.len())?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Str(text.to_owned())),
            Err(_) => Err(Trap::new("a string that is not UTF-8")),
        }
    }

    fn list(&self, element: TyId, ptr: u32, len: u32) -> Result<Value, Trap> {
        let ty = self.table.get(element);
        if matches!(ty.kind, Kind::U8) {
            let bytes = self.memory.read(ptr, len, 1)?;
            self.spend(bytes.len())?;
            return Ok(Value::Bytes(Bytes::copy_from_slice(bytes)));
        }
        // All of it must lie in memory before anything is allocated for it.
        let bytes = ty.size.checked_mul(len).ok_or_else(overflow)?;
        self.memory.read(ptr, bytes, ty.align)?;
        self.spend((len as usize).saturating_mul(size_of::<Value>()))?;
        self.elements(element, ptr, len)
    }

    fn elements(&self, element: TyId, ptr: u32, len: u32) -> Result<Value, Trap> {
        let size = self.table.get(element).size;
        let at = |i: u32| size.checked_mul(i).and_then(|o| ptr.checked_add(o)).ok_or_else(overflow);
        (0..len).map(|i| self.load(element, at(i)?)).collect::<Result<_, _>>().map(Value::List)
    }
}

fn payload_of(variant: &Variant, case: u32) -> Result<Option<TyId>, Trap> {
    match variant.cases.get(case as usize) {
        Some(case) => Ok(case.ty),
        None => Err(Trap::new(format!("case {case} of a variant with {}", variant.cases.len()))),
    }
}

fn scalar(kind: &Kind, bits: u64) -> Result<Value, Trap> {
    Ok(match kind {
        Kind::Bool => Value::Int(u64::from(pointer(bits) != 0)),
        Kind::U8 | Kind::S8 => Value::Int(bits & 0xff),
        Kind::U16 | Kind::S16 => Value::Int(bits & 0xffff),
        Kind::F32 => Value::F32(pointer(bits)),
        Kind::F64 => Value::F64(bits),
        Kind::U64 | Kind::S64 => Value::Int(bits),
        Kind::Flags { names, .. } => Value::Int(bits & (u64::MAX >> (64 - names.len().min(64)))),
        Kind::Char => {
            let c = pointer(bits);
            if char::from_u32(c).is_none() {
                return Err(Trap::new(format!("{c:#x} is no Unicode scalar value")));
            }
            Value::Int(c.into())
        }
        _ => Value::Int(u64::from(pointer(bits))),
    })
}

/// An allocation in the guest: alignment and size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// A power of two.
    pub align: u32,
    /// May be zero.
    pub size: u32,
}

/// What must be allocated to lower `value`, in the order in which [`lower`] takes the pointers.
pub fn allocations(table: &Table<'_>, id: TyId, value: &Value, out: &mut Vec<Allocation>) -> Result<(), Trap> {
    let ty = table.get(id);
    if !ty.allocates {
        return Ok(());
    }
    match (&ty.kind, value) {
        (Kind::String, Value::Str(text)) => out.push(Allocation { align: 1, size: length(text.len())? }),
        (Kind::List(_), Value::Bytes(bytes)) => out.push(Allocation { align: 1, size: length(bytes.len())? }),
        (Kind::List(element), Value::List(items)) => {
            let laid_out = table.get(*element);
            let size = laid_out.size.checked_mul(length(items.len())?).ok_or_else(overflow)?;
            out.push(Allocation { align: laid_out.align, size });
            for item in items {
                allocations(table, *element, item, out)?;
            }
        }
        (Kind::FixedList(element, _), Value::List(items)) => {
            for item in items {
                allocations(table, *element, item, out)?;
            }
        }
        (Kind::Record(fields), Value::Record(items)) => {
            for (field, item) in fields.iter().zip(items) {
                allocations(table, field.ty, item, out)?;
            }
        }
        (Kind::Variant(variant), Value::Case(case, Some(payload))) => {
            if let Some(ty) = payload_of(variant, *case)? {
                allocations(table, ty, payload, out)?;
            }
        }
        (Kind::Variant(_), Value::Case(_, None)) => {}
        _ => return Err(mismatch()),
    }
    Ok(())
}

/// Stores `value` at `ptr`. `pointers` are the allocations that [`allocations`] asked for, which the caller has not
/// checked: the guest may have returned anything.
pub fn lower(
    table: &Table<'_>,
    id: TyId,
    value: &Value,
    ptr: u32,
    memory: &mut GuestMemory<'_>,
    pointers: &mut dyn Iterator<Item = u32>,
) -> Result<(), Trap> {
    let ty = table.get(id);
    let field = |offset: u32| ptr.checked_add(offset).ok_or_else(overflow);
    match (&ty.kind, value) {
        (Kind::String, Value::Str(text)) => store_bytes(text.as_bytes(), ptr, memory, pointers),
        (Kind::List(_), Value::Bytes(bytes)) => store_bytes(bytes, ptr, memory, pointers),
        (Kind::List(element), Value::List(items)) => {
            let laid_out = table.get(*element);
            let at = pointers.next().ok_or_else(mismatch)?;
            let len = length(items.len())?;
            memory.write(at, laid_out.size.checked_mul(len).ok_or_else(overflow)?, laid_out.align)?;
            memory.write_int(ptr, 4, at.into())?;
            memory.write_int(field(4)?, 4, len.into())?;
            elements(table, *element, items, at, memory, pointers)
        }
        (Kind::FixedList(element, _), Value::List(items)) => elements(table, *element, items, ptr, memory, pointers),
        (Kind::Record(fields), Value::Record(items)) => {
            for (f, item) in fields.iter().zip(items) {
                lower(table, f.ty, item, field(f.offset)?, memory, pointers)?;
            }
            Ok(())
        }
        (Kind::Variant(variant), Value::Case(case, payload)) => {
            memory.write_int(ptr, variant.tag.size(), u64::from(*case))?;
            match (payload_of(variant, *case)?, payload) {
                (Some(ty), Some(payload)) => lower(table, ty, payload, field(variant.payload)?, memory, pointers),
                (None, None) => Ok(()),
                _ => Err(mismatch()),
            }
        }
        (Kind::F32, Value::F32(bits)) => memory.write_int(ptr, 4, u64::from(*bits)),
        (Kind::F64, Value::F64(bits)) => memory.write_int(ptr, 8, *bits),
        (_, Value::Int(int)) => memory.write_int(ptr, ty.size, *int),
        _ => Err(mismatch()),
    }
}

fn elements(
    table: &Table<'_>,
    element: TyId,
    items: &[Value],
    ptr: u32,
    memory: &mut GuestMemory<'_>,
    pointers: &mut dyn Iterator<Item = u32>,
) -> Result<(), Trap> {
    let size = table.get(element).size;
    for (i, item) in (0u32..).zip(items) {
        let at = size.checked_mul(i).and_then(|o| ptr.checked_add(o)).ok_or_else(overflow)?;
        lower(table, element, item, at, memory, pointers)?;
    }
    Ok(())
}

fn store_bytes(
    bytes: &[u8],
    ptr: u32,
    memory: &mut GuestMemory<'_>,
    pointers: &mut dyn Iterator<Item = u32>,
) -> Result<(), Trap> {
    let at = pointers.next().ok_or_else(mismatch)?;
    let len = length(bytes.len())?;
    memory.write(at, len, 1)?.copy_from_slice(bytes);
    memory.write_int(ptr, 4, at.into())?;
    memory.write_int(ptr.checked_add(4).ok_or_else(overflow)?, 4, len.into())
}

/// The slot of a result that is one flat value.
pub fn lower_flat(value: &Value) -> Result<u64, Trap> {
    match value {
        Value::Int(int) => Ok(*int),
        Value::F32(bits) => Ok(u64::from(*bits)),
        Value::F64(bits) => Ok(*bits),
        Value::Case(case, None) => Ok(u64::from(*case)),
        Value::Record(items) if items.len() == 1 => lower_flat(&items[0]),
        _ => Err(mismatch()),
    }
}

/// The low half of a slot: `i32` values are pointers, lengths and small integers.
pub fn pointer(slot: u64) -> u32 {
    (slot & u64::from(u32::MAX)) as u32
}

fn length(n: usize) -> Result<u32, Trap> {
    u32::try_from(n).map_err(|_| overflow())
}

fn overflow() -> Trap {
    Trap::new("a list or record beyond the end of the address space")
}

fn mismatch() -> Trap {
    Trap::new("a host function's result does not fit its type")
}
