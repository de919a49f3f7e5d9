"""The speed that a card should have, from what the kernel costs per weight.

Two resources bound the kernel: memory, and the 64 integer lanes of each multiprocessor. They overlap
in part: the time of a weight is the p-norm of both times. P was chosen so that the two cards that
were measured agree (benches/gpu/records): others are predictions. Memory counts as what a copy on
the device reaches; for cards not measured, that is a share of the data sheet's bandwidth.
"""

P = 2.4
BYTES = 3.359  # read and written per weight, N(0, 0.02)
INTEGER_LANES = 64
# Multiprocessors, GHz, GB/s of the data sheet, the share that a copy reaches, GB/s measured.
CARDS = {
    "H200": (132, 1.98, 4800, 0.866, 1931),
    "H100 SXM": (132, 1.98, 3350, 0.883, 1546),
    "A100 80 GB": (108, 1.41, 2039, 0.88, None),
    "RTX 4090": (128, 2.52, 1008, 0.92, None),
    "RTX 3090": (82, 1.70, 936, 0.92, None),
    "L4": (58, 1.50, 300, 0.90, None),
}


def predictions(alu: float) -> list[str]:
    """A line per card: GB/s of BF16 written, if a weight takes `alu` lane-instructions."""
    lines = []
    for card, (multiprocessors, clock, bandwidth, share, measured) in CARDS.items():
        memory = BYTES / (bandwidth * share)
        integer = alu / (INTEGER_LANES * multiprocessors * clock)
        speed = 2 / (memory**P + integer**P) ** (1 / P)
        roofline = speed * memory / 2
        known = f"measured {measured} on gauss" if measured else "not measured"
        lines.append(f"{card:10} {speed:5.0f} GB/s of BF16, {roofline:.2f} of the copy's bandwidth ({known})")
    return lines
