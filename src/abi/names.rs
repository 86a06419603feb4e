//! How core names are formed (*Legacy component ABI*, *Build Targets*), and which versions of an interface match.

use super::Resolve;
use semver::Version;
use std::fmt;
use wit_parser::{PackageName, WorldKey};

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

/// A scheme of core names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Names {
    /// What every toolchain emits today: `wasi:http/types@0.2.12`, `cabi_realloc`.
    #[default]
    Legacy,
    /// The same with canonical versions: `wasi:http/types@0.2`.
    Canonical,
    /// The names of build targets: `cm32p2|wasi:http/types@0.2`, `cm32p2_realloc`. Synchronous alone.
    Cm32p2,
}

/// Which part a resource intrinsic plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceOp {
    /// `resource.drop`, of an imported or an exported resource.
    Drop,
    /// `resource.new` of an exported one.
    New,
    /// `resource.rep` of an exported one.
    Rep,
    /// The destructor that the guest exports.
    Dtor,
}

impl Names {
    /// The word for it on the command line and in annotations.
    pub fn name(self) -> &'static str {
        match self {
            Names::Legacy => "legacy",
            Names::Canonical => "canonical",
            Names::Cm32p2 => "cm32p2",
        }
    }

    /// The import module of an interface, or of a world's own functions; `exported` for the intrinsics of exports.
    pub fn module(self, resolve: &Resolve, key: Option<&WorldKey>, exported: bool) -> String {
        match (self, key) {
            (Names::Legacy | Names::Canonical, key) => {
                let prefix = if exported { "[export]" } else { "" };
                format!("{prefix}{}", key.map_or_else(|| "$root".to_owned(), |key| self.interface(resolve, key)))
            }
            (Names::Cm32p2, None) => "cm32p2".to_owned(),
            (Names::Cm32p2, Some(key)) => {
                format!("cm32p2|{}{}", if exported { "_ex_" } else { "" }, self.interface(resolve, key))
            }
        }
    }

    fn interface(self, resolve: &Resolve, key: &WorldKey) -> String {
        match self {
            Names::Legacy => resolve.name_world_key(key),
            Names::Canonical | Names::Cm32p2 => resolve.name_canonicalized_world_key(key),
        }
    }

    /// The name of an exported function.
    pub(super) fn export(self, resolve: &Resolve, key: Option<&WorldKey>, function: &str) -> String {
        match (self, key) {
            (Names::Cm32p2, None) => format!("cm32p2||{function}"),
            (Names::Cm32p2, Some(key)) => format!("cm32p2|{}|{function}", self.interface(resolve, key)),
            (_, None) => function.to_owned(),
            (_, Some(key)) => format!("{}#{function}", self.interface(resolve, key)),
        }
    }

    /// The name of an export's post-return function.
    pub(super) fn post_return(self, export: &str) -> String {
        match self {
            Names::Cm32p2 => format!("{export}_post"),
            Names::Legacy | Names::Canonical => format!("cabi_post_{export}"),
        }
    }

    /// The field name of a resource intrinsic.
    pub(super) fn resource(self, op: ResourceOp, resource: &str) -> String {
        let word = match op {
            ResourceOp::Drop => "drop",
            ResourceOp::New => "new",
            ResourceOp::Rep => "rep",
            ResourceOp::Dtor => "dtor",
        };
        match (self, op) {
            (Names::Cm32p2, _) => format!("{resource}_{word}"),
            (_, ResourceOp::Dtor) => format!("[dtor]{resource}"),
            _ => format!("[resource-{word}]{resource}"),
        }
    }

    /// The export that is the guest's memory.
    pub fn memory(self) -> &'static str {
        if self == Names::Cm32p2 { "cm32p2_memory" } else { "memory" }
    }

    /// The export that allocates in it.
    pub fn realloc(self) -> &'static str {
        if self == Names::Cm32p2 { "cm32p2_realloc" } else { "cabi_realloc" }
    }

    /// The export that is called once, before all others.
    pub fn initialize(self) -> &'static str {
        if self == Names::Cm32p2 { "cm32p2_initialize" } else { "_initialize" }
    }
}

impl ImportName {
    /// The same function in the scheme of build targets, whatever its scheme.
    pub fn to_cm32p2(&self) -> ImportName {
        let module = match self.module.as_str() {
            module if module.starts_with("cm32p2") => return self.clone(),
            "$root" | "[export]$root" => "cm32p2".to_owned(),
            module => match module.strip_prefix("[export]") {
                Some(interface) => format!("cm32p2|_ex_{}", canonical(interface)),
                None => format!("cm32p2|{}", canonical(module)),
            },
        };
        ImportName { module, name: intrinsic(&self.name) }
    }
}

/// An export in the scheme of build targets, whatever its scheme.
pub fn cm32p2_export(name: &str) -> String {
    let (old, new) = (Names::Legacy, Names::Cm32p2);
    for (legacy, name_now) in
        [(old.memory(), new.memory()), (old.realloc(), new.realloc()), (old.initialize(), new.initialize())]
    {
        if name == legacy {
            return name_now.to_owned();
        }
    }
    if name.starts_with("cm32p2") {
        return name.to_owned();
    }
    match (name.strip_prefix("cabi_post_"), name.split_once('#')) {
        (Some(export), _) => new.post_return(&cm32p2_export(export)),
        (None, Some((interface, function))) => format!("cm32p2|{}|{}", canonical(interface), intrinsic(function)),
        (None, None) => format!("cm32p2||{name}"),
    }
}

/// An interface under its compatibility track.
fn canonical(interface: &str) -> String {
    match Track::of(interface).0 {
        Track { interface, track: Some(track) } => format!("{interface}@{track}"),
        Track { interface, track: None } => interface,
    }
}

/// A field: intrinsics of resources have another form, functions keep their names.
fn intrinsic(field: &str) -> String {
    let ops = [ResourceOp::Drop, ResourceOp::New, ResourceOp::Rep, ResourceOp::Dtor];
    let named = ops.into_iter().find_map(|op| Some((op, field.strip_prefix(&Names::Legacy.resource(op, ""))?)));
    named.map_or_else(|| field.to_owned(), |(op, resource)| Names::Cm32p2.resource(op, resource))
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
    /// Splits an interface name. A canonical version (`@0.2`) is a track and no version; what is neither leaves the name
    /// whole.
    pub fn of(name: &str) -> (Track, Option<Version>) {
        let Some((interface, text)) = name.rsplit_once('@') else {
            return (Track { interface: name.to_owned(), track: None }, None);
        };
        let of_interface = |track: String| Track { interface: interface.to_owned(), track: Some(track) };
        match Version::parse(text) {
            Ok(version) => (of_interface(PackageName::version_compat_track_string(&version)), Some(version)),
            Err(_) if is_canonical(text) => (of_interface(text.to_owned()), None),
            Err(_) => (Track { interface: name.to_owned(), track: None }, None),
        }
    }
}

/// Whether this is a version without what a track leaves away: `1`, `0.2`.
fn is_canonical(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() <= 2 && text.split('.').all(is_number)
}
