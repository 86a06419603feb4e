//! The root of a generated component: its instances, and what it exports.

use super::component::{OWNER, Shape, TICK, Writer};
use super::scope::{Scope, nominal};
use super::types::{Echo, Ty};
use std::fmt::Write;

/// The interfaces that the root exports: through the caller, and of the callee itself.
pub(super) const THROUGH: &str = "echo:test/through";
pub(super) const DIRECT: &str = "echo:test/direct";

const LOG: &str = "  (import \"log\" (func $log (param \"n\" u32) (param \"s\" string) (result u32)))\n";

fn with(kind: &str, from: &str, name: &str) -> String {
    format!(" (with \"{name}\" ({kind} {from} \"{name}\"))")
}

/// Counters and switches of an instance.
fn switches(side: &str) -> String {
    let one = |name: &&str| format!("  (export \"{side}-{name}\" (func ${side} \"{name}\"))\n");
    ["posts", "count", "mode", "post-mode"].iter().map(one).collect()
}

impl Writer<'_> {
    /// The functions that the host may call: it has no handles.
    fn at_root(&self) -> Vec<(usize, &Echo)> {
        self.echoes.iter().enumerate().filter(|(_, echo)| !echo.has_handles()).collect()
    }

    /// The whole component.
    pub(super) fn root(&self) -> String {
        let alone = self.shape == Shape::Callee;
        let three = self.shape == Shape::Three;
        let owner = if three { "$base" } else { "$a" };
        let mut out = String::from("(component\n  (import \"tick\" (func $tick (param \"n\" u32) (result u32)))\n");
        let mut instances = String::new();
        if three {
            let _ = writeln!(out, "(component $base\n    {TICK}\n    {OWNER})");
            instances.push_str("  (instance $base (instantiate $base (with \"tick\" (func $tick))))\n");
        }
        let given = if three { with("type", owner, "r") + &with("func", owner, "peek") } else { String::new() };
        let _ = writeln!(instances, "  (instance $a (instantiate $callee (with \"tick\" (func $tick)){given}))");
        out.push_str(&self.callee());
        if !alone {
            out.push_str(LOG);
            out.push_str(&self.caller());
            instances.push_str(&self.call_in(owner));
        }
        out.push_str(&instances);
        if !alone {
            out.push_str(&self.interface(THROUGH, "$b", "run"));
        }
        if alone || self.direct {
            out.push_str(&self.interface(DIRECT, "$a", "f"));
        }
        out + &switches("a") + &if alone { String::new() } else { self.functions(owner) } + ")\n"
    }

    /// The caller's instance, with everything that it calls.
    fn call_in(&self, owner: &str) -> String {
        let mut given = self.scope.named(|_| true, |i, _| with("type", "$a", &format!("t{i}")));
        given += &with("type", owner, "r");
        (0..self.echoes.len()).for_each(|i| given += &with("func", "$a", &format!("f{i}")));
        for (name, ..) in self.handles() {
            given += &with("func", if *name == "via" { "$a" } else { owner }, name);
        }
        format!(
            "  (instance $b (instantiate $caller (with \"tick\" (func $tick)) (with \"log\" (func $log)){given}))\n"
        )
    }

    /// What the root exports by itself, where there is a caller.
    fn functions(&self, owner: &str) -> String {
        let mut out = switches("b");
        let mut export = |from: &str, name: &str| {
            let _ = writeln!(out, "  (export \"{name}\" (func {from} \"{name}\"))");
        };
        ["o-new", "o-rep", "o-drop", "dtors", "d-mode"].into_iter().for_each(|name| export(owner, name));
        self.handles().iter().for_each(|(name, ..)| export("$b", &format!("c-{name}")));
        export("$b", "c-drop");
        (0..self.echoes.len()).for_each(|i| export("$b", &format!("raw{i}")));
        if self.shape == Shape::Three {
            export("$a", "keep");
        }
        out
    }

    /// Functions whose types have names are exported as an interface; a component gives it its shape.
    fn interface(&self, interface: &str, from: &str, function: &str) -> String {
        let echoes = self.at_root();
        if echoes.is_empty() {
            return String::new();
        }
        let mut named = Vec::new();
        for (_, echo) in &echoes {
            echo.params.iter().chain(echo.result().as_ref()).for_each(|ty| nominal(ty, &mut named));
        }
        let wanted = |ty: &Ty| named.contains(ty);
        let outside = Scope { names: self.scope.names, prefix: "$x" };
        let name = format!("$shape-{}", &from[1..]);
        let mut shape = format!("(component {name}\n{}", self.scope.imported(wanted));
        let mut given = self.scope.named(wanted, |i, _| with("type", "$a", &format!("t{i}")));
        let mut exports = outside.exported(wanted);
        for (i, echo) in echoes {
            let _ = writeln!(shape, r#"(import "run{i}" (func $run{i} {}))"#, self.scope.signature(echo));
            let _ = writeln!(exports, r#"(export "run{i}" (func $run{i}) (func {}))"#, outside.signature(echo));
            let _ = write!(given, " (with \"run{i}\" (func {from} \"{function}{i}\"))");
        }
        format!(
            "{shape}{exports})\n  (instance {name} (instantiate {name}{given}))\n  (export \"{interface}\" (instance {name}))\n"
        )
    }
}
