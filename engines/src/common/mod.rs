//! What the tests of lowlift and this program share: engines behind one trait, the probes, and a host.

mod tinywasm;
mod wasmi;
mod wasmtime;

pub(crate) mod host;
pub(crate) mod probes;

use std::cell::RefCell;
use std::rc::Rc;
use wasmparser::{Parser, Payload, TypeRef, ValType};

/// The engines that are pure Rust, safe, and dependencies of lowlift's tests anyway, or small.
pub(crate) fn engines() -> Vec<Box<dyn Engine>> {
    vec![Box::new(wasmtime::Wasmtime), Box::new(wasmi::Wasmi), Box::new(tinywasm::TinyWasm)]
}

/// An engine that runs core modules.
pub(crate) trait Engine {
    /// The name, as the tables show it.
    fn name(&self) -> &'static str;

    /// The built-in profile that speaks of it.
    fn profile(&self) -> &'static str;

    /// Instantiates the module with every import answered by the host, and calls an export.
    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop>;
}

/// A number, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// Of 32 bits.
    I32(u32),
    /// Of 64 bits.
    I64(u64),
    /// Of 32 bits.
    F32(u32),
    /// Of 64 bits.
    F64(u64),
}

impl Value {
    /// The bits, in 64.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Value::I32(bits) | Value::F32(bits) => bits.into(),
            Value::I64(bits) | Value::F64(bits) => bits,
        }
    }
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The engine took no such module, or none with such imports.
    Refused(String),
    /// The guest trapped, or the host stopped it.
    Trapped(String),
}

/// Sorts what an engine said when it was given a module.
pub(crate) fn refused(error: impl ToString) -> Stop {
    Stop::Refused(error.to_string())
}

/// Sorts what an engine said when a guest stopped.
pub(crate) fn trapped(error: impl ToString) -> Stop {
    Stop::Trapped(error.to_string())
}

/// An imported function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// The first name.
    pub(crate) module: String,
    /// The second name.
    pub(crate) name: String,
    /// Its parameters.
    pub(crate) params: Vec<ValType>,
    /// Its results.
    pub(crate) results: Vec<ValType>,
}

impl Import {
    /// All imported functions of a module, in order. Fails if the module imports anything else.
    pub(crate) fn all(wasm: &[u8]) -> Result<Vec<Import>, String> {
        let mut types: Vec<wasmparser::SubType> = Vec::new();
        let mut out = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(|e| e.to_string())? {
                Payload::TypeSection(section) => {
                    for group in section {
                        types.extend(group.map_err(|e| e.to_string())?.into_types());
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(|e| e.to_string())?;
                        let (TypeRef::Func(index) | TypeRef::FuncExact(index)) = import.ty else {
                            return Err(format!("`{}` `{}` is no function", import.module, import.name));
                        };
                        let ty = types.get(index as usize).ok_or("a type that is not there")?.unwrap_func();
                        out.push(Import {
                            module: import.module.to_owned(),
                            name: import.name.to_owned(),
                            params: ty.params().to_vec(),
                            results: ty.results().to_vec(),
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(out)
    }
}

/// The guest, as a host function sees it that it called.
pub(crate) trait Guest {
    /// Bytes of its memory; none where they are not all inside.
    fn read(&mut self, at: u32, len: u32) -> Option<Vec<u8>>;

    /// Writes to its memory; false, and nothing written, where that is not all inside.
    fn write(&mut self, at: u32, bytes: &[u8]) -> bool;

    /// Calls one of its exports while it waits.
    fn call(&mut self, export: &str, args: &[Value]) -> Result<Option<Value>, String>;
}

/// What answers the guest's imports.
pub(crate) trait Host {
    /// Answers one; an error is a trap.
    fn call(&mut self, guest: &mut dyn Guest, import: &Import, args: &[Value]) -> Result<Option<Value>, String>;
}

/// A host that an engine can hold several times.
pub(crate) type SharedHost = Rc<RefCell<dyn Host>>;

/// Lets the host answer, unless it is answering already.
pub(crate) fn ask(
    host: &SharedHost,
    guest: &mut dyn Guest,
    import: &Import,
    args: &[Value],
) -> Result<Option<Value>, String> {
    let mut host = host.try_borrow_mut().map_err(|_| "the host is busy")?;
    host.call(guest, import, args)
}

/// The part of a memory that a host function asks for.
pub(crate) fn part(memory: &[u8], at: u32, len: u32) -> Option<&[u8]> {
    memory.get(at as usize..)?.get(..len as usize)
}

/// The same, to write to.
pub(crate) fn part_mut(memory: &mut [u8], at: u32, len: usize) -> Option<&mut [u8]> {
    memory.get_mut(at as usize..)?.get_mut(..len)
}
