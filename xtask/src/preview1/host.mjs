// Runs a preview1 command on Node: host.mjs FILE ARGUMENT... (stdin, NAME=VALUE in $GUEST_ENV).

import { readFile } from "node:fs/promises";
import process from "node:process";
import { WASI } from "node:wasi";

const [file, ...args] = process.argv.slice(2);
const [name, value] = (process.env.GUEST_ENV ?? "").split("=");
const env = name ? { [name]: value } : {};
const wasi = new WASI({ version: "preview1", args: [file, ...args], env, returnOnExit: true });
const module = await WebAssembly.compile(await readFile(file));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
