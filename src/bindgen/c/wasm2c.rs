//! wasm2c: the guest is C, and its imports and exports are symbols, named after modules and fields.
//!
//! The names are formed otherwise since 1.0.33 (`w2c_env_add`) than before (`Z_envZ_add`): a macro chooses.

use super::engine::{Backend, Entry, Export, ExportTable, Import, Interface, Text};
use super::stub::c_type;
use crate::abi::CoreSignature;
use crate::diagnostic::Result;
use std::collections::BTreeSet;
use std::fmt::Write;

pub(super) const BACKEND: Backend = Backend {
    entry: Entry::Symbol(entry),
    exports: ExportTable::Never,
    includes: r#"#include "wasm-rt.h"

/* Symbols have other forms until 1.0.32. */
#if defined($P_WASM2C_OLD)
#define $P_SYMBOL(old, new) old
#else
#define $P_SYMBOL(old, new) new
#endif
"#,
    members: r"    /* The guest's own struct. Set it before the guest is instantiated: what starts may call. */
    void *guest;
    /* Why a function of the host trapped last. */
    const char *trap;
",
    prototypes: Text::Of(prototypes),
    refresh: Text::Of(refresh),
    invoke: Text::Of(invoke),
    shared: r#"/* Does not return. */
static void $p_leave(const $p_call_t *call) {
    if (call->instance != NULL) call->instance->trap = call->trap != NULL ? call->trap : "a function of the host failed";
    wasm_rt_trap(WASM_RT_TRAP_UNREACHABLE);
}

"#,
    register: Text::Fixed(""),
};

const REFRESH: &str = r#"#if defined(WABT_BIG_ENDIAN) && WABT_BIG_ENDIAN
#error "wasm2c keeps memories in reverse on this machine: lowlift does not know that"
#endif
#if !defined($P_WASM2C_GUEST)
#error "say -D$P_WASM2C_GUEST=NAME: what wasm2c calls the guest in its symbols"
#endif

/* The guest's struct, and symbols of the guest. */
#define $P_PASTE_(a, b, c) a##b##c
#define $P_PASTE(a, b, c) $P_PASTE_(a, b, c)
#define $P_GUEST struct $P_SYMBOL($P_PASTE(Z_, $P_WASM2C_GUEST, _instance_t), $P_PASTE(w2c_, $P_WASM2C_GUEST, ))
#define $P_OF(old, new) $P_SYMBOL($P_PASTE(Z_, $P_WASM2C_GUEST, Z_##old), $P_PASTE(w2c_, $P_WASM2C_GUEST, _##new))

$P_GUEST;
wasm_rt_memory_t *$memory($P_GUEST *guest);

static bool $p_refresh($p_call_t *call) {
    const wasm_rt_memory_t *memory;
    if (call->instance->guest == NULL) return $p_fail(call, "the host knows no guest");
    memory = $memory(($P_GUEST *)call->instance->guest);
    call->memory.base = memory->data;
    call->memory.size = memory->size;
    return true;
}

"#;

fn refresh(interface: &Interface) -> Result<String> {
    Ok(REFRESH.replace("$memory", &of_guest(&interface.memory)))
}

/// The symbols that the guest wants, and the structs of its modules.
fn prototypes(interface: &Interface) -> Result<String> {
    let mut text = String::from(
        r"
/*
 * Compile with `-D$P_WASM2C_GUEST=NAME`, which is what wasm2c calls the guest in its symbols. In the guest's `instantiate`,
 * this instance stands for each of these: `(struct NAME *)(void *)&instance`. A trap is a `longjmp`, which passes by functions
 * of the host that have called the guest.
 */
",
    );
    let modules: BTreeSet<&str> = interface.imports.iter().map(|import| import.module.as_str()).collect();
    modules.iter().for_each(|module| text.push_str(&format!("{};\n", structure(module))));
    interface.imports.iter().for_each(|import| text.push_str(&format!("{};\n", head(import))));
    Ok(text)
}

/// The struct of a module of the host; nobody looks inside.
fn structure(module: &str) -> String {
    format!("struct $P_SYMBOL(Z_{}_instance_t, w2c_{})", until_1_0_32(module), mangled(module, true))
}

/// The symbol of an import.
fn head(import: &Import) -> String {
    let Import { module, field, core, .. } = import;
    let symbol = format!(
        "$P_SYMBOL(Z_{}Z_{}, w2c_{}_{})",
        until_1_0_32(module),
        until_1_0_32(field),
        mangled(module, true),
        mangled(field, false)
    );
    let params = core.params.iter().enumerate().map(|(i, &core)| format!(", {} a{i}", c_type(core)));
    format!("{} {symbol}({} *host{})", result(core), structure(module), params.collect::<String>())
}

fn entry(import: &Import) -> String {
    let core = &import.core;
    let mut text = format!("{} {{\n", head(import));
    let _ = writeln!(text, "    $p_slot_t in[{}], out;\n    $p_call_t call;", core.params.len().max(1));
    for (i, param) in core.params.iter().enumerate() {
        let _ = writeln!(text, "    in[{i}].{} = a{i};", param.name());
    }
    if core.params.is_empty() {
        text.push_str("    in[0].i64 = 0;\n");
    }
    let Import { stub, memory, .. } = import;
    let _ = writeln!(
        text,
        "    out.i64 = 0;\n    if (!$p_enter(&call, ($p_instance_t *)(void *)host, NULL, {memory}) || !{stub}(&call, in, &out)) {{\n        $p_leave(&call);\n    }}"
    );
    for result in &core.results {
        let _ = writeln!(text, "    return out.{};", result.name());
    }
    text + "}\n"
}

/// A guest may be without a post-return and the like.
const WEAK: &str = r"#if defined(__GNUC__)
#define $P_WEAK __attribute__((weak))
#define $P_HAS(symbol) ((symbol) != NULL)
#else
#define $P_WEAK
#define $P_HAS(symbol) 1
#endif

";

/// A call of each export by its number. Guests that trap do not come back.
fn invoke(interface: &Interface) -> Result<String> {
    let (mut symbols, mut cases) = (String::new(), String::new());
    for (number, export) in interface.exports.iter().enumerate() {
        let Export { name, core, optional } = export;
        let symbol = of_guest(name);
        let params: String = core.params.iter().map(|&core| format!(", {}", c_type(core))).collect();
        let weak = if *optional { "$P_WEAK " } else { "" };
        let _ = writeln!(symbols, "{weak}{} {symbol}($P_GUEST *guest{params});", result(core));
        let given: String =
            core.params.iter().enumerate().map(|(i, core)| format!(", in[{i}].{}", core.name())).collect();
        let taken: String = core.results.iter().map(|core| format!("out->{} = ", core.name())).collect();
        let _ = writeln!(cases, "    case {number}:");
        if *optional {
            let _ =
                writeln!(cases, "        if (!$P_HAS({symbol})) return $p_fail(call, \"the guest lacks an export\");");
        }
        let _ = writeln!(cases, "        {taken}{symbol}(guest{given});\n        break;");
    }
    Ok(format!(
        "{WEAK}{symbols}
static bool $p_invoke($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {{
    $P_GUEST *guest = ($P_GUEST *)call->instance->guest;
    (void)in;
    (void)out;
    switch (number) {{
{cases}    default:
        return $p_fail(call, \"the guest lacks an export\");
    }}
    return $p_refresh(call);
}}

"
    ))
}

/// The symbol of an export.
fn of_guest(name: &str) -> String {
    format!("$P_OF({}, {})", until_1_0_32(name), mangled(name, false))
}

fn result(core: &CoreSignature) -> &'static str {
    core.results.first().map_or("void", |&core| c_type(core))
}

/// A name in symbols until 1.0.32: all but letters, digits and underscores, and `Z`, by its bytes.
fn until_1_0_32(name: &str) -> String {
    let plain = |byte: u8| byte == b'_' || (byte != b'Z' && byte.is_ascii_alphanumeric());
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("Z{byte:02X}") }).collect()
}

/// A name in symbols since 1.0.33. All but letters, digits and underscores is written as `0x` and its byte, and so are
/// underscores at an end or behind another, and what would continue a `0x` of the name itself. In names of modules an
/// underscore is two.
fn mangled(name: &str, is_module: bool) -> String {
    let bytes = name.as_bytes();
    let mut out = String::new();
    // How much of `0x` stands before this byte, and whether an underscore does.
    let (mut zero_x, mut underscore) = (0, false);
    for (i, &byte) in bytes.iter().enumerate() {
        let is_hex = byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        let continues = zero_x == 2 && is_hex;
        zero_x = match (zero_x, byte) {
            (0, b'0') => 1,
            (1, b'x') => 2,
            _ => 0,
        };
        let at_end = byte == b'_' && (i == 0 || i + 1 == bytes.len() || underscore);
        if continues || at_end || !(byte == b'_' || byte.is_ascii_alphanumeric()) {
            let _ = write!(out, "0x{byte:02X}");
            (zero_x, underscore) = (0, false);
            continue;
        }
        out.push(char::from(byte));
        if is_module && byte == b'_' {
            out.push('_');
        }
        underscore = byte == b'_';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{mangled, until_1_0_32};

    /// What wasm2c 1.0.32 writes, and 1.0.41 for a field and for a module.
    #[test]
    fn names_are_formed_as_wasm2c_forms_them() {
        let names = [
            ("$root", "Z24root", "0x24root", "0x24root"),
            ("a__b", "a__b", "a_0x5Fb", "a__0x5Fb"),
            ("_", "_", "0x5F", "0x5F"),
            ("__", "__", "0x5F0x5F", "0x5F0x5F"),
            ("___", "___", "0x5F_0x5F", "0x5F__0x5F"),
            ("0x41", "0x41", "0x0x341", "0x0x341"),
            ("00xA", "00xA", "00xA", "00xA"),
            ("0x0xAF", "0x0xAF", "0x0x30xAF", "0x0x30xAF"),
            ("a_", "a_", "a0x5F", "a0x5F"),
            ("_a", "_a", "0x5Fa", "0x5Fa"),
            ("Z", "Z5A", "Z", "Z"),
            ("x0xg", "x0xg", "x0xg", "x0xg"),
            ("0", "0", "0", "0"),
            ("0x", "0x", "0x", "0x"),
            ("[method]a.b-c", "Z5BmethodZ5DaZ2EbZ2Dc", "0x5Bmethod0x5Da0x2Eb0x2Dc", "0x5Bmethod0x5Da0x2Eb0x2Dc"),
            ("0x0x41", "0x0x41", "0x0x30x41", "0x0x30x41"),
            ("_0x_A", "_0x_A", "0x5F0x_A", "0x5F0x__A"),
            ("A0xF0", "A0xF0", "A0x0x460", "A0x0x460"),
        ];
        for (name, old, field, module) in names {
            assert_eq!(
                (until_1_0_32(name).as_str(), mangled(name, false).as_str(), mangled(name, true).as_str()),
                (old, field, module)
            );
        }
    }
}
