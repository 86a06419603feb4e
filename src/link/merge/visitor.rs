//! The scanner: a visitor of instructions that notes their indices.
//!
//! Immediates are told apart by the names that the parser gives them. A name that is not known here does not compile, so
//! that no index is ever missed.

use super::proposals::Facts;
use super::renumber::Kind;
use super::scan::{Scan, Site};
use wasmparser::{
    BinaryReader, BinaryReaderError, BlockType, Catch, FrameKind, FrameStack, FunctionBody, Handle, HeapType, MemArg,
    OperatorsReader, RefType, ResumeTable, TryTable, ValType, VisitOperator, VisitSimdOperator,
};

#[derive(Default)]
pub(super) struct Scanner {
    scan: Scan,
    pub(super) list_memory_zero: bool,
    /// Where the body starts, and where in it the instruction does.
    start: usize,
    at: u32,
    facts: Facts,
}

/// Fewer bytes than lie between two sites, usually.
const SITE: usize = 8;

/// An instruction with an address is that long where the address is padded to the five bytes that linkers reserve. Few
/// others are; they lose nothing by being written again.
const PADDED: usize = 6;

impl Scanner {
    pub(super) fn new(body: &FunctionBody<'_>) -> Result<Scanner, BinaryReaderError> {
        let mut scanner = Scanner::starting(body.range().start);
        // Compiled code has a site every dozen bytes.
        scanner.scan.sites.reserve(body.range().len() / SITE);
        for local in body.get_locals_reader()? {
            if let (_, ValType::Ref(ty)) = local? {
                scanner.scan.typed_locals |= ty.is_concrete_type_ref();
            }
        }
        Ok(scanner)
    }

    pub(super) fn starting(start: usize) -> Scanner {
        Scanner { start, ..Scanner::default() }
    }

    pub(super) fn run(&mut self, mut ops: OperatorsReader<'_>) -> Result<(), BinaryReaderError> {
        while !ops.eof() {
            self.at(ops.original_position());
            ops.visit_operator(self)?;
            self.done(ops.original_position());
        }
        ops.finish()
    }

    /// An instruction starts. A body has less than 2^32 bytes, as its size is in the binary.
    #[inline]
    pub(super) fn at(&mut self, position: usize) {
        self.at = u32::try_from(position - self.start).unwrap_or(u32::MAX);
    }

    /// It ends.
    #[inline]
    pub(super) fn done(&mut self, position: usize) {
        if self.facts.relocatable && position - self.start - self.at as usize >= PADDED {
            self.site(Kind::Padded, 0);
        }
    }

    pub(super) fn finish(mut self) -> Scan {
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

/// Hands every instruction to the scanner and to a validator.
pub(super) struct Both<'v, V> {
    pub(super) scanner: &'v mut Scanner,
    pub(super) validator: V,
}

impl<V: FrameStack> FrameStack for Both<'_, V> {
    #[inline]
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.current_frame()
    }
}

type Validated = Result<(), BinaryReaderError>;

macro_rules! visit_both {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Validated {
            self.scanner.$visit($($($arg.clone()),*)?);
            self.validator.$visit($($($arg),*)?)
        }
    )*};
}

macro_rules! visit_both_simd {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Validated {
            self.scanner.$visit($($($arg.clone()),*)?);
            match self.validator.simd_visitor() {
                Some(validator) => validator.$visit($($($arg),*)?),
                // The parser has asked for it already.
                None => BinaryReader::new(&[], 0).read_u8().map(drop),
            }
        }
    )*};
}

impl<'a, V: VisitOperator<'a, Output = Validated>> VisitOperator<'a> for Both<'_, V> {
    type Output = Validated;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Validated>> {
        self.validator.simd_visitor()?;
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_both);
}

impl<'a, V: VisitOperator<'a, Output = Validated>> VisitSimdOperator<'a> for Both<'_, V> {
    wasmparser::for_each_visit_simd_operator!(visit_both_simd);
}
