//! CGI: when the first byte of a long answer comes, and when the last.

use super::contender::Stable;
use crate::bench::server::Server;
use crate::bench::stats::median;
use crate::client::Answers;
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Lines of the answer.
const LINES: usize = 100_000;
/// A line, as the guest writes it, each with a call of its own.
const LINE: &str = "a line of a long answer by CGI\n";
const RUNS: usize = 5;

/// Measures and prints a table; gives the time of the first byte as a part of the whole.
pub(super) async fn cgi(stable: &Stable) -> Result<Option<f64>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("lines.wasm");
    std::fs::write(&file, wat::parse_str(guest())?)?;
    if !stable.knows("--cgi") {
        println!("\nThis lowlift has no --cgi: the first byte of a CGI answer is left out.");
        return Ok(None);
    }
    let mut command = stable.lowlift(&file);
    command.arg("--cgi");
    eprintln!("bench: CGI, {LINES} lines");
    let server = Server::start(&mut command).await.context("CGI")?;
    let mut times = Vec::new();
    for _ in 0..=RUNS {
        times.push(ask(server.address).await.context("CGI")?);
    }
    // The first one was not warm.
    let times = times.split_off(1);
    let middle = |of: fn(&(Duration, Duration)) -> Duration| median(times.iter().map(of).collect()).unwrap_or_default();
    let (first, whole) = (middle(|t| t.0), middle(|t| t.1));
    let part = first.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
    let mut table = Table::new(&["CGI", "first byte ms", "whole ms", "first, of the whole"]);
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    table.row(vec![format!("{LINES} lines"), ms(first), ms(whole), format!("{part:.3}")]);
    print!("\n{table}");
    println!("\nMedians of {RUNS} answers to a client that reads as fast as it can.");
    Ok(Some(part))
}

/// When the first byte of the body came, and the last.
async fn ask(address: SocketAddr) -> Result<(Duration, Duration)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let asked = Instant::now();
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    let mut answers = Answers::new(stream);
    let head = answers.head().await?.context("no answer")?;
    ensure!(head.status == 200, "status {}", head.status);
    let (mut first, mut length) = (None, 0);
    while let Some(bytes) = answers.data().await? {
        first.get_or_insert_with(|| asked.elapsed());
        length += bytes.len();
    }
    ensure!(length == LINES * LINE.len(), "{length} bytes came");
    Ok((first.context("no body")?, asked.elapsed()))
}

/// A preview1 command that writes its head, and then line by line.
fn guest() -> String {
    let head = "Content-Type: text/plain\n\n";
    let quoted = |text: &str| text.replace('\n', "\\n");
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 64) "{head}") (data (i32.const 128) "{line}")
          (func $print (param $at i32) (param $length i32)
            (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $length))
            (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
          (func (export "_start") (local $left i32)
            (call $print (i32.const 64) (i32.const {head_length}))
            (local.set $left (i32.const {LINES}))
            (loop $next
              (call $print (i32.const 128) (i32.const {line_length}))
              (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#,
        head = quoted(head),
        line = quoted(LINE),
        head_length = head.len(),
        line_length = LINE.len(),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_guest_is_a_module() {
        wat::parse_str(super::guest()).expect("valid text");
    }
}
