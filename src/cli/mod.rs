//! The command line: one file per verb, and the only room that touches files, the terminal and the process.
//!
//! Exit codes: 0 fine, 1 findings, 2 usage or input, 3 a bug of ours; `run` carries those of its program. A broken pipe is
//! silent.

mod adapt;
mod bindgen;
mod cache;
mod check;
#[cfg(feature = "serve")]
mod demo;
mod diff;
mod explain;
#[cfg(feature = "serve")]
mod grants;
mod io;
mod layout;
mod link;
mod repro;
#[cfg(feature = "serve")]
mod run;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod site;
#[cfg(feature = "serve")]
mod standard;
mod wit;
mod witx;

pub use cache::cache_dir;

use crate::diagnostic::{Code, Color, Diagnostic, to_json, to_text};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  lowlift demo                                       derive, link, check and serve an embedded guest
  lowlift witx wasi:http@0.2.12 --out-dir witx       WITX of a built-in package
  lowlift adapt app.wasm -o app.component.wasm       wrap a preview1 module
  lowlift link app.component.wasm -o app.core.wasm   lower a component to one core module
  lowlift check app.core.wasm --against wasi:http/proxy@0.2.12
  lowlift bindgen wasi:io@0.2.12 --lang c --engine wamr --out-dir gen
  lowlift layout wasi:http/types.error-code          draw a type as it lies in memory
  lowlift diff wasi:http@0.2.0 wasi:http@0.2.12      what changed at the level of the core ABI
  lowlift run app.wasm -- --help                     run a program on a core-only engine
  lowlift serve app.core.wasm                        serve wasi:http on a core-only engine

Exit codes: 0 fine, 1 findings, 2 usage or input, 3 a bug of lowlift.";

/// WIT for engines that know only core WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "lowlift", version = VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    verb: Verb,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("LOWLIFT_COMMIT"), ")");

/// Options that mean the same for every verb.
#[derive(Debug, Clone, clap::Args)]
struct Shared {
    /// Colours in messages.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
    /// Form of results and messages; not every verb has every form.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long, global = true)]
    json: bool,
    /// Say more: causes within libraries, details of the work.
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// The arguments as they were typed.
    #[arg(skip)]
    line: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Svg,
    Html,
    Sarif,
    Junit,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Markdown => "markdown",
            Format::Svg => "svg",
            Format::Html => "html",
            Format::Sarif => "sarif",
            Format::Junit => "junit",
        }
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    Witx(witx::Args),
    Adapt(adapt::Args),
    Link(link::Args),
    Check(check::Args),
    Diff(diff::Args),
    Bindgen(bindgen::Args),
    Layout(layout::Args),
    #[cfg(feature = "serve")]
    Run(run::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    #[cfg(feature = "serve")]
    Demo(demo::Args),
    Explain(explain::Args),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of the program or of one verb.
    Man {
        /// Such as `link`.
        verb: Option<String>,
    },
}

impl Verb {
    /// The forms in which it gives its result.
    fn formats(&self) -> &'static [Format] {
        match self {
            Verb::Witx(_) | Verb::Diff(_) => &[Format::Text, Format::Json, Format::Markdown],
            Verb::Check(_) => &[Format::Text, Format::Json, Format::Markdown, Format::Sarif, Format::Junit],
            Verb::Layout(_) | Verb::Link(_) => &[Format::Text, Format::Json, Format::Svg, Format::Html],
            _ => &[Format::Text, Format::Json],
        }
    }
}

/// How a verb ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    Findings,
    /// A guest's own code.
    #[cfg(feature = "serve")]
    Exit(u8),
}

/// Any number of diagnostics that stopped a verb, or an error of standard output.
#[derive(Debug)]
enum Failure {
    Said(Box<Diagnostic>),
    Output(std::io::Error),
}

impl From<Box<Diagnostic>> for Failure {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Failure::Said(diagnostic)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Output(error)
    }
}

type Run = Result<Outcome, Failure>;

/// Runs the program with these arguments, the first of which is its own name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    install_panic_hook();
    let line: Vec<OsString> = args.into_iter().collect();
    let args = match Args::try_parse_from(&line) {
        Ok(args) => args,
        Err(e) => {
            // clap decides between stdout (help, version) and stderr; printing to a closed pipe is fine.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    let mut shared = args.shared;
    shared.line = line;
    if shared.json {
        shared.format = Format::Json;
    }
    let formats = args.verb.formats();
    if !formats.contains(&shared.format) {
        let names: Vec<&str> = formats.iter().map(|f| f.name()).collect();
        let error = Diagnostic::new(Code::Usage, format!("this verb has no form `{}`", shared.format.name()));
        shared.say(&error.fact("forms", names.join(", ")));
        return ExitCode::from(2);
    }
    let outcome = match args.verb {
        Verb::Witx(args) => witx::run(&args, &shared),
        Verb::Adapt(args) => adapt::run(&args, &shared),
        Verb::Link(args) => link::run(&args, &shared),
        Verb::Check(args) => check::run(&args, &shared),
        Verb::Diff(args) => diff::run(&args, &shared),
        Verb::Bindgen(args) => bindgen::run(&args, &shared),
        Verb::Layout(args) => layout::run(&args, &shared),
        #[cfg(feature = "serve")]
        Verb::Run(args) => run::run(&args, &shared),
        #[cfg(feature = "serve")]
        Verb::Serve(args) => serve::run(&args, &shared),
        #[cfg(feature = "serve")]
        Verb::Demo(args) => demo::run(&args, &shared),
        Verb::Explain(args) => explain::run(&args, &shared),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "lowlift", &mut std::io::stdout());
            Ok(Outcome::Fine)
        }
        Verb::Man { verb } => manual(verb.as_deref()),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        #[cfg(feature = "serve")]
        Ok(Outcome::Exit(code)) => ExitCode::from(code),
        Err(Failure::Said(diagnostic)) => {
            shared.say(&diagnostic);
            ExitCode::from(if diagnostic.code.is_ours() { 3 } else { 2 })
        }
        Err(Failure::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(e)) => {
            shared.say(&Diagnostic::new(Code::CannotWrite, format!("standard output cannot be written: {e}")));
            ExitCode::from(2)
        }
    }
}

fn manual(verb: Option<&str>) -> Run {
    let mut program = Args::command();
    // Spreads the shared options to the verbs.
    program.build();
    let command = match verb {
        None => program,
        Some(verb) => program
            .find_subcommand(verb)
            .cloned()
            .ok_or_else(|| Diagnostic::new(Code::Usage, format!("there is no verb `{verb}`")))?,
    };
    clap_mangen::Man::new(command).render(&mut std::io::stdout())?;
    Ok(Outcome::Fine)
}

impl Shared {
    /// Prints a diagnostic to standard error.
    fn say(&self, diagnostic: &Diagnostic) {
        let text = match self.format {
            Format::Json => to_json(diagnostic).to_string(),
            _ => to_text(diagnostic, self.color(std::io::stderr().is_terminal()), self.verbose),
        };
        // Nothing is left to do when even standard error is closed.
        let _ = writeln!(std::io::stderr(), "{text}");
        for other in &diagnostic.others {
            self.say(other);
        }
    }

    /// Prints a line of progress or result to standard error, unless quiet.
    fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet && self.format == Format::Text {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn color(&self, terminal: bool) -> Color {
        let auto = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        match self.color {
            ColorChoice::Always => Color::Always,
            ColorChoice::Auto if auto => Color::Always,
            ColorChoice::Auto | ColorChoice::Never => Color::Never,
        }
    }
}

/// A panic is a bug of ours: say so, and exit with 3. Panics that the library expects and handles stay silent.
fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        if crate::diagnostic::panic_is_expected() {
            return;
        }
        let mut bug = Diagnostic::new(Code::Internal, "lowlift has a bug").cause(info);
        if let Some(place) = info.location() {
            bug = bug.fact("at", place.to_string());
        }
        let _ = writeln!(std::io::stderr(), "{}", to_text(&bug, Color::Never, true));
        // Only the main thread's panic ends the program; others are reported by whoever joins them.
        if std::thread::current().name() == Some("main") {
            std::process::exit(3);
        }
    }));
}
