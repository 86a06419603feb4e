//! What the root exports.

use super::super::ir::{Def, Export, ReallocId};
use super::super::written::Function;
use super::boundary::{Fused, core_signature};
use super::flatten::Flattener;
use crate::abi::CoreSignature;
use crate::diagnostic::{Code, Diagnostic, Result};
use wasmtime_environ::component::{self as wt, CoreDef, Export as WtExport, ExportIndex};

impl Flattener<'_, '_, '_> {
    /// Whether the root exports a type by itself, which WIT cannot say.
    pub(super) fn exports_types(&self) -> bool {
        let component = self.input.component;
        component.exports.raw_iter().any(|(_, (index, _))| matches!(component.export_items[*index], WtExport::Type(_)))
    }

    pub(super) fn exports(&mut self) -> Result<Vec<Export>> {
        let component = self.input.component;
        let mut out = Vec::new();
        if self.boundary.is_some() {
            let realloc = self.written.function(Function::BoundaryRealloc)?;
            self.realloc(realloc)?;
            self.memory = Some(self.written.boundary_memory());
        }
        for (name, (index, _)) in component.exports.raw_iter() {
            match &component.export_items[*index] {
                WtExport::Instance { exports, .. } => {
                    for (field, (index, _)) in exports.raw_iter() {
                        let full = format!("{}#{}", name.as_str(), field.as_str());
                        out.extend(self.export(full, *index)?);
                    }
                }
                _ => out.extend(self.export(name.as_str().to_owned(), *index)?),
            }
        }
        Ok(out)
    }

    pub(super) fn export(&mut self, name: String, index: ExportIndex) -> Result<Vec<Export>> {
        let component = self.input.component;
        match &component.export_items[index] {
            WtExport::LiftedFunction { func, options, .. } => match self.fused(|b| b.exports.get(&index)) {
                Some(fused) => Ok(vec![self.fused_export(name, &fused)?]),
                None => self.lifted(name, func, *options),
            },
            WtExport::Type(_) => Ok(Vec::new()),
            WtExport::Instance { .. } => {
                Err(Diagnostic::new(Code::NestedInstance, format!("`{name}` is an instance inside an instance")))
            }
            WtExport::ModuleStatic { .. } | WtExport::ModuleImport { .. } => {
                Err(Diagnostic::new(Code::ModuleImportExport, format!("`{name}` is an exported core module")))
            }
        }
    }

    /// An export that the boundary gives to the host.
    pub(super) fn fused_export(&mut self, name: String, fused: &Fused) -> Result<Export> {
        let (lowered, core) = (fused.lowered.clone(), fused.lifted.clone());
        let adapter = self.adapter(fused);
        let func = self.written.function(Function::BoundaryExport { adapter, lowered, core, area: fused.area })?;
        let post_return = match fused.area {
            Some(_) => Some(self.written.function(Function::AfterExport)?),
            None => None,
        };
        Ok(Export { name, func, realloc: Some(ReallocId(0)), post_return })
    }

    /// An export that the host calls as the component lifts it.
    pub(super) fn lifted(&mut self, name: String, func: &CoreDef, index: wt::OptionsIndex) -> Result<Vec<Export>> {
        let realloc = self.root_options(index)?;
        let options = &self.input.component.options[index];
        let core = core_signature(self.input.types, options.core_type)?;
        let mut func = self.def(func)?;
        if options.async_ {
            let Some(callback) = options.callback else {
                let name = format!("[async-lift-stackful]{name}");
                return Ok(vec![Export { name, func, realloc, post_return: None }]);
            };
            let unknown = || Diagnostic::new(Code::Internal, "a callback that was never extracted");
            let callback = self.callbacks.get(&callback).cloned().ok_or_else(unknown)?;
            let name = format!("[async-lift]{name}");
            let called = format!("[callback]{name}");
            return Ok(vec![
                Export { name, func, realloc, post_return: None },
                Export { name: called, func: callback, realloc: None, post_return: None },
            ]);
        }
        let post_return = self.post_return(options, &core)?;
        // Asynchronous exports may be entered while others wait.
        if !self.options.no_guards && !self.concurrent {
            func = self.written.function(Function::GuardedExport { func, core })?;
        }
        Ok(vec![Export { name, func, realloc, post_return }])
    }

    /// The post-return of an export whose core signature is this.
    pub(super) fn post_return(&mut self, options: &wt::CanonicalOptions, core: &CoreSignature) -> Result<Option<Def>> {
        let Some(index) = options.post_return else { return Ok(None) };
        let unknown = || Diagnostic::new(Code::Internal, "a post-return that was never extracted");
        let post = self.posts.get(&index).cloned().ok_or_else(unknown)?;
        let core = CoreSignature { params: core.results.clone(), results: Vec::new() };
        self.confined(post, core, options.instance).map(Some)
    }
}
