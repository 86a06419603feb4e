//! What code names: one pass over each function body finds every index in it.
//!
//! Most instructions name nothing, and are copied as they are; what is found here is all that has to be followed (by
//! [`super::live`]) and rewritten (by [`super::splice`]). Immediates are told apart by the names that the parser gives
//! them. A name that is not known here does not compile, so that no index is ever missed.

use super::chunks;
use super::renumber::Kind;
use crate::diagnostic::{Diagnostic, Result};
use crate::link::module::Module;
use crate::link::report::Floor;
use std::borrow::Cow;
use wasmparser::{
    BinaryReaderError, BlockType, Catch, ConstExpr, FrameKind, FrameStack, FuncValidator, FunctionBody, Handle,
    HeapType, MemArg, OperatorsReader, RefType, ResumeTable, TryTable, ValType, ValidatorResources, VisitOperator,
    VisitSimdOperator,
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
#[derive(Debug, Default, Clone, PartialEq)]
pub(in crate::link) struct Scan {
    /// In the order of the code. An instruction with two indices is there twice.
    pub(super) sites: Vec<Site>,
    /// Whether an instruction uses memory 0, which is too frequent to be listed.
    pub(super) memory_zero: bool,
    /// Whether a local names a type. Locals are copied as they are.
    pub(super) typed_locals: bool,
    pub(super) proposals: Proposals,
    /// No smaller profile takes the instructions.
    pub(super) floor: Floor,
}

impl Scan {
    pub(super) fn body(body: &FunctionBody<'_>) -> Result<Scan, BinaryReaderError> {
        let mut scanner = Scanner::new(body)?;
        scanner.run(OperatorsReader::new(body.get_binary_reader_for_operators()?))?;
        Ok(scanner.finish())
    }

    /// The same, with the uses of memory 0 among the sites.
    pub(super) fn body_with_memories(body: &FunctionBody<'_>) -> Result<Scan> {
        let mut scanner = Scanner { list_memory_zero: true, ..Scanner::new(body).map_err(invalid)? };
        scanner.run(body.get_operators_reader().map_err(invalid)?).map_err(invalid)?;
        Ok(scanner.finish())
    }

    pub(super) fn expr(expr: &ConstExpr<'_>) -> Result<Scan> {
        let ops = expr.get_operators_reader();
        let mut scanner = Scanner { start: ops.original_position(), ..Scanner::default() };
        scanner.run(ops).map_err(invalid)?;
        Ok(scanner.finish())
    }

    /// Validates a body and scans it on the way, so that it is decoded once.
    pub(in crate::link) fn validated(
        validator: &mut FuncValidator<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<Scan, BinaryReaderError> {
        let mut scanner = Scanner::new(body)?;
        let mut code = body.get_binary_reader();
        validator.read_locals(&mut code)?;
        code.set_features(*validator.features());
        while !code.eof() {
            let at = code.original_position();
            scanner.at(at);
            code.visit_operator(&mut Both { scanner: &mut scanner, validator, at })??;
            scanner.done(code.original_position());
        }
        code.finish_expression(&validator.visitor(code.original_position()))?;
        Ok(scanner.finish())
    }
}

/// Scans of bodies that were validated, by the addresses of the bodies, in ascending order. A module that was made or
/// rewritten since has others, so none is ever taken for another.
#[derive(Debug, Default)]
pub(in crate::link) struct Scans(pub(in crate::link) Vec<(usize, Scan)>);

impl Scans {
    /// Where a body is.
    pub(in crate::link) fn address(body: &FunctionBody<'_>) -> usize {
        body.as_bytes().as_ptr() as usize
    }

    /// The bodies of a module, in order, scanned now if they were not before.
    pub(super) fn of(&self, module: &Module<'_>) -> Result<Vec<Cow<'_, Scan>>> {
        if let Some(known) = self.known(module) {
            return Ok(known.iter().map(|(_, scan)| Cow::Borrowed(scan)).collect());
        }
        let bytes = |body: &FunctionBody<'_>| body.range().len();
        let chunks = chunks::map(&module.bodies, bytes, |bodies| bodies.iter().map(Scan::body).collect::<Vec<_>>());
        chunks.into_iter().flatten().map(|scan| scan.map(Cow::Owned).map_err(invalid)).collect()
    }

    fn known(&self, module: &Module<'_>) -> Option<&[(usize, Scan)]> {
        let (first, last) = (module.bodies.first()?, module.bodies.last()?);
        let start = self.0.binary_search_by_key(&Self::address(first), |(address, _)| *address).ok()?;
        let known = self.0.get(start..start + module.bodies.len())?;
        known.last().filter(|(address, _)| *address == Self::address(last)).map(|_| known)
    }
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
#[derive(Clone, Copy, Default)]
struct Facts {
    proposals: Proposals,
    floor: Floor,
    /// Takes a reference to a function instead of calling it.
    refers: bool,
    /// May hold an address.
    relocatable: bool,
}

impl Facts {
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

#[derive(Default)]
struct Scanner {
    scan: Scan,
    list_memory_zero: bool,
    /// Where the body starts, and where in it the instruction does.
    start: usize,
    at: u32,
    facts: Facts,
}

/// An instruction with an address is that long where the address is padded to the five bytes that linkers reserve. Few
/// others are; they lose nothing by being written again.
const PADDED: usize = 6;

impl Scanner {
    fn new(body: &FunctionBody<'_>) -> Result<Scanner, BinaryReaderError> {
        let mut scanner = Scanner { start: body.range().start, ..Scanner::default() };
        for local in body.get_locals_reader()? {
            if let (_, ValType::Ref(ty)) = local? {
                scanner.scan.typed_locals |= ty.is_concrete_type_ref();
            }
        }
        Ok(scanner)
    }

    fn run(&mut self, mut ops: OperatorsReader<'_>) -> Result<(), BinaryReaderError> {
        while !ops.eof() {
            self.at(ops.original_position());
            ops.visit_operator(self)?;
            self.done(ops.original_position());
        }
        ops.finish()
    }

    /// An instruction starts. A body has less than 2^32 bytes, as its size is in the binary.
    #[inline]
    fn at(&mut self, position: usize) {
        self.at = u32::try_from(position - self.start).unwrap_or(u32::MAX);
    }

    /// It ends.
    #[inline]
    fn done(&mut self, position: usize) {
        if self.facts.relocatable && position - self.start - self.at as usize >= PADDED {
            self.site(Kind::Padded, 0);
        }
    }

    fn finish(mut self) -> Scan {
        self.scan.sites.shrink_to_fit();
        self.scan
    }

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

/// Hands every instruction to the scanner and to the validator.
struct Both<'v> {
    scanner: &'v mut Scanner,
    validator: &'v mut FuncValidator<ValidatorResources>,
    at: usize,
}

impl FrameStack for Both<'_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.get_control_frame(0).map(|frame| frame.kind)
    }
}

macro_rules! visit_both {
    ($visitor:ident $(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Self::Output {
            self.scanner.$visit($($($arg.clone()),*)?);
            self.validator.$visitor(self.at).$visit($($($arg),*)?)
        }
    )*};
}

macro_rules! visit_plain {
    ($($ops:tt)*) => { visit_both!(visitor $($ops)*); };
}

macro_rules! visit_simd {
    ($($ops:tt)*) => { visit_both!(simd_visitor $($ops)*); };
}

impl<'a> VisitOperator<'a> for Both<'_> {
    type Output = Result<(), BinaryReaderError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_plain);
}

impl VisitSimdOperator<'_> for Both<'_> {
    wasmparser::for_each_visit_simd_operator!(visit_simd);
}
