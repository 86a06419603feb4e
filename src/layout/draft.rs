//! Filling a lane: one value after the other, gaps between them.

use super::lanes::{Cell, Choice, Group, Lane, List, Role, end, units_alone};
use super::sheet::{Body, Case, Node};
use crate::draw::words::{columns, count, number};
use std::borrow::Cow;

/// Values within values; below, a value is one cell.
pub(super) const DEPTH: usize = 64;

/// A variant whose cases get lanes of their own.
pub(super) struct Union<'a> {
    pub name: &'a str,
    pub path: Vec<&'a str>,
    pub cases: &'a [Case],
    pub tag: u32,
    pub from: u64,
    pub to: u64,
}

/// A lane and what follows from it.
pub(super) struct Done<'a> {
    pub lane: Lane<'a>,
    pub unions: Vec<Union<'a>>,
    pub lists: Vec<List<'a>>,
}

/// A lane that is being filled.
pub(super) struct Draft<'a, 'b> {
    done: Done<'a>,
    path: Vec<&'a str>,
    level: usize,
    cursor: u64,
    budget: &'b mut usize,
    cut: bool,
}

impl<'a, 'b> Draft<'a, 'b> {
    pub(super) fn new(
        depth: usize,
        case: Option<Choice<'a>>,
        path: Vec<&'a str>,
        cursor: u64,
        budget: &'b mut usize,
    ) -> Draft<'a, 'b> {
        let lane = Lane { depth, case, cells: Vec::new(), groups: Vec::new() };
        let done = Done { lane, unions: Vec::new(), lists: Vec::new() };
        Draft { done, path, level: 0, cursor, budget, cut: false }
    }

    pub(super) fn finish(mut self, to: u64) -> Done<'a> {
        let case = self.done.lane.case.is_some();
        if self.cut && self.cursor < to {
            let left = format!("… {} more", count(to - self.cursor, "byte"));
            self.push(to, Role::Value, (left.into(), "not drawn".into()), None);
        }
        self.gap(to, if case { "unused" } else { "padding" });
        self.done
    }

    fn push(&mut self, to: u64, role: Role, (name, ty): (Cow<'a, str>, Cow<'a, str>), element: Option<&'a Node>) {
        let path = joined(&self.path);
        self.done.lane.cells.push(Cell { from: self.cursor, to, role, name, ty, path, level: self.level, element });
        self.cursor = self.cursor.max(to);
    }

    /// The next bytes up to an offset.
    pub(super) fn cell(&mut self, to: u64, role: Role, says: (Cow<'a, str>, Cow<'a, str>), element: Option<&'a Node>) {
        match self.budget.checked_sub(1) {
            Some(left) if !self.cut => {
                *self.budget = left;
                self.push(to.max(self.cursor), role, says, element);
            }
            _ => self.cut = true,
        }
    }

    fn gap(&mut self, to: u64, name: &'static str) {
        if to > self.cursor && !self.cut {
            self.push(to, Role::Gap, (name.into(), "".into()), None);
        }
    }

    /// A value, in a group of its own if it has one. The variant that an area is always gets lanes.
    pub(super) fn value(&mut self, node: &'a Node, name: &'a str, grouped: bool, root: bool) {
        if self.cut {
            return;
        }
        self.gap(node.offset.into(), "padding");
        let to = end(node);
        let named = if name.is_empty() { "value" } else { name };
        let says = (Cow::from(named), Cow::from(node.ty.as_str()));
        if self.path.len() >= DEPTH {
            return self.cell(to, Role::Value, says, None);
        }
        match &node.body {
            Body::Scalar => self.cell(to, Role::Value, says, None),
            Body::Handle => self.cell(to, Role::Handle, says, None),
            Body::Flags { names } => {
                self.cell(to, Role::Flags, says, None);
                self.list((Role::Flags, "bits, the lowest first"), name, names.iter().map(String::as_str).enumerate());
            }
            Body::Variant { cases, .. } if !root && units_alone(cases) => {
                self.cell(to, Role::Tag, says, None);
                self.list((Role::Tag, "cases"), name, cases.iter().map(|c| c.name.as_str()).enumerate());
            }
            _ if grouped => self.group(node, name),
            _ => self.parts(node, name, root),
        }
    }

    fn list(&mut self, what: (Role, &str), name: &str, names: impl Iterator<Item = (usize, &'a str)>) {
        self.done.lists.extend(List::of(self.done.lane.depth + 1, what, name, names));
    }

    fn group(&mut self, node: &'a Node, name: &'a str) {
        let first = self.done.lane.cells.len();
        let to = end(node).max(self.cursor);
        let group = Group { from: self.cursor, to, name, ty: &node.ty, level: self.level, first };
        self.done.lane.groups.push(group);
        self.path.push(name);
        self.level += 1;
        self.parts(node, name, false);
        self.gap(end(node), "padding");
        self.level -= 1;
        self.path.pop();
    }

    fn parts(&mut self, node: &'a Node, name: &'a str, root: bool) {
        let to = end(node);
        match &node.body {
            Body::Record { fields } => {
                fields.iter().for_each(|f| self.value(f, &f.label, true, false));
                self.gap(to, "padding");
            }
            Body::Pointer { element } => {
                let middle = to.min(self.cursor + 4);
                self.cell(middle, Role::Pointer, ("ptr".into(), "address".into()), element.as_deref());
                self.cell(to, Role::Length, ("len".into(), "length".into()), None);
            }
            Body::Array { length, element } => {
                let last = length.saturating_sub(1);
                self.value(element, "[0]", true, false);
                let name = if last > 1 { format!("[1] … [{}]", number(last.into())) } else { "[1]".to_owned() };
                if last > 0 {
                    self.cell(to, Role::Value, (name.into(), node.ty.as_str().into()), None);
                }
            }
            Body::Variant { tag, payload, cases } => {
                let from = self.cursor;
                let mut values = cases.iter().filter_map(|c| Some((c, c.value.as_ref()?)));
                let payloads = values.clone().count();
                let kind = format!("u{}", u64::from(*tag) * 8);
                self.cell(from + u64::from(*tag), Role::Tag, ("tag".into(), kind.into()), None);
                match values.next() {
                    Some((case, value)) if payloads == 1 && !root => {
                        let grouped = matches!(value.body, Body::Variant { .. });
                        self.value(value, &case.name, grouped, false);
                        self.gap(to, "padding");
                    }
                    _ => {
                        if payloads > 0 {
                            self.gap((*payload).into(), "padding");
                            let says = ("payload".into(), format!("one of {payloads}").into());
                            self.cell(to, Role::Union, says, None);
                        }
                        let name = if root || self.level == 0 { "" } else { name };
                        let path = self.path.clone();
                        self.done.unions.push(Union { name, path, cases, tag: *tag, from, to });
                    }
                }
            }
            // A value of one cell; `value` has drawn it.
            Body::Scalar | Body::Handle | Body::Flags { .. } => {}
        }
    }
}

/// Names with dots between; of long paths, the end.
fn joined(path: &[&str]) -> String {
    let mut out = path.iter().rev().take(8).rev().copied().collect::<Vec<_>>().join(".");
    if path.len() > 8 || columns(&out) > 200 {
        out = format!("….{}", out.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect::<String>());
    }
    out
}
