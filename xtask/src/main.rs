//! Tasks of the repository: `cargo xtask` shows them.

mod bench;
mod bindgen_c;
mod bindgen_rust;
mod bless;
mod client;
mod engines;
mod fuzz;
mod guests;
mod paths;
mod pipeline;
mod preview1;
mod reports;
mod run;
mod soak;
mod table;
mod wasi_nn;
mod wiggle;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use paths::Paths;
use std::process::ExitCode;

/// Tasks for those who work on lowlift.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Build the test guests from their sources.
    Guests(guests::GuestsArgs),
    /// Measure `lowlift serve` beside other servers, `lowlift link`, or `lowlift witx`.
    Bench(bench::BenchArgs),
    /// Run `cargo test` so that expectations are written instead of compared.
    Bless {
        /// Further arguments of `cargo test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run a component, linked with `--wasi preview1`, on engines that know only preview1.
    Preview1(preview1::Preview1Args),
    /// Run the probes of profiles, and a guest, on engines of other makers.
    Engines(engines::EnginesArgs),
    /// Link generated components and compare every call with the original, on four engines.
    FuzzLink(fuzz::FuzzArgs),
    /// Load `lowlift serve` with good and hostile guests and clients, and look for wrong answers and leaks.
    Soak(soak::SoakArgs),
    /// Have SARIF, JUnit, the GitHub Action and the hooks read by others; needs python3, npm and network.
    Reports,
    /// Run the shell of the GitHub Action and of the documented GitLab job; needs bash.
    Pipeline,
    /// Have C compilers judge what `lowlift bindgen --lang c` writes; needs gcc or clang, and network for engine headers.
    BindgenC(bindgen_c::BindgenArgs),
    /// Compile what `lowlift bindgen --lang rust` writes, and compare what it does with the component model.
    BindgenRust(bindgen_rust::BindgenArgs),
    /// Run a guest of wasi:nn on WAMR through generated code; needs gcc, cmake, and network for both crates.
    WasiNn,
    /// Have the `wiggle` crate compile the WITX of WASI; needs network for that crate.
    Wiggle,
    /// The native server that `bench` compares with; it ends when its stdin does.
    #[command(hide = true)]
    NativeHello,
}

fn main() -> ExitCode {
    match perform(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Option<Task>) -> Result<()> {
    match task {
        None => Ok(Cli::command().print_help()?),
        Some(Task::Guests(args)) => guests::guests(&Paths::find()?, &args),
        Some(Task::Bench(args)) => bench::bench(&Paths::find()?, &args),
        Some(Task::Bless { args }) => bless::bless(&Paths::find()?, &args),
        Some(Task::Preview1(args)) => preview1::preview1(&Paths::find()?, &args),
        Some(Task::Engines(args)) => engines::engines(&Paths::find()?, &args),
        Some(Task::FuzzLink(args)) => fuzz::fuzz_link(&Paths::find()?, &args),
        Some(Task::Soak(args)) => soak::soak(&Paths::find()?, &args),
        Some(Task::Reports) => reports::reports(&Paths::find()?),
        Some(Task::Pipeline) => pipeline::pipeline(&Paths::find()?),
        Some(Task::BindgenC(args)) => bindgen_c::bindgen_c(&Paths::find()?, &args),
        Some(Task::BindgenRust(args)) => bindgen_rust::bindgen_rust(&Paths::find()?, &args),
        Some(Task::WasiNn) => wasi_nn::wasi_nn(&Paths::find()?),
        Some(Task::Wiggle) => wiggle::wiggle(&Paths::find()?),
        Some(Task::NativeHello) => bench::native_hello(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn passes_options_of_cargo_test_on() {
        let cli = Cli::parse_from(["xtask", "bless", "--test", "link", "--", "--nocapture"]);
        assert!(matches!(cli.task, Some(Task::Bless { args }) if args == ["--test", "link", "--", "--nocapture"]));
    }
}
