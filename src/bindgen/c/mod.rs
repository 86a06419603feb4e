//! C99, without a heap: a header for the vendor, and a source with stubs and the registration of one engine.
//!
//! Every stub has one form, `bool stub(call, in, out)` over slots, so each engine needs one entry instead of one for every
//! signature. Values are structs that lie as in the guest's memory, but in the host's byte order: `load` and `store` move
//! them to and from memory, `lift` and `lower` to and from slots. [`value`] writes these, [`stub`] and [`call`] use them.

mod call;
mod engine;
mod flat;
mod ident;
mod names;
mod shape;
mod stub;
mod support;
mod toywasm;
mod types;
mod value;
mod wamr;
mod wasm3;
mod wasm_c_api;

use super::{Allocation, Engine, Options, Plan};
use crate::abi::{Core, CoreSignature};
use crate::diagnostic::Result;
use engine::Backend;
use ident::literal;
use names::Names;
use std::fmt::Write;
use value::Values;

/// Writes the header and the source.
pub(super) fn generate(plan: &Plan<'_>, options: &Options) -> Result<Vec<(String, String)>> {
    let mut names = Names::of(plan, options.prefix.as_deref());
    let (stubs, calls) = (names.stubs.clone(), names.calls.clone());
    let declared = types::declare(plan, &mut names);
    let mut values = Values::new(plan, &mut names, &declared.resources);
    let entries: Vec<String> = plan.stubs.iter().zip(&stubs).map(|(stub, name)| values.stub(stub, name)).collect();
    for (number, (call, name)) in plan.calls.iter().zip(&calls).enumerate() {
        values.call(call, name, number);
    }
    let Values { header, source, handles, .. } = values;
    let needs_alloc = plan.stubs.iter().any(|stub| stub.allocates) || plan.calls.iter().any(|c| c.func.needs.realloc);
    let output = Output {
        plan,
        options,
        names: &names,
        backend: engine::backend(options.engine),
        entries,
        types: declared.text,
        prototypes: header,
        values: source,
        handles,
        allocates: needs_alloc && options.allocation != Allocation::None,
    };
    let stem = &names.stem;
    Ok(vec![(format!("{stem}.h"), output.header()?), (format!("{stem}.c"), output.source()?)])
}

/// Everything that the two files are made of.
struct Output<'o> {
    plan: &'o Plan<'o>,
    options: &'o Options,
    names: &'o Names,
    backend: Backend,
    /// The stubs, in the order of the plan.
    entries: Vec<String>,
    types: String,
    prototypes: String,
    values: String,
    handles: bool,
    allocates: bool,
}

/// `(iI)f`, as WAMR and toywasm write it.
fn letters(core: &CoreSignature) -> String {
    let letter = |core: &Core| match core {
        Core::I32 => 'i',
        Core::I64 => 'I',
        Core::F32 => 'f',
        Core::F64 => 'F',
    };
    let params: String = core.params.iter().map(letter).collect();
    let results: String = core.results.iter().map(letter).collect();
    format!("({params}){results}")
}

impl Output<'_> {
    fn fill(&self, text: &str) -> String {
        text.replace("$p", &self.names.stem).replace("$P", &self.names.macros())
    }

    fn head(&self) -> String {
        let title = ident::comment(&self.plan.derivation.document.title, "");
        let what = format!(
            "/* Written by lowlift {} for the engine `{}`, allocation `{}`. Do not edit. */\n",
            env!("CARGO_PKG_VERSION"),
            self.options.engine.name(),
            self.options.allocation.name()
        );
        title + &what
    }

    fn has_arena(&self) -> bool {
        self.allocates && self.options.allocation == Allocation::Arena
    }

    fn has_realloc(&self) -> bool {
        self.allocates && self.options.allocation == Allocation::Reentrant
    }

    fn has_calls(&self) -> bool {
        !self.plan.calls.is_empty()
    }

    /// Some back ends look at it even where it is empty.
    fn has_export_table(&self) -> bool {
        self.exports() > 0 || matches!(self.options.engine, Engine::None | Engine::WasmCApi)
    }

    fn exports(&self) -> usize {
        self.plan.calls.len() + usize::from(self.has_realloc())
    }

    fn header(&self) -> Result<String> {
        let mut text = self.head();
        let guard = self.fill("$P_H");
        let _ = write!(text, "#ifndef {guard}\n#define {guard}\n\n");
        text.push_str("#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n");
        text.push_str(&self.fill(self.backend.includes));
        text.push_str("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
        self.constants(&mut text)?;
        text.push_str(&self.fill(support::TYPES));
        text.push_str(&self.instance());
        text.push_str(&self.types);
        self.public(&mut text);
        text.push_str(&self.prototypes);
        text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
        Ok(text)
    }

    fn constants(&self, text: &mut String) -> Result<()> {
        let stubs = self.plan.stubs.len() + usize::from(self.has_arena());
        let hash = self.plan.hash_text();
        text.push_str("/* Of names, signatures and layouts: two builds with the same hash understand each other. */\n");
        let _ = writeln!(text, "{} \"{hash}\"", self.fill("#define $P_ABI_HASH"));
        let _ = writeln!(text, "{} UINT64_C(0x{})", self.fill("#define $P_ABI_HASH64"), &hash[..16]);
        let _ = writeln!(text, "{} {stubs}", self.fill("#define $P_IMPORTS"));
        let _ = writeln!(text, "{} {}", self.fill("#define $P_EXPORTS"), self.exports());
        let _ = writeln!(text, "{} {}", self.fill("#define $P_MEMORY"), literal(&self.plan.support.memory)?);
        for refused in &self.plan.omitted {
            let said = format!("Left out: {} ({}).", refused.name, refused.reason.message);
            text.push_str(&ident::comment(&said, ""));
        }
        Ok(())
    }

    /// The instance: what the vendor keeps for each instance of a module.
    fn instance(&self) -> String {
        let mut text = String::new();
        if self.has_export_table() {
            text.push_str("\n/* A function that the guest exports. */\ntypedef struct {\n    const char *name;\n    const char *signature;\n} $p_export_t;\n");
        }
        text.push_str(
            "\n/* What the host keeps for one instance of a module: zero all of it, then set what is said here. */\n",
        );
        text.push_str("struct $p_instance {\n    /* The host's own. */\n    void *host;\n");
        text.push_str(self.backend.members);
        if self.has_arena() {
            text.push_str("    /* The free part of the region that the guest named last. */\n    uint32_t arena_next;\n    uint32_t arena_end;\n");
        }
        text.push_str("};\n");
        self.fill(&text)
    }

    /// What the vendor may call.
    fn public(&self, text: &mut String) {
        text.push_str(&self.fill(
            "\n/* All functions, and an end of NULLs. */\nextern const $p_import_t $p_imports[$P_IMPORTS + 1];\n",
        ));
        if self.has_export_table() {
            text.push_str(&self.fill("extern const $p_export_t $p_exports[$P_EXPORTS + 1];\n"));
        }
        text.push_str(&self.fill(self.backend.prototypes));
        for (name, prototype) in support::PROTOTYPES {
            let wanted = match *name {
                "$p_begin" => self.has_calls(),
                "$p_alloc" => self.allocates,
                "$p_handle" => self.handles,
                _ => true,
            };
            if wanted {
                text.push_str(&self.fill(prototype));
            }
        }
    }

    fn source(&self) -> Result<String> {
        let mut engine = String::new();
        if !self.is_idle() {
            engine.push_str(&self.fill(self.backend.refresh));
        }
        if self.has_export_table() {
            engine.push_str(&self.export_table()?);
        }
        if self.exports() > 0 {
            engine.push_str(&self.fill(self.backend.invoke));
        }
        if !self.is_idle() {
            engine.push_str(&self.fill(engine::ENTER));
        }
        if self.has_realloc() {
            let _ = write!(engine, "{} {}\n\n", self.fill("#define $P_REALLOC"), self.plan.calls.len());
            engine.push_str(&self.fill(support::REENTRANT));
        }
        if self.has_arena() {
            engine.push_str(&self.fill(support::ARENA));
        }
        if self.allocates {
            engine.push_str(&self.fill(support::NEW));
        }
        if self.has_calls() {
            let of = if self.options.engine == Engine::Wamr { "instance->engine" } else { "NULL" };
            let begin =
                "bool $p_begin($p_call_t *call, $p_instance_t *instance) {\n    return $p_enter(call, instance, ";
            let _ = write!(engine, "{}{of}, true);\n}}\n\n", self.fill(begin));
        }
        let rest = format!("{engine}{}{}{}", self.values, self.import_table()?, self.registration()?);
        let mut text = self.head();
        let _ = write!(text, "#include \"{}.h\"\n\n#include <string.h>\n", self.names.stem);
        let used = self.used(&rest);
        if used.contains("_CHECK_LIMIT") {
            text.push_str(&self.fill(support::LIMIT));
        }
        text.push('\n');
        text.push_str(&used);
        text.push_str(&rest);
        Ok(text.trim_end().to_owned() + "\n")
    }

    /// Whether nothing calls the host and the host calls nothing: compilers warn of functions without a use.
    fn is_idle(&self) -> bool {
        self.options.engine == Engine::Toywasm && self.plan.stubs.is_empty() && !self.has_calls()
    }

    /// The support functions that `rest` calls, and those that they call.
    fn used(&self, rest: &str) -> String {
        let mut used: Vec<String> = Vec::new();
        for (name, text) in support::FUNCTIONS.iter().rev() {
            let call = format!("{}(", self.fill(name));
            if *name == "$p_at" || rest.contains(&call) || used.iter().any(|text| text.contains(&call)) {
                used.push(self.fill(text) + "\n");
            }
        }
        used.into_iter().rev().collect()
    }

    fn import_table(&self) -> Result<String> {
        let mut text = self.fill("const $p_import_t $p_imports[$P_IMPORTS + 1] = {\n");
        for (stub, entry) in self.plan.stubs.iter().zip(&self.entries) {
            let (module, field) = (literal(&stub.name.module)?, literal(&stub.name.name)?);
            let letters = letters(&stub.abi.core);
            let _ = writeln!(text, "    {{{module}, {field}, \"{letters}\", {entry}, {}}},", stub.func.needs.memory);
        }
        if self.has_arena() {
            text.push_str(&self.fill("    {\"lowlift\", \"arena\", \"(ii)\", $p_arena, true},\n"));
        }
        text.push_str("    {NULL, NULL, NULL, NULL, false},\n};\n\n");
        Ok(text)
    }

    fn export_table(&self) -> Result<String> {
        let mut text = self.fill("const $p_export_t $p_exports[$P_EXPORTS + 1] = {\n");
        for call in &self.plan.calls {
            let _ = writeln!(text, "    {{{}, \"{}\"}},", literal(&call.name)?, letters(&call.abi.core));
        }
        if self.has_realloc() {
            let _ = writeln!(text, "    {{{}, \"(iiii)i\"}},", literal(&self.plan.support.realloc)?);
        }
        text.push_str("    {NULL, NULL},\n};\n\n");
        Ok(text)
    }

    fn registration(&self) -> Result<String> {
        let mut text = self.fill(self.backend.register);
        if self.options.engine == Engine::Toywasm {
            let mut functions: Vec<(&str, &str, String)> = self
                .plan
                .stubs
                .iter()
                .map(|stub| (stub.name.module.as_str(), stub.name.name.as_str(), letters(&stub.abi.core)))
                .collect();
            if self.has_arena() {
                functions.push(("lowlift", "arena", "(ii)".to_owned()));
            }
            text.push_str(&self.fill(&toywasm::tables(&functions)?));
        }
        Ok(text)
    }
}
