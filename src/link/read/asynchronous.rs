//! Asynchronous components of one instance: their built-ins pass through, under the names that toolchains give them.
//!
//! A core name of an operation on a stream or future says the type by its place in the signature of some function, and
//! that of a `task.return` says the function. The front end knows only types; any function with the same type will do.

use super::super::ir;
use super::Input;
use super::flatten::{Flattener, asynchronous};
use crate::abi::ImportName;
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::HashMap;
use wasmtime_environ::component::{
    Export, InterfaceType, Trampoline, TypeDef, TypeFuncIndex, TypeFutureTableIndex, TypeStreamTableIndex,
    TypeTupleIndex, UnsafeIntrinsic,
};

/// A stream or future type, as the component's one instance sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Channel {
    Stream(TypeStreamTableIndex),
    Future(TypeFutureTableIndex),
}

/// Names for what belongs to types.
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Import module, place in the signature, and function.
    channels: HashMap<Channel, (String, usize, String)>,
    /// Results of asynchronous exports: the import module and the function.
    results: HashMap<TypeTupleIndex, (String, String)>,
}

/// A signature that mentions more types than this is not read to its end.
const MAX_STEPS: usize = 1 << 18;

impl Channels {
    /// Reads the signatures of all root functions.
    pub(super) fn new(input: &Input<'_, '_>) -> Result<Channels> {
        let mut channels = Channels::default();
        let component = input.component;
        for (name, item) in component.import_types.values() {
            match item.ty {
                TypeDef::ComponentFunc(ty) => channels.function(input, "$root", name, ty)?,
                TypeDef::ComponentInstance(instance) => {
                    for (field, item) in &input.types[instance].exports {
                        if let TypeDef::ComponentFunc(ty) = item.ty {
                            channels.function(input, name, field, ty)?;
                        }
                    }
                }
                _ => {}
            }
        }
        for (name, (index, _)) in component.exports.raw_iter() {
            match &component.export_items[*index] {
                Export::LiftedFunction { ty, .. } => channels.export(input, "$root", name.as_str(), *ty)?,
                Export::Instance { exports, .. } => {
                    for (field, (index, _)) in exports.raw_iter() {
                        if let Export::LiftedFunction { ty, .. } = &component.export_items[*index] {
                            channels.export(input, name.as_str(), field.as_str(), *ty)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(channels)
    }

    fn export(&mut self, input: &Input<'_, '_>, interface: &str, name: &str, ty: TypeFuncIndex) -> Result<()> {
        let module = format!("[export]{interface}");
        self.function(input, &module, name, ty)?;
        self.results.entry(input.types[ty].results).or_insert_with(|| (module, name.to_owned()));
        Ok(())
    }

    /// Numbers streams and futures as `wit-parser`'s `find_futures_and_streams` does: payloads before what they are in.
    fn function(&mut self, input: &Input<'_, '_>, module: &str, name: &str, ty: TypeFuncIndex) -> Result<()> {
        let types = input.types;
        let function = &types[ty];
        let mut found = Vec::new();
        let mut steps = 0;
        for ty in types[function.params].types.iter().chain(types[function.results].types.iter()) {
            walk(input, *ty, &mut found, &mut steps)?;
        }
        for (place, channel) in found.into_iter().enumerate() {
            self.channels.entry(channel).or_insert_with(|| (module.to_owned(), place, name.to_owned()));
        }
        Ok(())
    }

    fn channel(&self, channel: Channel, op: &str, lowered: bool) -> Result<ImportName> {
        let Some((module, place, function)) = self.channels.get(&channel) else {
            return Err(asynchronous("a stream or future that no function of its root mentions"));
        };
        let kind = match channel {
            Channel::Stream(_) => "stream",
            Channel::Future(_) => "future",
        };
        let lower = if lowered { "[async-lower]" } else { "" };
        Ok(ImportName { module: module.clone(), name: format!("{lower}[{kind}-{op}-{place}]{function}") })
    }
}

fn walk(input: &Input<'_, '_>, ty: InterfaceType, found: &mut Vec<Channel>, steps: &mut usize) -> Result<()> {
    *steps += 1;
    if *steps > MAX_STEPS {
        return Err(Diagnostic::new(Code::TooLarge, "a signature that mentions more than 262,144 types"));
    }
    let types = input.types;
    let mut each = |parts: &mut dyn Iterator<Item = InterfaceType>| -> Result<()> {
        for part in parts {
            walk(input, part, found, steps)?;
        }
        Ok(())
    };
    match ty {
        InterfaceType::Record(i) => each(&mut types[i].fields.iter().map(|f| f.ty)),
        InterfaceType::Tuple(i) => each(&mut types[i].types.iter().copied()),
        InterfaceType::Variant(i) => each(&mut types[i].cases.values().flatten().copied()),
        InterfaceType::Option(i) => each(&mut [types[i].ty].into_iter()),
        InterfaceType::List(i) => each(&mut [types[i].element].into_iter()),
        InterfaceType::FixedLengthList(i) => each(&mut [types[i].element].into_iter()),
        InterfaceType::Map(i) => each(&mut [types[i].key, types[i].value].into_iter()),
        InterfaceType::Result(i) => each(&mut [types[i].ok, types[i].err].into_iter().flatten()),
        InterfaceType::Future(i) => {
            each(&mut types[types[i].ty].payload.into_iter())?;
            found.push(Channel::Future(i));
            Ok(())
        }
        InterfaceType::Stream(i) => {
            each(&mut types[types[i].ty].payload.into_iter())?;
            found.push(Channel::Stream(i));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a component uses anything asynchronous.
pub(super) fn is_used(input: &Input<'_, '_>) -> bool {
    let synchronous = |trampoline: &Trampoline| match trampoline {
        Trampoline::LowerImport { options, .. } => !input.component.options[*options].async_,
        Trampoline::Transcoder { .. }
        | Trampoline::ResourceNew { .. }
        | Trampoline::ResourceRep { .. }
        | Trampoline::ResourceDrop { .. }
        | Trampoline::ResourceTransferOwn
        | Trampoline::ResourceTransferBorrow
        | Trampoline::EnterSyncCall
        | Trampoline::ExitSyncCall
        | Trampoline::Trap => true,
        _ => false,
    };
    !input.trampolines.values().all(synchronous) || input.component.options.values().any(|o| o.async_)
}

impl Flattener<'_, '_, '_> {
    /// The name of a built-in that passes through.
    pub(super) fn built_in(&self, trampoline: &Trampoline) -> Result<ImportName> {
        let is_async = |options| self.input.component.options[options].async_;
        let root = |name: &str| Ok(ImportName { module: "$root".to_owned(), name: name.to_owned() });
        let lowered =
            |lowered: bool, name: &str| root(&format!("{}{name}", if lowered { "[async-lower]" } else { "" }));
        let stream = |ty, op, lowered| self.channels.channel(Channel::Stream(ty), op, lowered);
        let future = |ty, op, lowered| self.channels.channel(Channel::Future(ty), op, lowered);
        match *trampoline {
            Trampoline::BackpressureInc { .. } => root("[backpressure-inc]"),
            Trampoline::BackpressureDec { .. } => root("[backpressure-dec]"),
            Trampoline::TaskCancel { .. } => {
                Ok(ImportName { module: "[export]$root".to_owned(), name: "[task-cancel]".to_owned() })
            }
            Trampoline::TaskReturn { results, .. } => match self.channels.results.get(&results) {
                Some((module, name)) => Ok(ImportName { module: module.clone(), name: format!("[task-return]{name}") }),
                None => Err(asynchronous("a `task.return` that fits no export")),
            },
            Trampoline::WaitableSetNew { .. } => root("[waitable-set-new]"),
            Trampoline::WaitableSetWait { options, .. } => self.cancellable(options, "[waitable-set-wait]"),
            Trampoline::WaitableSetPoll { options, .. } => self.cancellable(options, "[waitable-set-poll]"),
            Trampoline::WaitableSetDrop { .. } => root("[waitable-set-drop]"),
            Trampoline::WaitableJoin { .. } => root("[waitable-join]"),
            Trampoline::SubtaskDrop { .. } => root("[subtask-drop]"),
            Trampoline::SubtaskCancel { async_, .. } => lowered(async_, "[subtask-cancel]"),
            Trampoline::ThreadYield { cancellable: false, .. } => root("[thread-yield]"),
            Trampoline::ThreadYield { cancellable: true, .. } => root("[cancellable][thread-yield]"),
            Trampoline::StreamNew { ty, .. } => stream(ty, "new", false),
            Trampoline::StreamRead { ty, options, .. } => stream(ty, "read", is_async(options)),
            Trampoline::StreamWrite { ty, options, .. } => stream(ty, "write", is_async(options)),
            Trampoline::StreamCancelRead { ty, async_, .. } => stream(ty, "cancel-read", async_),
            Trampoline::StreamCancelWrite { ty, async_, .. } => stream(ty, "cancel-write", async_),
            Trampoline::StreamDropReadable { ty, .. } => stream(ty, "drop-readable", false),
            Trampoline::StreamDropWritable { ty, .. } => stream(ty, "drop-writable", false),
            Trampoline::FutureNew { ty, .. } => future(ty, "new", false),
            Trampoline::FutureRead { ty, options, .. } => future(ty, "read", is_async(options)),
            Trampoline::FutureWrite { ty, options, .. } => future(ty, "write", is_async(options)),
            Trampoline::FutureCancelRead { ty, async_, .. } => future(ty, "cancel-read", async_),
            Trampoline::FutureCancelWrite { ty, async_, .. } => future(ty, "cancel-write", async_),
            Trampoline::FutureDropReadable { ty, .. } => future(ty, "drop-readable", false),
            Trampoline::FutureDropWritable { ty, .. } => future(ty, "drop-writable", false),
            ref other => Err(asynchronous(&format!("the built-in `{}`", other.symbol_name()))),
        }
    }

    /// What is asynchronous is lowered where nothing passes between component instances.
    pub(super) fn one_instance_if_concurrent(&self) -> Result<()> {
        let fused = |m: &wasmtime_environ::ModuleTranslation<'_>| !self.bytes.as_ptr_range().contains(&m.wasm.as_ptr());
        if self.concurrent && (self.boundary.is_some() || self.input.modules.values().any(fused)) {
            return Err(asynchronous("asynchronous functions and calls between its instances"));
        }
        Ok(())
    }

    /// While an import runs, its realloc is selected; what allocates at other times must use that of the exports.
    pub(super) fn one_late_realloc(&self, exports: &[ir::Export]) -> Result<()> {
        let default = exports.iter().find_map(|e| e.realloc).unwrap_or(ir::ReallocId(0));
        match self.late_reallocs.iter().find(|realloc| **realloc != default) {
            Some(_) => Err(asynchronous("asynchronous functions with several reallocs")),
            None => Ok(()),
        }
    }

    fn cancellable(&self, options: wasmtime_environ::component::OptionsIndex, name: &str) -> Result<ImportName> {
        let prefix = if self.input.component.options[options].cancellable { "[cancellable]" } else { "" };
        Ok(ImportName { module: "$root".to_owned(), name: format!("{prefix}{name}") })
    }
}

/// The name and core signature of a context slot's accessor.
pub(super) fn context(intrinsic: UnsafeIntrinsic) -> Option<(&'static str, bool)> {
    match intrinsic {
        UnsafeIntrinsic::ContextGetI32_0 => Some(("[context-get-0]", true)),
        UnsafeIntrinsic::ContextSetI32_0 => Some(("[context-set-0]", false)),
        UnsafeIntrinsic::ContextGetI32_1 => Some(("[context-get-1]", true)),
        UnsafeIntrinsic::ContextSetI32_1 => Some(("[context-set-1]", false)),
        _ => None,
    }
}
