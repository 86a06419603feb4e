//! Where everything comes from: each index of each instance is traced to the one thing that it names.

use super::ir::{Component, Def, FlagId, HostId, InstanceId, Item, ModuleId, ReallocId, Space};
use super::module::{Module, space_of};
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{HashMap, HashSet};
use wasmparser::{ConstExpr, Operator, TypeRef};

/// A function, after imports are followed to their source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Func {
    /// Imported by the output; with a realloc if the host allocates for it.
    Host(HostId, Option<ReallocId>),
    /// Defined by an instance; the index counts that instance's imports too.
    Defined(InstanceId, u32),
    /// Traps; made by the linker.
    Trap(CoreSignature),
}

/// A global, after imports are followed to their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Global {
    /// Defined by an instance.
    Defined(InstanceId, u32),
    /// A component instance's flag; made by the linker.
    Flag(FlagId),
}

/// An instance with its index spaces filled in. Tables, memories and tags name the instance that defines them and the
/// index there.
#[derive(Debug, Default)]
pub(super) struct Instance {
    pub(super) funcs: Vec<Func>,
    pub(super) tables: Vec<(InstanceId, u32)>,
    pub(super) memories: Vec<(InstanceId, u32)>,
    pub(super) globals: Vec<Global>,
    pub(super) tags: Vec<(InstanceId, u32)>,
}

/// A planned link.
pub(super) struct Plan<'c, 'a> {
    pub(super) component: &'c Component<'a>,
    /// One parsed module per entry of `component.modules`.
    pub(super) modules: Vec<Module<'c>>,
    /// In instantiation order.
    pub(super) instances: Vec<Instance>,
    /// The realloc that the exports use, and that is selected while no import runs.
    pub(super) default_realloc: Option<ReallocId>,
    /// For each module, where in its import list the items of each index space are.
    positions: Vec<[Vec<u32>; SPACES]>,
    /// Values of immutable globals, as far as they are known.
    constants: HashMap<Global, Const>,
}

/// How many index spaces there are.
const SPACES: usize = 5;

/// What an item is, after imports are followed.
enum Source<'c> {
    /// Defined by an instance; the index counts that instance's imports too.
    Instance(InstanceId, u32),
    /// Given by something that is no instance to an import of this module and type.
    Given(&'c Def, ModuleId, TypeRef),
}

/// A constant that is known at link time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Const {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
}

/// Engines commonly allow a million functions; a component that asks for more instances than this is hostile.
pub(super) const MAX_INSTANCES: usize = 10_000;
/// A module that is instantiated often is there often.
const MAX_OUTPUT: usize = 256 << 20;

impl<'c, 'a> Plan<'c, 'a> {
    /// Traces all imports. Refuses what one core module with one memory cannot hold.
    pub(super) fn new(component: &'c Component<'a>) -> Result<Plan<'c, 'a>> {
        if component.instances.len() > MAX_INSTANCES {
            return Err(Diagnostic::new(
                Code::TooLarge,
                format!("{} core instances; at most {MAX_INSTANCES} are linked", component.instances.len()),
            ));
        }
        let used: HashSet<usize> = component.instances.iter().map(|i| i.module.index()).collect();
        let modules = component
            .modules
            .iter()
            .enumerate()
            .map(|(i, bytes)| if used.contains(&i) { Module::parse(bytes) } else { Ok(Module::default()) })
            .collect::<Result<Vec<_>>>()?;
        let bytes: usize = component.instances.iter().map(|i| component.modules[i.module.index()].len()).sum();
        if bytes > MAX_OUTPUT {
            return Err(Diagnostic::new(
                Code::TooLarge,
                format!("the instances hold {bytes} bytes of modules; at most {MAX_OUTPUT} are linked"),
            ));
        }
        let positions = modules.iter().map(positions).collect::<Result<_>>()?;
        let mut plan = Plan {
            component,
            modules,
            instances: Vec::new(),
            default_realloc: None,
            positions,
            constants: HashMap::new(),
        };
        for index in 0..component.instances.len() {
            plan.place(index)?;
        }
        plan.memories_fit()?;
        plan.default_realloc = plan.choose_realloc()?;
        Ok(plan)
    }

    pub(super) fn module(&self, instance: InstanceId) -> &Module<'c> {
        &self.modules[self.component.instances[instance.index()].module.index()]
    }

    pub(super) fn instance_ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..u32::try_from(self.instances.len()).unwrap_or(u32::MAX)).map(InstanceId)
    }

    fn place(&mut self, index: usize) -> Result<()> {
        let id = InstanceId(u32::try_from(index).map_err(|_| too_many())?);
        let module = self.module(id);
        let component = self.component;
        let args = &component.instances[index].args;
        if args.len() != module.imports.len() {
            return Err(Diagnostic::new(Code::Internal, "arguments and imports differ in number"));
        }
        let mut placed = Instance::default();
        for (arg, (_, _, ty)) in args.iter().zip(&module.imports) {
            let space = space_of(ty);
            let source = match arg {
                Def::Item(item) if item.space == space => self.source(*item)?,
                Def::Item(_) => return Err(mismatch()),
                other => Source::Given(other, component.instances[index].module, *ty),
            };
            match (space, source) {
                (Space::Func, source) => placed.funcs.push(self.func_of(source)?),
                (Space::Global, Source::Given(Def::Flag(flag), ..)) => placed.globals.push(Global::Flag(*flag)),
                (Space::Global, Source::Instance(id, index)) => placed.globals.push(Global::Defined(id, index)),
                (Space::Table, Source::Instance(id, index)) => placed.tables.push((id, index)),
                (Space::Memory, Source::Instance(id, index)) => placed.memories.push((id, index)),
                (Space::Tag, Source::Instance(id, index)) => placed.tags.push((id, index)),
                _ => return Err(mismatch()),
            }
        }
        let module = self.module(id);
        extend(&mut placed.funcs, module.bodies.len(), |i| Func::Defined(id, i));
        extend(&mut placed.tables, module.tables.len(), |i| (id, i));
        extend(&mut placed.memories, module.memories.len(), |i| (id, i));
        extend(&mut placed.globals, module.globals.len(), |i| Global::Defined(id, i));
        extend(&mut placed.tags, module.tags.len(), |i| (id, i));
        self.fold_globals(id, &placed.globals);
        self.instances.push(placed);
        Ok(())
    }

    /// Follows an item to the instance that defines it, or to what its import is given.
    fn source(&self, mut item: Item) -> Result<Source<'c>> {
        // A chain of imports visits each instance at most once.
        for _ in 0..=self.component.instances.len() {
            let instance = self.component.instances.get(item.instance.index()).ok_or_else(mismatch)?;
            let positions = &self.positions[instance.module.index()][item.space as usize];
            let Some(&position) = positions.get(item.index as usize) else {
                return Ok(Source::Instance(item.instance, item.index));
            };
            match instance.args.get(position as usize).ok_or_else(mismatch)? {
                Def::Item(next) if next.space == item.space => item = *next,
                Def::Item(_) => return Err(mismatch()),
                given => {
                    let module = &self.modules[instance.module.index()];
                    return Ok(Source::Given(given, instance.module, module.imports[position as usize].2));
                }
            }
        }
        Err(Diagnostic::new(Code::Internal, "imports that go round in a circle"))
    }

    fn func_of(&self, source: Source<'c>) -> Result<Func> {
        match source {
            Source::Instance(instance, index) => Ok(Func::Defined(instance, index)),
            Source::Given(Def::Trap, module, TypeRef::Func(ty)) => {
                let ty = self.modules[module.index()].types.get(ty as usize);
                Ok(Func::Trap(ty.and_then(CoreSignature::of).ok_or_else(mismatch)?))
            }
            Source::Given(def, ..) => self.func(def),
        }
    }

    /// The function behind a definition.
    pub(super) fn func(&self, def: &Def) -> Result<Func> {
        match def {
            Def::Host(id, realloc) => Ok(Func::Host(*id, realloc.map(|r| self.canonical(r)))),
            Def::Written(instance, nth) => {
                let module = self.component.instances.get(instance.index()).ok_or_else(mismatch)?.module;
                let imported = self.positions[module.index()][Space::Func as usize].len();
                let imported = u32::try_from(imported).map_err(|_| too_many())?;
                Ok(Func::Defined(*instance, imported.checked_add(*nth).ok_or_else(too_many)?))
            }
            Def::Item(item) if item.space == Space::Func => self.func_of(self.source(*item)?),
            Def::Item(_) | Def::Trap | Def::Flag(_) => Err(mismatch()),
        }
    }

    /// The core signature of a function.
    pub(super) fn signature(&self, func: &Func) -> Result<Option<CoreSignature>> {
        match func {
            Func::Host(id, _) => Ok(Some(self.component.hosts[id.index()].core.clone())),
            Func::Defined(instance, index) => Ok(CoreSignature::of(self.module(*instance).func_type(*index)?)),
            Func::Trap(core) => Ok(Some(core.clone())),
        }
    }

    fn memories_fit(&self) -> Result<()> {
        match self.instance_ids().flat_map(|i| &self.module(i).memories).find(|m| m.memory64 || m.shared) {
            Some(_) => Err(Diagnostic::new(Code::UnsupportedType, "a shared or 64-bit memory")),
            None => Ok(()),
        }
    }

    /// The front end sees to it that exports have one realloc.
    fn choose_realloc(&self) -> Result<Option<ReallocId>> {
        let mut of_exports = self.component.exports.iter().filter_map(|e| e.realloc.map(|r| self.canonical(r)));
        let Some(first) = of_exports.next() else {
            return Ok((!self.component.reallocs.is_empty()).then_some(ReallocId(0)));
        };
        match of_exports.any(|other| other != first) {
            true => Err(Diagnostic::new(Code::Internal, "exports that allocate with several functions")),
            false => Ok(Some(first)),
        }
    }

    /// Evaluates a constant expression as far as it is arithmetic on constants and immutable globals, so that the
    /// output needs neither extended constants nor reads of globals that it defines itself.
    pub(super) fn fold(&self, instance: InstanceId, expr: &ConstExpr<'_>) -> Option<Const> {
        self.evaluate(&self.instances.get(instance.index())?.globals, expr)
    }

    /// The same, where `globals` is the index space of the instance.
    fn evaluate(&self, globals: &[Global], expr: &ConstExpr<'_>) -> Option<Const> {
        let mut stack: Vec<Const> = Vec::new();
        for op in expr.get_operators_reader() {
            match op.ok()? {
                Operator::I32Const { value } => stack.push(Const::I32(value)),
                Operator::I64Const { value } => stack.push(Const::I64(value)),
                Operator::F32Const { value } => stack.push(Const::F32(value.bits())),
                Operator::F64Const { value } => stack.push(Const::F64(value.bits())),
                Operator::GlobalGet { global_index } => {
                    stack.push(*self.constants.get(globals.get(global_index as usize)?)?);
                }
                op @ (Operator::I32Add | Operator::I32Sub | Operator::I32Mul) => {
                    let (Const::I32(b), Const::I32(a)) = (stack.pop()?, stack.pop()?) else { return None };
                    stack.push(Const::I32(match op {
                        Operator::I32Add => a.wrapping_add(b),
                        Operator::I32Sub => a.wrapping_sub(b),
                        _ => a.wrapping_mul(b),
                    }));
                }
                op @ (Operator::I64Add | Operator::I64Sub | Operator::I64Mul) => {
                    let (Const::I64(b), Const::I64(a)) = (stack.pop()?, stack.pop()?) else { return None };
                    stack.push(Const::I64(match op {
                        Operator::I64Add => a.wrapping_add(b),
                        Operator::I64Sub => a.wrapping_sub(b),
                        _ => a.wrapping_mul(b),
                    }));
                }
                Operator::End => {}
                _ => return None,
            }
        }
        stack.pop()
    }

    /// Evaluates the immutable globals that an instance defines. An initialiser reads only globals before it, so one
    /// pass in order knows them all.
    fn fold_globals(&mut self, id: InstanceId, globals: &[Global]) {
        let module = self.module(id);
        let first = module.imported(Space::Global);
        for index in 0..module.globals.len() {
            let (ty, init) = &self.module(id).globals[index];
            if ty.mutable {
                continue;
            }
            if let Some(value) = self.evaluate(&globals[..first + index], &init.clone()) {
                self.constants.insert(globals[first + index], value);
            }
        }
    }

    /// Two names for one realloc are one.
    fn canonical(&self, id: ReallocId) -> ReallocId {
        let func = |i: u32| self.component.reallocs.get(i as usize).and_then(|def| self.func_of_item(def));
        let wanted = func(id.0);
        (0..id.0).find(|&i| wanted.is_some() && func(i) == wanted).map_or(id, ReallocId)
    }

    fn func_of_item(&self, def: &Def) -> Option<Func> {
        match def {
            Def::Host(..) => None,
            def => self.func(def).ok(),
        }
    }
}

fn positions(module: &Module<'_>) -> Result<[Vec<u32>; SPACES]> {
    let mut positions = <[Vec<u32>; SPACES]>::default();
    for (position, (_, _, ty)) in module.imports.iter().enumerate() {
        positions[space_of(ty) as usize].push(u32::try_from(position).map_err(|_| too_many())?);
    }
    Ok(positions)
}

fn extend<T>(space: &mut Vec<T>, defined: usize, item: impl Fn(u32) -> T) {
    let imported = space.len();
    // A validated module's index spaces fit in u32.
    space.extend((imported..imported + defined).map(|i| item(u32::try_from(i).unwrap_or(u32::MAX))));
}

fn mismatch() -> Box<Diagnostic> {
    Diagnostic::new(Code::Internal, "an argument does not fit the import that it is given for")
}

pub(super) fn too_many() -> Box<Diagnostic> {
    Diagnostic::new(Code::TooLarge, "more than 2^32 items in one index space")
}

/// The encoder's type for a canonical one.
pub(super) fn val_type(core: Core) -> wasm_encoder::ValType {
    match core {
        Core::I32 => wasm_encoder::ValType::I32,
        Core::I64 => wasm_encoder::ValType::I64,
        Core::F32 => wasm_encoder::ValType::F32,
        Core::F64 => wasm_encoder::ValType::F64,
    }
}
