//! `lowlift`: parse, run, render, exit code. Everything else is in the library.

use std::process::ExitCode;

/// Bytes of stack: types of components are read by recursion, and what the system gives the first thread is its own affair.
const STACK: usize = 128 << 20;

fn main() -> ExitCode {
    let run = || lowlift::cli::main(std::env::args_os());
    match std::thread::Builder::new().stack_size(STACK).spawn(run).map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // A panic was told of where it happened.
        Ok(Err(_)) => ExitCode::from(3),
        Err(_) => run(),
    }
}
