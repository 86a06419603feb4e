//! `cargo xtask fuzz-link`: the generator of `tests/all/echo`, for as long as one likes.

use crate::paths::Paths;
use crate::run::{command, run};
use anyhow::Result;

/// From where, and how many.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzArgs {
    /// The first component; others follow.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Calls to compare; without end if absent. A component that is refused counts as one.
    #[arg(long, value_name = "N")]
    calls: Option<u64>,
    /// Link into one memory, too.
    #[arg(long)]
    single_memory: bool,
}

/// Runs the test program's generator, optimised. It fails at the first difference, and names the component's text.
pub(crate) fn fuzz_link(paths: &Paths, args: &FuzzArgs) -> Result<()> {
    let mut test = command("cargo");
    test.args(["test", "--release", "--test", "all", "--", "--ignored", "--exact", "echo::fuzz_link", "--nocapture"]);
    test.env("LOWLIFT_FUZZ_SEED", args.seed.to_string());
    if let Some(calls) = args.calls {
        test.env("LOWLIFT_FUZZ_CALLS", calls.to_string());
    }
    if args.single_memory {
        test.env("LOWLIFT_FUZZ_SINGLE_MEMORY", "1");
    }
    run(test.current_dir(&paths.root))
}
