//! Components of any size: one core module whose every function is reached.

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CodeSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentTypeSection, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, InstanceSection, MemorySection, MemoryType, Module, ModuleSection, PrimitiveValType,
    TypeSection, ValType,
};

/// What compilers emit, roughly: a stack pointer, loads and stores, calls of nearby functions, a loop.
fn body(index: u32, count: u32) -> Function {
    let mut body = Function::new([(3, ValType::I32)]);
    let mut code = body.instructions();
    let memarg = |offset| wasm_encoder::MemArg { offset, align: 2, memory_index: 0 };
    code.global_get(0).i32_const(32).i32_sub().local_tee(1).global_set(0);
    for step in 0..12u32 {
        let constant = i32::from_ne_bytes(index.wrapping_mul(2_654_435_761).wrapping_add(step).to_ne_bytes());
        code.local_get(1).local_get(0).i32_const(constant).i32_xor().i32_store(memarg(u64::from(step) * 4));
        code.local_get(2).local_get(1).i32_load(memarg(u64::from(step) * 4)).i32_add().local_set(2);
    }
    code.loop_(wasm_encoder::BlockType::Empty);
    code.local_get(3).i32_const(1).i32_add().local_tee(3).i32_const(4).i32_lt_u().br_if(0).end();
    for step in 1..4 {
        // Every function calls the next, so that none is dead.
        if index + step < count {
            code.local_get(2).call(index + step).local_set(2);
        }
    }
    code.local_get(1).i32_const(32).i32_add().global_set(0).local_get(2).end();
    body
}

/// A component of about `size` bytes, a quarter of them data.
pub(super) fn component(size: usize) -> Vec<u8> {
    let mut sample = Vec::new();
    wasm_encoder::Encode::encode(&body(1000, 2000), &mut sample);
    let count = u32::try_from(size * 3 / 4 / sample.len()).unwrap_or(u32::MAX).max(4);
    let mut component = Component::new();
    component.section(&ModuleSection(&module(count, size / 4)));
    component.section(InstanceSection::new().instantiate::<[_; 0], &str>(0, []));
    let run = Alias::CoreInstanceExport { instance: 0, kind: ExportKind::Func, name: "run" };
    component.section(ComponentAliasSection::new().alias(run));
    let mut types = ComponentTypeSection::new();
    types.function().params([("x", PrimitiveValType::U32)]).result(Some(PrimitiveValType::U32.into()));
    component.section(&types);
    component.section(CanonicalFunctionSection::new().lift(0, 0, []));
    component.section(ComponentExportSection::new().export("run", ComponentExportKind::Func, 0, None));
    component.finish()
}

fn module(count: u32, data: usize) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for index in 0..count {
        functions.function(0);
        code.function(&body(index, count));
    }
    let pages = data as u64 / 65_536 + 2;
    let ty = MemoryType { minimum: pages, maximum: None, memory64: false, shared: false, page_size_log2: None };
    let stack = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let mut segments = DataSection::new();
    let bytes: Vec<u8> = (0..data).map(|i| (i % 251) as u8).collect();
    for (i, bytes) in bytes.chunks(4096).enumerate() {
        let offset = i32::try_from(65_536 + i * 4096).unwrap_or(i32::MAX);
        segments.active(0, &wasm_encoder::ConstExpr::i32_const(offset), bytes.iter().copied());
    }
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(MemorySection::new().memory(ty))
        .section(GlobalSection::new().global(stack, &wasm_encoder::ConstExpr::i32_const(65_536)))
        .section(ExportSection::new().export("run", ExportKind::Func, 0))
        .section(&code)
        .section(&segments);
    module
}
