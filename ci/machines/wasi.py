"""Runs a WASI program (argument 1, followed by its own arguments) under wasmtime.

cargo runs the wasm tests through this script.
"""

import sys

import wasmtime

engine = wasmtime.Engine()
linker = wasmtime.Linker(engine)
linker.define_wasi()
store = wasmtime.Store(engine)
wasi = wasmtime.WasiConfig()
wasi.argv = sys.argv[1:]
wasi.inherit_stdout()
wasi.inherit_stderr()
wasi.preopen_dir(".", ".")
store.set_wasi(wasi)
try:
    instance = linker.instantiate(store, wasmtime.Module.from_file(engine, sys.argv[1]))
    instance.exports(store)["_start"](store)
except wasmtime.ExitTrap as exit:
    sys.exit(exit.code)
