# Runs a module with pywasm3 for `bridge.rs`, which says what the lines are.
import struct
import sys

import wasm3

file, name, *rest = sys.argv[1:]
args, imports = [], []
while rest:
    word = rest.pop(0)
    if word == "--import":
        imports.append(rest[:3])
        del rest[:3]
    else:
        args.append(word)

FORMATS = {"i": "<i", "I": "<q", "f": "<f", "F": "<d"}


def number(kind, word):
    return struct.unpack(FORMATS[kind], struct.pack("<Q", int(word, 16))[: 8 if kind in "IF" else 4])[0]


def bits(kind, value):
    if kind == "i":
        return "%x" % (value & 0xFFFFFFFF)
    if kind == "I":
        return "%x" % (value & 0xFFFFFFFFFFFFFFFF)
    return "%x" % int.from_bytes(struct.pack(FORMATS[kind], value), "little")


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def result(value):
    return "" if value is None else " " + bits("i", value)


def one_line(error):
    return str(error).replace("\n", " ")


def function(index, params, results):
    def call(*values):
        say(" ".join(["import", "%x" % index] + [bits(kind, value) for kind, value in zip(params, values)]))
        while True:
            word, *words = sys.stdin.readline().rstrip("\n").split(" ")
            if word == "return":
                return number(results[0], words[0]) if results else None
            if word == "trap":
                raise RuntimeError("the host stopped it")
            if word == "read":
                memory, (at, length) = runtime.get_memory(0), [int(w, 16) for w in words]
                say("none" if at + length > len(memory) else "bytes " + bytes(memory[at : at + length]).hex())
            elif word == "write":
                memory, at, data = runtime.get_memory(0), int(words[0], 16), bytes.fromhex(words[1])
                if at + len(data) > len(memory):
                    say("none")
                else:
                    memory[at : at + len(data)] = data
                    say("ok")
            elif word == "call":
                try:
                    found = runtime.find_function(words[0])
                    say("ok" + result(found(*[number("i", w) for w in words[1:]])))
                except RuntimeError as error:
                    say("error " + one_line(error))
            else:
                sys.exit(1)

    return call


try:
    environment = wasm3.Environment()
    runtime = environment.new_runtime(64 * 1024)
    with open(file, "rb") as source:
        module = environment.parse_module(source.read())
    runtime.load(module)
    for index, (namespace, field, signature) in enumerate(imports):
        results, params = signature[:-1].split("(")
        linked = "%s(%s)" % (results or "v", params)
        module.link_function(namespace, field, linked, function(index, params, results))
    export = runtime.find_function(name)
except RuntimeError as error:
    say("refused " + one_line(error))
    sys.exit(0)
try:
    say("result" + result(export(*[number("i", w) for w in args])))
except RuntimeError as error:
    say("trapped " + one_line(error))
