//! `lowlift`: parse, run, render, exit code. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    lowlift::cli::main(std::env::args_os())
}
