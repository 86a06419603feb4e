//! Resource types: whose handles pass through, and whose are kept in tables of the module.

use super::super::Handles;
use super::super::ir::{Def, Export};
use super::super::written::{Function, HostResource, Resources, View};
use super::flatten::{Flattener, flag};
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wasmtime_environ::EntityRef;
use wasmtime_environ::component::{
    self as wt, GlobalInitializer, ResourceIndex, TrampolineIndex, TypeResourceTable, TypeResourceTableIndex,
};

impl Flattener<'_, '_, '_> {
    /// Destructors of exported resources. Those of others can only be called from inside, by a drop.
    pub(super) fn destructors(&self, destructors: &[(u32, Def)]) -> Vec<Export> {
        let exported = destructors.iter().filter_map(|(resource, func)| {
            let (interface, name) = self.survey.exported.get(resource)?;
            let name = format!("{interface}#[dtor]{name}");
            Some(Export { name, func: func.clone(), realloc: None, post_return: None })
        });
        exported.collect()
    }

    /// What a host needs for handles that the module keeps.
    pub(super) fn own_handles(&mut self) -> Result<Vec<Export>> {
        let table = self.boundary_table();
        let mut exports = Vec::new();
        for (&resource, (interface, name)) in &self.survey.exported {
            let rep = self.written.function(Function::ResourceRep { table, resource })?;
            let drop = self.written.function(Function::ResourceDrop { table, resource, flag: None })?;
            let core = CoreSignature::new([Core::I32], []);
            let drop = self.written.function(Function::GuardedExport { func: drop, core })?;
            for (intrinsic, func) in [("resource-rep", rep), ("resource-drop", drop)] {
                let name = format!("{interface}#[{intrinsic}]{name}");
                exports.push(Export { name, func, realloc: None, post_return: None });
            }
        }
        Ok(exports)
    }

    /// The table of the boundary, if the module keeps what it exports: after those of the component's instances.
    pub(super) fn boundary_table(&self) -> u32 {
        self.input.component.num_runtime_component_instances
    }

    /// An intrinsic of a resource type: the host's where handles pass through, else of a table in the module.
    pub(super) fn resource(
        &mut self,
        index: TrampolineIndex,
        ty: TypeResourceTableIndex,
        instance: wt::RuntimeComponentInstanceIndex,
        intrinsic: Intrinsic,
    ) -> Result<Def> {
        let TypeResourceTable::Concrete { ty: resource, instance: holder } = self.input.tables[ty.index()] else {
            return Err(Diagnostic::new(Code::UnsupportedType, "an abstract resource"));
        };
        let resource = resource.as_u32();
        if self.boundary.is_none() && self.survey.is_known_to_host(&self.input, resource) {
            let host = self.host_resource(resource, intrinsic)?;
            return match intrinsic {
                Intrinsic::Rep => Ok(host),
                Intrinsic::New | Intrinsic::Drop => self.guarded(host, index, instance),
            };
        }
        let (table, flag) = (holder.as_u32(), flag(instance));
        self.written.function(match intrinsic {
            Intrinsic::New => Function::ResourceNew { table, resource, flag },
            Intrinsic::Rep => Function::ResourceRep { table, resource },
            Intrinsic::Drop => Function::ResourceDrop { table, resource, flag: Some(flag) },
        })
    }

    pub(super) fn host_resource(&mut self, resource: u32, intrinsic: Intrinsic) -> Result<Def> {
        let name = self.resource_name(resource, intrinsic.name())?;
        let results = if intrinsic == Intrinsic::Drop { Vec::new() } else { vec![Core::I32] };
        self.host(name, CoreSignature { params: vec![Core::I32], results }, None)
    }

    /// What the tables' functions must know of resource types.
    pub(super) fn resources(&mut self, destructors: Vec<(u32, Def)>) -> Result<Resources> {
        let component = self.input.component;
        let owners: HashMap<u32, u32> = component
            .initializers
            .iter()
            .filter_map(|i| match i {
                GlobalInitializer::Resource(r) => {
                    Some((component.resource_index(r.index).as_u32(), r.instance.as_u32()))
                }
                _ => None,
            })
            .collect();
        let with_host = self.boundary.is_some();
        let mut views = Vec::new();
        for table in self.input.tables {
            views.push(match table {
                TypeResourceTable::Concrete { ty, instance } => {
                    let resource = ty.as_u32();
                    let inside = with_host || !self.survey.is_known_to_host(&self.input, resource);
                    View {
                        table: inside.then_some(instance.as_u32()),
                        resource,
                        owner: owners.get(&resource) == Some(&instance.as_u32()),
                    }
                }
                TypeResourceTable::Abstract(_) => View { table: None, resource: u32::MAX >> 4, owner: false },
            });
        }
        let mut hosts = BTreeMap::new();
        for &resource in self.boundary.iter().flat_map(|b| &b.views) {
            let inside = self.options.handles == Handles::Module && self.survey.exported.contains_key(&resource);
            views.push(View { table: inside.then_some(self.boundary_table()), resource, owner: false });
        }
        if with_host {
            let known: BTreeSet<u32> = views.iter().map(|v| v.resource).collect();
            for resource in known {
                if let Some(host) = self.host_side(resource)? {
                    hosts.insert(resource, host);
                }
            }
        }
        Ok(Resources {
            tables: self.boundary_table() + 1,
            views,
            hosts,
            destructors: destructors.into_iter().collect(),
        })
    }

    /// The host's intrinsics of a type that it knows.
    pub(super) fn host_side(&mut self, resource: u32) -> Result<Option<HostResource>> {
        let exported = self.survey.exported.contains_key(&resource);
        if !self.survey.is_known_to_host(&self.input, resource) || (exported && self.options.handles == Handles::Module)
        {
            return Ok(None);
        }
        let drop = Some(self.host_resource(resource, Intrinsic::Drop)?);
        Ok(Some(match exported {
            false => HostResource { drop, ..HostResource::default() },
            true => HostResource {
                new: Some(self.host_resource(resource, Intrinsic::New)?),
                rep: Some(self.host_resource(resource, Intrinsic::Rep)?),
                drop,
            },
        }))
    }
}

/// The canonical built-ins of a resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intrinsic {
    New,
    Rep,
    Drop,
}

impl Intrinsic {
    fn name(self) -> &'static str {
        match self {
            Intrinsic::New => "resource-new",
            Intrinsic::Rep => "resource-rep",
            Intrinsic::Drop => "resource-drop",
        }
    }
}

/// For names: the resource type's own index.
pub(super) fn resource_index(resource: u32) -> ResourceIndex {
    ResourceIndex::from_u32(resource)
}
