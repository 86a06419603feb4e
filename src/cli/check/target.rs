//! What `--against` names: a folder of WITX, a WIT on disk, or something built in.

use super::super::wit::{WitArgs, witx_files};
use crate::check::Target;
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use crate::wit::{Loaded, built_in_packages, select_world};
use crate::witx::{Reading, Scope, read};
use std::path::Path;

/// A target, as it is named.
pub(super) struct Source<'s> {
    /// A path, or the name of something built in.
    pub(super) name: &'s str,
    /// The path: as named on the command line, or beside the configuration.
    pub(super) path: &'s Path,
    pub(super) world: Option<&'s str>,
    pub(super) wit: &'s WitArgs,
}

impl Source<'_> {
    /// The target, with what it would have if all feature gates were on.
    pub(super) fn target(&self) -> Result<Target> {
        if let Some(files) = witx_files(self.path)? {
            return Ok(match read(&files)? {
                Reading::Derived(derivation) => Target::of_derivation(self.name, *derivation),
                Reading::Plain(functions) => Target::of_functions_of_witx(self.name, functions),
            });
        }
        let target = self.of_wit(self.wit)?;
        if self.wit.all_features {
            return Ok(target);
        }
        let all = WitArgs { features: Vec::new(), all_features: true };
        // What is wrong behind a gate that is off harms nobody.
        Ok(match self.of_wit(&all) {
            Ok(all) => target.with_gates(all),
            Err(_) => target,
        })
    }

    fn of_wit(&self, wit: &WitArgs) -> Result<Target> {
        if self.path.exists() {
            let loaded = wit.load(self.path)?;
            if self.world.is_none() && loaded.world.is_none() {
                let worlds: usize = loaded.packages.iter().map(|&p| loaded.resolve.packages[p].worlds.len()).sum();
                if worlds == 0 {
                    return self.of_packages(&loaded);
                }
            }
            return self.of_world(&loaded);
        }
        let name = self.name;
        if !name.contains(':') {
            // Not a package name: `wasi`, or a path with nothing there.
            let missing = if name == "wasi" || name.starts_with("wasi@") { Path::new(name) } else { self.path };
            return self.of_packages(&wit.load(missing)?);
        }
        self.built_in(wit)
    }

    fn of_world(&self, loaded: &Loaded) -> Result<Target> {
        let world = select_world(loaded, self.world)?;
        let target = Target::of_world(self.name, &loaded.resolve, world)?;
        Ok(target.with_types(&loaded.resolve, &Scope::World(world)))
    }

    fn of_packages(&self, loaded: &Loaded) -> Result<Target> {
        let target = Target::of_packages(self.name, &loaded.resolve, &loaded.packages)?;
        Ok(target.with_types(&loaded.resolve, &Scope::Packages(loaded.packages.clone())))
    }

    /// `wasi:http/proxy@0.2.12` is a world, `wasi:http/types@0.2.12` an interface, `wasi:http@0.2.12` a package.
    fn built_in(&self, wit: &WitArgs) -> Result<Target> {
        let name = self.name;
        let (bare, version) = match name.split_once('@') {
            Some((bare, version)) => (bare, format!("@{version}")),
            None => (name, String::new()),
        };
        let Some((package, item)) = bare.split_once('/') else {
            let loaded = wit.load(Path::new(name))?;
            return match self.world {
                Some(_) => self.of_world(&loaded),
                None => self.of_packages(&loaded),
            };
        };
        let loaded = wit.load(Path::new(&format!("{package}{version}")))?;
        let package = &loaded.resolve.packages[loaded.packages[0]];
        if let Some(&world) = package.worlds.get(item) {
            let target = Target::of_world(name, &loaded.resolve, world)?;
            return Ok(target.with_types(&loaded.resolve, &Scope::World(world)));
        }
        if let Some(&interface) = package.interfaces.get(item) {
            let target = Target::of_interfaces(name, &loaded.resolve, [interface])?;
            // The types of its neighbours do no harm.
            return Ok(target.with_types(&loaded.resolve, &Scope::Packages(loaded.packages.clone())));
        }
        let items = package.worlds.keys().chain(package.interfaces.keys()).map(String::as_str);
        let items: Vec<&str> = items.collect();
        let mut error =
            Diagnostic::new(Code::UnknownWorld, format!("`{}` has no world or interface `{item}`", package.name))
                .fact("has", items.join(", "))
                .fact("built in", built_in_packages().join(", "));
        if let Some(near) = nearest(item, items.iter().copied()) {
            error = error.hint(format!("did you mean `{}/{near}`?", bare.split('/').next().unwrap_or(bare)));
        }
        Err(error)
    }
}
