//! What was aimed at, and whether this run has it.

use super::contender::{Host, Mode, NATIVE, Who};
use super::{body, hello};
use crate::table::Table;

/// Against native: fresh, reused, a large body.
const OF_NATIVE: [f64; 3] = [0.7, 0.9, 0.8];
/// Against wasmtime: the guest, and the ratio fresh and reused.
const OF_WASMTIME: &[(&str, f64, f64)] = &[("hello-rust", 5.0, 3.0), ("js", 2.0, 1.5)];
/// The first byte of a CGI answer, as a part of the time of the whole.
const FIRST_BYTE: f64 = 0.05;

/// A figure, and the least that it should be.
struct Target {
    what: String,
    wanted: f64,
    /// None if it was not measured.
    have: Option<f64>,
    /// Whether less is better.
    at_most: bool,
}

/// Prints all targets. A missed one does not fail the run: that is what a machine does to it, as much as the code.
pub(super) fn print(hello: &[hello::Row], bodies: &[body::Row], first_byte: Option<f64>) {
    let mut table = Table::new(&["target", "wanted", "measured", ""]);
    let mut targets = of_native(hello, bodies);
    targets.extend(of_wasmtime(hello));
    let first = "CGI: first byte, of the whole".to_owned();
    targets.push(Target { what: first, wanted: FIRST_BYTE, have: first_byte, at_most: true });
    for Target { what, wanted, have, at_most } in targets {
        let (sign, met) = if at_most { ("<=", have.map(|h| h <= wanted)) } else { (">=", have.map(|h| h >= wanted)) };
        table.row(vec![
            what,
            format!("{sign} {wanted:.2}"),
            have.map_or("-".to_owned(), |have| format!("{have:.2}")),
            match met {
                Some(true) => "met".to_owned(),
                Some(false) => "MISSED".to_owned(),
                None => "not measured".to_owned(),
            },
        ]);
    }
    print!("\n{table}");
}

fn of_native(hello: &[hello::Row], bodies: &[body::Row]) -> Vec<Target> {
    let [fresh, reused, body] = OF_NATIVE;
    let native = hello::find(hello, NATIVE).map(hello::Row::rate);
    let rate = |mode| {
        let who = Who { host: Host::Lowlift, mode, guest: "hello-rust" };
        Some(hello::find(hello, who)?.rate() / native?)
    };
    let target = |what: &str, wanted, have| Target { what: what.to_owned(), wanted, have, at_most: false };
    let echo = |guest| {
        let speed = |who: Who| bodies.iter().find(|row| row.who == who).map(body::Row::per_cpu);
        Some(speed(Who { host: Host::Lowlift, mode: Mode::Fresh, guest })? / speed(NATIVE)?)
    };
    vec![
        target("hello-rust fresh, of native", fresh, rate(Mode::Fresh)),
        target("hello-rust reused, of native", reused, rate(Mode::Reused)),
        target("10 MiB both ways, echo-rust, of native", body, echo("echo-rust")),
        target("10 MiB both ways, echo-c, of native", body, echo("echo-c")),
    ]
}

fn of_wasmtime(hello: &[hello::Row]) -> Vec<Target> {
    let mut targets = Vec::new();
    for &(guest, fresh, reused) in OF_WASMTIME {
        for (mode, name, wanted) in [(Mode::Fresh, "fresh", fresh), (Mode::Reused, "reused", reused)] {
            let row = |host| hello::find(hello, Who { host, mode, guest });
            let pair = row(Host::Lowlift).zip(row(Host::Wasmtime));
            let have = pair.map(|(ours, theirs)| ours.rate() / theirs.rate());
            targets.push(Target { what: format!("{guest} {name}, x wasmtime"), wanted, have, at_most: false });
            let late = |row: &hello::Row| row.latency(99).map(f64::from);
            let have = pair.and_then(|(ours, theirs)| Some(late(ours)? / late(theirs)?));
            let what = format!("{guest} {name}, p99 x wasmtime's");
            targets.push(Target { what, wanted: 1.0, have, at_most: true });
        }
    }
    targets
}
