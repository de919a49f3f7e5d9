"""Our products beside torch's and ggml's in BF16, in turns, on the same weights.

    products.py OURS LIBGGML [ROWSxCOLUMNS...]       prints Markdown

OURS is our program `products`, LIBGGML the library that llama.cpp multiplies with. What is
compared, and whom each choice favours:
- `y = W x` for 1, 8 and 64 vectors, on one thread and two. The weights are N(0, 0.02), 256 Mi or
  more in matrices of one shape, so that they come from memory as those of a model do.
- Ours: BF16, flat and DF11, without `target-cpu`. y has the same bits from each of them.
- torch: `linear` of BF16, y in BF16. Where the processor has AMX, oneDNN uses it. A second process
  is kept from it by ONEDNN_MAX_CPU_ISA.
- ggml: `mul_mat` of BF16 weights, compiled for this processor. x and y are f32, as llama.cpp has
  them; ggml rounds x to BF16.
- torch and ggml choose the order of additions for speed. Ours is fixed.
- Each is a process of its own that waits between its turns. Threads that spin after their turn
  would disturb the next one, so each turn begins after a pause. The allocators of all ask for huge
  pages. The time is that of all matrices. Speeds are 1e9 weights a second, of the median of TURNS.
"""

import ctypes
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SHAPES = ["4096x4096", "14336x4096", "152000x4096"]
BATCHES, THREADS, TURNS = (1, 8, 64), (1, 2), 5
LEAST_WEIGHTS = 256 << 20
WORDS = 16 << 20  # repeated to size
PAUSE = 0.05  # seconds
TOLERANCE = 0.02  # of y, between orders of additions
FORMS = ("bf16", "flat", "df11")
WITHOUT_AMX = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}


def answer(version: str, multiply) -> None:
    """Multiplies as each line of stdin says."""
    print(version, flush=True)
    for line in sys.stdin:
        batch, threads = map(int, line.split()[1:])
        print(*multiply(batch, threads), flush=True)


def torch_process(words: pathlib.Path, rows: int, columns: int, copies: int) -> None:
    import torch

    word = torch.frombuffer(bytearray(words.read_bytes()), dtype=torch.bfloat16)
    repeats = -(-copies * rows * columns // len(word))
    weights = word.repeat(repeats)[: copies * rows * columns].view(copies, rows, columns)

    def multiply(batch: int, threads: int):
        torch.set_num_threads(threads)
        x = word[: batch * columns].view(batch, columns)
        with torch.inference_mode():
            began = time.perf_counter()
            for matrix in weights:
                y = torch.nn.functional.linear(x, matrix)
            return time.perf_counter() - began, y[0, 0].item(), y[-1, -1].item()

    answer(f"torch {torch.__version__}", multiply)


def ggml_process(library: str, words: pathlib.Path, rows: int, columns: int, copies: int) -> None:
    import numpy

    BF16, F32, SLACK = 30, 0, 1 << 20
    ggml = ctypes.CDLL(library)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    tensor = [pointer, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]

    class Parameters(ctypes.Structure):
        _fields_ = [("mem_size", size), ("mem_buffer", pointer), ("no_alloc", ctypes.c_bool)]

    def function(name: str, result, *arguments):
        found = getattr(ggml, name)
        found.restype, found.argtypes = result, arguments
        return found

    init = function("ggml_init", pointer, Parameters)
    free = function("ggml_free", None, pointer)
    new_tensor = function("ggml_new_tensor_2d", pointer, *tensor)
    data = function("ggml_get_data", pointer, pointer)
    mul_mat = function("ggml_mul_mat", pointer, pointer, pointer, pointer)
    new_graph = function("ggml_new_graph", pointer, pointer)
    expand = function("ggml_build_forward_expand", None, pointer, pointer)
    cpu = function("ggml_backend_cpu_init", pointer)()
    set_threads = function("ggml_backend_cpu_set_n_threads", None, pointer, ctypes.c_int)
    compute = function("ggml_backend_graph_compute", ctypes.c_int, pointer, pointer)
    version = function("ggml_version", ctypes.c_char_p)().decode()

    def write(tensor: int, values) -> None:
        ctypes.memmove(data(tensor), values.ctypes.data, values.nbytes)

    word = numpy.fromfile(words, "<u2")
    weights = numpy.resize(word, copies * rows * columns).reshape(copies, rows, columns)
    room = init(Parameters(weights.nbytes + SLACK, None, False))
    matrices = []
    for values in weights:
        matrices.append(new_tensor(room, BF16, columns, rows))
        write(matrices[-1], values)
    del weights

    def multiply(batch: int, threads: int):
        values = (word[: batch * columns].astype("u4") << 16).view("f4")
        own = init(Parameters(values.nbytes + 4 * copies * rows * batch + SLACK, None, False))
        x, graph = new_tensor(own, F32, columns, batch), new_graph(own)
        write(x, values)
        products = [mul_mat(own, matrix, x) for matrix in matrices]
        for product in products:
            expand(graph, product)
        set_threads(cpu, threads)
        began = time.perf_counter()
        if compute(cpu, graph) != 0:
            sys.exit("ggml could not multiply")
        seconds = time.perf_counter() - began
        y = ctypes.cast(data(products[-1]), ctypes.POINTER(ctypes.c_float))
        result = seconds, y[0], y[rows * batch - 1]
        free(own)
        return result

    answer(f"ggml {version}", multiply)


def start(command: list, environment: dict[str, str]) -> subprocess.Popen:
    huge_pages = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    return subprocess.Popen(
        [str(part) for part in command],
        env=os.environ | huge_pages | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(process: subprocess.Popen, form: str, batch: int, threads: int) -> list[float]:
    time.sleep(PAUSE)
    process.stdin.write(f"{form} {batch} {threads}\n")
    process.stdin.flush()
    return [float(number) for number in process.stdout.readline().split()]


def measure(ours: str, library: str, words: pathlib.Path, rows: int, columns: int):
    """Yields the rows of a table."""
    copies = -(-LEAST_WEIGHTS // (rows * columns))
    what = [words, rows, columns, copies]
    python = [sys.executable, __file__]
    processes = {
        "ours": start([ours, *what], {}),
        "torch": start([*python, "--torch", *what], {}),
        "torch without AMX": start([*python, "--torch", *what], WITHOUT_AMX),
        "ggml": start([*python, "--ggml", library, *what], {}),
    }
    names = {name: process.stdout.readline().strip() for name, process in processes.items()}
    contestants = [("ours", form) for form in FORMS] + [(name, "bf16") for name in processes if name != "ours"]
    yield f"\n### {rows} x {columns}, {copies} matrices; " + ", ".join(dict.fromkeys(names.values())) + "\n"
    yield "| batch | threads | " + " | ".join(f"{n} {f}" if n == "ours" else n for n, f in contestants) + " | flat / torch |"
    yield "|---" * (len(contestants) + 3) + "|"
    for batch in BATCHES:
        for threads in THREADS:
            times = {contestant: [] for contestant in contestants}
            for turn in range(1 + TURNS):
                for name, form in contestants:
                    seconds, *y = ask(processes[name], form, batch, threads)
                    times[name, form].append(seconds)
                    if turn == 0:
                        expected = y if (name, form) == contestants[0] else expected
                        if any(abs(a - b) > TOLERANCE * max(1, abs(b)) for a, b in zip(y, expected)):
                            sys.exit(f"{name} {form}: {y}, but ours {expected}")
            median = {key: statistics.median(seconds[1:]) for key, seconds in times.items()}
            speeds = [copies * rows * columns / 1e9 / seconds for seconds in median.values()]
            ratio = median["torch", "bf16"] / median["ours", "flat"]
            yield f"| {batch} | {threads} | " + " | ".join(f"{speed:.2f}" for speed in speeds) + f" | {ratio:.2f} |"
    for process in processes.values():
        process.stdin.close()
        if process.wait() != 0:
            sys.exit(f"{process.args[0]} failed")


def main() -> None:
    match sys.argv[1:]:
        case ["--torch", words, *sizes]:
            torch_process(pathlib.Path(words), *map(int, sizes))
        case ["--ggml", library, words, *sizes]:
            ggml_process(library, pathlib.Path(words), *map(int, sizes))
        case [ours, library, *shapes]:
            sys.path.append(str(pathlib.Path(__file__).parent.parent))
            import generate

            with tempfile.NamedTemporaryFile() as words:
                generate.gauss(WORDS, seed=1).tofile(words.name)
                for shape in shapes or SHAPES:
                    rows, columns = map(int, shape.split("x"))
                    print(*measure(ours, library, pathlib.Path(words.name), rows, columns), sep="\n", flush=True)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
