//! What there is to tell about a link, phase by phase. As JSON its schema is part of `docs/link.schema.json`.

use super::super::report::Floor;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the linker did, and why.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explanation {
    /// What was found in the component.
    pub read: Read,
    /// Who satisfies which imports.
    pub plan: Wiring,
    /// Modules of forwarders: what each slot stands for, or why they stayed.
    pub shims: Vec<Shim>,
    /// What the linker wrote itself.
    pub runtime: Runtime,
    /// What became of the parts.
    pub merge: Merge,
    /// Which engines take the result, and why no smaller ones.
    pub verify: Verify,
}

/// What was found in the component.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Read {
    /// Core modules of the component and of those within it.
    pub modules: u32,
    /// Components within the component, at any depth.
    pub components: u32,
    /// `canon lift`s.
    pub lifts: u32,
    /// Those with a post-return function.
    pub post_returns: u32,
    /// `canon lower`s.
    pub lowers: u32,
    /// Other canonical built-ins, such as `resource.drop`.
    pub builtins: u32,
    /// String encodings that canonical options name or imply, with the number of lifts and lowers; in this order.
    pub encodings: Vec<Encoding>,
    /// Core instances in instantiation order. Adapters that fuse functions of two component instances are among them, and
    /// last come the linker's own.
    pub instances: Vec<Instance>,
}

/// A string encoding of canonical options.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Encoding {
    /// `utf8`, `utf16`, `latin1+utf16`.
    pub name: &'static str,
    /// Lifts and lowers that use it.
    pub functions: u32,
}

/// A core instance.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Instance {
    /// Its place in instantiation order, from 0.
    pub index: u32,
    /// The module, in the order of the file; adapters come last.
    pub module: u32,
    /// What the component calls the module, or the module itself.
    pub name: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// The component instance that it belongs to; none for what is not the component's.
    pub component_instance: Option<u32>,
    /// Bytes of the module.
    pub size: usize,
    /// Functions that it defines.
    pub functions: usize,
    /// Functions of these that are in the output.
    pub kept: usize,
    /// Whether it has a start function.
    pub start: bool,
    /// Memories that it defines.
    pub memories: Vec<Memory>,
    /// Tables that it defines.
    pub tables: Vec<Table>,
    /// What became of it.
    pub fate: Fate,
}

/// Where a core instance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The component instantiates it.
    Component,
    /// It fuses functions that component instances lift and lower among themselves.
    Adapter,
    /// The linker wrote it.
    Linker,
}

/// What became of a core instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is part of the output.
    Merged,
    /// A shim: its forwarders were resolved to direct calls, and nothing is left.
    Resolved,
    /// It only filled tables that are gone, or holds nothing.
    Spent,
    /// Nothing reaches it.
    Dropped,
}

/// A memory.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Memory {
    /// Index in the instance's own index space.
    pub index: u32,
    /// Pages at the start.
    pub minimum: u64,
    /// Pages at most.
    pub maximum: Option<u64>,
    /// Whether something reaches it.
    pub kept: bool,
}

/// A table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Table {
    /// Index in the instance's own index space.
    pub index: u32,
    /// Slots at the start.
    pub minimum: u64,
    /// Slots at most.
    pub maximum: Option<u64>,
    /// Whether it is in the output.
    pub kept: bool,
}

/// Who satisfies which imports.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Wiring {
    /// Imports of core instances, bundled by who takes and who gives.
    pub edges: Vec<Edge>,
    /// Functions of the host that the component imports.
    pub imports: Vec<Import>,
    /// Functions and memories that the host may use.
    pub exports: Vec<Export>,
    /// Distinct functions by which the host allocates.
    pub reallocs: Vec<Realloc>,
}

/// Someone who provides something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "index")]
pub enum End {
    /// The host.
    Host,
    /// A core instance.
    Instance(u32),
    /// The linker.
    Linker,
}

/// Imports of one instance that come from one source.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Edge {
    /// The instance that imports.
    pub to: u32,
    /// Who provides, after shims are followed.
    pub from: End,
    /// The shim that the component took them through; it is resolved.
    pub through: Option<u32>,
    /// Functions.
    pub functions: u32,
    /// Functions among them that a guard checks first.
    pub guarded: u32,
    /// Globals.
    pub globals: u32,
    /// Memories.
    pub memories: u32,
    /// Tables.
    pub tables: u32,
    /// Exception tags.
    pub tags: u32,
}

/// A function that the host must provide.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Import {
    /// Import module.
    pub module: String,
    /// Field name.
    pub name: String,
    /// Whether something calls it; else the output does not import it.
    pub kept: bool,
    /// Instances that import it, directly or through a shim.
    pub importers: Vec<u32>,
    /// Realloc that the host allocates with, if it does; an index into `reallocs`. Several where it is lowered with several.
    pub reallocs: Vec<u32>,
}

/// Something that the host may use.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Export {
    /// Name in the output.
    pub name: String,
    /// Who provides it.
    pub from: End,
    /// What it is there, such as the name of a function.
    pub item: String,
}

/// A function by which the host allocates.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Realloc {
    /// Number in the names of wrappers.
    pub index: u32,
    /// Who provides it.
    pub from: End,
    /// Its name there.
    pub item: String,
    /// Whether it is selected while no import runs.
    pub default: bool,
    /// Imports that allocate with it.
    pub imports: u32,
}

/// A module that holds nothing but forwarders through a table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Shim {
    /// The instance.
    pub instance: u32,
    /// Why it stayed; none if it was resolved.
    pub kept: Option<String>,
    /// Its forwarders.
    pub slots: Vec<Slot>,
}

/// A forwarder.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Slot {
    /// The table slot that it calls.
    pub slot: u32,
    /// Its own name.
    pub name: String,
    /// Who provides what it stands for; none if that is not certain.
    pub from: Option<End>,
    /// What it stands for, such as the name of a function.
    pub item: Option<String>,
}

/// What the linker wrote itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Runtime {
    /// Functions.
    pub functions: Vec<Written>,
    /// Why an instance of the linker's own stands between the host and the others, if one does.
    pub boundary: Option<&'static str>,
    /// May-leave flags of component instances.
    pub flags: u32,
    /// Start functions that `_initialize` calls, by instance.
    pub starts: Vec<u32>,
    /// Segments that `_initialize` writes, since a start function ran before them.
    pub late_segments: Vec<LateSegment>,
}

/// A function that the linker wrote.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Written {
    /// Such as `wrapper`, `router`, `trap`, `may-leave`, `initialize`.
    pub kind: String,
    /// Its name in the output.
    pub name: String,
    /// Why it is there.
    pub why: String,
}

/// A segment that is written at its place in `_initialize`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LateSegment {
    /// `data` or `element`.
    pub kind: &'static str,
    /// The instance that has it.
    pub instance: u32,
    /// The instance whose memory or table it writes.
    pub into: u32,
    /// Bytes or elements.
    pub length: u32,
}

/// What became of the parts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Merge {
    /// Functions that the instances define, but for the linker's own.
    pub functions: usize,
    /// Forwarders among them that were resolved.
    pub forwarders: usize,
    /// Functions that the linker wrote.
    pub written: usize,
    /// Functions that were dropped, since nothing reaches them.
    pub dropped: usize,
    /// Functions that the output defines.
    pub output: usize,
    /// Memories that became one; 0 if none did.
    pub memories: u32,
    /// Constant expressions that were computed.
    pub folded: u32,
    /// Sections of all instances and of the output, in bytes.
    pub sections: Vec<Section>,
}

/// Bytes of a section.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Section {
    /// Such as `code`, `data`, `custom: name`.
    pub name: String,
    /// Bytes in the modules, once for each instance.
    pub input: u64,
    /// Bytes in the output.
    pub output: u64,
}

/// Which engines take the result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Verify {
    /// The smallest profile that the output validates under.
    pub floor: Floor,
    /// What the smaller profiles lack, each with the first place that needs it.
    pub needs: Vec<Need>,
    /// The profile that it was lowered to, if one was asked for.
    pub target: Option<String>,
    /// Features that the target lacks, and how often each was lowered.
    pub lowered: BTreeMap<&'static str, usize>,
    /// Whether it was wrapped into a component again and has the same world.
    pub rewrapped: bool,
}

/// A feature that the output needs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Need {
    /// The validator's name for it, such as `sign_extension`; none where it names none.
    pub feature: Option<String>,
    /// What the validator says without it.
    pub message: String,
    /// Byte of the output.
    pub offset: usize,
    /// The function that holds it, if one does.
    pub function: Option<String>,
}
