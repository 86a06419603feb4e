//! Every code that lowlift can say, in one table: `lowlift explain CODE` prints from here.

use super::Rule;
use std::fmt;

macro_rules! codes {
    ($($variant:ident = $id:literal, $($title:literal, $why:literal)? $(rule $rule:literal)?;)*) => {
        /// A stable diagnostic code. The first two digits name the room, and a code is never given a second meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(
                $(#[doc = $title])?
                $(#[doc = concat!("The rule `", $rule, "` of `lowlift check`.")])?
                $variant,
            )*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The code as printed, such as `LL0203`.
            pub const fn id(self) -> &'static str {
                match self { $(Code::$variant => $id,)* }
            }

            fn words(self) -> Words {
                match self {
                    $(Code::$variant => $(Words::Here($title, $why))? $(Words::Rule($rule))?,)*
                }
            }
        }

        /// Name and text of every rule of `lowlift check`.
        pub(super) const RULES: &[(Code, &str, &str)] = &[
            $($((Code::$variant, $rule, include_str!(concat!("../check/rules/", $rule, ".toml"))),)?)*
        ];
    };
}

/// Where the words of a code stand.
enum Words {
    /// Title and explanation.
    Here(&'static str, &'static str),
    /// In the file of a rule of this name.
    Rule(&'static str),
}

impl Code {
    /// What the code says, in one line.
    pub fn title(self) -> &'static str {
        match self.words() {
            Words::Here(title, _) => title,
            Words::Rule(name) => &Rule::named(name).title,
        }
    }

    /// Why it is said and what helps, in a few sentences.
    pub fn explanation(self) -> &'static str {
        match self.words() {
            Words::Here(_, why) => why,
            Words::Rule(name) => &Rule::named(name).explanation,
        }
    }
}

codes! {
    // 01: files and what they are
    CannotRead = "LL0101", "a file cannot be read",
        "The operating system refused to open or read the file; its own reason is kept in the message. A dash (`-`) or no path at all reads standard input.";
    CannotWrite = "LL0102", "an output cannot be written",
        "The output is written to a temporary file beside its place and renamed when it is whole, so whatever stood there before is untouched. Check that the folder exists and is writable.";
    BinaryToTerminal = "LL0103", "binary output to a terminal",
        "WebAssembly binaries are never printed to a terminal. Name a file with `-o`, pipe the output, or ask for text with `-t`.";
    NotWasm = "LL0104", "the file is not WebAssembly",
        "The first bytes are neither a core module nor a component, and the text is not `.wat`. The message says what the file looks like.";
    InvalidWasm = "LL0105", "invalid WebAssembly",
        "The validator refused the file; the offset is counted from its first byte. Truncated downloads and half-written build outputs are the usual reasons.";
    ComponentGiven = "LL0106", "a component where a core module is wanted",
        "This verb takes core modules. A component is lowered to one core module by `lowlift link`.";
    ModuleGiven = "LL0107", "a core module where a component is wanted",
        "This verb takes components. A preview1 module becomes a component with `lowlift adapt`; a module that already imports WIT-style names needs no linking.";
    InvalidText = "LL0108", "WebAssembly text does not parse",
        "The file looks like the text format but does not parse; the place is where the parser stopped.";

    // 02: adapt
    NothingToAdapt = "LL0201", "nothing to adapt",
        "The module imports nothing from preview1 and carries no component type, so an adapter would have nothing to do.";
    AlreadyComponent = "LL0202", "already a component",
        "The file is a component, so it needs no adapter. `lowlift link` lowers it to one core module, `lowlift run` runs it, `lowlift serve` serves it.";
    AdapterNotSupplied = "LL0203", "preview1 adapter not supplied",
        "The module was written for preview1 and a component is wanted. `lowlift adapt` wraps it with the official adapter of the right kind.";
    WrongAdapter = "LL0204", "the adapter does not fit the module",
        "The command adapter calls `_start`; the reactor and proxy adapters never do. With the wrong one the component either cannot be built or silently exports nothing.";
    SnapshotZero = "LL0205", "imports from preview1's snapshot 0",
        "`wasi_unstable` is the release before preview1 (snapshot 0). Its functions are renamed where they are the same, and called through a function that lowlift adds where numbers or structs differ: fd_seek, fd_filestat_get, path_filestat_get, poll_oneoff. A function that snapshot 0 never had, or one of another signature, cannot be translated: rebuild with a toolchain that targets `wasi_snapshot_preview1`.";
    ForeignImport = "LL0206", "imports that no adapter supplies",
        "The module imports functions that are neither preview1 nor described by an embedded WIT world. Whoever built the module expected a host of its own (JavaScript glue, an SDK). Describe the functions in WIT and bind to it, or remove the calls.";
    CannotAdapt = "LL0207", "wrapping failed",
        "The encoder refused the module together with its adapter. The note carries the encoder's reason.";
    Threads = "LL0208", "threads are not adaptable",
        "The module imports a shared memory or `wasi::thread-spawn`. Components have no shared memory; rebuild without threads.";
    OldAbi = "LL0209", "bindings of an older ABI",
        "The module was generated for a canonical ABI that predates the component model's release or for a JavaScript host. Regenerate its bindings with a current wit-bindgen.";
    NotAnAdapter = "LL0210", "the file is no preview1 adapter",
        "An adapter exports the preview1 functions (`fd_write` and so on). It is recognised by its exports, whatever the file is called.";
    Denied = "LL0211", "an interface that was not to be imported",
        "`--deny` names an interface that the component would import. The message says which import of the module pulls it in. Remove the call that needs it, or replace the interface with `--stub`.";
    CannotStub = "LL0212", "an interface that cannot be stubbed out",
        "`--stub` replaces the functions of an interface, but other imported interfaces have types of it in their functions, so that the component would import it still. Stub those too, or the package as a whole.";
    BreaksUnderAdapter = "LL0213", "a guest that breaks under the preview1 adapter",
        "The adapter keeps its state in a page of the module's memory, which it takes by `memory.grow`. Go, TinyGo and AssemblyScript have allocators that take this page for their own, and a memory that cannot grow has none to give. The component is valid, and traps or goes wrong when it runs. `lowlift run` and `lowlift serve` run such modules as they are; `lowlift link --wasi preview1` takes the adapter out of a component again.";
    NothingExported = "LL0214", "a component that exports nothing",
        "The module's exports are plain core functions, of which a component type says nothing, so that nobody can call the component. Name the WIT world that the module implements (`--wit`, `--world`), whose exports have names such as `ns:pkg/interface#function`.";
    MigrateCut = "LL0215", "not everything was looked at",
        "`lowlift migrate` bounds how many files it reads, how large they are together, and how deep folders are. Name the folders that matter one by one.";
    OutputExists = "LL0216", "an output is there already",
        "`lowlift migrate --apply` overwrites nothing unless told to by `--force`.";
    NeedsRebuild = "LL0217", "a module that needs another build",
        "Neither adapting nor linking gives something that runs: the findings say why, and what to build instead.";

    // 03: link
    SeveralMemories = "LL0301", "preview1 and several memories",
        "A host of preview1 knows one memory, and the modules that call it have several. Link without `--wasi preview1`.";
    AsyncComponent = "LL0303", "asynchronous calls that cannot be lowered",
        "Asynchronous functions, streams and futures of one component instance pass through to the host, which schedules them. Between the instances of a composition they would need a scheduler inside the module, and a stream that no function at the root mentions has no name there.";
    ModuleImportExport = "LL0304", "imports or exports a core module or component",
        "A core module cannot take or give modules or components, so there is nothing to lower these to.";
    NestedInstance = "LL0307", "nested instances at the boundary",
        "The component imports or exports an instance inside an instance. Core names have two levels: interface and function.";
    UnsupportedType = "LL0308", "a feature that cannot be lowered",
        "The component uses a feature of the component model or of core WebAssembly that has no core counterpart here (GC options, 64-bit memories, error-context, threads).";
    OutputInvalid = "LL0310", "the linked module did not validate",
        "This is a bug in lowlift: the merged module was refused by the validator. Nothing was written. Please report it with the component.";
    VerifyFailed = "LL0311", "the linked module does not re-wrap to the same world",
        "`--verify` wrapped the output into a component again and compared its world with the original. They differ, so nothing was written.";
    TypeInformation = "LL0312", "the component's WIT cannot be recovered",
        "The types of the component could not be decoded back into WIT, so the output could not carry its `component-type`. Where all that WIT cannot say is a type that the root exports by itself, the component is linked without types, and only `--verify` is refused.";
    DuplicateName = "LL0313", "two items share a canonical name",
        "Two different items of the component map to the same core import or export name.";
    TooLarge = "LL0314", "the component is too large",
        "The component asks for more instances, functions or nesting than a core module may hold.";
    TargetLacks = "LL0320", "the target lacks a feature",
        "The module uses a feature of core WebAssembly that the target of `--target` does not have, and that has no sound replacement there. Each such feature is listed with the first place that uses it. Name a larger target, or build the guest without the feature.";
    TargetLimit = "LL0321", "beyond a limit of the target",
        "The module is valid, but it exceeds a limit that the profile of `--target` states. Long names are shortened by `--name-map short`.";
    ProfileInvalid = "LL0322", "an engine profile that cannot be read",
        "A profile is a TOML file with `features` and, where the engine has them, `max-name-length`, `max-params`, `max-functions`, `max-memories`, `max-memory-pages`, `max-tables`, `max-table-elements`, `max-data`, `max-stack` and `reentrant`. Other keys are refused, since a misspelt limit would not be kept.";
    NameMapInvalid = "LL0323", "a name map that does not fit",
        "A name map is a TOML file with the tables `imports` (`\"module field\" = \"module field\"`) and `exports` (`\"name\" = \"name\"`). Every full name must be one of the module's, and no two may be given the same name. A file with a `host`, as `lowlift bindgen --name-map-out` writes it, has all names of that host instead: a module has some of them, and imports nothing else but preview1. With `cm32p2`, every name must be one that the world implies.";
    MemoriesApart = "LL0324", "memories that cannot become one",
        "`--single-memory` puts all memories of the output into one. They must be the module's own 32-bit memories, of which the host knows one at most, and be accessed by plain instructions. Without the switch the output keeps its memories.";
    NoAdapter = "LL0330", "no preview1 adapter to strip",
        "`--wasi preview1` keeps the `wasi_snapshot_preview1` imports of a component that was made from a preview1 module and an adapter. This component imports WASI 0.2 by itself: its sources were built for `wasm32-wasip2` or against WIT. Rebuild it for `wasm32-wasip1`, or run it on a host of WASI 0.2, such as `lowlift run` or `lowlift serve`.";
    AdapterEntangled = "LL0331", "the preview1 adapter cannot be stripped",
        "Without its adapter the component would not do the same. Either something else of the component needs the adapter, or what stands in its place is not one: it is virtualised, stubbed out, was run before the component was made (a snapshot), or supplies functions that preview1 does not have. Link without `--wasi preview1`.";

    // 04: check. The words of the rules stand in `src/check/rules`, a file each.
    ImportMissing = "LL0401", rule "import-missing";
    SignatureMismatch = "LL0402", rule "signature-mismatch";
    UnknownModule = "LL0403", rule "unknown-interface";
    VersionNewer = "LL0404", rule "version-newer";
    VersionDiffers = "LL0405", rule "version-differs";
    DropMissing = "LL0406", rule "drop-missing";
    WrongKind = "LL0407", rule "wrong-kind";
    ExportMissing = "LL0408", rule "export-missing";
    ExportSignature = "LL0409", rule "export-signature";
    SupportMissing = "LL0410", rule "support-missing";
    SinceLater = "LL0411", rule "since-later";
    SupportType = "LL0412", rule "support-type";
    GateOff = "LL0413", rule "gate-off";
    UnstableUsed = "LL0414", rule "unstable-used";
    ExportVersion = "LL0415", rule "export-version";
    PostReturnOrphan = "LL0416", rule "post-return-orphan";
    PostReturnSignature = "LL0417", rule "post-return-signature";
    OldSnapshot = "LL0418", rule "old-snapshot";
    BuildTargetNames = "LL0419", rule "build-target-names";
    Preview1Left = "LL0420", rule "preview1-left";
    AdapterLeft = "LL0421", rule "adapter-left";
    ReentrancyNeeded = "LL0422", rule "reentrancy-needed";
    FeatureLacking = "LL0423", rule "feature-lacking";
    TwoMemories = "LL0424", rule "two-memories";
    SharedMemory = "LL0425", rule "shared-memory";
    NameTooLong = "LL0426", rule "name-too-long";
    TooManyParams = "LL0427", rule "too-many-params";
    TooManyFunctions = "LL0428", rule "too-many-functions";
    MemoryBudget = "LL0429", rule "memory-budget";
    TableBudget = "LL0430", rule "table-budget";
    StackBudget = "LL0431", rule "stack-budget";
    DataBudget = "LL0432", rule "data-budget";
    StartCallsImports = "LL0433", rule "start-calls-imports";
    BaselineInvalid = "LL0434", "a baseline that cannot be read",
        "A baseline is a JSON file that `lowlift check --write-baseline` writes: `version` and `findings`, each with `rule`, `module` and `subject`. Write it anew.";
    TypeDiffers = "LL0435", rule "type-differs";
    PlaceMissing = "LL0436", rule "place-missing";

    // 05: WIT and WITX
    WitParse = "LL0501", "the WIT does not parse",
        "Each mistake has its place; up to 20 of them are looked for, and what is only a consequence of one is not said. WIT far beyond any real one (4 MiB, 1000 packages, functions of 1000 parameters) is refused too.";
    UnknownPackage = "LL0502", "not a built-in package",
        "Built in are the WASI 0.2.12 packages. Any other WIT is read from a file, a folder with `deps`, or a WIT package or component in binary form.";
    UnknownWorld = "LL0503", "no such world",
        "The worlds that do exist are listed, nearest first.";
    NotExpressible = "LL0504", "WITX cannot say this",
        "The item has no counterpart in the WITX format, and nothing is approximated.";
    WitxVerify = "LL0505", "derived WITX does not match the Canonical ABI",
        "This is a bug in lowlift: an independent reader of the derived WITX found another signature or layout. Please report it with the WIT.";
    WitxParse = "LL0506", "the WITX does not parse",
        "The file is not WITX as the `witx` crate reads it.";
    LayoutOverflow = "LL0507", "a type larger than the address space",
        "A type of this size cannot exist in a 32-bit memory.";
    WitxLies = "LL0508", "WITX that contradicts itself",
        "The file was derived by lowlift, but a signature, size, offset or need that it states does not follow from the types that it names. It was edited, or cut; derive it anew.";
    MissingDependency = "LL0509", "a WIT dependency is missing",
        "The package is neither in `deps` nor built in.";
    UnknownItem = "LL0511", "no such interface, type or function",
        "Items are named as in `types`, `types.error-code`, `fields.get`, with the interface in front or without.";
    TooMuch = "LL0512", "too much for a picture",
        "A picture of everything in a large package helps nobody. Name the interface, type or function to draw.";
    Usage = "LL0510", "arguments do not fit together",
        "The message says which.";

    // 06: serve
    NoHandler = "LL0601", "no HTTP handler is exported",
        "`lowlift serve` calls `wasi:http/incoming-handler#handle`. The message lists what the module exports instead.";
    Unresolved = "LL0602", "imports that this host does not provide",
        "All imports are checked before the first request. Each unresolved one is listed, with the nearest name where there is one.";
    CannotListen = "LL0603", "the address cannot be listened on",
        "The operating system refused to bind the address.";
    CompileFailed = "LL0604", "the engine refused the module",
        "The module is valid, but the engine cannot compile or hold it under the configured limits.";
    GuestSetup = "LL0605", "the guest could not be set up",
        "Instantiating the module, or its `_initialize`, failed before any request was taken.";
    RequestFailed = "LL0606", "a request failed",
        "The demonstration could not get an answer from its own server.";

    NoEngine = "LL0607", "an engine that is not built in",
        "Engines are features of the build: `engine-wasmtime` and `engine-wasmi`.";
    NoProgram = "LL0608", "the module is no program",
        "`lowlift run` calls `wasi:cli/run` or `_start`. The message lists what the module exports instead.";
    ConfigInvalid = "LL0609", "a configuration that cannot be used",
        "The place and the key are named. Unknown keys are refused, since a misspelt limit would not be kept.";
    TlsInvalid = "LL0610", "a certificate or key that cannot be used",
        "TLS needs a PEM file with the certificate chain and one with the private key that belongs to it.";
    GuestTrapped = "LL0620", "a program trapped",
        "The program did what WebAssembly or WASI forbid, such as reaching `unreachable`, dividing by zero or using a handle that it does not have. `lowlift run` exits with 134 then.";
    GuestStopped = "LL0621", "a program was stopped at a limit",
        "The program used up the time that it was given. `lowlift run` exits with 134 then; without `--timeout` a program may run for as long as it likes.";

    // 07: what changed from one version to another
    FunctionGone = "LL0701", "a function is gone",
        "Guests that import it fail to link. An export that is no longer called harms nobody.";
    FunctionAdded = "LL0702", "a function is new",
        "A new import breaks nobody. A new export of a world is one that old guests do not have.";
    SignatureChanged = "LL0703", "a function has another core signature",
        "Old guests fail to link, or trap at the first call on engines that check late.";
    LayoutChanged = "LL0704", "a type has another layout",
        "Old guests and new hosts read each other's memory at the wrong bytes, and nothing notices. The first byte that is another is named.";
    NameChanged = "LL0705", "an interface has another name or version",
        "A component runtime matches versions of one track; an engine that matches names as strings needs an alias (`lowlift witx --alias-versions`). Another track is another interface.";
    NeedsChanged = "LL0706", "a function needs something else of the guest",
        "A guest that never had to export a memory or a realloc may have none.";
    CasesAdded = "LL0707", "a type has more cases or flags",
        "Its layout is the same, but a guest that knows the old type alone may be given a value that it does not know: lifting an unknown case traps. Where only the guest sends it, nothing breaks. Unknown flags are ignored.";
    MeaningChanged = "LL0708", "the bytes of a type mean something else",
        "Fields or cases changed places, or something has another type of the same size: another number, another resource, a borrow for an own. Nothing notices at run time, but for handles of another resource.";
    PartRenamed = "LL0709", "a field or case has another name",
        "Names are not part of the ABI: deployed modules notice nothing, sources do.";
    CasesGone = "LL0710", "a type has fewer cases or flags",
        "Its layout is the same, but whoever was built against the old type may still send what is gone: lifting an unknown case traps, and an unknown flag is ignored without a word. What only the host sends harms nobody.";
    // 07, from 0711 on: bindgen
    BindgenAsync = "LL0711", "an asynchronous function that is not generated",
        "Asynchronous functions, streams, futures and error contexts need a scheduler in the host, which generated code does not bring. Each is named; `--omit-refused` generates the rest.";
    BindgenAllocation = "LL0712", "a function that allocates, and a profile that cannot",
        "Lists and strings that a host gives to a guest lie in the guest's memory. The profile `reentrant` calls the guest's realloc, `arena` writes into a region that the guest named beforehand, `none` has neither.";
    BindgenUnsupported = "LL0713", "what generated code cannot do",
        "The function is valid, but there is no sound code for it in this language or through this engine. The message says why.";
    BindgenName = "LL0714", "a name that cannot stand in generated code",
        "A name holds a NUL byte or is longer than a C string literal may be, so no engine could be told of it. A name map gives it another one.";
    BindgenPlain = "LL0715", "WITX that was not derived by lowlift",
        "Code is generated from WIT, or from WITX that `lowlift witx` derived: its annotations say what each function and type is. Other WITX has signatures alone.";

    // 09: ours
    Internal = "LL0901", "a bug in lowlift",
        "Something that must not happen happened. Please report it together with the input.";
    LibraryPanicked = "LL0902", "a library gave up",
        "A library that lowlift builds on panicked over this input. Nothing was written. Please report it together with the input.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Code {
    /// Finds a code by what the user typed: `LL0203`, `ll0203`, `0203`, or the name of a rule.
    pub fn find(text: &str) -> Option<Code> {
        if let Some(rule) = Rule::find(text) {
            return Some(rule.code);
        }
        let text = text.to_ascii_uppercase();
        let wanted = text.strip_prefix("LL").unwrap_or(&text);
        Code::ALL.iter().copied().find(|code| &code.id()[2..] == wanted)
    }

    /// Whether this says that lowlift itself is wrong, which exits with 3.
    pub fn is_ours(self) -> bool {
        matches!(self, Code::Internal | Code::OutputInvalid | Code::VerifyFailed | Code::WitxVerify)
    }
}
