//! The full model as JSON, for generators and engines that read no WITX: names, signatures, layouts, needs. Its schema is
//! `docs/abi.schema.json`.

use super::model::{Document, Func, FuncRole, Param, Stability, TypeKind, TypeName, Witx};
use super::rebuild::{FuncAbi, Rebuilt};
use super::verify::Counts;
use crate::abi::{Core, Direction, Kind, Needs, TyId};
use schemars::JsonSchema;
use serde::Serialize;

/// The schema's version: it grows when a reader of the old one would go wrong.
const VERSION: u32 = 1;

/// A document with its ABI.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Model {
    /// Version of this schema.
    pub schema: u32,
    /// The lowlift that wrote it.
    pub lowlift: String,
    /// What was derived, such as `wasi:http@0.2.12`.
    pub title: String,
    /// `legacy`, `canonical` or `cm32p2`.
    pub names: String,
    /// `sync`, `async` or `all`.
    pub forms: String,
    /// The guest's export that is its memory.
    pub memory: String,
    /// The guest's export that allocates.
    pub realloc: String,
    /// The guest's export that is called once before all others, if it is there.
    pub initialize: String,
    /// All named types, each after those that it uses.
    pub types: Vec<Type>,
    /// All core modules, and the exports.
    pub modules: Vec<Module>,
    /// What `--verify` compared, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Counts>,
}

/// A type expression.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expr {
    /// A number, `char` or `string`.
    Builtin(String),
    /// A named type, by its id.
    Id(String),
    /// A list of this.
    List(Box<Expr>),
    /// A tuple of these.
    Tuple(Vec<Expr>),
}

/// Since when an item is there.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Since {
    /// The version of the package that has it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The feature gate of an unstable item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unstable: Option<String>,
    /// The version that deprecates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
}

/// A named type.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Type {
    /// Its id.
    pub id: String,
    /// What it is: `record`, `variant`, `option` …
    pub kind: String,
    /// Its WIT name or expression.
    pub wit: String,
    /// The interface or world that defines it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// Since when it is there.
    #[serde(flatten)]
    pub stability: Since,
    /// Its layout in memory; none for resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// What an alias, list, stream, future, own or borrow is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<Expr>,
    /// Number of elements of a fixed-length list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// Fields of a record, members of a tuple.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Cases of a variant, enum, option or result; the index is the discriminant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Case>,
    /// Names of flags, the lowest bit first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// A layout in linear memory.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Layout {
    /// Bytes.
    pub size: u32,
    /// Bytes.
    pub align: u32,
    /// The flat form; none where it has more than 16 slots.
    pub flat: Option<Vec<Core>>,
    /// The integer that holds the discriminant or the flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Offset of every payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<u32>,
}

/// A field.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Expr,
    /// Bytes from the start.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// A case.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its payload.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<Expr>,
}

/// The functions of one core import module, or all exports.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Module {
    /// The core import module; empty for exports.
    pub name: String,
    /// `import` or `export`, from the guest's side.
    pub direction: String,
    /// The WIT interface behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// Since when it is there.
    #[serde(flatten)]
    pub stability: Since,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// A core function.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Function {
    /// The core field, or the name of the export.
    pub name: String,
    /// What it is: a form of call (`import`, `export-callback` …), `resource-drop`, `built-in` …
    pub role: String,
    /// The WIT function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wit: Option<String>,
    /// Documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// Since when it is there.
    #[serde(flatten)]
    pub stability: Since,
    /// Core parameters.
    pub params: Vec<Slot>,
    /// The core result.
    pub result: Option<Slot>,
    /// What it asks of the guest.
    pub needs: Needs,
    /// Its parameters as the WIT has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wit_params: Vec<WitParam>,
    /// Its result as the WIT has it; for operations on streams, futures and resources what they work on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wit_result: Option<Expr>,
    /// The resource, stream or future that an intrinsic works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<Expr>,
    /// The parameters are one pointer to a record of them.
    pub params_spilled: bool,
    /// The result goes through a pointer.
    pub result_spilled: bool,
}

/// A core parameter or result.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Its core type.
    #[serde(rename = "type")]
    pub ty: Core,
    /// For pointers: what they point to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_to: Option<Expr>,
}

/// A parameter as the WIT has it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WitParam {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Expr,
    /// How many core parameters it takes; none where they are spilled.
    pub slots: Option<usize>,
    /// A borrow that arrives as the guest's own representation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rep: bool,
}

/// The model of a document, whose ABI is `rebuilt`.
pub fn json(document: &Document, rebuilt: &Rebuilt) -> Model {
    let mut modules: Vec<Module> = Vec::new();
    for module in document.modules() {
        modules.push(Module {
            name: module.core_name.clone(),
            direction: if module.direction == Direction::Import { "import" } else { "export" }.to_owned(),
            interface: module.interface.clone(),
            docs: module.docs.clone(),
            stability: since(&module.stability),
            functions: Vec::with_capacity(module.funcs.len()),
        });
    }
    // Functions come in the order of the modules.
    let counts = document.modules().enumerate().flat_map(|(i, m)| std::iter::repeat_n(i, m.funcs.len()));
    for (i, (_, func, abi)) in counts.zip(rebuilt.functions(document)) {
        modules[i].functions.push(function(func, abi));
    }
    let names = document.abi.names;
    Model {
        schema: VERSION,
        lowlift: env!("CARGO_PKG_VERSION").to_owned(),
        title: document.title.clone(),
        names: names.name().to_owned(),
        forms: document.abi.forms.name().to_owned(),
        memory: names.memory().to_owned(),
        realloc: names.realloc().to_owned(),
        initialize: names.initialize().to_owned(),
        types: document.types.iter().map(|ty| type_name(ty, rebuilt)).collect(),
        modules,
        verified: None,
    }
}

fn since(stability: &Stability) -> Since {
    let Stability { since, unstable, deprecated } = stability.clone();
    Since { since, unstable, deprecated }
}

fn expr(ty: &Witx) -> Expr {
    match ty {
        Witx::Builtin(name) => Expr::Builtin((*name).to_owned()),
        Witx::Name(id) => Expr::Id(id.clone()),
        Witx::List(element) => Expr::List(Box::new(expr(element))),
        Witx::Pointer(ty) | Witx::ConstPointer(ty) => expr(ty),
        Witx::Tuple(types) => Expr::Tuple(types.iter().map(expr).collect()),
        // The others stand in definitions alone, where they are spelled out.
        Witx::Handle | Witx::Record(_) | Witx::Flags(..) | Witx::Enum(..) | Witx::Variant(..) => {
            Expr::Builtin("u32".to_owned())
        }
    }
}

fn type_name(ty: &TypeName, rebuilt: &Rebuilt) -> Type {
    let id = rebuilt.by_id(&ty.id);
    let (mut of, mut length, mut fields, mut cases, mut flags) = (None, None, Vec::new(), Vec::new(), Vec::new());
    let unit = |names: &[String]| names.iter().map(|n| Case { name: n.clone(), ty: None }).collect();
    match (&ty.kind, &ty.def) {
        (TypeKind::FixedList(element, n), _) => (of, length) = (Some(expr(element)), Some(*n)),
        (TypeKind::Stream(payload) | TypeKind::Future(payload), _) => of = payload.as_ref().map(expr),
        (_, Witx::Record(members)) => fields = record(id, members.iter().map(|(name, ty)| (name.clone(), ty)), rebuilt),
        (_, Witx::Tuple(types)) => {
            fields = record(id, types.iter().enumerate().map(|(i, ty)| (i.to_string(), ty)), rebuilt);
        }
        (_, Witx::Enum(_, names)) => cases = unit(names),
        (_, Witx::Flags(_, names)) => flags.clone_from(names),
        (kind, Witx::Variant(_, members)) => {
            let member = |(i, (name, ty)): (usize, &(String, Option<Witx>))| {
                let ty = match ty {
                    Some(Witx::Tuple(padded)) if kind.padded() == Some(i) => padded.first(),
                    ty => ty.as_ref(),
                };
                Case { name: name.clone(), ty: ty.map(expr) }
            };
            cases = members.iter().enumerate().map(member).collect();
        }
        (_, Witx::Handle) => {}
        (_, def) => of = Some(expr(def)),
    }
    Type {
        id: ty.id.clone(),
        kind: ty.kind.name().to_owned(),
        wit: ty.wit.clone(),
        owner: ty.owner.clone(),
        docs: ty.docs.clone(),
        stability: since(&ty.stability),
        layout: id.map(|id| layout(id, rebuilt)),
        of,
        length,
        fields,
        cases,
        flags,
    }
}

fn layout(id: TyId, rebuilt: &Rebuilt) -> Layout {
    let ty = rebuilt.layouts.get(id);
    let (tag, payload) = match &ty.kind {
        Kind::Variant(v) => (Some(v.tag), v.cases.iter().any(|c| c.ty.is_some()).then_some(v.payload)),
        Kind::Flags { tag, .. } => (Some(*tag), None),
        _ => (None, None),
    };
    Layout { size: ty.size, align: ty.align, flat: ty.flat.clone(), tag: tag.map(|t| t.name().to_owned()), payload }
}

fn record<'d>(id: Option<TyId>, members: impl Iterator<Item = (String, &'d Witx)>, rebuilt: &Rebuilt) -> Vec<Field> {
    let Some(Kind::Record(laid_out)) = id.map(|id| &rebuilt.layouts.get(id).kind) else { return Vec::new() };
    let fields = members.zip(laid_out).map(|((name, ty), field)| Field {
        name,
        ty: expr(ty),
        offset: field.offset,
        size: rebuilt.layouts.get(field.ty).size,
    });
    fields.collect()
}

fn function(func: &Func, abi: &FuncAbi) -> Function {
    let (mut wit, mut wit_params, mut wit_result, mut of) = (None, Vec::new(), None, None);
    let role = match &func.role {
        FuncRole::Call { lowering, wit: text, params, result } => {
            wit = Some(text.clone());
            wit_result = result.as_ref().map(expr);
            wit_params = params
                .iter()
                .map(|p| WitParam { name: p.name.clone(), ty: expr(&p.ty), slots: p.slots, rep: p.rep })
                .collect();
            lowering.name()
        }
        FuncRole::PostReturn => "post-return",
        FuncRole::Callback => "callback",
        FuncRole::TaskReturn { result } => {
            wit_result = result.as_ref().map(expr);
            "task-return"
        }
        FuncRole::Resource(op, ty) => {
            of = Some(expr(ty));
            op.name()
        }
        FuncRole::Channel(_, ty) => {
            of = Some(expr(ty));
            "channel"
        }
        FuncRole::BuiltIn => "built-in",
        FuncRole::Realloc => "realloc",
        FuncRole::Initialize => "initialize",
    };
    let slot = |(name, ty, param): (String, Core, &Param)| {
        let points_to = match &param.ty {
            Witx::Pointer(ty) | Witx::ConstPointer(ty) => Some(expr(ty)),
            _ => None,
        };
        Slot { name, ty, points_to }
    };
    let params = abi.slots(func).into_iter().map(slot).collect();
    let result = func.result.as_ref().zip(abi.core.results.first());
    Function {
        name: func.name.clone(),
        role: role.to_owned(),
        wit,
        docs: func.docs.clone(),
        stability: since(&func.stability),
        params,
        result: result.map(|(r, &ty)| Slot { name: r.name.clone(), ty, points_to: None }),
        needs: func.needs,
        wit_params,
        wit_result,
        of,
        params_spilled: abi.signature.as_ref().is_some_and(|s| s.params_spilled),
        result_spilled: abi.signature.as_ref().is_some_and(|s| s.result_spilled),
    }
}
