//! Functions of several results, where the target knows only one.
//!
//! The first result stays; the others are left in globals, which the caller reads at once:
//!
//! ```wat
//! (func $div (param i32 i32) (result i32 i32) …)      (func $div (param i32 i32) (result i32)
//!                                                        … (global.set $1))
//! (call $div …)                                       (call $div …) (global.get $1)
//! ```
//!
//! Nothing runs between the two, so all functions share the globals. `call_indirect` compares types: two types that were
//! different stay so, by parameters that nobody reads.

use super::view::View;
use std::collections::{HashMap, HashSet};
use wasmparser::{FuncType, ValType};

/// Functions of more parameters are invalid everywhere, so a type that is given so many makes the output invalid.
const TOO_MANY: usize = 1001;

/// How types of several results are lowered.
#[derive(Default)]
pub(super) struct Results {
    /// Types of the globals.
    pub(super) globals: Vec<ValType>,
    /// The globals of each type: their indices in the module.
    by_type: HashMap<ValType, Vec<u32>>,
    /// Unread parameters per type.
    unread: Vec<u32>,
}

/// Parameters and first result.
type Shape<'t> = (Vec<ValType>, Option<&'t ValType>);

impl Results {
    /// `first` is the index that the first of the globals will have.
    pub(super) fn plan(view: &View<'_>, first: u32) -> Results {
        let types = || view.types.iter().flatten();
        let mut taken: HashSet<Shape<'_>> = types()
            .filter(|ty| ty.results().len() < 2)
            .map(|ty| (ty.params().to_vec(), ty.results().first()))
            .collect();
        let mut known: HashMap<&FuncType, u32> = HashMap::new();
        let mut next: HashMap<Shape<'_>, usize> = HashMap::new();
        let mut results = Results::default();
        for ty in &view.types {
            let Some(ty) = ty.as_ref().filter(|ty| ty.results().len() > 1) else {
                results.unread.push(0);
                continue;
            };
            let unread = *known.entry(ty).or_insert_with(|| {
                let shape: Shape<'_> = (ty.params().to_vec(), ty.results().first());
                let unread = next.entry(shape.clone()).or_default();
                let mut lowered = shape;
                lowered.0.resize(ty.params().len() + *unread, ValType::I32);
                while *unread < TOO_MANY && !taken.insert(lowered.clone()) {
                    lowered.0.push(ValType::I32);
                    *unread += 1;
                }
                u32::try_from(*unread).unwrap_or(u32::MAX)
            });
            results.unread.push(unread);
            results.reserve(ty, first);
        }
        results
    }

    /// Makes room for all results but the first.
    fn reserve(&mut self, ty: &FuncType, first: u32) {
        let mut wanted: HashMap<ValType, usize> = HashMap::new();
        for ty in ty.results().iter().skip(1).filter(|ty| super::ops::is_number(ty)) {
            let wanted = wanted.entry(*ty).or_default();
            *wanted += 1;
            let have = self.by_type.entry(*ty).or_default();
            if have.len() < *wanted {
                have.push(first + u32::try_from(self.globals.len()).unwrap_or(u32::MAX));
                self.globals.push(*ty);
            }
        }
    }

    /// The globals that hold all results but the first, in their order.
    pub(super) fn slots(&self, ty: &FuncType) -> Vec<u32> {
        let mut used: HashMap<ValType, usize> = HashMap::new();
        let slot = |ty: &ValType| {
            let nth = used.entry(*ty).or_default();
            *nth += 1;
            self.by_type.get(ty)?.get(*nth - 1).copied()
        };
        ty.results().iter().skip(1).filter_map(slot).collect()
    }

    /// How many unread parameters a type has got.
    pub(super) fn unread(&self, ty: u32) -> u32 {
        self.unread.get(ty as usize).copied().unwrap_or(0)
    }
}
