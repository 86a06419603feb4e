//! The target by interface track, so that versions are told from unknown names.

use super::target::{Provided, Target, WitParam};
use crate::abi::{Allocation, ImportName, Needs, Track};
use crate::adapt::{Item, Survey};
use semver::Version;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a host with an arena provides beside its target.
static ARENA: LazyLock<(ImportName, Provided)> = LazyLock::new(|| {
    let (name, core) = Allocation::arena();
    let params = ["ptr", "len"].map(|name| WitParam { name: name.to_owned(), slots: 1 }).into();
    let needs = Needs { memory: true, realloc: false };
    (name, Provided { params, ..Provided::plain(core, needs) })
});

/// A target, for looking up names.
pub(super) struct Index<'t> {
    pub(super) target: &'t Target,
    pub(super) allocation: Allocation,
    /// Modules of each track, oldest first.
    tracks: HashMap<Track, Vec<(&'t str, Option<Version>)>>,
    /// The same by name alone, for other tracks.
    names: HashMap<String, &'t str>,
}

/// What the target has under a name.
pub(super) enum Found<'t> {
    Exact(&'t Provided),
    /// Under another version of the same track.
    OtherVersion {
        have: &'t Provided,
        module: &'t str,
    },
    /// The interface, in some version, and not the function.
    Interface {
        module: &'t str,
        functions: Vec<&'t str>,
    },
    Nothing,
}

impl<'t> Index<'t> {
    pub(super) fn new(target: &'t Target, allocation: Allocation) -> Self {
        let mut tracks: HashMap<Track, Vec<(&str, Option<Version>)>> = HashMap::new();
        let mut names = HashMap::new();
        let mut modules: Vec<&str> = target.provided.keys().map(|n| n.module.as_str()).collect();
        modules.sort_unstable();
        modules.dedup();
        for module in modules {
            let (track, version) = Track::of(module);
            names.insert(track.interface.clone(), module);
            tracks.entry(track).or_default().push((module, version));
        }
        // By version, not by text: `0.2.12` comes after `0.2.6`.
        tracks.values_mut().for_each(|modules| modules.sort_by(|a, b| a.1.cmp(&b.1)));
        Index { target, allocation, tracks, names }
    }

    pub(super) fn find(&self, name: &ImportName) -> Found<'t> {
        if let Some(provided) = self.target.provided.get(name) {
            return Found::Exact(provided);
        }
        if self.allocation == Allocation::Arena && name.module == ARENA.0.module {
            let (ImportName { module, name: function }, provided) = &*ARENA;
            let is_it = name.name == *function;
            let there = Found::Interface { module, functions: vec![function] };
            return if is_it { Found::Exact(provided) } else { there };
        }
        let (track, _) = Track::of(&name.module);
        let same_track = self.tracks.get(&track).and_then(|modules| modules.last()).map(|(m, _)| *m);
        let module = same_track.or_else(|| self.names.get(&track.interface).copied());
        let Some(module) = module else { return Found::Nothing };
        let there = ImportName { module: module.to_owned(), name: name.name.clone() };
        match (self.target.provided.get(&there), same_track) {
            (Some(have), Some(_)) => Found::OtherVersion { have, module },
            _ => {
                let of_module = self.target.provided.keys().filter(|n| n.module == module);
                Found::Interface { module, functions: of_module.map(|n| n.name.as_str()).collect() }
            }
        }
    }

    /// The gate that hides a function from the target, under whatever version of the track the guest names it.
    pub(super) fn gate(&self, name: &ImportName) -> Option<&'t str> {
        if let Some(feature) = self.target.gated.get(name) {
            return Some(feature);
        }
        let (track, _) = Track::of(&name.module);
        let mut gated = self.target.gated.iter();
        gated.find(|(n, _)| n.name == name.name && Track::of(&n.module).0 == track).map(|(_, feature)| feature.as_str())
    }

    /// An export by its exact name, or by the track of its interface.
    pub(super) fn export<'s>(&self, survey: &'s Survey, name: &str) -> Option<(&'s String, &'s Item)> {
        if let Some(found) = survey.exports.get_key_value(name) {
            return Some(found);
        }
        let (interface, function) = name.split_once('#')?;
        let wanted = Track::of(interface).0;
        survey
            .exports
            .iter()
            .find(|(export, _)| export.split_once('#').is_some_and(|(i, f)| f == function && Track::of(i).0 == wanted))
    }
}
