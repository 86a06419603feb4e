//! C99, without a heap: a header for the vendor, and a source with stubs and the registration of one engine.
//!
//! Every stub has one form, `bool stub(call, in, out)` over slots, and [`engine`] says how an engine comes to it. Values are structs that lie as in the guest's memory, but in the host's byte order: `load` and `store` move
//! them to and from memory, `lift` and `lower` to and from slots. [`value`] writes these, [`stub`] and [`call`] use them.

mod call;
mod engine;
mod flat;
mod ident;
mod names;
mod shape;
mod stub;
mod support;
mod tables;
mod toywasm;
mod types;
mod value;
mod wamr;
mod wasm2c;
mod wasm3;
mod wasm_c_api;

use super::{Allocation, Engine, Options, Plan};
use crate::abi::{Core, CoreSignature, ImportName};
use crate::diagnostic::Result;
use crate::witx::FuncRole;
use engine::{Backend, Entry, Export, ExportTable, Import, Interface};
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
    let stubs: Vec<String> = plan.stubs.iter().zip(&stubs).map(|(stub, name)| values.stub(stub, name)).collect();
    for (number, (call, name)) in plan.calls.iter().zip(&calls).enumerate() {
        values.call(call, name, number);
    }
    let Values { header, source, handles, .. } = values;
    let allocation = allocation(plan, options);
    let interface = interface(plan, stubs, allocation, &mut names);
    let output = Output {
        plan,
        options,
        names: &names,
        backend: engine::backend(options.engine),
        interface,
        allocation,
        types: declared.text,
        prototypes: header,
        values: source,
        handles,
    };
    let stem = &names.stem;
    Ok(vec![(format!("{stem}.h"), output.header()?), (format!("{stem}.c"), output.source()?)])
}

/// How this output allocates, if any function of it does.
fn allocation(plan: &Plan<'_>, options: &Options) -> Allocation {
    let allocates = plan.stubs.iter().any(|stub| stub.allocates) || plan.calls.iter().any(|c| c.func.needs.realloc);
    if allocates { options.allocation } else { Allocation::None }
}

/// What the engine is told of, `stubs` being the names of the stubs.
fn interface(plan: &Plan<'_>, stubs: Vec<String>, allocation: Allocation, names: &mut Names) -> Interface {
    let entries: Vec<String> = names.stubs.clone().iter().map(|name| names.claim(&format!("{name}_entry"))).collect();
    let mut imports: Vec<Import> = (plan.stubs.iter().zip(stubs).zip(entries))
        .map(|((stub, name), entry)| Import {
            module: stub.name.module.clone(),
            field: stub.name.name.clone(),
            core: stub.abi.core.clone(),
            entry,
            stub: name,
            memory: stub.func.needs.memory,
        })
        .collect();
    if allocation == Allocation::Arena {
        let (ImportName { module, name: field }, core) = Allocation::arena();
        let (stub, entry) = ("$p_arena".to_owned(), "$p_arena_entry".to_owned());
        imports.push(Import { module, field, core, stub, entry, memory: true });
    }
    let mut exports: Vec<Export> = (plan.calls.iter())
        .map(|call| Export {
            name: call.name.clone(),
            core: call.abi.core.clone(),
            optional: !matches!(call.func.role, FuncRole::Call { .. }),
        })
        .collect();
    if allocation == Allocation::Reentrant {
        let name = plan.support.realloc.clone();
        exports.push(Export { name, core: CoreSignature::new([Core::I32; 4], [Core::I32]), optional: false });
    }
    Interface { imports, exports, memory: plan.support.memory.clone() }
}

/// Everything that the two files are made of.
struct Output<'o> {
    plan: &'o Plan<'o>,
    options: &'o Options,
    names: &'o Names,
    backend: Backend,
    interface: Interface,
    allocation: Allocation,
    types: String,
    prototypes: String,
    values: String,
    handles: bool,
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

    fn allocates(&self) -> bool {
        self.allocation != Allocation::None
    }

    fn has_calls(&self) -> bool {
        !self.plan.calls.is_empty()
    }

    fn has_exports(&self) -> bool {
        !self.interface.exports.is_empty()
    }

    /// Whether there are functions of the guest that may not call the host.
    fn has_inside(&self) -> bool {
        let post_returns = self.plan.calls.iter().any(|call| matches!(call.func.role, FuncRole::PostReturn));
        post_returns || self.allocation == Allocation::Reentrant
    }

    fn has_export_table(&self) -> bool {
        match self.backend.exports {
            ExportTable::Never => false,
            ExportTable::WhereCalled => self.has_exports(),
            ExportTable::Always => true,
        }
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
        text.push_str(&self.fill(&tables::import_type(&self.backend.entry)));
        text.push_str(&self.instance());
        text.push_str(&self.types);
        self.public(&mut text)?;
        text.push_str(&self.prototypes);
        text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
        Ok(text)
    }

    fn constants(&self, text: &mut String) -> Result<()> {
        let hash = self.plan.hash_text();
        text.push_str("/* Of names, signatures and layouts: two builds with the same hash understand each other. */\n");
        let _ = writeln!(text, "{} \"{hash}\"", self.fill("#define $P_ABI_HASH"));
        let _ = writeln!(text, "{} UINT64_C(0x{})", self.fill("#define $P_ABI_HASH64"), &hash[..16]);
        let _ = writeln!(text, "{} {}", self.fill("#define $P_IMPORTS"), self.interface.imports.len());
        let _ = writeln!(text, "{} {}", self.fill("#define $P_EXPORTS"), self.interface.exports.len());
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
        if self.has_inside() {
            text.push_str("    /* Whether the guest's realloc or a post-return runs. */\n    bool inside;\n");
        }
        if self.allocation == Allocation::Arena {
            text.push_str("    /* The free part of the region that the guest named last. */\n    uint32_t arena_next;\n    uint32_t arena_end;\n");
        }
        text.push_str("};\n");
        self.fill(&text)
    }

    /// What the vendor may call.
    fn public(&self, text: &mut String) -> Result<()> {
        if !matches!(self.backend.entry, Entry::Symbol(_)) {
            text.push_str(&self.fill(
                "\n/* All functions, and an end of NULLs. */\nextern const $p_import_t $p_imports[$P_IMPORTS + 1];\n",
            ));
        }
        if self.has_export_table() {
            text.push_str(&self.fill("extern const $p_export_t $p_exports[$P_EXPORTS + 1];\n"));
        }
        text.push_str(&self.fill(&self.backend.prototypes.of(&self.interface)?));
        for (name, prototype) in support::PROTOTYPES {
            let wanted = match *name {
                "$p_begin" => self.has_calls(),
                "$p_alloc" => self.allocates(),
                "$p_handle" => self.handles,
                _ => true,
            };
            if wanted {
                text.push_str(&self.fill(prototype));
            }
        }
        Ok(())
    }

    fn source(&self) -> Result<String> {
        let body = self.fill(&self.engine()?) + &self.values + &self.fill(&self.registration()?);
        let mut text = self.head();
        let _ = write!(text, "#include \"{}.h\"\n\n#include <string.h>\n", self.names.stem);
        let used = self.used(&body);
        if used.contains("_CHECK_LIMIT") {
            text.push_str(&self.fill(support::LIMIT));
        }
        text.push('\n');
        text.push_str(&used);
        text.push_str(&body);
        Ok(text.trim_end().to_owned() + "\n")
    }

    /// What the stubs and wrappers stand on.
    fn engine(&self) -> Result<String> {
        let mut text = String::new();
        if !self.is_idle() {
            text.push_str(&self.backend.refresh.of(&self.interface)?);
        }
        if self.has_export_table() {
            text.push_str(&tables::exports(&self.interface.exports)?);
        }
        if self.has_exports() {
            text.push_str(&self.backend.invoke.of(&self.interface)?);
        }
        if !self.is_idle() {
            let inside = if self.has_inside() { engine::NOT_INSIDE } else { "" };
            text.push_str(&engine::ENTER.replace("$inside", inside));
        }
        if self.has_inside() {
            text.push_str(support::INVOKE_INSIDE);
        }
        match self.allocation {
            Allocation::Reentrant => {
                let _ = write!(text, "#define $P_REALLOC {}\n\n{}", self.plan.calls.len(), support::REENTRANT);
            }
            Allocation::Arena => text.push_str(support::ARENA),
            Allocation::None => {}
        }
        if self.allocates() {
            text.push_str(support::NEW);
        }
        if self.has_calls() {
            let engine = if self.options.engine == Engine::Wamr { "instance->engine" } else { "NULL" };
            let _ = write!(
                text,
                "bool $p_begin($p_call_t *call, $p_instance_t *instance) {{\n    return $p_enter(call, instance, {engine}, true);\n}}\n\n"
            );
        }
        Ok(text)
    }

    /// How the engine comes to the stubs.
    fn registration(&self) -> Result<String> {
        let Interface { imports, .. } = &self.interface;
        let mut text = String::new();
        if !imports.is_empty() {
            text.push_str(self.backend.shared);
        }
        text.push_str(&tables::imports(imports, &self.backend.entry)?);
        text.push_str(&self.backend.register.of(&self.interface)?);
        Ok(text)
    }

    /// Whether nothing calls the host and the host calls nothing: compilers warn of functions without a use.
    fn is_idle(&self) -> bool {
        let general = matches!(self.backend.exports, ExportTable::Always);
        !general && self.interface.imports.is_empty() && !self.has_calls()
    }

    /// The support functions that `rest` calls, and those that they call.
    fn used(&self, rest: &str) -> String {
        let mut used: Vec<String> = Vec::new();
        for (name, text) in support::FUNCTIONS.iter().rev() {
            let call = format!("{}(", self.fill(name));
            if *name == "$p_at" || has_word(rest, &call) || used.iter().any(|text| has_word(text, &call)) {
                used.push(self.fill(text) + "\n");
            }
        }
        used.into_iter().rev().collect()
    }
}

/// Whether `word` stands in `text`, and not as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(in_word))
}
