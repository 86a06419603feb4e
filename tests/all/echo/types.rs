//! Types of the component model: how they are written, flattened and laid out. Written from the text of the Canonical
//! ABI alone, so that it judges the tables of the linker.

use crate::random::Xorshift;

/// A type. Fields, cases and labels are named by their place: `f0`, `c1`, `b2`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ty {
    Bool,
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
    F32,
    F64,
    Char,
    String,
    List(Box<Ty>),
    Record(Vec<Ty>),
    Tuple(Vec<Ty>),
    Variant(Vec<Option<Ty>>),
    Enum(usize),
    Flags(usize),
    Option(Box<Ty>),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    Own,
    Borrow,
}

/// A core value type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Core {
    I32,
    I64,
    F32,
    F64,
}

impl Core {
    pub(super) fn name(self) -> &'static str {
        match self {
            Core::I32 => "i32",
            Core::I64 => "i64",
            Core::F32 => "f32",
            Core::F64 => "f64",
        }
    }

    fn join(self, other: Core) -> Core {
        match (self, other) {
            (a, b) if a == b => a,
            (Core::I32 | Core::F32, Core::I32 | Core::F32) => Core::I32,
            _ => Core::I64,
        }
    }
}

const LEAVES: [Ty; 13] = [
    Ty::Bool,
    Ty::U8,
    Ty::S8,
    Ty::U16,
    Ty::S16,
    Ty::U32,
    Ty::S32,
    Ty::U64,
    Ty::S64,
    Ty::F32,
    Ty::F64,
    Ty::Char,
    Ty::String,
];

impl Ty {
    /// A type of at most `depth` levels; `leaves` bounds what it may hold.
    pub(super) fn random(random: &mut Xorshift, depth: usize, leaves: &mut usize, handles: bool) -> Ty {
        *leaves = leaves.saturating_sub(1);
        if depth == 0 || *leaves < 4 || random.below(3) == 0 {
            return match random.below(if handles { 22 } else { 18 }) {
                13..18 => Ty::String,
                18 | 19 => Ty::Own,
                20 | 21 => Ty::Borrow,
                leaf => LEAVES[leaf].clone(),
            };
        }
        let mut inner = |random: &mut Xorshift| Ty::random(random, depth - 1, leaves, handles);
        match random.below(9) {
            0 | 1 => Ty::List(Box::new(inner(random))),
            2 => Ty::Record((0..=random.below(4)).map(|_| inner(random)).collect()),
            3 => Ty::Tuple((0..=random.below(4)).map(|_| inner(random)).collect()),
            4 => Ty::Variant((0..=random.below(5)).map(|i| (i != 1).then(|| inner(random))).collect()),
            5 => Ty::Enum(if random.below(8) == 0 { 257 } else { 1 + random.below(9) }),
            6 => Ty::Flags(1 + random.below(32)),
            7 => Ty::Option(Box::new(inner(random))),
            _ => {
                let mut side = |random: &mut Xorshift| (random.below(3) > 0).then(|| Box::new(inner(random)));
                Ty::Result(side(random), side(random))
            }
        }
    }

    /// The cases of a variant, an enum, an option or a result.
    pub(super) fn cases(&self) -> Option<Vec<Option<&Ty>>> {
        match self {
            Ty::Variant(cases) => Some(cases.iter().map(Option::as_ref).collect()),
            Ty::Enum(count) => Some(vec![None; *count]),
            Ty::Option(some) => Some(vec![None, Some(some)]),
            Ty::Result(ok, error) => Some(vec![ok.as_deref(), error.as_deref()]),
            _ => None,
        }
    }

    /// The fields of a record or a tuple.
    pub(super) fn fields(&self) -> Option<&[Ty]> {
        match self {
            Ty::Record(fields) | Ty::Tuple(fields) => Some(fields),
            _ => None,
        }
    }

    /// Bytes of the discriminant of that many cases.
    pub(super) fn discriminant(cases: usize) -> u32 {
        if cases <= 256 { 1 } else { 2 }
    }

    pub(super) fn align(&self) -> u32 {
        let most = |types: &mut dyn Iterator<Item = &Ty>| types.map(Ty::align).max().unwrap_or(1);
        match self {
            Ty::Bool | Ty::U8 | Ty::S8 => 1,
            Ty::U16 | Ty::S16 => 2,
            Ty::U64 | Ty::S64 | Ty::F64 => 8,
            Ty::Flags(labels) => flag_bytes(*labels),
            Ty::Record(fields) | Ty::Tuple(fields) => most(&mut fields.iter()),
            _ => match self.cases() {
                Some(cases) => Ty::discriminant(cases.len()).max(most(&mut cases.into_iter().flatten())),
                None => 4,
            },
        }
    }

    pub(super) fn size(&self) -> u32 {
        match self {
            Ty::List(_) | Ty::String => 8,
            Ty::Record(fields) | Ty::Tuple(fields) => {
                align_to(offsets(fields).last().zip(fields.last()).map_or(0, |(o, f)| o + f.size()), self.align())
            }
            _ => match self.cases() {
                Some(cases) => {
                    let payload = cases.iter().flatten().map(|ty| ty.size()).max().unwrap_or(0);
                    align_to(self.payload() + payload, self.align())
                }
                None => self.align(),
            },
        }
    }

    /// Where the payload of a variant begins.
    pub(super) fn payload(&self) -> u32 {
        let cases = self.cases().unwrap_or_default();
        let align = cases.iter().flatten().map(|ty| ty.align()).max().unwrap_or(1);
        align_to(Ty::discriminant(cases.len()), align)
    }

    pub(super) fn flat(&self) -> Vec<Core> {
        match self {
            Ty::U64 | Ty::S64 => vec![Core::I64],
            Ty::F32 => vec![Core::F32],
            Ty::F64 => vec![Core::F64],
            Ty::List(_) | Ty::String => vec![Core::I32; 2],
            Ty::Record(fields) | Ty::Tuple(fields) => fields.iter().flat_map(Ty::flat).collect(),
            _ => {
                let mut joined: Vec<Core> = Vec::new();
                for case in self.cases().into_iter().flatten().flatten() {
                    for (i, core) in case.flat().into_iter().enumerate() {
                        match joined.get_mut(i) {
                            Some(known) => *known = known.join(core),
                            None => joined.push(core),
                        }
                    }
                }
                [vec![Core::I32], joined].concat()
            }
        }
    }

    /// Whether the type itself or one inside answers.
    pub(super) fn any(&self, answers: &dyn Fn(&Ty) -> bool) -> bool {
        answers(self) || self.children().into_iter().any(|ty| ty.any(answers))
    }

    pub(super) fn children(&self) -> Vec<&Ty> {
        match self {
            Ty::List(element) => vec![element],
            Ty::Record(fields) | Ty::Tuple(fields) => fields.iter().collect(),
            _ => self.cases().into_iter().flatten().flatten().collect(),
        }
    }

    pub(super) fn has_handles(&self) -> bool {
        self.any(&|ty| matches!(ty, Ty::Own | Ty::Borrow))
    }

    /// The type as a result may have it: a borrowed handle is given back as the number that it was.
    pub(super) fn returned(&self) -> Ty {
        let all = |types: &[Ty]| types.iter().map(Ty::returned).collect();
        let side = |ty: &Option<Box<Ty>>| ty.as_ref().map(|ty| Box::new(ty.returned()));
        match self {
            Ty::Borrow => Ty::U32,
            Ty::List(element) => Ty::List(Box::new(element.returned())),
            Ty::Record(fields) => Ty::Record(all(fields)),
            Ty::Tuple(fields) => Ty::Tuple(all(fields)),
            Ty::Variant(cases) => Ty::Variant(cases.iter().map(|ty| ty.as_ref().map(Ty::returned)).collect()),
            Ty::Option(some) => Ty::Option(Box::new(some.returned())),
            Ty::Result(ok, error) => Ty::Result(side(ok), side(error)),
            other => other.clone(),
        }
    }

    /// The name of the kind, for counting.
    pub(super) fn kind(&self) -> String {
        let name = format!("{self:?}");
        name.split(['(', '[']).next().unwrap_or_default().to_lowercase()
    }
}

pub(super) fn align_to(offset: u32, align: u32) -> u32 {
    offset.div_ceil(align) * align
}

fn flag_bytes(labels: usize) -> u32 {
    match labels {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

/// Where each field of a record lies.
pub(super) fn offsets(fields: &[Ty]) -> Vec<u32> {
    let mut end = 0;
    let mut place = |field: &Ty| {
        let at = align_to(end, field.align());
        end = at + field.size();
        at
    };
    fields.iter().map(&mut place).collect()
}

/// A function, by its parameters: it gives them back.
#[derive(Debug, Clone)]
pub(super) struct Echo {
    pub(super) params: Vec<Ty>,
}

/// More core parameters than this go through memory.
const MAX_FLAT_PARAMS: usize = 16;

impl Echo {
    pub(super) fn result(&self) -> Option<Ty> {
        match self.params.as_slice() {
            [] => None,
            [one] => Some(one.returned()),
            many => Some(Ty::Tuple(many.iter().map(Ty::returned).collect())),
        }
    }

    pub(super) fn flat_params(&self) -> Vec<Core> {
        self.params.iter().flat_map(Ty::flat).collect()
    }

    pub(super) fn spilled(&self) -> bool {
        self.flat_params().len() > MAX_FLAT_PARAMS
    }

    pub(super) fn core_params(&self) -> Vec<Core> {
        if self.spilled() { vec![Core::I32] } else { self.flat_params() }
    }

    /// The result that is not passed through memory.
    pub(super) fn core_result(&self) -> Option<Core> {
        if self.returns_pointer() { None } else { self.flat_params().first().copied() }
    }

    pub(super) fn returns_pointer(&self) -> bool {
        self.flat_params().len() > 1
    }

    pub(super) fn has_handles(&self) -> bool {
        self.params.iter().any(Ty::has_handles)
    }
}
