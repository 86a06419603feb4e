//! What the linker writes itself, beside what it merges: transcoders, handle tables, the boundary, guards.
//!
//! All of it is core modules like those of the component, so that planning and merging need to know nothing of it. The
//! front end asks for functions as it meets them ([`Written::function`]), and gets definitions that may look ahead.

mod boundary;
mod guards;
mod handles;
#[cfg(test)]
mod testing;
mod text;
mod transcode;
mod words;

pub(super) use boundary::Area;
pub(super) use handles::View;
pub(super) use transcode::Transcode;

use super::ir::{Def, InstanceId, Item, Space};
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::Result;
use std::collections::BTreeMap;
use text::{Interned, Text, assemble};

/// A function that the linker writes. Of the signatures that are given, an area is no part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Function {
    /// Moves a string from one memory to another.
    Transcode { op: Transcode, from: Item, to: Item },
    /// `canon resource.new` for a table and resource type, if the flag allows.
    ResourceNew { table: u32, resource: u32, flag: Def },
    /// `canon resource.rep`
    ResourceRep { table: u32, resource: u32 },
    /// `canon resource.drop`; without a flag it is the host that calls.
    ResourceDrop { table: u32, resource: u32, flag: Option<Def> },
    /// Moves an owned handle between views.
    TransferOwn,
    /// Lends a handle from one view to another.
    TransferBorrow,
    /// Begins a call that may lend.
    Enter,
    /// Ends it.
    Exit,
    /// An import, if the flag allows.
    GuardedImport { host: Def, core: CoreSignature, flag: Def },
    /// An export, if nothing runs.
    GuardedExport { func: Def, core: CoreSignature },
    /// A realloc or post-return, while the flag forbids imports.
    Confined { func: Def, core: CoreSignature, flag: Def },
    /// An import as the boundary lifts it.
    BoundaryImport { host: Def, lowered: CoreSignature, core: CoreSignature, area: Option<Area> },
    /// Its post-return.
    AfterImport { core: CoreSignature },
    /// An export as the boundary gives it to the host.
    BoundaryExport { adapter: Def, lowered: CoreSignature, core: CoreSignature, area: Option<Area> },
    /// Its post-return.
    AfterExport,
    /// The boundary's realloc.
    BoundaryRealloc,
}

/// What the host does for a resource type.
#[derive(Debug, Clone, Default)]
pub(super) struct HostResource {
    /// `[resource-new]`, for types that the component defines.
    pub(super) new: Option<Def>,
    /// `[resource-rep]`, for types that the component defines.
    pub(super) rep: Option<Def>,
    /// `[resource-drop]`
    pub(super) drop: Option<Def>,
}

/// What is known of resource types when everything has been read.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// How many tables there are.
    pub(super) tables: u32,
    /// How each numbered view sees its type; adapters name views by number.
    pub(super) views: Vec<View>,
    /// Types that the host keeps or may be given.
    pub(super) hosts: BTreeMap<u32, HostResource>,
    /// Destructors of types that the component defines.
    pub(super) destructors: BTreeMap<u32, Def>,
}

/// The linker's own instances, in this order after those of the component.
const BOUNDARY: u32 = 0;
const HANDLES: u32 = 1;
const FUNCTIONS: u32 = 2;
/// How many there are.
const COUNT: u32 = 3;

/// Functions that were asked for.
#[derive(Debug)]
pub(super) struct Written {
    first: u32,
    functions: Interned<Function>,
}

impl Written {
    /// `first` is the number of the first instance that is not the component's.
    pub(super) fn new(first: u32) -> Written {
        Written { first, functions: Interned::default() }
    }

    fn instance(&self, which: u32) -> InstanceId {
        InstanceId(self.first.saturating_add(which))
    }

    /// The first instance after the linker's own.
    pub(super) fn next(&self) -> InstanceId {
        self.instance(COUNT)
    }

    /// A function; the same one for the same request.
    pub(super) fn function(&mut self, function: Function) -> Result<Def> {
        Ok(Def::Written(self.instance(FUNCTIONS), self.functions.number(function)?))
    }

    /// The memory of the boundary.
    pub(super) fn boundary_memory(&self) -> Item {
        Item { instance: self.instance(BOUNDARY), space: Space::Memory, index: 0 }
    }

    fn handles_memory(&self) -> Item {
        Item { instance: self.instance(HANDLES), space: Space::Memory, index: 0 }
    }

    /// The modules of the linker's own, with what their imports are given; none if nothing was asked for.
    pub(super) fn finish(&self, resources: &Resources) -> Result<Vec<(Vec<u8>, Vec<Def>)>> {
        if self.functions.is_empty() {
            return Ok(Vec::new());
        }
        let mut writer = Writer { text: Text::default(), written: self, resources, faces_host: false, handles: false };
        for (number, function) in self.functions.iter().enumerate() {
            writer.function(&format!("${}.{number}", function.name()), function);
        }
        let Writer { text, faces_host, handles, .. } = writer;
        let boundary = assemble(if faces_host { boundary::memory() } else { "(module)" })?;
        let tables = match handles {
            true => assemble(&handles::memory(resources.tables, &resources.views))?,
            false => assemble("(module)")?,
        };
        Ok(vec![(boundary, Vec::new()), (tables, Vec::new()), text.finish()?])
    }
}

struct Writer<'w> {
    text: Text,
    written: &'w Written,
    resources: &'w Resources,
    faces_host: bool,
    handles: bool,
}

impl Writer<'_> {
    fn function(&mut self, name: &str, function: &Function) {
        match function {
            Function::Transcode { op, from, to } => {
                let (from, to) = (self.text.memory(&Def::Item(*from)), self.text.memory(&Def::Item(*to)));
                transcode::write(*op, name, &from, &to, &mut self.text);
            }
            Function::GuardedImport { host, core, flag } => {
                let (host, flag) = (self.text.import(host, core), self.text.global(flag));
                guards::import(&mut self.text, name, core, &host, &flag);
            }
            Function::GuardedExport { func, core } => {
                let func = self.text.import(func, core);
                guards::export(&mut self.text, name, core, &func);
            }
            Function::Confined { func, core, flag } => {
                let (func, flag) = (self.text.import(func, core), self.text.global(flag));
                guards::confined(&mut self.text, name, core, &func, &flag);
            }
            Function::BoundaryImport { .. }
            | Function::AfterImport { .. }
            | Function::BoundaryExport { .. }
            | Function::AfterExport
            | Function::BoundaryRealloc => self.boundary(name, function),
            _ => self.handles(name, function),
        }
    }

    fn boundary(&mut self, name: &str, function: &Function) {
        self.faces_host = true;
        let memory = self.text.memory(&Def::Item(self.written.boundary_memory()));
        let text = &mut self.text;
        match function {
            Function::BoundaryImport { host, lowered, core, area } => {
                let host = text.import(host, lowered);
                boundary::import(text, name, core, *area, &host, &memory);
            }
            Function::AfterImport { core } => boundary::after_import(text, name, core, &memory),
            Function::BoundaryExport { adapter, lowered, core, area } => {
                let adapter = text.import(adapter, lowered);
                boundary::export(text, name, core, *area, &adapter, &memory);
            }
            Function::AfterExport => boundary::after_export(text, name, &memory),
            _ => boundary::realloc(text, name, &memory),
        }
    }

    fn handles(&mut self, name: &str, function: &Function) {
        self.handles = true;
        let context = handles::Context {
            memory: self.text.memory(&Def::Item(self.written.handles_memory())),
            tables: self.resources.tables,
            views: self.resources.views.len(),
            resources: self.resources,
        };
        let text = &mut self.text;
        match function {
            Function::ResourceNew { table, resource, flag } => {
                let flag = text.global(flag);
                context.resource_new(text, name, *table, *resource, &flag);
            }
            Function::ResourceRep { table, resource } => context.resource_rep(text, name, *table, *resource),
            Function::ResourceDrop { table, resource, flag } => {
                let flag = flag.as_ref().map(|flag| text.global(flag));
                context.resource_drop(text, name, *table, *resource, flag.as_deref());
            }
            Function::TransferOwn => context.transfer_own(text, name),
            Function::TransferBorrow => context.transfer_borrow(text, name),
            Function::Enter => context.enter(text, name),
            _ => context.exit(text, name),
        }
    }
}

impl Function {
    /// For the name of the function in the output.
    fn name(&self) -> &'static str {
        match self {
            Function::Transcode { op, .. } => op.name(),
            Function::ResourceNew { .. } => "resource-new",
            Function::ResourceRep { .. } => "resource-rep",
            Function::ResourceDrop { .. } => "resource-drop",
            Function::TransferOwn => "transfer-own",
            Function::TransferBorrow => "transfer-borrow",
            Function::Enter => "enter-call",
            Function::Exit => "exit-call",
            Function::GuardedImport { .. } => "may-leave",
            Function::GuardedExport { .. } => "may-enter",
            Function::Confined { .. } => "may-not-leave",
            Function::BoundaryImport { .. } => "boundary-import",
            Function::AfterImport { .. } => "after-import",
            Function::BoundaryExport { .. } => "boundary-export",
            Function::AfterExport => "after-export",
            Function::BoundaryRealloc => "boundary-realloc",
        }
    }
}

/// Functions that do what another does, but for a check; their only call is of that one.
pub(super) const GUARDS: [&str; 3] = ["may-leave", "may-enter", "may-not-leave"];

/// Why a function is there, by the name of its kind.
pub(super) fn why(kind: &str) -> &'static str {
    match kind {
        "may-leave" => "an import; it traps while its instance may not leave",
        "may-enter" => "an export; it traps while another runs, and after a trap",
        "may-not-leave" => "a realloc or post-return, during which imports trap",
        "resource-new" | "resource-rep" | "resource-drop" => "handles that the module keeps",
        "transfer-own" | "transfer-borrow" => "handles that pass between component instances",
        "enter-call" | "exit-call" => "a call that may lend handles",
        "boundary-import" | "after-import" => "an import, between the host and the component's memories",
        "boundary-export" | "after-export" => "an export, between the host and the component's memories",
        "boundary-realloc" => "the host allocates in the boundary's memory",
        transcoder if transcoder.contains("-to-") => "strings that pass from one memory to another",
        "adapter" => "lifts and lowers what passes the boundary",
        _ => "others that the linker wrote call it",
    }
}

/// `cabi_realloc`
pub(super) fn realloc_signature() -> CoreSignature {
    CoreSignature::new([Core::I32; 4], [Core::I32])
}
