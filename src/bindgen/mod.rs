//! Host code for engines that know only core WebAssembly, from derived WITX alone.
//!
//! [`Plan`] says which functions a host provides and calls, under which names, and refuses what cannot be generated; it
//! knows no language. [`c`] writes C99, `rust` Rust. `docs/bindgen.md` is the contract between the generated code and its vendor.

pub mod c;
mod names;
mod plan;
mod rust;

pub use plan::{Call, MAX_ON_STACK, Plan, Refused, Stub, Support};

pub use crate::abi::Allocation;
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::link::{NameMap, host_file};
use crate::witx::Derivation;
use schemars::JsonSchema;
use serde::Serialize;

/// The language of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// C99.
    C,
    /// Rust.
    Rust,
}

/// The engine whose interface the output is registered through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// WAMR's `NativeSymbol` tables.
    Wamr,
    /// wasm3's raw functions.
    Wasm3,
    /// The standard C API: positional imports.
    WasmCApi,
    /// toywasm's host modules.
    Toywasm,
    /// wasm2c's symbols.
    Wasm2c,
    /// No engine: functions over a view of the memory.
    None,
    /// wasmi's linker, in Rust.
    Wasmi,
    /// wasmtime's linker, in Rust.
    Wasmtime,
}

impl Engine {
    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Wamr => "wamr",
            Engine::Wasm3 => "wasm3",
            Engine::WasmCApi => "wasm-c-api",
            Engine::Toywasm => "toywasm",
            Engine::Wasm2c => "wasm2c",
            Engine::None => "none",
            Engine::Wasmi => "wasmi",
            Engine::Wasmtime => "wasmtime",
        }
    }

    /// The language that its interface is in.
    pub fn language(self) -> Language {
        match self {
            Engine::Wasmi | Engine::Wasmtime => Language::Rust,
            _ => Language::C,
        }
    }
}

/// What to generate.
#[derive(Debug, Clone)]
pub struct Options {
    /// The language.
    pub language: Language,
    /// The engine.
    pub engine: Engine,
    /// The allocation profile.
    pub allocation: Allocation,
    /// Other names for imports and exports, as the guest was linked with.
    pub names: Option<NameMap>,
    /// What the files and all that belongs to no interface are called; by default after the package or world.
    pub prefix: Option<String>,
    /// Leave out what is refused, instead of generating nothing.
    pub omit_refused: bool,
}

/// What was generated.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Name and text of each file, in order.
    pub files: Vec<(String, String)>,
    /// What is in them.
    pub report: Report,
    /// The name map of the host, in TOML: what guests are linked with.
    pub names: String,
}

/// A summary of the output.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The package or world.
    pub title: String,
    /// Functions that the host provides.
    pub stubs: usize,
    /// Functions of the guest that the host calls.
    pub calls: usize,
    /// Distinct core signatures of the former.
    pub signatures: usize,
    /// Functions that allocate in the guest's memory.
    pub allocating: usize,
    /// The hash of the ABI, in hexadecimal.
    pub abi_hash: String,
    /// What was left out, and why.
    #[serde(serialize_with = "as_json")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub omitted: Vec<Diagnostic>,
}

fn as_json<S: serde::Serializer>(diagnostics: &[Diagnostic], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(diagnostics.iter().map(crate::diagnostic::to_json))
}

/// Generates host code. Fails with all refusals at once, unless they are to be omitted: [`Code::BindgenAsync`],
/// [`Code::BindgenAllocation`], [`Code::BindgenUnsupported`]; with [`Code::BindgenName`] where a name cannot stand in the
/// output; and with [`Code::Usage`] for an engine of another language.
pub fn generate(derivation: &Derivation, options: &Options) -> Result<Generated> {
    if options.engine.language() != options.language {
        return Err(Diagnostic::new(
            Code::Usage,
            format!("the engine `{}` has no binding in this language", options.engine.name()),
        )
        .fact("C", "wamr, wasm3, wasm-c-api, toywasm, wasm2c, none")
        .fact("Rust", "wasmi, wasmtime"));
    }
    let plan = Plan::of(derivation, options)?;
    let files = match options.language {
        Language::C => c::generate(&plan, options)?,
        Language::Rust => rust::generate(&plan, options)?,
    };
    Ok(Generated { report: plan.report(), files, names: name_file(&plan, options) })
}

/// All names by which guests know the host, and the host its guests.
fn name_file(plan: &Plan<'_>, options: &Options) -> String {
    let (arena, _) = Allocation::arena();
    let allocates = plan.stubs.iter().any(|stub| stub.allocates)
        || options.language == Language::C && plan.calls.iter().any(|call| call.func.needs.realloc);
    let has_arena = options.allocation == Allocation::Arena && allocates;
    let stubs = plan.stubs.iter().map(|stub| (stub.full_name(), &stub.name));
    let imports = stubs.chain(has_arena.then(|| (arena.clone(), &arena)));
    let scheme = plan.derivation.document.abi.names;
    let Support { memory, realloc, initialize } = &plan.support;
    let support = [(scheme.memory(), &**memory), (scheme.realloc(), &**realloc), (scheme.initialize(), &**initialize)];
    let calls = plan.calls.iter().map(|call| (call.func.name.as_str(), call.name.as_str()));
    let calls = calls.filter(|(full, _)| *full != scheme.initialize());
    host_file(&plan.derivation.document.title, &plan.hash_text(), imports, calls.chain(support))
}
