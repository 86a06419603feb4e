//! Engines of other languages, driven by lines over pipes.
//!
//! The program gets the module as a file, instantiates it, and calls the export. It writes `import N BITS…` for every
//! call of import N, and takes lines until one of them answers it: `read AT LEN` and `write AT HEX` reach the memory,
//! `call EXPORT BITS…` the guest, `return BITS…` and `trap` answer. It writes `bytes HEX`, `ok`, `none` or `error …` for
//! each, and in the end `result BITS…`, `refused …` or `trapped …`. Numbers are bits, in hexadecimal.

use crate::common::{Engine, Guest, Import, SharedHost, Stop, Value, ask, refused, trapped};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use wasmparser::{ExternalKind, Parser, Payload, ValType};

/// A program that speaks the lines above.
pub(crate) struct Bridge {
    pub(crate) name: &'static str,
    pub(crate) profile: &'static str,
    pub(crate) program: PathBuf,
    /// What the program runs, unless it is made for nothing else.
    pub(crate) script: Option<Script>,
    /// What the module goes through before: `COMPILER -o TO FROM`.
    pub(crate) compiler: Option<PathBuf>,
}

/// A program's own text, and the file that it is put into.
pub(crate) struct Script {
    pub(crate) text: &'static str,
    pub(crate) file: &'static str,
}

impl Engine for Bridge {
    fn name(&self) -> &'static str {
        self.name
    }

    fn profile(&self) -> &'static str {
        self.profile
    }

    fn run(&self, wasm: &[u8], host: SharedHost, export: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let imports = Import::all(wasm).map_err(refused)?;
        let folder = std::env::temp_dir().join(format!("lowlift-engines-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(refused)?;
        let result = self.converse(&folder, wasm, &imports, &host, export, args);
        let _ = fs::remove_dir_all(&folder);
        result
    }
}

impl Bridge {
    fn converse(
        &self,
        folder: &Path,
        wasm: &[u8],
        imports: &[Import],
        host: &SharedHost,
        export: &str,
        args: &[Value],
    ) -> Result<Option<Value>, Stop> {
        let mut module = folder.join("guest.wasm");
        fs::write(&module, wasm).map_err(refused)?;
        if let Some(compiler) = &self.compiler {
            module = compiled(compiler, &module)?;
        }
        let mut command = Command::new(&self.program);
        if let Some(Script { text, file }) = &self.script {
            let script = folder.join(file);
            fs::write(&script, text).map_err(refused)?;
            command.arg(&script);
        }
        command.arg(&module).arg(export).args(args.iter().map(|v| format!("{:x}", v.bits())));
        // Names and types of imports, for engines that do not tell them.
        for import in imports {
            let letters = |types: &[ValType]| types.iter().map(|ty| letter(*ty)).collect::<String>();
            let signature = format!("{}({})", letters(&import.results), letters(&import.params));
            command.arg("--import").arg(&import.module).arg(&import.name).arg(signature);
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut pipe = Pipe::new(child.map_err(refused)?)?;
        loop {
            let line = pipe.take();
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "import" => pipe.answer(rest, imports, host).map_err(trapped)?,
                "result" => return Ok(result(wasm, export).and_then(|ty| Value::of(ty, bits(rest)?))),
                "refused" => return Err(refused(rest)),
                "trapped" => return Err(trapped(rest)),
                _ => return Err(trapped(format!("it ended: {line}{}", pipe.last_words()))),
            }
        }
    }
}

/// The module as the engine's own code.
fn compiled(compiler: &Path, wasm: &Path) -> Result<PathBuf, Stop> {
    let to = wasm.with_extension("compiled");
    let output = Command::new(compiler).arg("-o").arg(&to).arg(wasm).output().map_err(refused)?;
    if output.status.success() {
        return Ok(to);
    }
    Err(refused(String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or("the compiler failed")))
}

struct Pipe {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Pipe {
    fn new(mut child: Child) -> Result<Pipe, Stop> {
        let to = child.stdin.take().ok_or_else(|| refused("no pipe"))?;
        let from = BufReader::new(child.stdout.take().ok_or_else(|| refused("no pipe"))?);
        Ok(Pipe { child, to, from })
    }

    /// The next line; an empty one at the end.
    fn take(&mut self) -> String {
        let mut line = String::new();
        let _ = self.from.read_line(&mut line);
        line.trim_end().to_owned()
    }

    fn say(&mut self, line: &str) -> String {
        let _ = writeln!(self.to, "{line}").and_then(|()| self.to.flush());
        self.take()
    }

    fn answer(&mut self, call: &str, imports: &[Import], host: &SharedHost) -> Result<(), String> {
        let mut words = call.split(' ');
        let import = words.next().and_then(|n| usize::from_str_radix(n, 16).ok()).and_then(|n| imports.get(n));
        let import = import.ok_or("an import that is not there")?;
        let args: Option<Vec<Value>> = import.params.iter().map(|ty| Value::of(*ty, bits(words.next()?)?)).collect();
        let answer = ask(host, self, import, &args.ok_or("arguments are missing")?);
        let line = match answer {
            Ok(Some(value)) => format!("return {:x}", value.bits()),
            Ok(None) => "return".to_owned(),
            Err(_) => "trap".to_owned(),
        };
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).map_err(|e| e.to_string())
    }

    fn last_words(&mut self) -> String {
        let _ = self.child.wait();
        let mut text = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            let _ = std::io::Read::read_to_string(&mut pipe, &mut text);
        }
        text.lines().last().unwrap_or_default().to_owned()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Guest for Pipe {
    fn read(&mut self, at: u32, len: u32) -> Option<Vec<u8>> {
        let line = self.say(&format!("read {at:x} {len:x}"));
        let hex = line.strip_prefix("bytes")?.trim();
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect()
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> bool {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.say(&format!("write {at:x} {hex}")) == "ok"
    }

    fn call(&mut self, export: &str, args: &[Value]) -> Result<Option<Value>, String> {
        let args: String = args.iter().map(|v| format!(" {:x}", v.bits())).collect();
        let line = self.say(&format!("call {export}{args}"));
        match line.strip_prefix("ok") {
            // What a host calls while the guest waits gives a pointer, or nothing.
            Some(result) => Ok(bits(result.trim()).and_then(|b| Value::of(ValType::I32, b))),
            None => Err(line),
        }
    }
}

fn bits(word: &str) -> Option<u64> {
    u64::from_str_radix(word, 16).ok()
}

fn letter(ty: ValType) -> char {
    match ty {
        ValType::I32 => 'i',
        ValType::I64 => 'I',
        ValType::F32 => 'f',
        ValType::F64 => 'F',
        ValType::V128 | ValType::Ref(_) => 'v',
    }
}

/// The type of an exported function's result.
fn result(wasm: &[u8], export: &str) -> Option<ValType> {
    let (mut types, mut functions, mut found) = (Vec::new(), Vec::new(), None);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::TypeSection(section) => {
                types = section.into_iter().filter_map(Result::ok).flat_map(|group| group.into_types()).collect();
            }
            Payload::FunctionSection(section) => functions = section.into_iter().filter_map(Result::ok).collect(),
            Payload::ExportSection(section) => {
                let export = section.into_iter().filter_map(Result::ok).find(|e| e.name == export);
                found = export.filter(|e| e.kind == ExternalKind::Func).map(|e| e.index as usize);
            }
            _ => {}
        }
    }
    let function = found?.checked_sub(Import::all(wasm).ok()?.len())?;
    types.get(*functions.get(function)? as usize)?.unwrap_func().results().first().copied()
}
