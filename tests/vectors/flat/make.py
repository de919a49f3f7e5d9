#!/usr/bin/env python3
"""Writes flat/v1: flat matrices and products by FLAT.md alone, in exact arithmetic. It shares nothing with the crates.

Run it without arguments. The files in v1 are frozen: it refuses to change one.
"""

import json
import pathlib
import random
import struct
from fractions import Fraction

HERE = pathlib.Path(__file__).parent
FINITE_END = Fraction(2) ** 128
INFINITY, NAN = "inf", "nan"


# --- numbers: (sign, magnitude), where the magnitude is a Fraction, INFINITY or NAN ---


def of_f32(bits):
    sign, exponent, mantissa = bits >> 31, bits >> 23 & 0xFF, bits & 0x7FFFFF
    if exponent == 255:
        return sign, NAN if mantissa else INFINITY
    whole, power = (mantissa, -149) if exponent == 0 else (mantissa | 1 << 23, exponent - 150)
    return sign, Fraction(whole) * Fraction(2) ** power


def of_bf16(word):
    return of_f32(word << 16)


def nearest(sign, exact, mantissa_bits):
    """The bits of the nearest number with 8 bits of exponent and `mantissa_bits` of mantissa; of two, the even one."""
    least = -126 - mantissa_bits
    power = least
    while exact >= Fraction(2) ** (power + mantissa_bits + 1):
        power += 1
    whole, rest = divmod(exact / Fraction(2) ** power, 1)
    if rest > Fraction(1, 2) or rest == Fraction(1, 2) and whole % 2:
        whole += 1
    # A carry out of the mantissa goes into the exponent, and from the greatest to infinity.
    bits = whole if power == least else ((power - least) << mantissa_bits) + int(whole)
    bits = min(int(bits), 255 << mantissa_bits)
    return sign << (8 + mantissa_bits) | bits


def round_f32(number):
    sign, magnitude = number
    if magnitude == NAN:
        return 0x7FC00000
    return sign << 31 | 0x7F800000 if magnitude == INFINITY else nearest(sign, magnitude, 23)


def round_bf16(bits):
    sign, magnitude = of_f32(bits)
    if magnitude == NAN:
        return 0x7FC0
    return sign << 15 | 0x7F80 if magnitude == INFINITY else nearest(sign, magnitude, 7)


def multiply(one, other):
    sign = one[0] ^ other[0]
    if NAN in (one[1], other[1]):
        return 0, NAN
    if INFINITY in (one[1], other[1]):
        return (0, NAN) if 0 in (one[1], other[1]) else (sign, INFINITY)
    return sign, one[1] * other[1]


def add(one, other):
    if NAN in (one[1], other[1]):
        return 0, NAN
    if INFINITY in (one[1], other[1]):
        if one[1] == other[1] and one[0] != other[0]:
            return 0, NAN
        return one if one[1] == INFINITY else other
    sum_ = (-1) ** one[0] * one[1] + (-1) ** other[0] * other[1]
    if sum_ == 0:
        return one[0] & other[0] if one[1] == 0 and other[1] == 0 else 0, Fraction(0)
    return int(sum_ < 0), abs(sum_)


# --- products ---


def dot(row, x):
    sums = [0] * 64
    for column, (weight, value) in enumerate(zip(row, x)):
        exact = add(multiply(of_bf16(weight), of_bf16(value)), of_f32(sums[column % 64]))
        sums[column % 64] = round_f32(exact)
    for half in (32, 16, 8, 4, 2, 1):
        for i in range(half):
            sums[i] = round_f32(add(of_f32(sums[i]), of_f32(sums[i + half])))
    return sums[0]


# --- bytes ---


def position(column):
    return 16 * (column % 32 // 8) + 8 * (column // 32) + column % 8


def flat(words, columns, table):
    rows, groups = len(words) // columns, -(-columns // 64)
    signs, codes = bytearray(rows * groups * 64), bytearray(rows * groups * 32)
    starts, escapes = [0], []
    for row in range(rows):
        for column in range(columns):
            word = words[row * columns + column]
            exponent, place = word >> 7 & 0xFF, position(column % 64)
            group = row * groups + column // 64
            signs[group * 64 + place] = word >> 8 & 0x80 | word & 0x7F
            code = table.index(exponent) if exponent in table else 15
            codes[group * 32 + place % 32] |= code << 4 * (place // 32)
            if code == 15:
                escapes.append((column, exponent))
        starts.append(len(escapes))
    header = b"DF11FLAT" + struct.pack("<4I", 1, rows, columns, len(escapes)) + bytes([*table, 0])
    sections = [
        header,
        signs,
        codes,
        struct.pack(f"<{rows + 1}I", *starts),
        b"".join(struct.pack("<I", column) for column, _ in escapes),
        bytes(exponent for _, exponent in escapes),
    ]
    return b"".join(bytes(section) + bytes(-len(section) % 64) for section in sections)


def most_frequent(words):
    counts = [0] * 256
    for word in words:
        counts[word >> 7 & 0xFF] += 1
    return sorted(sorted(range(256), key=lambda exponent: (-counts[exponent], exponent))[:15])


def shortest(lengths):
    return sorted(sorted(range(256), key=lambda exponent: (lengths[exponent] or 33, exponent))[:15])


# --- cases ---


def gauss_words(draw, count, scale):
    return [round_bf16(struct.unpack("<I", struct.pack("<f", draw.gauss(0, scale)))[0]) for _ in range(count)]


def tensors(path):
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:end])
    return {
        name: data[end + entry["data_offsets"][0] : end + entry["data_offsets"][1]]
        for name, entry in entries.items()
        if name != "__metadata__"
    }


def cases():
    draw = random.Random(17)
    words = gauss_words(draw, 9 * 200, 0.02)
    yield "gauss", words, 200, most_frequent(words), gauss_words(draw, 3 * 200, 1.0)
    # Short rows: in a long one infinities of both signs meet, and y is NaN.
    words = [draw.getrandbits(16) for _ in range(120 * 9)]
    yield "any_words", words, 9, most_frequent(words), [draw.getrandbits(15) for _ in range(2 * 9)]
    word = lambda low, high: draw.getrandbits(1) << 15 | draw.randrange(low, high) << 7 | draw.getrandbits(7)
    words = [word(150, 192) for _ in range(40 * 70)]
    yield "large_sums", words, 70, most_frequent(words), [word(150, 192) for _ in range(70)]
    # -2^127 and less, then a product of 2^128 and more: it overflows alone, but not in the fused step.
    words = [0] * (30 * 70)
    for row in range(30):
        words[row * 70] = 0x8000 | 190 << 7 | draw.randrange(64, 128)
        words[row * 70 + 64] = 191 << 7 | draw.randrange(0, 32)
        words[row * 70 + 1 + row] = word(100, 150)
    yield "overflows", words, 70, most_frequent(words), [191 << 7] * 70
    words = [word(0, 70) for _ in range(20 * 130)]
    yield "subnormal_sums", words, 130, most_frequent(words), [word(0, 60) for _ in range(2 * 130)]
    words = [0] * 100 + [0x8000] * 100 + gauss_words(draw, 100, 1e-3) + [0x3F80] * 100
    yield "rows_of_zeros", words, 100, most_frequent(words), gauss_words(draw, 100, 1.0)
    words = gauss_words(draw, 65, 1.0)
    yield "one_row", words, 65, most_frequent(words), [0x7F80] + gauss_words(draw, 64, 1.0)
    yield "one_column", words, 1, most_frequent(words), [0xBF80, 0x0000, 0x7F80, 0x7FFF]
    # From a DF11 unit: the exponents of its shortest codes, the first 32 rows of its first matrix.
    fixture = HERE.parent / "official/llama-single-file"
    lengths = tensors(fixture / "df11/model.safetensors")["lm_head.luts"][-256:]
    source = tensors(fixture / "bf16/model.safetensors")["lm_head.weight"]
    words = list(struct.unpack(f"<{32 * 64}H", source[: 2 * 32 * 64]))
    yield "from_df11", words, 64, shortest(lengths), gauss_words(draw, 64, 1.0)


def write(path, data):
    if path.exists() and path.read_bytes() != data:
        raise SystemExit(f"{path} is frozen, and this script now writes something else")
    path.write_bytes(data)


def main():
    for name, words, columns, table, x in cases():
        rows, vectors = len(words) // columns, len(x) // columns
        assert rows * columns == len(words) and vectors * columns == len(x)
        y = [
            dot(words[row * columns : (row + 1) * columns], x[vector * columns : (vector + 1) * columns])
            for vector in range(vectors)
            for row in range(rows)
        ]
        pack = lambda letter, numbers: struct.pack(f"<{len(numbers)}{letter}", *numbers)
        write(HERE / f"v1/{name}.weights", pack("H", words))
        write(HERE / f"v1/{name}.flat", flat(words, columns, table))
        write(HERE / f"v1/{name}.x", pack("H", x))
        write(HERE / f"v1/{name}.y-f32", pack("I", y))
        write(HERE / f"v1/{name}.y-bf16", pack("H", [round_bf16(bits) for bits in y]))


main()
