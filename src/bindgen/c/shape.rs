//! Types as C sees them: what an expression is called, and which parts it has at which offsets.

use super::ident::{Scope, snake};
use super::names::Names;
use crate::abi::{Kind, Ty, TyId};
use crate::bindgen::Plan;
use crate::witx::{TypeKind, TypeName, Witx};

/// A value: its expression, which has the names, and its layout, which has the numbers.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) ty: Witx,
    pub(super) id: TyId,
}

/// A member of a record or tuple.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) offset: u32,
}

/// A case of a variant, option or result.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) value: Option<Value>,
}

/// How a value lies in a C struct, and what must be done to read it.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Bool,
    /// A number: its C type.
    Number(&'static str),
    Char,
    String,
    List(Value),
    /// A discriminant alone: its C type and the number of cases.
    Enum(u32),
    /// A word of flags with this mask.
    Flags(u32),
    /// A handle of a resource, by its id, and whether it is owned.
    Handle(String, bool),
    Record(Vec<Member>),
    /// A tagged union: whether its tag is a flag of two, by that name; offset of the payload; cases.
    Variant(&'static str, u32, Vec<Case>),
    Array(Value, u32),
}

/// Looks at types.
#[derive(Clone, Copy)]
pub(super) struct Shapes<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) names: &'a Names,
}

impl Shapes<'_> {
    pub(super) fn laid_out(&self, value: &Value) -> &Ty {
        self.plan.layouts().get(value.id)
    }

    /// The C type of a value.
    pub(super) fn c_type(&self, value: &Value) -> String {
        let stem = &self.names.stem;
        match &value.ty {
            Witx::Name(id) => self.names.typedef(id).to_owned(),
            Witx::List(_) => format!("{stem}_list_t"),
            Witx::Tuple(_) => self.names.pair(&value.ty).to_owned(),
            Witx::Builtin("string") => format!("{stem}_string_t"),
            Witx::Builtin(_) => number(&self.laid_out(value).kind).unwrap_or("uint32_t").to_owned(),
            _ => "uint32_t".to_owned(),
        }
    }

    /// The typename that defines a value, behind aliases; none for builtins, lists and pairs of maps.
    pub(super) fn definition(&self, ty: &Witx) -> Option<&TypeName> {
        match self.plan_behind(ty) {
            Witx::Name(id) => self.plan.type_name(&id),
            _ => None,
        }
    }

    /// The value with the name of the type that defines it.
    pub(super) fn behind(&self, value: &Value) -> Value {
        Value { ty: self.plan_behind(&value.ty), id: value.id }
    }

    fn plan_behind(&self, ty: &Witx) -> Witx {
        let mut ty = ty;
        while let Witx::Name(id) = ty
            && let Some(TypeName { kind: TypeKind::Alias, def, .. }) = self.plan.type_name(id)
        {
            ty = def;
        }
        ty.clone()
    }

    /// What a value is.
    pub(super) fn form(&self, value: &Value) -> Form {
        let behind = self.plan_behind(&value.ty);
        let def = self.definition(&value.ty);
        match &self.laid_out(value).kind {
            Kind::Bool => Form::Bool,
            Kind::Char => Form::Char,
            Kind::String => Form::String,
            Kind::List(id) => {
                let element = match (&behind, def.map(|d| &d.def)) {
                    (Witx::List(element), _) | (_, Some(Witx::List(element))) => (**element).clone(),
                    _ => Witx::Builtin("u8"),
                };
                Form::List(Value { ty: element, id: *id })
            }
            Kind::Flags { names, .. } => Form::Flags(u32::MAX >> (32 - names.len().clamp(1, 32))),
            Kind::Own(resource) => Form::Handle(self.plan.rebuilt().resource(*resource).to_owned(), true),
            Kind::Borrow(resource) => Form::Handle(self.plan.rebuilt().resource(*resource).to_owned(), false),
            Kind::Record(fields) => {
                let types: Vec<(String, Witx)> = match (&behind, def.map(|d| &d.def)) {
                    (Witx::Tuple(types), _) | (_, Some(Witx::Tuple(types))) => {
                        types.iter().enumerate().map(|(i, ty)| (format!("f{i}"), ty.clone())).collect()
                    }
                    (_, Some(Witx::Record(fields))) => fields.clone(),
                    _ => Vec::new(),
                };
                let mut scope = Scope::default();
                let member = |((name, ty), field): ((String, Witx), &crate::abi::Field)| Member {
                    name: scope.claim(&snake(&name)),
                    value: Value { ty, id: field.ty },
                    offset: field.offset,
                };
                Form::Record(types.into_iter().zip(fields).map(member).collect())
            }
            Kind::Variant(v) => {
                let Some(TypeName { kind, def: Witx::Variant(_, cases), .. }) = def else {
                    return Form::Enum(u32::try_from(v.cases.len()).unwrap_or(u32::MAX));
                };
                let tag = match kind {
                    TypeKind::Option { .. } => "is_some",
                    TypeKind::Result { .. } => "is_err",
                    _ => "tag",
                };
                let mut scope = Scope::default();
                let case = |(i, (name, ty)): (usize, &(String, Option<Witx>))| {
                    let ty = super::names::unpadded(ty, kind.padded() == Some(i));
                    let id = v.cases.get(i).and_then(|c| c.ty);
                    let value = ty.zip(id).map(|(ty, id)| Value { ty, id });
                    Case { name: scope.claim(&snake(name)), value }
                };
                Form::Variant(tag, v.payload, cases.iter().enumerate().map(case).collect())
            }
            Kind::FixedList(id, n) => {
                let element = match def.map(|d| &d.kind) {
                    Some(TypeKind::FixedList(element, _)) => element.clone(),
                    _ => Witx::Builtin("u8"),
                };
                Form::Array(Value { ty: element, id: *id }, *n)
            }
            kind => Form::Number(number(kind).unwrap_or("uint32_t")),
        }
    }

    /// Whether it is a struct in C, with functions of its own.
    pub(super) fn is_aggregate(&self, value: &Value) -> bool {
        matches!(self.form(value), Form::Record(_) | Form::Variant(..) | Form::Array(..))
    }

    /// Whether reading it can fail: whatever has ranges, pointers or handles in it.
    pub(super) fn can_fail(&self, value: &Value) -> bool {
        match self.form(value) {
            Form::Bool | Form::Number(_) | Form::Flags(_) => false,
            Form::Char | Form::String | Form::List(_) | Form::Enum(_) | Form::Handle(..) | Form::Variant(..) => true,
            Form::Record(members) => members.iter().any(|m| self.can_fail(&m.value)),
            Form::Array(element, _) => self.can_fail(&element),
        }
    }
}

/// The C type of a number.
fn number(kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Bool | Kind::U8 => "uint8_t",
        Kind::S8 => "int8_t",
        Kind::U16 => "uint16_t",
        Kind::S16 => "int16_t",
        Kind::U32 | Kind::Char => "uint32_t",
        Kind::S32 => "int32_t",
        Kind::U64 => "uint64_t",
        Kind::S64 => "int64_t",
        Kind::F32 => "float",
        Kind::F64 => "double",
        _ => return None,
    })
}
