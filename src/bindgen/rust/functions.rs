//! What the host's and the guest's functions have in common: names, parameters, slots.

use super::code::{Lines, Type};
use super::names::snake;
use super::place::Place;
use super::types::Types;
use crate::abi::{Core, TyId};
use crate::witx::{FuncAbi, WitParam, Witx};

/// The Rust name of a function by its WIT name: `[method]fields.get` is `fields_get`.
pub(super) fn name(wit: &str) -> String {
    let own = wit.split_once(": ").map_or(wit, |(name, _)| name);
    match own.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(("constructor", resource)) => snake(&format!("{resource}-new")),
        Some((_, rest)) => snake(rest),
        None => snake(own),
    }
}

/// How a parameter is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    /// `&str`.
    Str,
    /// `&[T]`; to the host, of bytes alone.
    Slice,
    /// By value.
    Value,
    /// By reference.
    Reference,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) passing: Passing,
    /// Its owned type, for layouts.
    pub(super) owned: Type,
    /// Bytes from the start of the record of parameters, where they are spilled.
    pub(super) offset: u32,
}

/// Where the parameters lie when they are spilled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spill {
    pub(super) size: u32,
    pub(super) align: u32,
}

/// The parameters of a function; `name` makes a name of a WIT name.
pub(super) fn parameters<'d>(
    types: &Types<'_, 'd>,
    place: &Place,
    params: &'d [WitParam],
    ids: &[TyId],
    to_host: bool,
    spilled: bool,
    mut name: impl FnMut(&str) -> String,
) -> (Vec<Parameter>, Spill) {
    let (mut size, mut align) = (0u32, 1u32);
    let mut out = Vec::new();
    for (param, &id) in params.iter().zip(ids) {
        let laid_out = types.plan.layouts().get(id);
        let offset = size.next_multiple_of(laid_out.align);
        size = offset + laid_out.size;
        align = align.max(laid_out.align);
        let before = types.used.get();
        let owned = types.ty(&param.ty, place);
        let passing = passing(types, &param.ty, id, to_host);
        let ty = match (passing, &owned) {
            (Passing::Str, _) => {
                types.used.set(if spilled { types.used.get() } else { before });
                Type::name("&str")
            }
            (Passing::Slice, Type::Generic(_, parts)) => {
                let vec = before.1 || spilled || parts[0].text().contains("Vec<");
                types.used.set((types.used.get().0, vec));
                Type::Slice(Box::new(parts[0].clone()))
            }
            (Passing::Slice, _) => slice(types, &param.ty, place),
            (Passing::Reference, _) => Type::Reference(Box::new(owned.clone())),
            _ => owned.clone(),
        };
        out.push(Parameter { name: name(&param.name), ty, passing, owned, offset });
    }
    (out, Spill { size: size.next_multiple_of(align), align })
}

/// Has the compiler compare the record of spilled parameters with what the Canonical ABI says.
pub(super) fn check(out: &mut Lines, name: &str, params: &[Parameter], spill: Spill) {
    out.gap();
    out.line(format!("// The parameters of `{name}` lie in memory."));
    out.open(format!("abi::record! {{ abi, {} / {};", spill.size, spill.align));
    params.iter().for_each(|param| out.line(format!("{} => {},", param.offset, param.owned.text())));
    out.close("}");
}

/// The slice of a list that goes by another name.
fn slice<'d>(types: &Types<'_, 'd>, ty: &'d Witx, place: &Place) -> Type {
    match behind(types, ty) {
        Witx::List(element) => Type::Slice(Box::new(types.ty(element, place))),
        _ => types.ty(ty, place),
    }
}

/// What a name for a type stands for, maps being lists.
fn behind<'d>(types: &Types<'_, 'd>, ty: &'d Witx) -> &'d Witx {
    match types.plan.behind(ty) {
        Witx::Name(id) => match types.plan.type_name(id) {
            Some(def) if matches!(def.def, Witx::List(_)) => &def.def,
            _ => ty,
        },
        ty => ty,
    }
}

fn passing<'d>(types: &Types<'_, 'd>, ty: &'d Witx, id: TyId, to_host: bool) -> Passing {
    match behind(types, ty) {
        Witx::Builtin("string") => Passing::Str,
        Witx::List(element) if !to_host || **element == Witx::Builtin("u8") => Passing::Slice,
        _ if to_host || types.is_copy(id) => Passing::Value,
        // Who passes a handle gives it away.
        _ if matches!(types.plan.layouts().get(id).kind, crate::abi::Kind::Own(_)) => Passing::Value,
        _ => Passing::Reference,
    }
}

/// The Rust types of core values.
pub(super) fn cores(cores: &[Core]) -> Vec<Type> {
    cores.iter().map(|core| Type::name(core.name())).collect()
}

/// Parameters of a closure over core values.
pub(super) fn core_params(abi: &FuncAbi) -> Vec<String> {
    abi.core.params.iter().enumerate().map(|(i, core)| format!("p{i}: {core}")).collect()
}

/// A string literal.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out + "\""
}
