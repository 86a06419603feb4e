//! Types and constants of the header: one typedef for each typename, with its layout asserted.

use super::ident::{comment, snake};
use super::names::Names;
use super::shape::{Case, Form, Member, Shapes, Value};
use crate::abi::{Kind, Tag, TyId};
use crate::bindgen::{MAX_ON_STACK, Plan};
use crate::witx::{TypeKind, TypeName, Witx};
use std::fmt::Write;
use std::ops::Range;

/// The types, and the names of the constants that stand for resources.
pub(super) struct Declared {
    /// Text of the header.
    pub(super) text: String,
    /// By id of the resource: its constant.
    pub(super) resources: std::collections::HashMap<String, String>,
}

/// Declares all types of the document.
pub(super) fn declare(plan: &Plan<'_>, names: &mut Names) -> Declared {
    let mut declared = Declared { text: String::new(), resources: Default::default() };
    let mut entries = std::collections::HashSet::new();
    for (number, ty) in plan.types().iter().enumerate() {
        declared.text.push('\n');
        if let (TypeKind::Map, Witx::List(pair)) = (&ty.kind, &ty.def)
            && entries.insert(pair.clone())
            && let Some(id) = plan.rebuilt().known(pair)
        {
            let shapes = Shapes { plan, names };
            let value = Value { ty: (**pair).clone(), id };
            declared.text.push_str(&shapes.structure(shapes.names.pair(pair), &value));
            declared.text.push('\n');
        }
        let mut docs = format!("`{}`", ty.wit);
        if let Some(owner) = &ty.owner {
            let _ = write!(docs, " of {owner}");
        }
        if let Some(text) = &ty.docs {
            let _ = write!(docs, "\n\n{text}");
        }
        declared.text.push_str(&comment(&docs, ""));
        let id = plan.rebuilt().by_id(&ty.id);
        let text = match id {
            // No function that uses it is generated, and a compiler may not take it at all.
            Some(id) if plan.layouts().get(id).size > MAX_ON_STACK => "/* too large for a struct */\n".to_owned(),
            None => declared.resource(number, ty, names),
            Some(id) => {
                let mut text = Shapes { plan, names }.typedef(ty, id);
                constants(plan, ty, id, names, &mut text);
                text
            }
        };
        declared.text.push_str(&text);
    }
    declared
}

impl Declared {
    /// A resource is its handle, and a number to tell it from others by.
    fn resource(&mut self, number: usize, ty: &TypeName, names: &mut Names) -> String {
        let typedef = names.typedef(&ty.id).to_owned();
        let mut text = format!("typedef uint32_t {typedef};\n");
        if ty.kind == TypeKind::Resource {
            let constant = names.claim(&format!("{}_RESOURCE", names.base(&Witx::Name(ty.id.clone())).to_uppercase()));
            let _ = writeln!(text, "#define {constant} UINT32_C({number})");
            self.resources.insert(ty.id.clone(), constant);
        }
        text
    }
}

/// Cases of enums and variants by number, flags by bit.
fn constants(plan: &Plan<'_>, ty: &TypeName, id: TyId, names: &mut Names, text: &mut String) {
    let layout = plan.layouts().get(id);
    let base = names.base(&Witx::Name(ty.id.clone())).to_uppercase();
    let (tag, members, is_flags) = match (&ty.kind, &ty.def, &layout.kind) {
        (TypeKind::Enum, Witx::Enum(_, cases), Kind::Variant(v)) => (v.tag, cases.clone(), false),
        (TypeKind::Variant { .. }, Witx::Variant(_, cases), Kind::Variant(v)) => {
            (v.tag, cases.iter().map(|(name, _)| name.clone()).collect(), false)
        }
        (TypeKind::Flags, Witx::Flags(_, flags), Kind::Flags { tag, .. }) => (*tag, flags.clone(), true),
        _ => return,
    };
    for (i, member) in members.iter().enumerate() {
        let name = names.claim(&format!("{base}_{}", snake(member).to_uppercase()));
        let value = if is_flags { 1u64 << i } else { i as u64 };
        let _ = match is_flags {
            true => writeln!(text, "#define {name} {}(0x{value:x})", literal(tag)),
            false => writeln!(text, "#define {name} {}({value})", literal(tag)),
        };
    }
}

fn literal(tag: Tag) -> &'static str {
    match tag {
        Tag::U8 => "UINT8_C",
        Tag::U16 => "UINT16_C",
        Tag::U32 => "UINT32_C",
    }
}

fn tag_type(tag: Tag) -> &'static str {
    match tag {
        Tag::U8 => "uint8_t",
        Tag::U16 => "uint16_t",
        Tag::U32 => "uint32_t",
    }
}

impl Shapes<'_> {
    /// The typedef of a typename that has a layout.
    fn typedef(&self, ty: &TypeName, id: TyId) -> String {
        let name = self.names.typedef(&ty.id);
        let value = Value { ty: Witx::Name(ty.id.clone()), id };
        if ty.kind == TypeKind::Alias || ty.kind == TypeKind::Map {
            let of = match &ty.def {
                Witx::List(_) => format!("{}_list_t", self.names.stem),
                def => self.c_type(&Value { ty: def.clone(), id }),
            };
            return format!("typedef {of} {name};\n");
        }
        let scalar = match &self.laid_out(&value).kind {
            Kind::Flags { tag, .. } => Some(tag_type(*tag)),
            Kind::Variant(v) if ty.kind == TypeKind::Enum => Some(tag_type(v.tag)),
            Kind::Bool => Some("uint8_t"),
            Kind::Record(_) | Kind::Variant(_) | Kind::FixedList(..) => None,
            _ => Some("uint32_t"),
        };
        match scalar {
            Some(scalar) => format!("typedef {scalar} {name};\n"),
            None => self.structure(name, &value),
        }
    }

    /// A struct that lies as the Canonical ABI lays it, padding included, and the proof of it.
    pub(super) fn structure(&self, name: &str, value: &Value) -> String {
        let layout = self.laid_out(value);
        let (size, align) = (layout.size, layout.align);
        let mut body = Body { text: String::new(), at: 0, pads: 0, offsets: Vec::new() };
        match self.form(value) {
            Form::Record(members) => {
                for Member { name, value, offset } in members {
                    let size = self.laid_out(&value).size;
                    body.member(&format!("{} {name}", self.c_type(&value)), &name, offset, size);
                }
            }
            Form::Array(element, n) => {
                let declared = format!("{} items[{n}]", self.c_type(&element));
                body.member(&declared, "items", 0, size);
            }
            Form::Variant(tag, payload, cases) => {
                let tag_size = match &layout.kind {
                    Kind::Variant(v) => v.tag,
                    _ => Tag::U8,
                };
                body.member(&format!("{} {tag}", tag_type(tag_size)), tag, 0, tag_size.size());
                self.payload(&mut body, tag, payload..size, &cases);
            }
            _ => {}
        }
        body.pad(size);
        let mut text = format!("typedef struct {{\n{}}} {name};\n", body.text);
        let assert = format!("{}_ASSERT", self.names.macros());
        let bare = name.strip_suffix("_t").unwrap_or(name);
        let _ = writeln!(text, "{assert}({bare}_size, sizeof({name}) == {size});");
        let _ = writeln!(text, "struct {bare}_align {{ char c; {name} v; }};");
        let _ = writeln!(text, "{assert}({bare}_align, {align} % offsetof(struct {bare}_align, v) == 0);");
        for (n, (member, offset)) in body.offsets.iter().enumerate() {
            let _ = writeln!(text, "{assert}({bare}_offset{n}, offsetof({name}, {member}) == {offset});");
        }
        text
    }

    /// The payloads of a variant: by name in a union, or the only one of an option.
    fn payload(&self, body: &mut Body, tag: &str, place: Range<u32>, cases: &[Case]) {
        let payloads: Vec<(&Case, &Value)> = cases.iter().filter_map(|c| Some((c, c.value.as_ref()?))).collect();
        if let ("is_some", [(_, value)]) = (tag, payloads.as_slice()) {
            let size = self.laid_out(value).size;
            body.member(&format!("{} val", self.c_type(value)), "val", place.start, size);
            return;
        }
        if payloads.is_empty() {
            return;
        }
        let mut union = String::from("union {\n");
        for (case, value) in &payloads {
            let _ = writeln!(union, "        {} {};", self.c_type(value), case.name);
        }
        // A compiler rounds a union up to its own alignment, which differs: let it fill the struct everywhere.
        let size = place.end - place.start;
        let _ = write!(union, "        uint8_t _all[{size}];\n    }} val");
        body.member(&union, "val", place.start, size);
    }
}

/// The members of a struct while they are written.
struct Body {
    text: String,
    at: u32,
    pads: u32,
    offsets: Vec<(String, u32)>,
}

impl Body {
    fn member(&mut self, declared: &str, name: &str, offset: u32, size: u32) {
        self.pad(offset);
        let _ = writeln!(self.text, "    {declared};");
        self.offsets.push((name.to_owned(), offset));
        self.at = offset + size;
    }

    fn pad(&mut self, to: u32) {
        if to > self.at {
            let _ = writeln!(self.text, "    uint8_t _pad{}[{}];", self.pads, to - self.at);
            self.pads += 1;
            self.at = to;
        }
    }
}
