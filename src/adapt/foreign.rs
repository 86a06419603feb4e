//! Modules of other worlds: whose host they want, and what helps.

use super::survey::{Item, PREVIEW1, Survey};
use crate::diagnostic::Code;

/// Something that tells where a module comes from. All texts but [`Sign::Module`] are prefixes.
#[derive(Debug, Clone, Copy)]
enum Sign {
    /// It imports from this module.
    Module(&'static str),
    /// It imports from a module whose name starts so.
    Modules(&'static str),
    /// It imports such a function from this module.
    Function(&'static str, &'static str),
    /// It imports such a function from anywhere.
    Anywhere(&'static str),
    /// It imports a function whose name holds this.
    Within(&'static str),
    /// It has such an export.
    Export(&'static str),
    /// It has such a custom section.
    Section(&'static str),
    /// It imports or exports a shared memory.
    Shared,
}

/// A world that is not WASI's.
#[derive(Debug, Clone, Copy)]
pub struct Foreign {
    /// What it is, in a few words.
    pub name: &'static str,
    /// Any of them will do.
    signs: &'static [Sign],
    /// What to call the refusal.
    pub code: Code,
    /// What was found, as a sentence without its end.
    pub found: &'static str,
    /// What would help.
    pub hint: &'static str,
}

use Sign::{Anywhere, Export, Function, Module, Modules, Section, Shared, Within};

/// All that are known; the first that fits names the refusal.
pub const FOREIGN: &[Foreign] = &[
    Foreign {
        name: "an object file",
        signs: &[Section("reloc."), Section("linking")],
        code: Code::ForeignImport,
        found: "the file is an object file, which no linker has seen",
        hint: "link it into a program first: `wasm-ld`, or the compiler that made it without `-c`",
    },
    Foreign {
        name: "a shared library",
        signs: &[Section("dylink"), Modules("GOT.")],
        code: Code::ForeignImport,
        found: "the module is a shared library, to be placed beside others in one memory",
        hint: "link it statically, or with the others by `wasm-tools component link`",
    },
    Foreign {
        name: "Node-API",
        signs: &[
            Module("napi"),
            Module("emnapi"),
            Function("env", "napi_"),
            Function("env", "emnapi_"),
            Export("napi_register_wasm_v"),
        ],
        code: Code::ForeignImport,
        found: "the module is an addon for Node: its host is JavaScript",
        hint: "run it on Node with `@napi-rs/wasm-runtime`, or build the library below the addon for `wasm32-wasip1`",
    },
    Foreign {
        name: "an older canonical ABI",
        signs: &[
            Export("canonical_abi_realloc"),
            Export("canonical_abi_free"),
            Modules("canonical_abi"),
            Within(": func("),
            Module("wasi-outbound-http"),
            Modules("spin-"),
        ],
        code: Code::OldAbi,
        found: "the module speaks a canonical ABI that predates the component model",
        hint: "regenerate its bindings with a current `wit-bindgen`",
    },
    Foreign {
        name: "threads",
        signs: &[Function("wasi", "thread-spawn"), Export("wasi_thread_start"), Shared],
        code: Code::Threads,
        found: "the module uses threads",
        hint: "rebuild for `wasm32-wasip1` instead of `wasm32-wasip1-threads`",
    },
    Foreign {
        name: "WASIX",
        signs: &[Modules("wasix_")],
        code: Code::ForeignImport,
        found: "the module was built for WASIX, which only Wasmer has",
        hint: "rebuild for `wasm32-wasip1`: without its threads, sockets and processes",
    },
    Foreign {
        name: "WasmEdge",
        signs: &[Function(PREVIEW1, "sock_open"), Function(PREVIEW1, "sock_getaddrinfo"), Modules("wasmedge")],
        code: Code::ForeignImport,
        found: "the module calls what only WasmEdge adds to preview1",
        hint: "rebuild it for `wasm32-wasip2`, whose sockets are WASI's own",
    },
    Foreign {
        name: "a proposal of preview1's time",
        signs: &[Modules("wasi_ephemeral_"), Module("wasi_nn"), Module("wasi_snapshot_preview2")],
        code: Code::ForeignImport,
        found: "the module calls a WASI proposal in its preview1 form, for which there is no adapter",
        hint: "rebuild it against the WIT of the proposal, such as `wasi:nn`",
    },
    Foreign {
        name: "Fastly",
        signs: &[Modules("fastly_"), Modules("fastly:")],
        code: Code::ForeignImport,
        found: "the module calls Fastly's own host",
        hint: "what it does by HTTP is in `wasi:http`: rebuild it for `wasm32-wasip2`; Fastly's own adapter comes with its tools",
    },
    Foreign {
        name: "Go for JavaScript",
        signs: &[Module("gojs"), Module("go"), Anywhere("syscall/js.")],
        code: Code::ForeignImport,
        found: "the module was built with `GOOS=js`: its host is `wasm_exec.js`",
        hint: "rebuild it with `GOOS=wasip1 GOARCH=wasm go build`",
    },
    Foreign {
        name: "wasm-bindgen",
        signs: &[
            Module("wbg"),
            Modules("__wbindgen"),
            Anywhere("__wbg_"),
            Anywhere("__wbindgen_"),
            Section("__wasm_bindgen_unstable"),
        ],
        code: Code::ForeignImport,
        found: "the module wants the JavaScript glue of wasm-bindgen",
        hint: "rebuild it for `wasm32-wasip1` without wasm-bindgen: some dependency is built for the browser (`js-sys`, `getrandom`)",
    },
    Foreign {
        name: "Emscripten",
        signs: &[
            Function("env", "emscripten_"),
            Function("env", "_emscripten_"),
            Function("env", "invoke_"),
            Function("env", "__syscall_"),
            Function("env", "_embind_"),
            Module("a"),
        ],
        code: Code::ForeignImport,
        found: "the module wants Emscripten's JavaScript",
        hint: "rebuild with `-sSTANDALONE_WASM`, or with wasi-sdk",
    },
    Foreign {
        name: "proxy-wasm",
        signs: &[Function("env", "proxy_")],
        code: Code::ForeignImport,
        found: "the module is a filter for proxies (proxy-wasm)",
        hint: "its host is a proxy such as Envoy; as an HTTP handler it would be rebuilt against `wasi:http`",
    },
    Foreign {
        name: "a plug-in system",
        signs: &[Modules("extism:"), Module("wapc"), Module("ic0"), Function("env", "db_read"), Module("vm_hooks")],
        code: Code::ForeignImport,
        found: "the module is a plug-in for a host of its own",
        hint: "it runs in that host alone; describe its functions in WIT to make it a component",
    },
    Foreign {
        name: "AssemblyScript",
        signs: &[
            Function("env", "abort"),
            Function("env", "seed"),
            Function("env", "trace"),
            Function("env", "console."),
        ],
        code: Code::ForeignImport,
        found: "the module wants AssemblyScript's loader",
        hint: "rebuild with `--use abort=`, or with `--config node_modules/@assemblyscript/wasi-shim/asconfig.json`",
    },
];

impl Foreign {
    /// All that fit a module, in the order of the table.
    pub fn of(survey: &Survey) -> Vec<&'static Foreign> {
        FOREIGN.iter().filter(|foreign| foreign.signs.iter().any(|sign| sign.fits(survey))).collect()
    }

    /// The imports that tell it, such as `env abort`; empty if something else does.
    pub fn imports(&self, survey: &Survey) -> Vec<String> {
        let told = survey
            .imports
            .iter()
            .filter(|(name, item)| self.signs.iter().any(|sign| sign.fits_import(&name.module, &name.name, item)));
        told.map(|(name, _)| name.to_string()).collect()
    }
}

impl Sign {
    fn fits(self, survey: &Survey) -> bool {
        match self {
            Section(start) => survey.sections.iter().any(|name| name.starts_with(start)),
            Export(start) => survey.exports.keys().any(|name| name.starts_with(start)),
            Shared if survey.memory.is_some_and(|m| m.shared) => true,
            sign => survey.imports.iter().any(|(name, item)| sign.fits_import(&name.module, &name.name, item)),
        }
    }

    fn fits_import(self, from: &str, function: &str, item: &Item) -> bool {
        match self {
            Module(name) => from == name,
            Modules(start) => from.starts_with(start),
            Function(module, start) => from == module && function.starts_with(start),
            Anywhere(start) => function.starts_with(start),
            Within(text) => function.contains(text),
            Shared => matches!(item, Item::Memory { shared: true }),
            Export(_) | Section(_) => false,
        }
    }
}
