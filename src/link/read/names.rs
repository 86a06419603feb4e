//! Canonical names of what the component imports and exports.

use super::flatten::Flattener;
use super::resources::resource_index;
use crate::abi::ImportName;
use crate::diagnostic::{Code, Diagnostic, Result};
use wasmtime_environ::component as wt;

impl Flattener<'_, '_, '_> {
    pub(super) fn lowered_name(&self, lowered: wt::LoweredIndex) -> Result<ImportName> {
        let unknown = || Diagnostic::new(Code::Internal, "a lowered function that is never lowered");
        self.import_name(*self.lowered.get(&lowered).ok_or_else(unknown)?)
    }

    fn import_name(&self, import: wt::RuntimeImportIndex) -> Result<ImportName> {
        let component = self.input.component;
        let (index, path) = &component.imports[import];
        let (root, _) = &component.import_types[*index];
        match path.as_slice() {
            [] => Ok(ImportName { module: "$root".to_owned(), name: root.clone() }),
            [name] => Ok(ImportName { module: root.clone(), name: name.clone() }),
            _ => Err(Diagnostic::new(Code::NestedInstance, format!("`{root}` holds an instance that is imported"))),
        }
    }

    /// `[intrinsic]name` of a resource type that is imported or exported.
    pub(super) fn resource_name(&self, resource: u32, intrinsic: &str) -> Result<ImportName> {
        if let Some(&import) = self.input.component.imported_resources.get(resource_index(resource)) {
            let ImportName { module, name } = self.import_name(import)?;
            return Ok(ImportName { module, name: format!("[{intrinsic}]{name}") });
        }
        match self.survey.exported.get(&resource) {
            Some((interface, name)) => {
                Ok(ImportName { module: format!("[export]{interface}"), name: format!("[{intrinsic}]{name}") })
            }
            None => Err(Diagnostic::new(Code::Internal, "a resource type that the host does not know")),
        }
    }
}
