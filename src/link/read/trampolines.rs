//! What the front end leaves to the runtime: lowered imports, built-ins, what adapters call.

use super::super::ir::{Def, Item, ReallocId, Space};
use super::super::written::{Function, Transcode, realloc_signature};
use super::boundary::{Argument, Boundary, Fused, Given, core_signature};
use super::flatten::{Flattener, count, flag};
use super::resources::Intrinsic;
use crate::abi::CoreSignature;
use crate::diagnostic::{Code, Diagnostic, Result};
use wasmtime_environ::component::{self as wt, CanonicalOptionsDataModel, FixedEncoding, Trampoline, TrampolineIndex};

impl<'x> Flattener<'x, '_, '_> {
    pub(super) fn trampoline(&mut self, index: TrampolineIndex) -> Result<Def> {
        let trampolines = self.input.trampolines;
        match &trampolines[index] {
            Trampoline::LowerImport { options, .. } => match self.fused(|b| b.imports.get(&index)) {
                Some(fused) => Ok(self.adapter(&fused)),
                None => {
                    let mut realloc = self.root_options(*options)?;
                    if self.input.component.options[*options].async_ {
                        self.late_reallocs.extend(realloc.take());
                    }
                    let host = self.lowered_host(index, realloc)?;
                    self.guarded(host, index, self.input.component.options[*options].instance)
                }
            },
            Trampoline::ResourceDrop { ty, instance } => self.resource(index, *ty, *instance, Intrinsic::Drop),
            Trampoline::ResourceNew { ty, instance } => self.resource(index, *ty, *instance, Intrinsic::New),
            Trampoline::ResourceRep { ty, instance } => self.resource(index, *ty, *instance, Intrinsic::Rep),
            Trampoline::Trap => Ok(Def::Trap),
            Trampoline::Transcoder { op, from, to, .. } => {
                let unknown = || Diagnostic::new(Code::Internal, "a memory that was never extracted");
                let from = self.item(self.survey.memories.get(from).ok_or_else(unknown)?)?;
                let to = self.item(self.survey.memories.get(to).ok_or_else(unknown)?)?;
                self.written.function(Function::Transcode { op: transcode(*op), from, to })
            }
            Trampoline::ResourceTransferOwn => self.written.function(Function::TransferOwn),
            Trampoline::ResourceTransferBorrow => self.written.function(Function::TransferBorrow),
            Trampoline::EnterSyncCall => self.written.function(Function::Enter),
            Trampoline::ExitSyncCall => self.written.function(Function::Exit),
            built_in => {
                let name = self.built_in(built_in)?;
                match built_in {
                    Trampoline::TaskReturn { options, .. }
                    | Trampoline::WaitableSetWait { options, .. }
                    | Trampoline::WaitableSetPoll { options, .. }
                    | Trampoline::StreamRead { options, .. }
                    | Trampoline::StreamWrite { options, .. }
                    | Trampoline::FutureRead { options, .. }
                    | Trampoline::FutureWrite { options, .. } => {
                        let realloc = self.root_options(*options)?;
                        self.late_reallocs.extend(realloc);
                    }
                    _ => {}
                }
                self.host(name, self.core_type(index)?, None)
            }
        }
    }

    /// The host's function behind a lowered import.
    pub(super) fn lowered_host(&mut self, index: TrampolineIndex, realloc: Option<ReallocId>) -> Result<Def> {
        let Trampoline::LowerImport { index: lowered, options, .. } = &self.input.trampolines[index] else {
            return Err(Diagnostic::new(Code::Internal, "a lowered function that is none"));
        };
        let mut name = self.lowered_name(*lowered)?;
        if self.input.component.options[*options].async_ {
            name.name = format!("[async-lower]{}", name.name);
        }
        self.host(name, self.core_type(index)?, realloc)
    }

    /// A function of the host that may only be called while the instance may leave (`canon lower`).
    pub(super) fn guarded(
        &mut self,
        host: Def,
        index: TrampolineIndex,
        instance: wt::RuntimeComponentInstanceIndex,
    ) -> Result<Def> {
        if self.options.no_guards {
            return Ok(host);
        }
        let core = self.core_type(index)?;
        self.written.function(Function::GuardedImport { host, core, flag: flag(instance) })
    }

    pub(super) fn core_type(&self, index: TrampolineIndex) -> Result<CoreSignature> {
        core_signature(self.input.types, self.input.component.trampolines[index])
    }

    /// Canonical options of a function of the root that faces the host itself: notes the string encoding and the memory, and
    /// gives the realloc.
    pub(super) fn root_options(&mut self, index: wt::OptionsIndex) -> Result<Option<ReallocId>> {
        let options = &self.input.component.options[index];
        let CanonicalOptionsDataModel::LinearMemory(linear) = options.data_model else {
            return Err(Diagnostic::new(Code::UnsupportedType, "canonical options with GC references"));
        };
        let unknown = || Diagnostic::new(Code::Internal, "an option that was never extracted");
        if let Some(memory) = linear.memory {
            self.encoding = Some(options.string_encoding);
            self.memory = Some(self.item(self.survey.memories.get(&memory).ok_or_else(unknown)?)?);
        }
        let Some(realloc) = linear.realloc else { return Ok(None) };
        let def = self.survey.reallocs.get(&realloc).ok_or_else(unknown)?.clone();
        let def = self.def(&def)?;
        let def = self.confined(def, realloc_signature(), options.instance)?;
        Ok(Some(self.realloc(def)?))
    }

    pub(super) fn realloc(&mut self, def: Def) -> Result<ReallocId> {
        let known = self.reallocs.iter().position(|known| *known == def);
        let id = known.unwrap_or_else(|| {
            self.reallocs.push(def);
            self.reallocs.len() - 1
        });
        Ok(ReallocId(count(id)?))
    }

    /// A realloc or a post-return, during which its instance may not leave.
    pub(super) fn confined(
        &mut self,
        func: Def,
        core: CoreSignature,
        instance: wt::RuntimeComponentInstanceIndex,
    ) -> Result<Def> {
        if self.options.no_guards {
            return Ok(func);
        }
        self.written.function(Function::Confined { func, core, flag: flag(instance) })
    }

    pub(super) fn fused(&self, of: impl Fn(&'x Boundary) -> Option<&'x Fused>) -> Option<Fused> {
        self.boundary.and_then(of).cloned()
    }

    pub(super) fn adapter(&self, fused: &Fused) -> Def {
        Def::Item(Item { instance: self.written.next(), space: Space::Func, index: fused.index })
    }

    /// What an adapter of the boundary is given.
    pub(super) fn argument(&mut self, argument: &Argument, boundary: &Boundary) -> Result<Def> {
        match argument {
            Argument::Given(given) => self.given(given, boundary),
            Argument::Transcode { op, from, to } => {
                let (Def::Item(from), Def::Item(to)) = (self.given(from, boundary)?, self.given(to, boundary)?) else {
                    return Err(Diagnostic::new(Code::Internal, "a transcoder without memories"));
                };
                self.written.function(Function::Transcode { op: transcode(*op), from, to })
            }
            Argument::TransferOwn => self.written.function(Function::TransferOwn),
            Argument::TransferBorrow => self.written.function(Function::TransferBorrow),
            Argument::Enter => self.written.function(Function::Enter),
            Argument::Exit => self.written.function(Function::Exit),
            Argument::Trap => Ok(Def::Trap),
        }
    }

    pub(super) fn given(&mut self, given: &Given, boundary: &Boundary) -> Result<Def> {
        let unknown = || Diagnostic::new(Code::Internal, "an import without its adapter");
        match given {
            Given::Core(def) => self.def(def),
            Given::Memory => Ok(Def::Item(self.written.boundary_memory())),
            Given::Realloc => self.written.function(Function::BoundaryRealloc),
            Given::Import(trampoline) => {
                let fused = boundary.imports.get(trampoline).ok_or_else(unknown)?;
                let host = self.lowered_host(*trampoline, None)?;
                let (lowered, core) = (fused.lowered.clone(), fused.lifted.clone());
                self.written.function(Function::BoundaryImport { host, lowered, core, area: fused.area })
            }
            Given::AfterImport(trampoline) => {
                let fused = boundary.imports.get(trampoline).ok_or_else(unknown)?;
                let core = CoreSignature { params: fused.lifted.results.clone(), results: Vec::new() };
                self.written.function(Function::AfterImport { core })
            }
            Given::PostReturn(options) => {
                let options = &self.input.component.options[*options];
                let core = core_signature(self.input.types, options.core_type)?;
                self.post_return(options, &core)?.ok_or_else(unknown)
            }
        }
    }
}

fn transcode(op: wt::Transcode) -> Transcode {
    match op {
        wt::Transcode::Copy(FixedEncoding::Utf8) => Transcode::CopyUtf8,
        wt::Transcode::Copy(FixedEncoding::Utf16) => Transcode::CopyUtf16,
        wt::Transcode::Copy(FixedEncoding::Latin1) => Transcode::CopyLatin1,
        wt::Transcode::Latin1ToUtf16 => Transcode::Latin1ToUtf16,
        wt::Transcode::Latin1ToUtf8 => Transcode::Latin1ToUtf8,
        wt::Transcode::Utf16ToCompactProbablyUtf16 => Transcode::Utf16ToCompactProbablyUtf16,
        wt::Transcode::Utf16ToCompactUtf16 => Transcode::Utf16ToCompactUtf16,
        wt::Transcode::Utf16ToLatin1 => Transcode::Utf16ToLatin1,
        wt::Transcode::Utf16ToUtf8 => Transcode::Utf16ToUtf8,
        wt::Transcode::Utf8ToCompactUtf16 => Transcode::Utf8ToCompactUtf16,
        wt::Transcode::Utf8ToLatin1 => Transcode::Utf8ToLatin1,
        wt::Transcode::Utf8ToUtf16 => Transcode::Utf8ToUtf16,
    }
}
