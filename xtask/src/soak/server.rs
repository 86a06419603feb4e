//! The server that is loaded, and what it holds.

use super::hostile;
use crate::bench::process::resident_memory;
use crate::bench::server::Server;
use crate::client::Answers;
use crate::paths::Paths;
use crate::table::Table;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A server with all routes, and an administrator's address.
pub(super) struct Soaked {
    pub(super) server: Server,
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    /// Configuration and guests.
    _folder: TempDir,
}

/// What the server holds at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Resident, in kB.
    pub(super) memory: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    pub(super) instances: u64,
    pub(super) running: u64,
}

impl Soaked {
    pub(super) async fn start(paths: &Paths, lowlift: &Path) -> Result<Soaked> {
        let folder = tempfile::tempdir()?;
        for guest in ["http-hello-rust", "http-hello-c", "http-echo-rust", "http-echo-c"] {
            let file = format!("{guest}.wasm");
            let from = paths.guests.join(&file);
            fs::copy(&from, folder.path().join(&file)).with_context(|| format!("cannot copy {}", from.display()))?;
        }
        fs::write(folder.path().join("hostile.wasm"), wat::parse_str(hostile::GUEST)?)?;
        let admin = free_port().await?;
        let file = folder.path().join("lowlift.toml");
        fs::write(&file, configuration(admin))?;
        let mut command = Command::new(lowlift);
        command.arg("serve").arg(&file).args(["--addr", "127.0.0.1:0"]);
        let server = Server::start(&mut command).await?;
        Ok(Soaked { address: server.address, server, admin, _folder: folder })
    }

    /// Looks at the server; an error if it has ended.
    pub(super) async fn look(&mut self) -> Result<Sample> {
        self.server.cpu_time()?;
        let pid = self.server.id();
        let metrics = metrics(self.admin).await.context("no metrics")?;
        let count = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).map(|items| items.count() as u64);
        Ok(Sample {
            memory: resident_memory(pid).context("the server has ended")?,
            descriptors: count("fd")?,
            threads: count("task")?,
            instances: sum(&metrics, "lowlift_instances"),
            running: sum(&metrics, "lowlift_requests_running"),
        })
    }

    /// Looks until nothing runs and nothing changes any more, or the time is over.
    pub(super) async fn at_rest(&mut self, time: Duration) -> Result<Sample> {
        let started = Instant::now();
        let mut last = Sample::default();
        loop {
            let now = self.look().await?;
            let same = Sample { memory: last.memory, ..now.clone() } == last;
            if now.running == 0 && same && now.instances == 0 || started.elapsed() > time {
                return Ok(now);
            }
            last = now;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Guests that behave and one that does not, each fresh and reused, with limits that are soon reached.
fn configuration(admin: SocketAddr) -> String {
    let mut text = format!(
        "admin = \"{admin}\"\nhead-time = \"3s\"\nstall-time = \"5s\"\ndrain = \"20s\"\n\n\
         [limits]\ntime = \"10s\"\ncpu = \"2s\"\nmemory = \"32MiB\"\nrequest-body = \"8MiB\"\n\
         response-body = \"8MiB\"\nconcurrent = 64\nqueue = 64\npatience = \"10s\"\n"
    );
    let mut route = |route: &str, guest: &str, reused: bool| {
        let policy = if reused { "\npolicy = { reuse = { max = 16, idle = \"1s\" } }" } else { "" };
        text.push_str(&format!("\n[[route]]\nroute = \"{route}\"\nmodule = \"{guest}.wasm\"{policy}\n"));
    };
    route("/rust/...", "http-hello-rust", false);
    route("/c/...", "http-hello-c", false);
    route("/reused/...", "http-hello-rust", true);
    route("/hostile/...", "hostile", false);
    route("/hostile-reused/...", "hostile", true);
    route("/echo", "http-echo-rust", false);
    route("/...", "http-echo-rust", true);
    text
}

/// A port that was free a moment ago.
async fn free_port() -> Result<SocketAddr> {
    Ok(tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

async fn metrics(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answers = Answers::new(stream);
    let head = answers.head().await?.context("no answer")?;
    ensure!(head.status == 200, "status {}", head.status);
    Ok(String::from_utf8(answers.body(1 << 20).await?)?)
}

/// The sum of a gauge over all routes.
fn sum(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum::<f64>() as u64
}

/// Prints what the server held before, during and after.
pub(super) fn print(before: &Sample, samples: &[Sample], after: &Sample) {
    let half = samples.len() / 2;
    let most = |samples: &[Sample]| {
        let most = |of: fn(&Sample) -> u64| samples.iter().map(of).max().unwrap_or_default();
        Sample {
            memory: most(|s| s.memory),
            descriptors: most(|s| s.descriptors),
            threads: most(|s| s.threads),
            instances: most(|s| s.instances),
            running: most(|s| s.running),
        }
    };
    let mut table = Table::new(&["server", "resident kB", "descriptors", "threads", "instances", "running"]);
    let rows = [
        ("at rest, after the warm-up", before.clone()),
        ("most, first half", most(&samples[..half])),
        ("most, second half", most(&samples[half..])),
        ("at rest, after the load", after.clone()),
    ];
    for (when, sample) in rows {
        let cells = [sample.memory, sample.descriptors, sample.threads, sample.instances, sample.running];
        table.row(std::iter::once(when.to_owned()).chain(cells.iter().map(u64::to_string)).collect());
    }
    print!("\n{table}");
}

/// Asks the server to stop, as a service manager does.
pub(super) fn terminate(server: &Server) -> Result<()> {
    let killed =
        Command::new("kill").args(["-TERM", &server.id().to_string()]).status().context("cannot run `kill`")?;
    if !killed.success() {
        bail!("the server cannot be told to stop");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn sums_over_routes() {
        let metrics = "# HELP lowlift_instances x\nlowlift_instances{route=\"/a\"} 2\nlowlift_instances{route=\"/b\"} 3\n\
                       lowlift_instances_made_total{route=\"/a\"} 70\n";
        assert_eq!(sum(metrics, "lowlift_instances"), 5);
    }
}
