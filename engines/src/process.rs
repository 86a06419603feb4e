//! One module in a process of its own, with a limit of time.

use crate::Programs;
use anyhow::{Context, Result};
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What one may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What came of it.
pub(crate) struct Done {
    /// Whether the process ended by itself with success.
    pub(crate) good: bool,
    /// What it wrote, or how it ended.
    pub(crate) text: String,
}

/// Runs this program again with other arguments.
pub(crate) fn again(args: &[&str], programs: &Programs) -> Result<Done> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args).arg("--node").arg(&programs.node).arg("--python").arg(&programs.python);
    command.args(programs.built.iter().flat_map(|one| ["--built", one]));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut pipe = child.stdout.take().context("a pipe")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        text
    });
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            break None;
        }
        sleep(Duration::from_millis(2));
    };
    let text = reader.join().unwrap_or_default();
    Ok(match status {
        Some(status) if status.code().is_some_and(|code| code < 2) => Done { good: status.success(), text },
        Some(status) => Done { good: false, text: format!("{text}crashed: {status}\n") },
        None => Done { good: false, text: format!("{text}did not end in {} seconds\n", LIMIT.as_secs()) },
    })
}
