//! A driver for each engine, behind the trait that they share.

mod bridge;
mod built;
mod dlr;
mod spacewasm;
#[cfg(feature = "wamr")]
mod wamr;
#[cfg(feature = "wasm3")]
mod wasm3;

use crate::Programs;
use crate::common::{self, Engine, Value};
use bridge::{Bridge, Script};
use std::process::{Command, Stdio};
use wasmparser::ValType;

/// An engine, or why it is skipped.
pub(crate) type Found = Result<Box<dyn Engine>, (&'static str, String)>;

/// All engines that there could be, by name.
pub(crate) fn all(programs: &Programs) -> Vec<Found> {
    let mut out: Vec<Found> = common::engines().into_iter().map(Ok).collect();
    out.push(Ok(Box::new(dlr::Dlr)));
    out.push(Ok(Box::new(spacewasm::SpaceWasm)));
    #[cfg(feature = "wamr")]
    out.push(Ok(Box::new(wamr::Wamr)));
    #[cfg(not(feature = "wamr"))]
    out.push(Err(("wamr-2020", "built without it: it needs a C compiler, cmake and libclang".to_owned())));
    #[cfg(feature = "wasm3")]
    out.push(Ok(Box::new(wasm3::Wasm3)));
    #[cfg(not(feature = "wasm3"))]
    out.push(Err(("wasm3-0.4", "built without it: it needs a C compiler and libclang".to_owned())));
    out.push(bridged(
        Bridge {
            name: "pywasm3",
            profile: "wasm3-0.4",
            program: programs.python.clone(),
            script: Some(Script { text: include_str!("pywasm3.py"), file: "host.py" }),
            compiler: None,
        },
        &["-c", "import wasm3"],
        "no pywasm3, from PyPI",
    ));
    out.push(bridged(
        Bridge {
            name: "node",
            profile: "node",
            program: programs.node.clone(),
            script: Some(Script { text: include_str!("node.mjs"), file: "host.mjs" }),
            compiler: None,
        },
        &["--version"],
        "no Node.js",
    ));
    out.extend(built::all(&programs.built));
    out
}

fn bridged(bridge: Bridge, asks: &[&str], missing: &str) -> Found {
    let mut command = Command::new(&bridge.program);
    command.args(asks).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.status().is_ok_and(|status| status.success()) {
        return Ok(Box::new(bridge));
    }
    Err((bridge.name, format!("{missing} by `{}`", bridge.program.display())))
}

impl Value {
    /// A number of this type; none of reference and vector types.
    pub(crate) fn of(ty: ValType, bits: u64) -> Option<Value> {
        let low = bits as u32;
        match ty {
            ValType::I32 => Some(Value::I32(low)),
            ValType::I64 => Some(Value::I64(bits)),
            ValType::F32 => Some(Value::F32(low)),
            ValType::F64 => Some(Value::F64(bits)),
            ValType::V128 | ValType::Ref(_) => None,
        }
    }
}
