//! `wasi:random`. The insecure functions are secure too: nothing is gained by a second generator.

use super::value::Value;
use super::{Run, Trap, arg, done};
use bytes::Bytes;

/// More bytes than this at once trap: they would have to be held twice.
const MAX_BYTES: u64 = 1 << 20;

pub(super) fn function(interface: &str, name: &str) -> Option<Run> {
    Some(match (interface, name) {
        ("wasi:random/random", "get-random-bytes") | ("wasi:random/insecure", "get-insecure-random-bytes") => |_, a| {
            let length = arg(a, 0)?.u64()?;
            if length > MAX_BYTES {
                return Err(Trap::new(format!("{length} random bytes at once; at most {MAX_BYTES} are given")));
            }
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            fill(&mut bytes)?;
            done(Bytes::from(bytes))
        },
        ("wasi:random/random", "get-random-u64") | ("wasi:random/insecure", "get-insecure-random-u64") => {
            |_, _| done(word()?)
        }
        ("wasi:random/insecure-seed", "insecure-seed") => {
            |_, _| done(Value::Record(vec![word()?.into(), word()?.into()]))
        }
        _ => return None,
    })
}

fn word() -> Result<u64, Trap> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn fill(bytes: &mut [u8]) -> Result<(), Trap> {
    getrandom::fill(bytes).map_err(|e| Trap::new(format!("the system gives no random bytes: {e}")))
}
