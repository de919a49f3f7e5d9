// The plain kernel: the two passes of core's two_phase, one thread per chunk. It touches memory as
// the published kernel does: single bytes, one exponent per look-up in the tables of the file,
// everything decoded twice, 16-bit stores wherever a thread's weights lie. It is a reference to
// compare with. It also checks the cost model against figures known of the published kernel.

#define PLAIN_SCAN 0u
#define PLAIN_STAGE (4u * BLOCK_CHUNKS + 4u)

struct Walker {
  u64 bits;  // the next ones first
  u32 more;  // the bits after these
  u32 used;

  DF11_DEVICE_MEMBER void drop(u32 number) {
    used += number;
    // Two shifts, as one may be by 32.
    for (u32 part = number / 2, i = 0; i < 2; part = number - part, ++i) {
      bits = bits << part | (part != 0 ? more >> (32 - part) : 0);
      more <<= part;
    }
  }
};

// The exponent that the bits begin with, and its length. The length is 0 if there is none.
DF11_DEVICE u32 plain_lookup(u64 luts, u32 tables, const Walker& walker, u32& length) {
  u32 entry = global_load8(lut, luts + (walker.bits >> 56));
  for (u32 level = 1; level < 4 && entry >= 240; ++level) {
    u32 table = 256 - entry;
    if (table >= tables) break;
    entry = global_load8(lut_deeper, luts + 256 * table + ((walker.bits >> (56 - 8 * level)) & 0xFF));
  }
  length = global_load8(lut_length, luts + 256 * tables + entry);
  if (length > 32) length = 0;
  return entry;
}

DF11_KERNEL(512, df11_plain)(u64 luts, u64 stream, u64 sign_mantissa, u64 positions, u64 gaps, u64 out, u32 tables, u32 stream_bytes, u32 weights) {
  const u32 thread = thread_index(), block = block_index();
  const u32 index = block * BLOCK_CHUNKS + thread, blocks = (stream_bytes + 4095) / 4096;
  const u32 position = global_load32(position, positions + 4ull * block);
  const u32 end = block + 1 < blocks ? global_load32(position, positions + 4ull * (block + 1)) : weights;

  Walker at_gap = {0, 0, 0};
  for (u32 i = 0; i < 12; ++i) {
    DF11_AT(stream, i)
    u64 at = 8ull * index + i;
    u32 byte = at < stream_bytes ? global_load8(stream, stream + at) : 0;
    if (i < 8) at_gap.bits = at_gap.bits << 8 | byte;
    else at_gap.more = at_gap.more << 8 | byte;
  }
  const u32 gap_at = 5 * index / 8, gap_bytes = blocks * BLOCK_GAP_BYTES;
  u32 pair = global_load8(gap, gaps + gap_at) << 8;
  if (gap_at + 1 < gap_bytes) pair |= global_load8(gap, gaps + gap_at + 1);
  at_gap.drop((pair >> (11 - 5 * index % 8)) & 31);

  Walker walker = at_gap;
  u32 count = 0;
  while (walker.used < CHUNK_BITS && 8ull * index < stream_bytes) {
    DF11_AT(count, count)
    u32 length;
    plain_lookup(luts, tables, walker, length);
    if (length == 0) break;
    walker.drop(length);
    ++count;
  }

  // Prefix sums of the counts, in place: up the tree, then down.
  shared_store(scan, PLAIN_SCAN + 4 * thread, count);
  for (u32 half = BLOCK_CHUNKS / 2, step = 1; half > 0; half /= 2, step *= 2) {
    barrier(up);
    if (thread < half) {
      u32 left = PLAIN_SCAN + 4 * (step * (2 * thread + 1) - 1), right = left + 4 * step;
      shared_store(scan, right, shared_load(scan, right) + shared_load(scan, left));
    }
  }
  barrier(top);
  if (thread == 0) shared_store(scan, PLAIN_SCAN + 4 * (BLOCK_CHUNKS - 1), 0);
  for (u32 half = 1, step = BLOCK_CHUNKS / 2; half < BLOCK_CHUNKS; half *= 2, step /= 2) {
    barrier(down);
    if (thread < half) {
      u32 left = PLAIN_SCAN + 4 * (step * (2 * thread + 1) - 1), right = left + 4 * step;
      u32 of_left = shared_load(scan, left), of_right = shared_load(scan, right);
      shared_store(scan, left, of_right);
      shared_store(scan, right, of_right + of_left);
    }
  }
  barrier(scanned);

  u32 weight = position + shared_load(scan, PLAIN_SCAN + 4 * thread);
  walker = at_gap;
  for (u32 i = 0; i < count && weight < end; ++i, ++weight) {
    DF11_AT(write, i)
    u32 length, exponent = plain_lookup(luts, tables, walker, length);
    u32 byte = global_load8(sign_mantissa, sign_mantissa + weight);
    shared_store16(stage, PLAIN_STAGE + 2 * (weight - position), (byte & 0x80) << 8 | exponent << 7 | (byte & 0x7F));
    walker.drop(length);
  }
  barrier(staged);
  for (u32 at = position + thread, i = 0; at < end; at += BLOCK_CHUNKS, ++i) {
    DF11_AT(copy, i)
    global_store16(copy, out + 2ull * at, shared_load16(copy, PLAIN_STAGE + 2 * (at - position)));
  }
}
