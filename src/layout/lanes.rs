//! From a tree of values to cells side by side. A lane covers its bytes without holes: what no field covers is a gap.
//!
//! A variant whose cases hold different things cannot be drawn in one line: its payload is one cell of the lane that it
//! is in, and every case that has a payload gets a lane of its own, over the same bytes.

use super::draft::{DEPTH, Done, Draft};
use super::sheet::{Case, Node};
use std::borrow::Cow;

/// Cells drawn for one area; the bytes after them are one cell that says how many they are.
const CELLS: usize = 8192;
/// Names of cases or flags listed.
const NAMES: usize = 512;

/// What a cell holds; one colour each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Value,
    Tag,
    Pointer,
    Length,
    Handle,
    Flags,
    /// A payload that differs between cases.
    Union,
    Gap,
}

impl Role {
    /// The CSS class.
    pub(super) fn class(self) -> &'static str {
        match self {
            Role::Value => "value",
            Role::Tag => "tag",
            Role::Pointer => "pointer",
            Role::Length => "length",
            Role::Handle => "handle",
            Role::Flags => "flags",
            Role::Union => "union",
            Role::Gap => "gap",
        }
    }
}

/// Bytes with one meaning.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub from: u64,
    pub to: u64,
    pub role: Role,
    pub name: Cow<'a, str>,
    pub ty: Cow<'a, str>,
    /// Names of everything it is in, such as `error.rcode`.
    pub path: String,
    /// How many groups it is in.
    pub level: usize,
    /// What it points to.
    pub element: Option<&'a Node>,
}

/// A value made of several cells.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub from: u64,
    pub to: u64,
    pub name: &'a str,
    pub ty: &'a str,
    /// How many groups it is in.
    pub level: usize,
    /// Index of its first cell.
    pub first: usize,
}

/// The case that a lane shows.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub index: usize,
    /// With the name of the variant in front if that is a field.
    pub name: Cow<'a, str>,
    /// The type of the payload.
    pub ty: &'a str,
}

/// Cells side by side.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    /// How many variants it is in.
    pub depth: usize,
    pub case: Option<Choice<'a>>,
    pub cells: Vec<Cell<'a>>,
    pub groups: Vec<Group<'a>>,
}

/// Cases without a payload, or flags.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub depth: usize,
    pub role: Role,
    pub title: String,
    pub names: Vec<(usize, &'a str)>,
    pub more: usize,
}

/// A line of the picture.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Lane(Lane<'a>),
    List(List<'a>),
}

/// All lines of an area.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub items: Vec<Item<'a>>,
    /// Cases that are not drawn because there are too many.
    pub hidden: usize,
    /// Bytes of the area.
    pub size: u64,
    budget: usize,
}

impl<'a> Plan<'a> {
    /// The lanes of a value at offset 0.
    pub(super) fn of(root: &'a Node) -> Plan<'a> {
        let mut plan = Plan { items: Vec::new(), hidden: 0, size: end(root), budget: CELLS };
        let mut draft = Draft::new(0, None, Vec::new(), 0, &mut plan.budget);
        draft.value(root, &root.label, false, true);
        let done = draft.finish(end(root));
        plan.take(done);
        plan
    }

    /// Lanes alone.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane<'a>> {
        self.items.iter().filter_map(|item| match item {
            Item::Lane(lane) => Some(lane),
            Item::List(_) => None,
        })
    }

    fn take(&mut self, done: Done<'a>) {
        let depth = done.lane.depth;
        self.items.push(Item::Lane(done.lane));
        self.items.extend(done.lists.into_iter().map(Item::List));
        for union in done.unions {
            for (index, case) in union.cases.iter().enumerate() {
                let Some(value) = &case.value else { continue };
                if self.budget == 0 || depth >= DEPTH {
                    self.hidden += 1;
                    continue;
                }
                let mut path = union.path.clone();
                path.push(&case.name);
                let name = match union.name {
                    "" => Cow::from(case.name.as_str()),
                    field => Cow::from(format!("{field}.{}", case.name)),
                };
                let choice = Choice { index, name, ty: &value.ty };
                let mut draft = Draft::new(depth + 1, Some(choice), path, union.from, &mut self.budget);
                let says = (index.to_string().into(), "discriminant".into());
                draft.cell(union.from + u64::from(union.tag), Role::Tag, says, None);
                draft.value(value, &case.name, false, false);
                let done = draft.finish(union.to);
                self.take(done);
            }
            let what = if units_alone(union.cases) { "cases" } else { "cases without a payload" };
            let units = union.cases.iter().enumerate().filter(|(_, c)| c.value.is_none());
            let names = units.map(|(i, c)| (i, c.name.as_str()));
            self.items.extend(List::of(depth + 1, (Role::Tag, what), union.name, names).map(Item::List));
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn of(
        depth: usize,
        (role, what): (Role, &str),
        field: &str,
        names: impl Iterator<Item = (usize, &'a str)>,
    ) -> Option<Self> {
        let mut names: Vec<_> = names.collect();
        let more = names.len().saturating_sub(NAMES);
        let title = match field {
            "" => what.to_owned(),
            field => format!("{field}: {what}"),
        };
        names.truncate(NAMES);
        (!names.is_empty()).then_some(List { depth, role, title, names, more })
    }
}

/// Whether this is an enum.
pub(super) fn units_alone(cases: &[Case]) -> bool {
    cases.iter().all(|c| c.value.is_none())
}

/// The first byte after a value.
pub(super) fn end(node: &Node) -> u64 {
    u64::from(node.offset) + u64::from(node.size)
}
