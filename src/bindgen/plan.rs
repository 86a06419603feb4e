//! What is to be generated, in no language yet: functions in the order of the document, their distinct signatures, what
//! each needs, what is refused, and a hash of all of it.

use super::names::renamed;
use super::{Allocation, Options, Report};
use crate::abi::{CoreSignature, Direction, ImportName, Kind, Layouts, Lowering, TyId};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::witx::{Derivation, Func, FuncAbi, FuncRole, Module, Rebuilt, TypeName, Witx};
use indexmap::IndexSet;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

/// What is to be generated.
#[derive(Debug)]
pub struct Plan<'d> {
    /// What it is generated from.
    pub derivation: &'d Derivation,
    /// Functions that the host provides, in the order of the document.
    pub stubs: Vec<Stub<'d>>,
    /// Functions of the guest that the host calls, in the order of the document.
    pub calls: Vec<Call<'d>>,
    /// The distinct core signatures of the stubs, in the order of their first use.
    pub signatures: Vec<CoreSignature>,
    /// What is left out, and why; empty unless refusals are omitted.
    pub omitted: Vec<Refused>,
    /// The exports that the host needs by their new names: memory, realloc, initialize.
    pub support: Support,
    /// SHA-256 over a canonical text of names, signatures and layouts.
    pub hash: [u8; 32],
    types: HashMap<&'d str, &'d TypeName>,
}

/// A function that the host provides.
#[derive(Debug, Clone)]
pub struct Stub<'d> {
    /// Its module.
    pub module: &'d Module,
    /// The function: a call, or an operation on a resource.
    pub func: &'d Func,
    /// Its core form.
    pub abi: &'d FuncAbi,
    /// What the guest imports it as.
    pub name: ImportName,
    /// Index of its core signature.
    pub signature: usize,
    /// Whether its result is allocated in the guest's memory.
    pub allocates: bool,
}

impl Stub<'_> {
    /// What it is called without a name map.
    pub fn full_name(&self) -> ImportName {
        import_name(self.module, self.func)
    }
}

/// A function of the guest that the host calls: a call, a post-return, a destructor, or `_initialize`.
#[derive(Debug, Clone)]
pub struct Call<'d> {
    /// The module of all exports.
    pub module: &'d Module,
    /// The function.
    pub func: &'d Func,
    /// Its core form.
    pub abi: &'d FuncAbi,
    /// What the guest exports it as.
    pub name: String,
    /// Index in [`Plan::calls`] of what frees its result, if there is such a function.
    pub post_return: Option<usize>,
}

/// A function that is not generated.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its full name.
    pub name: String,
    /// Why.
    pub reason: Diagnostic,
}

/// Names of what every guest exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// The memory.
    pub memory: String,
    /// The realloc.
    pub realloc: String,
    /// What is called once, first.
    pub initialize: String,
}

/// A value that lies on the stack of the host may be no larger, in bytes: what guests pass is not the host's to risk.
pub const MAX_ON_STACK: u32 = 4096;

/// More refusals than this are not collected.
const MAX_REFUSALS: usize = 200;

impl<'d> Plan<'d> {
    /// Makes it. Fails with all refusals at once, unless they are to be omitted.
    pub fn of(derivation: &'d Derivation, options: &Options) -> Result<Plan<'d>> {
        let document = &derivation.document;
        let mut refused = Vec::new();
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        for (module, func, abi) in derivation.rebuilt.functions(document) {
            if let Some(reason) = refusal(derivation, module, func, abi, options) {
                let name = full_name(module, func);
                refused.push(Refused { name: name.clone(), reason: *reason.fact("function", name) });
                continue;
            }
            match module.direction {
                Direction::Import => imports.push((module, func, abi)),
                Direction::Export => exports.push((module, func, abi)),
            }
        }
        if !refused.is_empty() && !options.omit_refused {
            return Err(all(refused));
        }
        let orphans = orphans(&exports.iter().map(|(_, func, _)| *func).collect::<Vec<_>>());
        exports.retain(|(_, func, _)| !orphans.contains(func.name.as_str()));
        refused.extend(orphans.into_iter().map(|name| {
            Refused {
                name: name.to_owned(),
                reason: *Diagnostic::new(Code::BindgenUnsupported, "frees the result of a function that is left out")
                    .fact("function", name),
            }
        }));
        let names = renamed(
            options.names.as_ref(),
            imports.iter().map(|(m, f, _)| import_name(m, f)).collect(),
            exports.iter().map(|(_, f, _)| f.name.clone()).collect(),
            document.abi.names,
        )?;
        let mut signatures = IndexSet::new();
        let stub = |((module, func, abi), name): ((&'d Module, &'d Func, &'d FuncAbi), ImportName)| Stub {
            module,
            func,
            abi,
            name,
            signature: signatures.insert_full(abi.core.clone()).0,
            allocates: func.needs.realloc,
        };
        let stubs = imports.into_iter().zip(names.imports).map(stub).collect();
        let calls = exports
            .iter()
            .zip(names.exports)
            .filter(|((_, func, _), _)| !matches!(func.role, FuncRole::Realloc))
            .map(|(&(module, func, abi), name)| Call { module, func, abi, name, post_return: None })
            .collect::<Vec<_>>();
        let mut plan = Plan {
            derivation,
            stubs,
            calls,
            signatures: signatures.into_iter().collect(),
            omitted: refused,
            support: names.support,
            hash: [0; 32],
            types: document.types.iter().map(|ty| (ty.id.as_str(), ty)).collect(),
        };
        plan.pair_post_returns();
        plan.hash = Sha256::digest(plan.canonical_text()).into();
        Ok(plan)
    }

    /// All layouts and resources.
    pub fn rebuilt(&self) -> &'d Rebuilt {
        &self.derivation.rebuilt
    }

    /// All layouts.
    pub fn layouts(&self) -> &'d Layouts {
        &self.derivation.rebuilt.layouts
    }

    /// All types, each after those that it uses.
    pub fn types(&self) -> &'d [TypeName] {
        &self.derivation.document.types
    }

    /// A type by its id.
    pub fn type_name(&self, id: &str) -> Option<&'d TypeName> {
        self.types.get(id).copied()
    }

    /// What a name for a type stands for, behind all its aliases.
    pub fn behind(&self, ty: &'d Witx) -> &'d Witx {
        let mut ty = ty;
        while let Witx::Name(id) = ty
            && let Some(TypeName { kind: crate::witx::TypeKind::Alias, def, .. }) = self.type_name(id)
        {
            ty = def;
        }
        ty
    }

    /// The hash of the ABI, in hexadecimal.
    pub fn hash_text(&self) -> String {
        self.hash.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// A word for the whole: of a world its name with its package, of packages what they share.
    pub fn stem(&self) -> String {
        let title = &self.derivation.document.title;
        let bare = |name: &str| name.split('@').next().unwrap_or(name).to_owned();
        let names: Vec<String> = title.split(", ").map(bare).collect();
        match names.as_slice() {
            [one] => one.clone(),
            many => {
                let namespace = |name: &String| name.split(':').next().unwrap_or_default().to_owned();
                let first = many.first().map(namespace).unwrap_or_default();
                if many.iter().all(|name| namespace(name) == first) { first } else { "bindings".to_owned() }
            }
        }
    }

    /// The summary.
    pub fn report(&self) -> Report {
        Report {
            title: self.derivation.document.title.clone(),
            stubs: self.stubs.len(),
            calls: self.calls.len(),
            signatures: self.signatures.len(),
            allocating: self.stubs.iter().filter(|stub| stub.allocates).count(),
            abi_hash: self.hash_text(),
            omitted: self.omitted.iter().map(|refused| refused.reason.clone()).collect(),
        }
    }

    fn pair_post_returns(&mut self) {
        let by_name: HashMap<&str, usize> =
            self.calls.iter().enumerate().map(|(i, call)| (call.func.name.as_str(), i)).collect();
        let mut pairs = Vec::new();
        for (i, call) in self.calls.iter().enumerate().filter(|(_, c)| c.func.role == FuncRole::PostReturn) {
            let name = call.func.name.as_str();
            if let Some(&of) = freed(name).and_then(|export| by_name.get(export)) {
                pairs.push((of, i));
            }
        }
        for (of, post) in pairs {
            self.calls[of].post_return = Some(post);
        }
    }

    /// Names, signatures, needs and layouts, one to a line: what two builds must share to understand each other.
    fn canonical_text(&self) -> String {
        let mut text = String::new();
        for stub in &self.stubs {
            let _ = writeln!(text, "import {:?} {:?} {}", stub.module.core_name, stub.func.name, stub.abi.core);
        }
        for call in &self.calls {
            let _ = writeln!(text, "export {:?} {}", call.func.name, call.abi.core);
        }
        for ty in self.types() {
            match self.rebuilt().by_id(&ty.id) {
                Some(id) => {
                    let _ = writeln!(text, "type {} {}", ty.id, self.layout_text(id));
                }
                None => {
                    let _ = writeln!(text, "resource {}", ty.id);
                }
            }
        }
        text
    }

    /// A layout as deep as one type goes: the parts are types of their own.
    fn layout_text(&self, id: TyId) -> String {
        let layouts = self.layouts();
        let word = |id: TyId| {
            let ty = layouts.get(id);
            let kind = match &ty.kind {
                Kind::Record(_) => "record".to_owned(),
                Kind::Variant(_) => "variant".to_owned(),
                Kind::Flags { .. } => "flags".to_owned(),
                Kind::List(_) => "list".to_owned(),
                Kind::FixedList(_, n) => format!("array {n}"),
                Kind::Own(r) => format!("own {}", self.rebuilt().resource(*r)),
                Kind::Borrow(r) => format!("borrow {}", self.rebuilt().resource(*r)),
                Kind::Stream(_) => "stream".to_owned(),
                Kind::Future(_) => "future".to_owned(),
                scalar => format!("{scalar:?}").to_lowercase(),
            };
            format!("{kind} {}/{}", ty.size, ty.align)
        };
        let ty = layouts.get(id);
        let parts: Vec<String> = match &ty.kind {
            Kind::Record(fields) => fields.iter().map(|f| format!("{} @{} {}", f.name, f.offset, word(f.ty))).collect(),
            Kind::Variant(v) => {
                let case = |c: &crate::abi::Case| match c.ty {
                    Some(ty) => format!("{} {}", c.name, word(ty)),
                    None => c.name.clone(),
                };
                let tag = format!("tag {} payload @{}", v.tag.name(), v.payload);
                std::iter::once(tag).chain(v.cases.iter().map(case)).collect()
            }
            Kind::Flags { names, .. } => names.clone(),
            Kind::List(element) | Kind::FixedList(element, _) => vec![word(*element)],
            _ => Vec::new(),
        };
        format!("{} ({})", word(id), parts.join(", "))
    }
}

fn import_name(module: &Module, func: &Func) -> ImportName {
    ImportName { module: module.core_name.clone(), name: func.name.clone() }
}

fn full_name(module: &Module, func: &Func) -> String {
    match module.direction {
        Direction::Import => import_name(module, func).to_string(),
        Direction::Export => func.name.clone(),
    }
}

/// The export whose result a post-return frees.
fn freed(name: &str) -> Option<&str> {
    name.strip_prefix("cabi_post_").or_else(|| name.strip_suffix("_post"))
}

/// Post-returns without their function.
fn orphans<'d>(exports: &[&'d Func]) -> BTreeSet<&'d str> {
    let names: BTreeSet<&str> = exports.iter().map(|func| func.name.as_str()).collect();
    let post = exports.iter().filter(|func| func.role == FuncRole::PostReturn).map(|func| func.name.as_str());
    post.filter(|name| freed(name).is_none_or(|export| !names.contains(export))).collect()
}

/// One error that holds them all.
fn all(mut refused: Vec<Refused>) -> Box<Diagnostic> {
    let more = refused.len().saturating_sub(MAX_REFUSALS);
    refused.truncate(MAX_REFUSALS);
    let mut reasons = refused.into_iter().map(|r| r.reason);
    let first = reasons.next().map(Box::new).unwrap_or_else(|| Diagnostic::new(Code::Internal, "nothing was refused"));
    let mut error = reasons.fold(first, |error, reason| error.and(reason));
    if more > 0 {
        error = error.fact("and", format!("{more} more"));
    }
    error.hint("`--omit-refused` generates the rest; a guest that imports what is left out will not link")
}

/// Why a function is not generated, if it is not.
fn refusal(
    derivation: &Derivation,
    module: &Module,
    func: &Func,
    abi: &FuncAbi,
    options: &Options,
) -> Option<Box<Diagnostic>> {
    let asynchronous = |what: &str| {
        Some(
            Diagnostic::new(Code::BindgenAsync, format!("{what} cannot be generated"))
                .hint("a host without a scheduler speaks the synchronous ABI: use WASI 0.2"),
        )
    };
    let lowering = match &func.role {
        FuncRole::Call { wit, .. } if wit.contains(": async func(") => return asynchronous("an asynchronous function"),
        FuncRole::Call { lowering, .. } => *lowering,
        FuncRole::Resource(..) | FuncRole::PostReturn | FuncRole::Realloc | FuncRole::Initialize => return None,
        FuncRole::Callback | FuncRole::TaskReturn { .. } => {
            return asynchronous("an intrinsic of asynchronous exports");
        }
        FuncRole::Channel(..) => return asynchronous("an operation on a stream or future"),
        FuncRole::BuiltIn => return asynchronous("a built-in of tasks"),
    };
    if !matches!(lowering, Lowering::Import | Lowering::Export) {
        return asynchronous("an asynchronous form");
    }
    let signature = abi.signature.as_ref()?;
    let layouts = &derivation.rebuilt.layouts;
    if signature.params.iter().chain(&signature.result).any(|&id| has_channel(layouts, id)) {
        return asynchronous("a function of streams, futures or error contexts");
    }
    if let Some(size) = signature.params.iter().chain(&signature.result).find_map(|&id| too_large(layouts, id)) {
        return Some(
            Diagnostic::new(
                Code::BindgenUnsupported,
                format!("a value of {size} bytes would lie on the host's stack, where {MAX_ON_STACK} are allowed"),
            )
            .hint("pass it as a list, which stays in the guest's memory"),
        );
    }
    let lacks = match options.allocation {
        Allocation::None => "has none",
        // A guest names its region when it calls; before a call of the host there is nobody to do so.
        _ => return None,
    };
    func.needs.realloc.then(|| {
        let what = match module.direction {
            Direction::Import => "the result is allocated in the guest's memory, and the profile",
            Direction::Export => "the arguments are allocated in the guest's memory, and the profile",
        };
        Diagnostic::new(Code::BindgenAllocation, format!("{what} `{}` {lacks}", options.allocation.name()))
            .hint("`--alloc reentrant` calls the guest's realloc, `--alloc arena` needs no re-entry")
    })
}

/// The size of what is larger than that in a type, or in what its lists hold.
fn too_large(layouts: &Layouts, id: TyId) -> Option<u32> {
    let ty = layouts.get(id);
    if ty.size > MAX_ON_STACK {
        return Some(ty.size);
    }
    match &ty.kind {
        Kind::List(element) | Kind::FixedList(element, _) => too_large(layouts, *element),
        Kind::Record(fields) => fields.iter().find_map(|f| too_large(layouts, f.ty)),
        Kind::Variant(v) => v.cases.iter().filter_map(|c| c.ty).find_map(|ty| too_large(layouts, ty)),
        _ => None,
    }
}

/// Whether a stream, future or error context is in it.
fn has_channel(layouts: &Layouts, id: TyId) -> bool {
    let ty = layouts.get(id);
    match &ty.kind {
        Kind::Stream(_) | Kind::Future(_) | Kind::ErrorContext => true,
        Kind::List(element) | Kind::FixedList(element, _) => has_channel(layouts, *element),
        Kind::Record(fields) => fields.iter().any(|f| has_channel(layouts, f.ty)),
        Kind::Variant(v) => v.cases.iter().filter_map(|c| c.ty).any(|ty| has_channel(layouts, ty)),
        _ => false,
    }
}
