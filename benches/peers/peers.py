"""Ours, ZipNN and zstd on the same bytes, one after the other, each with memcpy in its own process.

    peers.py PROGRAM FILE NAME     prints Markdown; PROGRAM is our `df11`, FILE holds one BF16 matrix

What is compared, and whom each choice favours:
- Ours: `PROGRAM bench FILE --json`, into the caller's warm buffer or into a new one, without
  `target-cpu`.
- ZipNN: its C core, called as its Python layer calls it for bfloat16. The layer's own copy of the
  input is left out, in ZipNN's favour. The core reorders the caller's input IN PLACE while it
  encodes, so it gets a new copy before each call, outside the time taken.
- ZipNN's API: `ZipNN(threads=...).compress(bytes)` and `.decompress(bytes)`, which its users call,
  including the layer's copies, fresh only. The layer imports torch, which byte input never reaches:
  a stub saves 5 GB of installation.
- zstd -1: only the exponent bytes, already split off. The time of splitting and merging is left
  out, in zstd's favour. With two threads, each gets half of the bytes.
- Both peers return their own memory. `fresh`: by default the allocator takes new pages from the
  kernel for each call. `warm`: the allocator is set to keep its pages, so that none is new from the
  second call on, and to ask for huge ones. The column of page faults shows which case was really
  timed. Like is compared with like: our warm output with their warm one, our fresh one with their
  fresh one.
- GB/s are 1e9 bytes of BF16 per second, medians of REPETITIONS after one call that does not count.
"""

import ctypes
import json
import os
import pathlib
import resource
import statistics
import struct
import subprocess
import sys
import time
import unittest.mock
from concurrent.futures import ThreadPoolExecutor

REPETITIONS = 9
THREADS = (1, 2)
M_MMAP_MAX, M_TRIM_THRESHOLD, M_ARENA_MAX = -4, -1, -8  # mallopt(3)
HUGE_PAGES = {"warm": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}, "fresh": {}}  # read when a process starts
ZIPNN_HEADER, ZIPNN_CHUNK = 32, 256 * 1024
LIBC = ctypes.CDLL(None)
LIBC.memcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class Timer:
    """Median speed of a call, and of memcpy of the same BF16 bytes to a warm buffer, in turns."""

    def __init__(self, words):
        import numpy

        self.source, self.target = words.copy(), numpy.empty_like(words)  # numpy asks for huge pages, as we do

    def memcpy(self) -> float:
        began = time.perf_counter()
        LIBC.memcpy(self.target.ctypes.data, self.source.ctypes.data, self.source.nbytes)
        return time.perf_counter() - began

    def run(self, prepare, call) -> dict:
        calls, copies, faults = [], [], []
        for _ in range(1 + REPETITIONS):
            argument = prepare()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            began = time.perf_counter()
            result = call(argument)
            calls.append(time.perf_counter() - began)
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
            del result, argument
            copies.append(self.memcpy())
        speed = lambda seconds: self.source.nbytes / 1e9 / statistics.median(seconds[1:])
        return {
            "gb_per_s": speed(calls),
            "memcpy_gb_per_s": speed(copies),
            "page_faults": statistics.median(faults[1:]),
        }


def zipnn_rows(words, timer):
    import zipnn_core

    data = words.tobytes()
    header = bytes(ZIPNN_HEADER)
    # buffers 2, bit reorder 1, byte reorder 0b01_010 = bfloat16; threshold 0.95, checked after 10 %:
    # all its defaults
    encode = lambda threads: lambda copy: zipnn_core.zipnn_core(header, copy, 2, 1, 10, 0, ZIPNN_CHUNK, 0.95, 10, threads)
    decode = lambda threads: lambda body: zipnn_core.combine_dtype(body, 2, 1, 10, ZIPNN_CHUNK, len(data), threads)
    packed = encode(1)(bytearray(data))
    body = memoryview(packed)[ZIPNN_HEADER:]
    for threads in THREADS:
        if encode(threads)(bytearray(data)) != packed or decode(threads)(body) != data:
            sys.exit("ZipNN did not give the weights back")
        base = {"who": "ZipNN 0.5.4", "threads": threads, "size": len(packed) / len(data)}
        yield base | {"op": "encode"} | timer.run(lambda: bytearray(data), encode(threads))
        yield base | {"op": "decode"} | timer.run(lambda: body, decode(threads))


def zipnn_api_rows(words, timer):
    absent = ("torch", "safetensors", "safetensors.torch", "packaging", "packaging.version", "tqdm", "transformers")
    sys.modules |= {name: unittest.mock.MagicMock() for name in absent}
    import zipnn

    data = words.tobytes()
    for threads in THREADS:
        codec = zipnn.ZipNN(input_format="byte", bytearray_dtype="bfloat16", threads=threads)
        packed = codec.compress(bytearray(data))
        if codec.decompress(packed) != data:
            sys.exit("ZipNN's API did not give the weights back")
        base = {"who": "API of ZipNN 0.5.4", "threads": threads, "size": len(packed) / len(data)}
        yield base | {"op": "encode"} | timer.run(lambda: bytearray(data), codec.compress)
        yield base | {"op": "decode"} | timer.run(lambda: packed, codec.decompress)


def zstd_rows(words, timer):
    import zstandard

    exponents = ((words >> 7) & 0xFF).astype("u1").tobytes()
    for threads in THREADS:
        part = -(-len(exponents) // threads)
        parts = [exponents[i : i + part] for i in range(0, len(exponents), part)]
        with ThreadPoolExecutor(threads) as pool:
            encode = lambda parts: list(pool.map(lambda p: zstandard.ZstdCompressor(level=1).compress(p), parts))
            decode = lambda parts: list(pool.map(lambda p: zstandard.ZstdDecompressor().decompress(p), parts))
            packed = encode(parts)
            if b"".join(decode(packed)) != exponents:
                sys.exit("zstd did not give the exponents back")
            size = (sum(map(len, packed)) + len(words)) / words.nbytes
            base = {"who": "zstd -1, exponents alone", "threads": threads, "size": size}
            yield base | {"op": "encode"} | timer.run(lambda: parts, encode)
            yield base | {"op": "decode"} | timer.run(lambda: packed, decode)


def read_words(path: pathlib.Path):
    import numpy

    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return numpy.fromfile(file, "<u2", offset=length)


def measure_peers(path: pathlib.Path, memory: str) -> list[dict]:
    words = read_words(path)
    timer = Timer(words)  # its buffers come from the kernel in either case
    if memory == "warm":
        kept = [(M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1)]
        if not all(LIBC.mallopt(*setting) for setting in kept):
            sys.exit("this C library's allocator cannot be told to keep its pages")
    peers = [zipnn_rows, zstd_rows] + [zipnn_api_rows] * (memory == "fresh")
    return [row | {"memory": memory} for rows in peers for row in rows(words, timer)]


def run_json(*command, env={}) -> list[dict]:
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | env).stdout)


def table(rows: list[dict]):
    yield "| who | output memory | threads | op | GB/s | x memcpy | page faults a call | size |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        faults = f"{row['page_faults']:.0f}" if "page_faults" in row else ""
        size = f"{row['size']:.4f}" if "size" in row else ""
        yield (
            f"| {row['who']} | {row['memory']} | {row['threads']} | {row['op']} | {row['gb_per_s']:.2f} "
            f"| {row['gb_per_s'] / row['memcpy_gb_per_s']:.3f} | {faults} | {size} |"
        )


def ratios(rows: list[dict]):
    """The fastest of our levels over ZipNN: same threads, same op, same output memory."""
    yield "| op | threads | output memory | our fastest level | / core of ZipNN | / its API |"
    yield "|---|---|---|---|---|---|"
    for op in ("decode", "encode"):
        for threads in THREADS:
            for memory in ("warm", "fresh"):
                like = [row for row in rows if (row["op"], row["threads"], row["memory"]) == (op, threads, memory)]
                ours = max((row for row in like if "level" in row), key=lambda row: row["gb_per_s"], default=None)
                if ours:
                    peer = {row["who"]: f"{ours['gb_per_s'] / row['gb_per_s']:.2f}" for row in like}
                    core, api = peer["ZipNN 0.5.4"], peer.get("API of ZipNN 0.5.4", "")
                    yield f"| {op} | {threads} | {memory} | {ours['level']} | {core} | {api} |"


def main() -> None:
    match sys.argv[1:]:
        case ["--peers", memory, file]:
            json.dump(measure_peers(pathlib.Path(file), memory), sys.stdout)
        case [program, file, name]:
            ours = run_json(program, "bench", file, "--json")
            rows = [row | {"who": f"df11 {row['level']}", "memory": row["output"]} for row in ours]
            for memory in ("warm", "fresh"):
                rows += run_json(sys.executable, __file__, "--peers", memory, file, env=HUGE_PAGES[memory])
            print(f"\n### {name}\n", *table(rows), "", *ratios(rows), sep="\n", flush=True)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
