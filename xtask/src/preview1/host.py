"""Runs a preview1 command on wasm3: host.py FILE ARGUMENT... (stdin, NAME=VALUE in $GUEST_ENV).

wasm3's Python package knows no WASI, so this is a host of a screenful: what is not here answers ENOSYS.
"""
import os, random, sys, time, wasm3

EBADF, ENOSYS, ESPIPE = 8, 52, 70
path, args = sys.argv[1], sys.argv[1:]
environ = [os.environ["GUEST_ENV"]] if "GUEST_ENV" in os.environ else []


class Exit(Exception):
    pass


with open(path, "rb") as file:
    code = file.read()
environment = wasm3.Environment()
runtime = environment.new_runtime(256 * 1024)
module = environment.parse_module(code)
runtime.load(module)
status = 0


def u32(at):
    return int.from_bytes(runtime.get_memory(0)[at:at + 4], "little")


def put(at, data):
    runtime.get_memory(0)[at:at + len(data)] = bytes(data)


def put32(at, value):
    put(at, value.to_bytes(4, "little"))


def sizes(strings):
    def sizes(count, total):
        put32(count, len(strings))
        put32(total, sum(len(s.encode()) + 1 for s in strings))
        return 0
    return sizes


def get(strings):
    def get(pointers, at):
        for i, string in enumerate(strings):
            put32(pointers + 4 * i, at)
            put(at, string.encode() + b"\0")
            at += len(string.encode()) + 1
        return 0
    return get


def pieces(at, count):
    return [(u32(at + 8 * i), u32(at + 8 * i + 4)) for i in range(count)]


def fd_write(fd, at, count, written):
    if fd not in (1, 2):
        return EBADF
    stream = {1: sys.stdout, 2: sys.stderr}[fd].buffer
    data = b"".join(bytes(runtime.get_memory(0)[p:p + n]) for p, n in pieces(at, count))
    stream.write(data)
    stream.flush()
    put32(written, len(data))
    return 0


def fd_read(fd, at, count, read):
    if fd != 0:
        return EBADF
    total = 0
    for pointer, length in pieces(at, count):
        data = sys.stdin.buffer.read(length)
        put(pointer, data)
        total += len(data)
    put32(read, total)
    return 0


def fd_fdstat_get(fd, at):
    if fd not in (0, 1, 2):
        return EBADF
    put(at, b"\2" + bytes(7) + b"\xff" * 16)
    return 0


def clock_time_get(clock, precision, at):
    now = time.time_ns() if clock == 0 else time.monotonic_ns()
    put(at, now.to_bytes(8, "little"))
    return 0


def random_get(at, length):
    put(at, random.randbytes(length))
    return 0


def proc_exit(code):
    global status
    status = code
    raise Exit


FUNCTIONS = {
    "args_sizes_get": ("i(ii)", sizes(args)), "args_get": ("i(ii)", get(args)),
    "environ_sizes_get": ("i(ii)", sizes(environ)), "environ_get": ("i(ii)", get(environ)),
    "fd_write": ("i(iiii)", fd_write), "fd_read": ("i(iiii)", fd_read),
    "fd_fdstat_get": ("i(ii)", fd_fdstat_get), "fd_close": ("i(i)", lambda fd: 0),
    "fd_seek": ("i(iIii)", lambda *_: ESPIPE), "fd_prestat_get": ("i(ii)", lambda *_: EBADF),
    "clock_time_get": ("i(iIi)", clock_time_get), "random_get": ("i(ii)", random_get),
    "proc_exit": ("v(i)", proc_exit),
}
for name, (signature, function) in FUNCTIONS.items():
    try:
        module.link_function("wasi_snapshot_preview1", name, signature, function)
    except RuntimeError:
        pass  # not imported
try:
    runtime.find_function("_start")()
except Exit:
    pass
sys.exit(status)
