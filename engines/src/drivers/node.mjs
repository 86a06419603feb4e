// Runs a module for `bridge.rs`, which says what the lines are.
import { readFileSync, readSync, writeSync } from "node:fs";

const [file, name, ...rest] = process.argv.slice(2);
const args = [], imports = [];
while (rest.length) {
  const word = rest.shift();
  if (word === "--import") imports.push(rest.splice(0, 3));
  else args.push(word);
}

let input = Buffer.alloc(0);
function take() {
  for (;;) {
    const end = input.indexOf(10);
    if (end >= 0) {
      const line = input.subarray(0, end).toString();
      input = input.subarray(end + 1);
      return line;
    }
    const chunk = Buffer.alloc(65536);
    let length;
    try {
      length = readSync(0, chunk);
    } catch (error) {
      if (error.code === "EAGAIN") continue;
      throw error;
    }
    if (length === 0) process.exit(1);
    input = Buffer.concat([input, chunk.subarray(0, length)]);
  }
}
const say = (line) => writeSync(1, line + "\n");

const view = new DataView(new ArrayBuffer(8));
function number(type, hex) {
  const bits = BigInt("0x" + hex);
  view.setBigUint64(0, bits, true);
  if (type === "I") return BigInt.asIntN(64, bits);
  if (type === "f") return view.getFloat32(0, true);
  if (type === "F") return view.getFloat64(0, true);
  return Number(BigInt.asIntN(32, bits));
}
function bits(type, value) {
  view.setBigUint64(0, 0n, true);
  if (type === "I") view.setBigInt64(0, value, true);
  else if (type === "f") view.setFloat32(0, value, true);
  else if (type === "F") view.setFloat64(0, value, true);
  else view.setInt32(0, value, true);
  return view.getBigUint64(0, true).toString(16);
}
// Results of exports are 32-bit numbers here; a probe gives no other.
const result = (value) => (value === undefined ? "" : " " + bits("i", value));

let exports;
function serve(index, params, results, values) {
  say(["import", index.toString(16), ...values.map((value, i) => bits(params[i], value))].join(" "));
  for (;;) {
    const [word, ...words] = take().split(" ");
    const memory = () => new Uint8Array(exports.memory.buffer);
    if (word === "return") return results === "" ? undefined : number(results[0], words[0]);
    if (word === "trap") throw new Error("the host stopped it");
    if (word === "read") {
      const [at, length] = words.map((w) => parseInt(w, 16));
      if (at + length > memory().length) say("none");
      else say("bytes " + Buffer.from(memory().subarray(at, at + length)).toString("hex"));
    } else if (word === "write") {
      const at = parseInt(words[0], 16), bytes = Buffer.from(words[1] ?? "", "hex");
      if (at + bytes.length > memory().length) say("none");
      else { memory().set(bytes, at); say("ok"); }
    } else if (word === "call") {
      const [called, ...given] = words;
      try {
        say("ok" + result(exports[called](...given.map((w) => number("i", w)))));
      } catch (error) {
        say("error " + error.message);
      }
    }
  }
}

let instance;
try {
  const given = {};
  imports.forEach(([module, field, signature], index) => {
    const [results, params] = signature.slice(0, -1).split("(");
    given[module] ??= {};
    given[module][field] = (...values) => serve(index, params, results, values);
  });
  const module = new WebAssembly.Module(readFileSync(file));
  instance = new WebAssembly.Instance(module, given);
} catch (error) {
  say("refused " + error.message.replaceAll("\n", " "));
  process.exit(0);
}
exports = instance.exports;
try {
  say("result" + result(exports[name](...args.map((w) => number("i", w)))));
} catch (error) {
  say("trapped " + error.message.replaceAll("\n", " "));
}
