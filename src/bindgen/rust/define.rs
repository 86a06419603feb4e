//! Definitions of types: how they look, how they lie in memory, how they are lifted and lowered.

use super::code::{Lines, Param, Type};
use super::names::{Namer, camel, shouty, snake};
use super::place::Place;
use super::types::Types;
use crate::abi::{Kind, Layouts, TyId};
use crate::witx::{TypeKind, TypeName, Witx};

/// Writes one type with a name.
pub(super) struct Definer<'a, 'p, 'd> {
    pub(super) types: &'a Types<'p, 'd>,
    pub(super) place: &'a Place,
    pub(super) out: &'a mut Lines,
}

impl<'d> Definer<'_, '_, 'd> {
    pub(super) fn define(&mut self, def: &'d TypeName) {
        let Some(named) = self.types.named(&def.id) else { return };
        let name = named.name.clone();
        let Some(id) = self.types.plan.rebuilt().by_id(&def.id) else {
            return self.resource(def, &name, named.borrow.clone().unwrap_or_default());
        };
        if self.types.has_channel(id) {
            return;
        }
        self.out.gap();
        self.out.docs(&self.about(def));
        let layouts = self.types.plan.layouts();
        match (&def.kind, &def.def, &layouts.get(id).kind) {
            (TypeKind::Record, Witx::Record(fields), Kind::Record(laid_out)) => {
                let offsets: Vec<u32> = laid_out.iter().map(|f| f.offset).collect();
                self.record(&name, id, fields, &offsets);
            }
            (TypeKind::Flags, _, Kind::Flags { names, tag }) => self.flags(&name, names, tag.size()),
            (TypeKind::Enum, _, Kind::Variant(v)) => {
                let names: Vec<&str> = v.cases.iter().map(|c| c.name.as_str()).collect();
                self.enumeration(&name, &names, v.tag.size());
            }
            (TypeKind::Variant { .. }, _, Kind::Variant(_)) => self.variant(def, &name, id),
            _ => {
                let ty = self.types.definition(def, self.place);
                self.out.typed(&format!("pub type {name} = "), &ty, ";");
            }
        }
    }

    /// Its documentation, or what it is in WIT.
    fn about(&self, def: &TypeName) -> String {
        let text = def.docs.clone().unwrap_or_default();
        if super::docs::lines(&text).is_empty() { format!("The {} `{}`.", def.kind.name(), def.wit) } else { text }
    }

    fn resource(&mut self, def: &'d TypeName, name: &str, borrow: String) {
        if let (TypeKind::Alias, Some(root)) = (&def.kind, self.types.resource(&def.def)) {
            let Some(of) = self.types.named(&root.id) else { return };
            let borrowed = of.borrow.as_deref().unwrap_or_default();
            for (name, of_name) in [(name, of.name.as_str()), (&borrow, borrowed)] {
                self.out.gap();
                self.out.docs(&self.about(def));
                let path = self.types.path(self.place, &of.place, of_name);
                self.out.line(format!("pub type {name} = {path};"));
            }
            return;
        }
        let about = self.about(def);
        let owned = format!("{about}\n\nA handle that owns its resource.");
        let lent = format!("`{}`, lent for the length of a call.", def.wit);
        for (name, about, derives) in
            [(name, owned, "Debug, PartialEq, Eq, Hash"), (&borrow, lent, "Debug, Clone, Copy, PartialEq, Eq, Hash")]
        {
            self.out.gap();
            self.out.docs(&about);
            self.out.line(format!("#[derive({derives})]"));
            self.out.line(format!("pub struct {name}(pub u32);"));
            self.out.gap();
            self.word(name, 4, |out| {
                out.line("Ok(Self(bits))");
            });
        }
    }

    /// `Word` for a type of numbers; `of` writes what makes one of `bits`.
    fn word(&mut self, name: &str, size: u32, of: impl FnOnce(&mut Lines)) {
        let out = &mut *self.out;
        out.open(format!("impl abi::Word for {name} {{"));
        out.line(format!("const BYTES: usize = {size};"));
        out.gap();
        out.open("fn of(bits: u32) -> Result<Self, abi::Reason> {");
        of(out);
        out.close("}");
        out.gap();
        out.open("fn bits(&self) -> u32 {");
        out.line(match size {
            4 => "self.0",
            _ => "u32::from(self.0)",
        });
        out.close("}");
        out.close("}");
    }

    fn flags(&mut self, name: &str, names: &[String], size: u32) {
        let out = &mut *self.out;
        let repr = format!("u{}", 8 * size);
        out.line("#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]");
        out.line(format!("pub struct {name}({repr});"));
        out.gap();
        out.open(format!("impl {name} {{"));
        let mut namer = Namer::default();
        for (bit, flag) in names.iter().enumerate() {
            out.docs(&format!("`{flag}`"));
            out.line(format!("pub const {}: Self = Self(1 << {bit});", namer.pick(shouty(flag))));
        }
        let all = if names.len() >= 32 { u32::MAX } else { (1 << names.len()) - 1 };
        for (about, head, body) in [
            ("No flag.", "pub const fn empty() -> Self {", "Self(0)".to_owned()),
            ("Every flag.", "pub const fn all() -> Self {", format!("Self(0x{all:x})")),
            ("The bits.", &format!("pub const fn bits(self) -> {repr} {{"), "self.0".to_owned()),
            (
                "The flags of these bits; others are ignored.",
                &format!("pub const fn from_bits_truncate(bits: {repr}) -> Self {{"),
                if names.len() as u32 == 8 * size {
                    "Self(bits)".to_owned()
                } else {
                    format!("Self(bits & 0x{all:x})")
                },
            ),
            (
                "Whether all of `other` are there.",
                "pub const fn contains(self, other: Self) -> bool {",
                "self.0 & other.0 == other.0".to_owned(),
            ),
        ] {
            out.gap();
            out.docs(about);
            out.open(head);
            out.line(body);
            out.close("}");
        }
        out.close("}");
        out.gap();
        out.open(format!("impl core::ops::BitOr for {name} {{"));
        out.line("type Output = Self;");
        out.gap();
        out.open("fn bitor(self, other: Self) -> Self {");
        out.line("Self(self.0 | other.0)");
        out.close("}");
        out.close("}");
        out.gap();
        self.word(name, size, |out| {
            let bits = if size == 4 { "bits".to_owned() } else { format!("bits as {repr}") };
            out.line(format!("Ok(Self::from_bits_truncate({bits}))"));
        });
    }

    fn enumeration(&mut self, name: &str, names: &[&str], size: u32) {
        let mut namer = Namer::default();
        let cases: Vec<String> = names.iter().map(|case| namer.pick(camel(case))).collect();
        self.out.line("#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]");
        self.out.line(format!("#[repr(u{})]", 8 * size));
        self.out.open(format!("pub enum {name} {{"));
        for (case, wit) in cases.iter().zip(names) {
            self.out.docs(&format!("`{wit}`"));
            self.out.line(format!("{case},"));
        }
        self.out.close("}");
        self.out.gap();
        let out = &mut *self.out;
        out.open(format!("impl abi::Word for {name} {{"));
        out.line(format!("const BYTES: usize = {size};"));
        out.gap();
        out.open("fn of(bits: u32) -> Result<Self, abi::Reason> {");
        out.open("match bits {");
        for (i, case) in cases.iter().enumerate() {
            out.arm(&i.to_string(), &format!("Ok(Self::{case})"));
        }
        out.line("_ => Err(abi::Reason::Discriminant),");
        out.close("}");
        out.close("}");
        out.gap();
        out.open("fn bits(&self) -> u32 {");
        out.line("*self as u32");
        out.close("}");
        out.close("}");
    }

    fn layout(&mut self, name: &str, id: TyId) {
        let ty = self.types.plan.layouts().get(id);
        self.out.gap();
        self.out.open(format!("impl abi::Layout for {name} {{"));
        self.out.line(format!("const SIZE: usize = {};", ty.size));
        self.out.line(format!("const ALIGN: usize = {};", ty.align));
        self.out.close("}");
    }

    fn record(&mut self, name: &str, id: TyId, fields: &'d [(String, Witx)], offsets: &[u32]) {
        let mut namer = Namer::default();
        let fields: Vec<(String, &str, Type)> = fields
            .iter()
            .map(|(wit, ty)| (namer.pick(snake(wit)), wit.as_str(), self.types.ty(ty, self.place)))
            .collect();
        self.out.line(self.types.derives(id));
        self.out.open(format!("pub struct {name} {{"));
        for (field, wit, ty) in &fields {
            self.out.docs(&format!("`{wit}`"));
            self.out.field(&format!("pub {field}"), ty);
        }
        self.out.close("}");
        self.layout(name, id);
        let out = &mut *self.out;
        out.gap();
        out.open(format!("impl {name} {{"));
        for ((field, wit, _), offset) in fields.iter().zip(offsets) {
            out.docs(&format!("Bytes before `{wit}` in the guest's memory."));
            out.line(format!("pub const OFFSET_{}: usize = {offset};", field.to_ascii_uppercase()));
        }
        out.close("}");
        out.gap();
        out.open(format!("abi::record! {{ abi, {name};"));
        for (field, _, ty) in &fields {
            out.line(format!("{name}::OFFSET_{} => {},", field.to_ascii_uppercase(), ty.text()));
        }
        out.close("}");
        out.gap();
        out.open(format!("impl abi::Value for {name} {{"));
        out.open("fn load(m: &abi::Reader<'_>, at: usize) -> Result<Self, abi::Fault> {");
        out.open("Ok(Self {");
        for ((field, ..), offset) in fields.iter().zip(offsets) {
            out.line(format!("{field}: abi::Value::load(m, {})?,", plus(*offset)));
        }
        out.close("})");
        out.close("}");
        out.gap();
        store_head(out);
        for ((field, ..), offset) in fields.iter().zip(offsets) {
            out.line(format!("abi::Value::store(&self.{field}, g, {})?;", plus(*offset)));
        }
        out.line("Ok(())");
        out.close("}");
        out.close("}");
        let Some(flat) = flat(self.types.plan.layouts(), id) else { return };
        let out = &mut *self.out;
        flat_head(out, name, flat);
        out.open("Ok(Self {");
        for (field, ..) in &fields {
            out.line(format!("{field}: abi::Flat::lift(m, s)?,"));
        }
        out.close("})");
        out.close("}");
        out.gap();
        lower_head(out, true);
        for (field, ..) in &fields {
            out.line(format!("abi::Flat::lower(&self.{field}, g, s)?;"));
        }
        out.line("Ok(())");
        out.close("}");
        out.close("}");
    }

    fn variant(&mut self, def: &'d TypeName, name: &str, id: TyId) {
        let Kind::Variant(v) = &self.types.plan.layouts().get(id).kind else { return };
        let mut namer = Namer::default();
        let case = |(i, case): (usize, &crate::abi::Case)| {
            let ty = self.types.payload(def, i).map(|ty| self.types.ty(ty, self.place));
            (namer.pick(camel(&case.name)), ty)
        };
        let cases: Vec<(String, Option<Type>)> = v.cases.iter().enumerate().map(case).collect();
        let (tag, payload) = (v.tag.size(), v.payload);
        self.out.line(self.types.derives(id));
        self.out.open(format!("pub enum {name} {{"));
        for ((case, ty), wit) in cases.iter().zip(&v.cases) {
            self.out.docs(&format!("`{}`", wit.name));
            match ty {
                Some(ty) => self.out.typed(&format!("{case}("), ty, "),"),
                None => self.out.line(format!("{case},")),
            }
        }
        self.out.close("}");
        self.layout(name, id);
        let out = &mut *self.out;
        out.gap();
        out.open(format!("impl {name} {{"));
        out.docs("Bytes before every payload in the guest's memory.");
        out.line(format!("pub const PAYLOAD: usize = {payload};"));
        out.close("}");
        out.gap();
        out.open(format!("abi::variant! {{ abi, {name}, {tag};"));
        cases.iter().filter_map(|(_, ty)| ty.as_ref()).for_each(|ty| out.line(format!("{},", ty.text())));
        out.close("}");
        out.gap();
        out.open(format!("impl abi::Value for {name} {{"));
        out.open("fn load(m: &abi::Reader<'_>, at: usize) -> Result<Self, abi::Fault> {");
        out.open(format!("match m.tag(at, {tag})? {{"));
        for (i, (case, ty)) in cases.iter().enumerate() {
            match ty {
                Some(_) => {
                    let body = format!("abi::Value::load(m, {}).map(Self::{case})", plus(payload));
                    out.arm(&i.to_string(), &body);
                }
                None => out.arm(&i.to_string(), &format!("Ok(Self::{case})")),
            }
        }
        out.line("_ => Err(m.fault(abi::Reason::Discriminant)),");
        out.close("}");
        out.close("}");
        out.gap();
        store_head(out);
        let ty = format!("u{}", 8 * tag);
        out.open("match self {");
        for (i, (case, payload_ty)) in cases.iter().enumerate() {
            match payload_ty {
                Some(_) => {
                    out.open(format!("Self::{case}(value) => {{"));
                    out.line(format!("abi::Value::store(&{i}{ty}, g, at)?;"));
                    out.line(format!("abi::Value::store(value, g, {})", plus(payload)));
                    out.close("}");
                }
                None => out.arm(&format!("Self::{case}"), &format!("abi::Value::store(&{i}{ty}, g, at)")),
            }
        }
        out.close("}");
        out.close("}");
        out.close("}");
        let Some(flat) = flat(self.types.plan.layouts(), id) else { return };
        let out = &mut *self.out;
        flat_head(out, name, flat);
        out.line("let end = s.end(Self::FLAT);");
        out.open("let value = match s.take::<i32>() {");
        for (i, (case, ty)) in cases.iter().enumerate() {
            match ty {
                Some(_) => out.arm(&i.to_string(), &format!("Self::{case}(abi::Flat::lift(m, s)?)")),
                None => out.arm(&i.to_string(), &format!("Self::{case}")),
            }
        }
        out.line("_ => return Err(m.fault(abi::Reason::Discriminant)),");
        out.close("};");
        out.line("s.seek(end);");
        out.line("Ok(value)");
        out.close("}");
        out.gap();
        lower_head(out, cases.iter().any(|(_, ty)| ty.is_some()));
        out.line("let end = s.end(Self::FLAT);");
        out.open("match self {");
        for (i, (case, ty)) in cases.iter().enumerate() {
            match ty {
                Some(_) => {
                    out.open(format!("Self::{case}(value) => {{"));
                    out.line(format!("s.put({i}i32);"));
                    out.line("abi::Flat::lower(value, g, s)?;");
                    out.close("}");
                }
                None => out.arm(&format!("Self::{case}"), &format!("s.put({i}i32)")),
            }
        }
        out.close("}");
        out.line("s.seek(end);");
        out.line("Ok(())");
        out.close("}");
        out.close("}");
    }
}

/// `at`, or what lies behind it.
fn plus(offset: u32) -> String {
    if offset == 0 { "at".to_owned() } else { format!("at + {offset}") }
}

/// The number of slots of a type that can be flat.
fn flat(layouts: &Layouts, id: TyId) -> Option<usize> {
    layouts.get(id).flat.as_ref().map(Vec::len)
}

fn store_head(out: &mut Lines) {
    let params = ["&self", "g: &mut abi::Guest<'_, C>", "at: usize"].map(Param::of);
    out.function("fn store<C: abi::AsContextMut>", &params, &nothing(), " {");
}

fn lower_head(out: &mut Lines, allocates: bool) {
    let guest = if allocates { "g" } else { "_" };
    let guest = format!("{guest}: &mut abi::Guest<'_, C>");
    let params = ["&self", &guest, "s: &mut abi::Slots<'_>"].map(Param::of);
    out.function("fn lower<C: abi::AsContextMut>", &params, &nothing(), " {");
}

fn flat_head(out: &mut Lines, name: &str, flat: usize) {
    out.gap();
    out.open(format!("impl abi::Flat for {name} {{"));
    out.line(format!("const FLAT: usize = {flat};"));
    out.gap();
    let params = ["m: &abi::Reader<'_>", "s: &mut abi::Slots<'_>"].map(Param::of);
    let result = Type::Generic("Result", vec![Type::name("Self"), Type::name("abi::Fault")]);
    out.function("fn lift", &params, &result, " {");
}

/// `Result<(), abi::Trap>`.
fn nothing() -> Type {
    Type::Generic("Result", vec![Type::Tuple(Vec::new()), Type::name("abi::Trap")])
}
