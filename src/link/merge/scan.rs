//! What code names: one pass over each function body finds every index in it.
//!
//! Most instructions name nothing, and are copied as they are; what is found here is all that has to be followed (by
//! [`super::live`]) and rewritten (by [`super::splice`]). Immediates are told apart by the names that the parser gives
//! them. A name that is not known here does not compile, so that no index is ever missed.

use super::renumber::Kind;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::module::Module;
use crate::link::report::Floor;
use wasmparser::{
    BinaryReader, BinaryReaderError, BlockType, Catch, ConstExpr, FunctionBody, Handle, HeapType, MemArg,
    OperatorsReader, RefType, ResumeTable, TryTable, ValType, VisitOperator, VisitSimdOperator,
};

/// An index in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    /// Where the instruction starts, counted from the start of the body.
    pub(super) at: u32,
    pub(super) kind: Kind,
    /// In the index space of the instance.
    pub(super) index: u32,
}

/// A function body or constant expression, scanned.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// In the order of the code. An instruction with two indices is there twice.
    pub(super) sites: Vec<Site>,
    /// Whether an instruction uses memory 0, which is too frequent to be listed.
    pub(super) memory_zero: bool,
    pub(super) proposals: Proposals,
    /// No smaller profile takes the instructions.
    pub(super) floor: Floor,
}

impl Scan {
    pub(super) fn body(body: &FunctionBody<'_>) -> Result<Scan> {
        Self::whole(body, false)
    }

    /// The same, with the uses of memory 0 among the sites.
    pub(super) fn body_with_memories(body: &FunctionBody<'_>) -> Result<Scan> {
        Self::whole(body, true)
    }

    fn whole(body: &FunctionBody<'_>, list_memory_zero: bool) -> Result<Scan> {
        for local in body.get_locals_reader().map_err(invalid)? {
            // Locals are copied as they are.
            if let (_, ValType::Ref(ty)) = local.map_err(invalid)?
                && ty.is_concrete_type_ref()
            {
                return Err(Diagnostic::new(Code::UnsupportedType, "a local of a typed function reference"));
            }
        }
        let code = body.get_binary_reader_for_operators().map_err(invalid)?;
        scan(code, body.range().start, list_memory_zero)
    }

    pub(super) fn expr(expr: &ConstExpr<'_>) -> Result<Scan> {
        let code = expr.get_binary_reader();
        let start = code.original_position();
        scan(code, start, false)
    }
}

/// An instruction with an address is that long where the address is padded to the five bytes that linkers reserve. Few
/// others are; they lose nothing by being written again.
const PADDED: usize = 6;

fn scan(code: BinaryReader<'_>, start: usize, list_memory_zero: bool) -> Result<Scan> {
    let mut scanner = Scanner { scan: Scan::default(), list_memory_zero, at: 0, facts: Facts::NONE };
    let mut ops = OperatorsReader::new(code);
    while !ops.eof() {
        scanner.at = u32::try_from(ops.original_position() - start)
            .map_err(|_| Diagnostic::new(Code::TooLarge, "a function body of more than 2^32 bytes"))?;
        ops.visit_operator(&mut scanner).map_err(invalid)?;
        if scanner.facts.relocatable && ops.original_position() - start - scanner.at as usize >= PADDED {
            scanner.site(Kind::Padded, 0);
        }
    }
    ops.finish().map_err(invalid)?;
    scanner.scan.sites.shrink_to_fit();
    Ok(scanner.scan)
}

/// Scans all bodies of a module, in order.
pub(super) fn scan_module(module: &Module<'_>) -> Result<Vec<Scan>> {
    let bytes = |body: &FunctionBody<'_>| body.range().len();
    super::chunks::map(&module.bodies, bytes, |bodies| bodies.iter().map(Scan::body).collect::<Result<Vec<_>>>())
        .into_iter()
        .try_fold(Vec::with_capacity(module.bodies.len()), |mut all, chunk| {
            all.append(&mut chunk?);
            Ok(all)
        })
}

fn invalid(error: BinaryReaderError) -> Box<Diagnostic> {
    Diagnostic::invalid_wasm(&error)
}

/// A set of proposals.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proposals(u32);

impl Proposals {
    /// As the parser groups instructions; the first is WebAssembly 1.0.
    const NAMES: [&'static str; 18] = [
        "mvp",
        "sign_extension",
        "saturating_float_to_int",
        "bulk_memory",
        "reference_types",
        "simd",
        "relaxed_simd",
        "tail_call",
        "exceptions",
        "threads",
        "function_references",
        "gc",
        "legacy_exceptions",
        "memory_control",
        "shared_everything_threads",
        "stack_switching",
        "wide_arithmetic",
        "custom_descriptors",
    ];

    pub(super) const BULK_MEMORY: Proposals = Proposals::of("bulk_memory");

    const fn of(name: &str) -> Proposals {
        let mut i = 0;
        while i < Self::NAMES.len() {
            if same(Self::NAMES[i], name) {
                return Proposals(1 << i);
            }
            i += 1;
        }
        panic!("a proposal without a name here")
    }

    pub(super) fn add(&mut self, others: Proposals) {
        self.0 |= others.0;
    }

    /// Those beyond WebAssembly 1.0.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().skip(1).filter(move |(i, _)| self.0 & (1 << i) != 0).map(|(_, name)| name)
    }
}

/// What is known of an instruction without looking at its immediates.
#[derive(Clone, Copy)]
struct Facts {
    proposals: Proposals,
    floor: Floor,
    /// Takes a reference to a function instead of calling it.
    refers: bool,
    /// May hold an address.
    relocatable: bool,
}

impl Facts {
    const NONE: Facts = Facts { proposals: Proposals(0), floor: Floor::Mvp, refers: false, relocatable: false };

    const fn of(proposal: &str, op: &str) -> Facts {
        let floor = if same(proposal, "mvp") {
            Floor::Mvp
        } else if same(proposal, "sign_extension")
            || same(proposal, "saturating_float_to_int")
            || same(op, "MemoryCopy")
            || same(op, "MemoryFill")
        {
            Floor::Lime1
        } else if same(proposal, "bulk_memory") || same(proposal, "reference_types") || same(proposal, "simd") {
            Floor::Wasm2
        } else {
            Floor::Wasm3
        };
        Facts {
            proposals: Proposals::of(proposal),
            floor,
            refers: same(op, "RefFunc"),
            relocatable: same(op, "I32Const") || same(op, "I64Const"),
        }
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

struct Scanner {
    scan: Scan,
    list_memory_zero: bool,
    at: u32,
    facts: Facts,
}

impl Scanner {
    #[inline]
    fn note(&mut self, facts: Facts) {
        self.facts = facts;
        self.scan.proposals.add(facts.proposals);
        self.scan.floor = self.scan.floor.max(facts.floor);
    }

    fn site(&mut self, kind: Kind, index: u32) {
        self.scan.sites.push(Site { at: self.at, kind, index });
    }

    fn func(&mut self, index: u32) {
        self.site(if self.facts.refers { Kind::FuncRef } else { Kind::Func }, index);
    }

    #[inline]
    fn memory(&mut self, index: u32) {
        self.scan.memory_zero |= index == 0;
        if index != 0 || self.list_memory_zero {
            self.site(Kind::Memory, index);
        }
    }

    fn memarg(&mut self, memarg: MemArg) {
        self.facts.relocatable = true;
        self.memory(memarg.memory);
    }

    fn block(&mut self, ty: BlockType) {
        match ty {
            BlockType::Empty => {}
            BlockType::Type(ty) => self.val_type(ty),
            BlockType::FuncType(index) => self.site(Kind::Type, index),
        }
    }

    fn val_type(&mut self, ty: ValType) {
        if let ValType::Ref(ty) = ty {
            self.ref_type(ty);
        }
    }

    fn ref_type(&mut self, ty: RefType) {
        self.heap_type(ty.heap_type());
    }

    fn heap_type(&mut self, ty: HeapType) {
        if let HeapType::Concrete(index) | HeapType::Exact(index) = ty
            && let Some(index) = index.as_module_index()
        {
            self.site(Kind::Type, index);
        }
    }

    fn try_table(&mut self, table: &TryTable) {
        self.block(table.ty);
        for catch in &table.catches {
            if let Catch::One { tag, .. } | Catch::OneRef { tag, .. } = catch {
                self.site(Kind::Tag, *tag);
            }
        }
    }

    fn resume_table(&mut self, table: &ResumeTable) {
        for handler in &table.handlers {
            let (Handle::OnLabel { tag, .. } | Handle::OnSwitch { tag }) = handler;
            self.site(Kind::Tag, *tag);
        }
    }
}

macro_rules! immediate {
    ($s:ident $arg:ident function_index) => {
        $s.func($arg)
    };
    ($s:ident $arg:ident table) => {
        $s.site(Kind::Table, $arg)
    };
    ($s:ident $arg:ident table_index) => {
        $s.site(Kind::Table, $arg)
    };
    ($s:ident $arg:ident dst_table) => {
        $s.site(Kind::Table, $arg)
    };
    ($s:ident $arg:ident src_table) => {
        $s.site(Kind::Table, $arg)
    };
    ($s:ident $arg:ident mem) => {
        $s.memory($arg)
    };
    ($s:ident $arg:ident dst_mem) => {
        $s.memory($arg)
    };
    ($s:ident $arg:ident src_mem) => {
        $s.memory($arg)
    };
    ($s:ident $arg:ident memarg) => {
        $s.memarg($arg)
    };
    ($s:ident $arg:ident global_index) => {
        $s.site(Kind::Global, $arg)
    };
    ($s:ident $arg:ident tag_index) => {
        $s.site(Kind::Tag, $arg)
    };
    ($s:ident $arg:ident elem_index) => {
        $s.site(Kind::Element, $arg)
    };
    ($s:ident $arg:ident array_elem_index) => {
        $s.site(Kind::Element, $arg)
    };
    ($s:ident $arg:ident data_index) => {
        $s.site(Kind::Data, $arg)
    };
    ($s:ident $arg:ident array_data_index) => {
        $s.site(Kind::Data, $arg)
    };
    ($s:ident $arg:ident type_index) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident struct_type_index) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident array_type_index) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident array_type_index_dst) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident array_type_index_src) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident cont_type_index) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident argument_index) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident result_index) => {
        $s.site(Kind::Type, $arg)
    };
    ($s:ident $arg:ident blockty) => {
        $s.block($arg)
    };
    ($s:ident $arg:ident try_table) => {
        $s.try_table(&$arg)
    };
    ($s:ident $arg:ident resume_table) => {
        $s.resume_table(&$arg)
    };
    ($s:ident $arg:ident hty) => {
        $s.heap_type($arg)
    };
    ($s:ident $arg:ident ty) => {
        $s.val_type($arg)
    };
    ($s:ident $arg:ident tys) => {
        $arg.into_iter().for_each(|ty| $s.val_type(ty))
    };
    ($s:ident $arg:ident from_ref_type) => {
        $s.ref_type($arg)
    };
    ($s:ident $arg:ident to_ref_type) => {
        $s.ref_type($arg)
    };
    // These name nothing outside of the function.
    ($s:ident $arg:ident relative_depth) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident targets) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident local_index) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident value) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident lane) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident lanes) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident array_size) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident field_index) => {
        let _ = $arg;
    };
    ($s:ident $arg:ident ordering) => {
        let _ = $arg;
    };
}

macro_rules! visit {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $argty)*)?) {
            const FACTS: Facts = Facts::of(stringify!($proposal), stringify!($op));
            self.note(FACTS);
            $($(immediate!(self $arg $arg);)*)?
        }
    )*};
}

impl<'a> VisitOperator<'a> for Scanner {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit);
}

impl VisitSimdOperator<'_> for Scanner {
    wasmparser::for_each_visit_simd_operator!(visit);
}
