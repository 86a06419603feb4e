//! A server in a child process, which does not outlive its guard.

use super::process::cpu_time;
use anyhow::{Context, Result, bail};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// How long a server may take to listen; it may have to compile first.
const START: Duration = Duration::from_secs(300);

/// A running server; it is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// A child that is killed when this is dropped, unless it was taken out.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

impl Server {
    /// Starts the command and waits until it has printed its address, on stdout or stderr.
    pub(crate) async fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        // Its stdin stays open as long as it is wanted: the native server ends with it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        let (sender, lines) = unbounded_channel();
        drain(child.stdout.take(), sender.clone());
        drain(child.stderr.take(), sender);
        let mut guard = Guard(Some(child));
        let address = match timeout(START, find_address(lines)).await {
            Ok(found) => found.with_context(|| format!("{program} ended before it told its address"))?,
            Err(_) => bail!("{program} did not tell its address within {} s", START.as_secs()),
        };
        let child = guard.0.take().context("the server has just been started")?;
        Ok(Self { child, address })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time that the server has used so far; an error if it has ended.
    pub(crate) fn cpu_time(&mut self) -> Result<Duration> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server ended under load: {status}");
        }
        cpu_time(self.child.id())
    }
}

/// Reads lines until the stream ends, so that the server never blocks on a full pipe.
fn drain(stream: Option<impl Read + Send + 'static>, lines: UnboundedSender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            // Nobody listens any more once the address is known.
            let _ = lines.send(String::from_utf8_lossy(&line).trim_end().to_string());
            line.clear();
        }
    });
}

async fn find_address(mut lines: UnboundedReceiver<String>) -> Result<SocketAddr> {
    let mut last = VecDeque::new();
    while let Some(line) = lines.recv().await {
        if let Some(address) = address_in(&line) {
            return Ok(address);
        }
        last.push_back(line);
        if last.len() > 10 {
            last.pop_front();
        }
    }
    if last.is_empty() { bail!("it said nothing") } else { bail!("it said:\n{}", Vec::from(last).join("\n")) }
}

/// The address in a line such as `Serving HTTP on http://127.0.0.1:8080/`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback() && address.port() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_address_in_a_line() {
        let expected = "127.0.0.1:8080".parse().ok();
        assert_eq!(address_in("Serving HTTP on http://127.0.0.1:8080/"), expected);
        assert_eq!(address_in("\u{1b}[1mready\u{1b}[0m: http://127.0.0.1:8080\u{1b}[0m"), expected);
        assert_eq!(address_in("listening on http://127.0.0.1:8080, press Ctrl-C"), expected);
        assert_eq!(address_in("see http://0.0.0.0:80/"), None);
        assert_eq!(address_in("nothing"), None);
    }
}
