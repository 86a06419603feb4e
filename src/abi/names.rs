//! The canonical names of a world's functions and intrinsics, in the legacy mangling that every toolchain emits today.

use super::{Core, CoreSignature, Lowering, Resolve, Signature, Table};
use crate::diagnostic::Result;
use semver::Version;
use std::fmt;
use wit_parser::{
    Function, InterfaceId, ManglingAndAbi, ResourceIntrinsic, TypeDefKind, TypeId, WasmExport, WasmExportKind,
    WasmImport, WorldId, WorldItem, WorldKey,
};

/// Module and field of a core import.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportName {
    /// The interface, such as `wasi:http/types@0.2.12`, or `$root`.
    pub module: String,
    /// The function, such as `[method]fields.get`.
    pub name: String,
}

impl fmt::Display for ImportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.module, self.name)
    }
}

/// Import or export, from the guest's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The host provides it.
    Import,
    /// The guest provides it.
    Export,
}

/// What a function asks of the guest beyond being called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The exported `memory`.
    pub memory: bool,
    /// The exported `cabi_realloc`.
    pub realloc: bool,
}

/// A core function that a world implies.
#[derive(Debug, Clone)]
pub struct WorldFunction<'r> {
    /// Who provides it.
    pub direction: Direction,
    /// Import module and name; for exports the module is empty and the name is the export's.
    pub name: ImportName,
    /// Its core signature.
    pub core: CoreSignature,
    /// What it needs.
    pub needs: Needs,
    /// The WIT function and its canonical form; none for resource intrinsics.
    pub function: Option<(&'r Function, Signature)>,
    /// The resource, for intrinsics.
    pub resource: Option<TypeId>,
    /// The interface it belongs to, if any.
    pub interface: Option<InterfaceId>,
}

const LEGACY: ManglingAndAbi = ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync);

/// Every core import and export that a guest of `world` may have, in the order of the WIT: functions, resource drops,
/// and for exported resources their intrinsics and destructors. Asynchronous functions are listed in their
/// synchronous form.
pub fn world_functions<'r>(table: &mut Table<'r>, world: WorldId) -> Result<Vec<WorldFunction<'r>>> {
    let resolve = table.resolve();
    let world = &resolve.worlds[world];
    let mut out = Vec::new();
    for (key, item) in &world.imports {
        match item {
            WorldItem::Interface { id, .. } => out.extend(imported_interface(table, Some(key), *id)?),
            WorldItem::Function(function) => out.push(import(table, None, None, function)?),
            WorldItem::Type { id, .. } => {
                if is_resource(resolve, *id) {
                    out.push(imported_drop(resolve, None, None, *id));
                }
            }
        }
    }
    for (key, item) in &world.exports {
        match item {
            WorldItem::Interface { id, .. } => out.extend(exported_interface(table, key, *id)?),
            WorldItem::Function(function) => out.push(export(table, None, None, function)?),
            WorldItem::Type { .. } => {}
        }
    }
    Ok(out)
}

impl<'r> Table<'r> {
    /// The core imports of one interface, as a guest that imports it under its own name sees them.
    pub fn interface_imports(&mut self, id: InterfaceId) -> Result<Vec<WorldFunction<'r>>> {
        imported_interface(self, Some(&WorldKey::Interface(id)), id)
    }
}

fn imported_interface<'r>(
    table: &mut Table<'r>,
    key: Option<&WorldKey>,
    id: InterfaceId,
) -> Result<Vec<WorldFunction<'r>>> {
    let resolve = table.resolve();
    let interface = &resolve.interfaces[id];
    let mut out = Vec::new();
    for function in interface.functions.values() {
        out.push(import(table, key, Some(id), function)?);
    }
    for &ty in interface.types.values() {
        if is_resource(resolve, ty) {
            out.push(imported_drop(resolve, key, Some(id), ty));
        }
    }
    Ok(out)
}

fn import<'r>(
    table: &mut Table<'r>,
    key: Option<&WorldKey>,
    interface: Option<InterfaceId>,
    function: &'r Function,
) -> Result<WorldFunction<'r>> {
    let signature = table.signature(function, Lowering::Import)?;
    let (module, name) = table.resolve().wasm_import_name(LEGACY, WasmImport::Func { interface: key, func: function });
    Ok(WorldFunction {
        direction: Direction::Import,
        name: ImportName { module, name },
        core: signature.core.clone(),
        needs: Needs { memory: signature.needs_memory, realloc: signature.needs_realloc },
        function: Some((function, signature)),
        resource: None,
        interface,
    })
}

fn imported_drop<'r>(
    resolve: &Resolve,
    key: Option<&WorldKey>,
    interface: Option<InterfaceId>,
    resource: TypeId,
) -> WorldFunction<'r> {
    intrinsic(resolve, key, interface, resource, ResourceIntrinsic::ImportedDrop)
}

fn intrinsic<'r>(
    resolve: &Resolve,
    key: Option<&WorldKey>,
    interface: Option<InterfaceId>,
    resource: TypeId,
    intrinsic: ResourceIntrinsic,
) -> WorldFunction<'r> {
    let results = match intrinsic {
        ResourceIntrinsic::ImportedDrop | ResourceIntrinsic::ExportedDrop => Vec::new(),
        ResourceIntrinsic::ExportedNew | ResourceIntrinsic::ExportedRep => vec![Core::I32],
    };
    let (module, name) =
        resolve.wasm_import_name(LEGACY, WasmImport::ResourceIntrinsic { interface: key, resource, intrinsic });
    WorldFunction {
        direction: Direction::Import,
        name: ImportName { module, name },
        core: CoreSignature::new([Core::I32], results),
        needs: Needs::default(),
        function: None,
        resource: Some(resource),
        interface,
    }
}

fn exported_interface<'r>(table: &mut Table<'r>, key: &WorldKey, id: InterfaceId) -> Result<Vec<WorldFunction<'r>>> {
    let resolve = table.resolve();
    let interface = &resolve.interfaces[id];
    let mut out = Vec::new();
    for function in interface.functions.values() {
        out.push(export(table, Some(key), Some(id), function)?);
    }
    for &ty in interface.types.values() {
        if !is_resource(resolve, ty) {
            continue;
        }
        for kind in [ResourceIntrinsic::ExportedNew, ResourceIntrinsic::ExportedRep, ResourceIntrinsic::ExportedDrop] {
            out.push(intrinsic(resolve, Some(key), Some(id), ty, kind));
        }
        let name = resolve.wasm_export_name(LEGACY, WasmExport::ResourceDtor { interface: key, resource: ty });
        out.push(WorldFunction {
            direction: Direction::Export,
            name: ImportName { module: String::new(), name },
            core: CoreSignature::new([Core::I32], []),
            needs: Needs::default(),
            function: None,
            resource: Some(ty),
            interface: Some(id),
        });
    }
    Ok(out)
}

fn export<'r>(
    table: &mut Table<'r>,
    key: Option<&WorldKey>,
    interface: Option<InterfaceId>,
    function: &'r Function,
) -> Result<WorldFunction<'r>> {
    let signature = table.signature(function, Lowering::Export)?;
    let name = table
        .resolve()
        .wasm_export_name(LEGACY, WasmExport::Func { interface: key, func: function, kind: WasmExportKind::Normal });
    Ok(WorldFunction {
        direction: Direction::Export,
        name: ImportName { module: String::new(), name },
        core: signature.core.clone(),
        needs: Needs { memory: signature.needs_memory, realloc: signature.needs_realloc },
        function: Some((function, signature)),
        resource: None,
        interface,
    })
}

fn is_resource(resolve: &Resolve, id: TypeId) -> bool {
    matches!(resolve.types[id].kind, TypeDefKind::Resource)
}

/// The part of an interface name that versions of one compatibility track share: `wasi:http/types@0.2.12` and `@0.2.3`
/// have the same track (`0.2`), `@0.3.0` another (*Canonical interface name*).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Track {
    /// The name without its version.
    pub interface: String,
    /// `0.2`, `1` and so on; none for names without a version. A prerelease is a track of its own.
    pub track: Option<String>,
}

impl Track {
    /// Splits an interface name. A version that is none leaves the name whole.
    pub fn of(name: &str) -> (Track, Option<Version>) {
        match name.rsplit_once('@').map(|(interface, version)| (interface, Version::parse(version))) {
            Some((interface, Ok(version))) => {
                let track = wit_parser::PackageName::version_compat_track_string(&version);
                (Track { interface: interface.to_owned(), track: Some(track) }, Some(version))
            }
            _ => (Track { interface: name.to_owned(), track: None }, None),
        }
    }
}
