"""Compiles with a given NVRTC: `nvrtc.py LIBNVRTC SOURCE ARCHITECTURE OUTPUT`.

ARCHITECTURE is compute_XX; OUTPUT gets PTX.
"""

import ctypes
import os
import sys


def main() -> int:
    library, source, architecture, output = sys.argv[1:]
    nvrtc = ctypes.CDLL(library)
    program = ctypes.c_void_p()
    text = open(source, "rb").read()
    check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"df11.cu", 0, None, None))
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17"]
    result = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    log = fetch(nvrtc, program, "ProgramLog").rstrip(b"\0\n")
    if log:
        print(log.decode())
    check(nvrtc, result)
    ptx = fetch(nvrtc, program, "PTX").rstrip(b"\0")
    os.makedirs(os.path.dirname(output), exist_ok=True)
    with open(output, "wb") as file:
        file.write(ptx)
    return 0


def fetch(nvrtc, program, what: str) -> bytes:
    size = ctypes.c_size_t()
    check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def check(nvrtc, result: int) -> None:
    if result != 0:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        sys.exit(f"nvrtc: {nvrtc.nvrtcGetErrorString(result).decode()}")


sys.exit(main())
