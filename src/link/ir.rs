//! What the linker works on: a component flattened to an ordered list of core instances.
//!
//! [`super::read`] makes it from a component; nothing after that knows the front end.

use super::merge::Scans;
use crate::abi::{CoreSignature, ImportName};
use std::borrow::Cow;

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) struct $name(pub(super) u32);

        impl $name {
            #[allow(dead_code, reason = "not every space is indexed by position")]
            pub(super) fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

index! {
    /// A core module of the component, or one that the front end generated.
    ModuleId;
    /// A core instance, in instantiation order.
    InstanceId;
    /// A core function that the host provides.
    HostId;
    /// A distinct `realloc` among those that the component names.
    ReallocId;
    /// A component instance, for its may-leave flag.
    FlagId;
}

/// The index spaces of a core module that instances share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Space {
    Func,
    Table,
    Memory,
    Global,
    Tag,
}

/// An item of an instance, by its index in the instance's own index space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) instance: InstanceId,
    pub(super) space: Space,
    pub(super) index: u32,
}

/// What satisfies an import of a core module, or is named by a canonical option.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Def {
    /// An item of an earlier instance.
    Item(Item),
    /// A host function, called with this realloc if it allocates.
    Host(HostId, Option<ReallocId>),
    /// The nth function that an instance of the linker's own defines. Such instances come last, so this may look ahead.
    Written(InstanceId, u32),
    /// A function that traps.
    Trap,
    /// The mutable flag of a component instance.
    Flag(FlagId),
}

/// A function that the output imports.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) name: ImportName,
    pub(super) core: CoreSignature,
}

/// A core module is instantiated; the arguments are in the order of its imports.
#[derive(Debug, Clone)]
pub(super) struct Instantiate {
    pub(super) module: ModuleId,
    pub(super) args: Vec<Def>,
    /// The component instance that it belongs to; none for modules that the front end generated.
    pub(super) owner: Option<FlagId>,
}

/// A function of the output.
#[derive(Debug, Clone)]
pub(super) struct Export {
    pub(super) name: String,
    pub(super) func: Def,
    pub(super) realloc: Option<ReallocId>,
    pub(super) post_return: Option<Def>,
}

/// A flattened component.
#[derive(Debug)]
pub(super) struct Component<'a> {
    pub(super) modules: Vec<Cow<'a, [u8]>>,
    /// What was found in the bodies of these while they were validated.
    pub(super) scans: Scans,
    pub(super) instances: Vec<Instantiate>,
    /// The first instance that is the linker's own.
    pub(super) own: InstanceId,
    pub(super) hosts: Vec<Host>,
    pub(super) reallocs: Vec<Def>,
    pub(super) exports: Vec<Export>,
    /// The memory that the host reads and writes, if it does.
    pub(super) memory: Option<Item>,
    pub(super) encoding: wit_component::StringEncoding,
    /// Why the linker put an instance of its own between the host and the others, if it did.
    pub(super) boundary: Option<&'static str>,
    pub(super) resolve: wit_parser::Resolve,
    pub(super) world: wit_parser::WorldId,
}

impl Component<'_> {
    /// Every definition that something is given or named by.
    pub(super) fn defs_mut(&mut self) -> impl Iterator<Item = &mut Def> {
        let args = self.instances.iter_mut().flat_map(|i| &mut i.args);
        let exports = self.exports.iter_mut().flat_map(|e| std::iter::once(&mut e.func).chain(&mut e.post_return));
        args.chain(&mut self.reallocs).chain(exports)
    }
}
