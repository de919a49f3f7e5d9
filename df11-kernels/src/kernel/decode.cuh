// The fast kernel: blocks of 512 chunks, one thread a chunk.
//
//   each lane:  window -> entries, count, first exponents         (lane.cuh)
//   scan:       counts -> each lane's place in the stage          (shuffles, one word a warp, one barrier)
//   each lane:  entries -> exponents -> whole words of the stage  (each word is written once, by the lane in which it starts)
//   barrier
//   each thread: eight exponents of the stage + eight bytes of sign_mantissa -> eight weights -> the sink
//
// 1. The stage has the alignment of the output's 128-byte lines, so that the last step loads and stores whole vectors and lines; only a window's
//    or block's first and last vector is made weight by weight.
// 2. A lane's last word may want the next lanes' first exponents: they come by shuffle, between warps with the counts. So no word has two writers,
//    and nothing is read back.
// 3. Two barriers a block: counts are read between them and written outside; the stage is written between them and read outside.
// 4. A thread block runs through a run of the launch's blocks, reloads the tables where the unit changes, and loads the next block's chunk
//    while this one's words are written.
// 5. What becomes of eight merged weights is the sink's business: now they are stored.

struct Chunk {
  u32 first, second;  // as bytes in memory
  u32 third;          // of the warp's last lane: what is behind
  u32 gaps;                  // three bytes from the one in which the gap begins
  u32 end;                   // first weight behind the block
};

DF11_DEVICE u32 load_bytes(const Job& job, u64 at, u32 number) {
  u32 word = 0;
  for (u32 i = 0; i < number; ++i) {
    if (at + i < job.stream_bytes) word |= global_load8(stream_bytes, job.stream + at + i) << (8 * i);
  }
  return word;
}

DF11_DEVICE u32 load_position(const Job& job, u32 block) {
  if (block >= job.blocks) return job.weights;
  u64 at = job.positions + 4ull * block;
  if ((at & 3) == 0) return global_load32(position, at);
  u32 word = 0;
  for (u32 i = 0; i < 4; ++i) word |= global_load8(position, at + i) << (8 * i);
  return word;
}

DF11_DEVICE Chunk load_chunk(const Job& job, u32 block) {
  DF11_AT(load, 0)
  DF11_RUN(load)
  Chunk chunk;
  const u32 thread = thread_index();
  const u32 at = 8 * (block * BLOCK_CHUNKS + thread);
  if (at + 12 <= job.stream_bytes && (job.stream & 7) == 0) {
    u32x2 pair = global_load64(stream, job.stream + at);
    chunk.first = pair.x;
    chunk.second = pair.y;
    chunk.third = 0;
    if ((thread & (DF11_WARP - 1)) == DF11_WARP - 1) chunk.third = global_load32(stream_next, job.stream + at + 8);
  } else {
    chunk.first = load_bytes(job, at, 4);
    chunk.second = load_bytes(job, at + 4ull, 4);
    chunk.third = load_bytes(job, at + 8ull, 4);
  }
  const u32 gap = block * BLOCK_GAP_BYTES + (5 * thread >> 3), last = job.blocks * BLOCK_GAP_BYTES - 1;
  const u32 second = gap + 1 < last ? gap + 1 : last, third = gap + 2 < last ? gap + 2 : last;
  chunk.gaps = global_load8(gap, job.gaps + gap) << 16 | global_load8(gap, job.gaps + second) << 8 | global_load8(gap, job.gaps + third);
  chunk.end = load_position(job, block + 1);
  return chunk;
}

// The first exponents behind this lane: the next lane's, `beyond` for the last lane. A lane with fewer than three passes on what follows it.
DF11_DEVICE u32 first_behind(u32 firsts, u32 count, u32 beyond) {
  const bool last = (thread_index() & (DF11_WARP - 1)) == DF11_WARP - 1;
  u32 behind = shuffle_down(firsts, 1);
  if (last) behind = beyond;
  if (warp_any(count < 3)) {
    for (u32 i = 0; i < 3; ++i) {
      behind = shuffle_down(join(firsts, count < 4 ? 8 * count : 32, behind), 1);
      if (last) behind = beyond;
    }
  }
  return behind;
}

// Puts exponents one behind the other into the stage, in whole words.
struct Packer {
  u32 latest;  // the last four exponents
  u32 bit;     // place of the next one, in bits of the stage
  u32 owned;   // from here on words start in this lane; a multiple of 32

  template <bool CHECKED>
  DF11_DEVICE_MEMBER void append(u32 exponents, u32 bits) {
    u32 word = funnel_left(latest, exponents, bit), next = bit + bits;
    latest = funnel_right(latest, exponents, bits);
    if (((next ^ bit) & 32) != 0 && (!CHECKED || bit >= owned)) shared_store(stage_word, SHARED_STAGE + ((bit >> 5) << 2), word);
    bit = next;
  }
  DF11_DEVICE_MEMBER void finish(u32 behind) {
    if ((bit & 31) != 0 && bit >= owned) shared_store(stage_last, SHARED_STAGE + ((bit >> 5) << 2), funnel_left(latest, behind, bit));
  }
  DF11_DEVICE_MEMBER void operator()(u32 exponent) { append<true>(exponent, 8); }
};

// Takes the first exponents of a walked chunk.
struct Firsts {
  u32 exponents, bits;
  DF11_DEVICE_MEMBER void operator()(u32 exponent) {
    if (bits < 32) exponents |= exponent << bits;
    bits += 8;
  }
};

// The sink that stores.
struct Store {
  u64 out;
  u32 first;
  DF11_DEVICE_MEMBER void eight(u32 weight, u32x4 words) { global_store128(out, out + 2ull * (weight - first), words); }
  DF11_DEVICE_MEMBER void one(u32 weight, u32 word) { global_store16(out_edge, out + 2ull * (weight - first), word); }
};

// Four weights out of four rotated exponents and their bytes of sign_mantissa: sign | upper 7 bits of the exponent, and last bit | mantissa.
DF11_DEVICE void merge_four(u32 exponents, u32 sign_mantissa, u32& low, u32& high) {
  u32 upper = (sign_mantissa & 0x80808080) | (exponents & 0x7F7F7F7F);
  u32 lower = (exponents & 0x80808080) | (sign_mantissa & 0x7F7F7F7F);
  low = select_bytes(lower, upper, 0x5140);
  high = select_bytes(lower, upper, 0x7362);
}

// Weights `from` to `to` of a block out of the stage; `place` is where weight 0 of the unit would stand in it, modulo 2^32.
template <class Sink>
DF11_DEVICE void merge(const Job& job, u32 place, u32 from, u32 to, Sink& sink) {
  const bool aligned = ((job.sign_mantissa - place) & 7) == 0;
  const u32 begin = from + place, end = to + place;
  for (u32 at = (begin & ~127u) + 8 * thread_index(); at < end; at += 8 * BLOCK_CHUNKS) {
    DF11_AT(merge, 0)
    DF11_RUN(merge)
    const u32 weight = at - place;
    if (aligned && at >= begin && at + 8 <= end) {
      u32x2 raw = global_load64(sign_mantissa, job.sign_mantissa + weight), exponents = shared_load64(staged, SHARED_STAGE + at);
      u32x4 words;
      merge_four(exponents.x, raw.x, words.x, words.y);
      merge_four(exponents.y, raw.y, words.z, words.w);
      sink.eight(weight, words);
    } else {
      for (u32 i = 0; i < 8; ++i) {
        if (at + i < begin || at + i >= end) continue;
        DF11_AT(merge_edge, 0)
        DF11_RUN(merge_edge)
        u32 low, high;
        merge_four(shared_load8(staged_edge, SHARED_STAGE + at + i), global_load8(sign_mantissa_edge, job.sign_mantissa + (weight + i)), low, high);
        sink.one(weight + i, low & 0xFFFF);
      }
    }
  }
}

template <class Sink>
DF11_DEVICE void decode_block(const Job& job, u32 block, u32 position, u32 end, const Chunk& chunk, u32 stage_bytes, Chunk* next, Sink& sink) {
  if (position > end || end > job.weights || (block == 0 && position != 0) || end - position + STAGE_SLACK > stage_bytes) {
    if (thread_index() == 0) report(job.status, STATUS_POSITIONS);
    if (next != 0) *next = load_chunk(job, block + 1);
    return;
  }
  DF11_AT(start, 0)
  DF11_RUN(start)
  const u32 thread = thread_index(), lane = thread & (DF11_WARP - 1), warp = thread / DF11_WARP;
  const u32 index = block * BLOCK_CHUNKS + thread, chunks = (job.stream_bytes + 7) / 8;
  const u32 place_in_gaps = 5 * thread & 7;
  const u32 gap = (chunk.gaps >> (19 - place_in_gaps)) & 31, next_gap = (chunk.gaps >> (14 - place_in_gaps)) & 31;
  const u32 of_next = shuffle_down(chunk.first, 1);
  Window window = {swap_bytes(chunk.first), swap_bytes(chunk.second), swap_bytes(lane == DF11_WARP - 1 ? chunk.third : of_next)};
  skip(window, gap);
  // Of the last two chunks, codes may end behind the stream, and the gap of the last may say anything.
  const bool fast = index + 2 < chunks;
  const Common common = load_common();
  Decoded decoded;
  decode_chunk(window, CHUNK_BITS + next_gap - gap, fast, common, decoded);

  u64 bit = (u64)index * CHUNK_BITS, walked = 0;
  if (!fast) {
    decoded.count = decoded.first = decoded.last = 0;
    decoded.walk = index < chunks;
  }
  if (decoded.walk) {
    Firsts firsts = {0, 0};
    decoded.count = walk_chunk(job, common, bit, gap, CHUNK_BITS, walked, firsts);
    decoded.first = firsts.exponents;
  }
  DF11_AT(scan, 0)
  DF11_RUN(scan)
  u32 count = decoded.count;
  const u32 up_to = warp_sum(count);
  if (warp_any(count < 3)) decoded.first = join(decoded.first, count < 4 ? 8 * count : 32, first_behind(decoded.first, count, 0));
  if (lane == DF11_WARP - 1) shared_store(totals, SHARED_TOTALS + 4 * warp, up_to);
  if (lane == 0) shared_store(firsts, SHARED_FIRSTS + 4 * warp, decoded.first);
  barrier(counted);

  const u32 warps = BLOCK_CHUNKS / DF11_WARP;
  const u32 total = lane < warps ? shared_load(totals, SHARED_TOTALS + 4 * lane) : 0;
  const u32 beyond = lane == DF11_WARP - 1 && warp + 1 < warps ? shared_load(firsts, SHARED_FIRSTS + 4 * (warp + 1)) : 0;
  const u32 behind = first_behind(decoded.first, count, beyond);
  const u32 start = warp_total(lane < warp ? total : 0) + up_to - count, held = warp_total(total), expected = end - position;
  if (next != 0) *next = load_chunk(job, block + 1);

  // Only at the unit's end may lanes find more than there is; only there may a chunk end elsewhere than the next one's gap says.
  DF11_AT(place, 0)
  DF11_RUN(place)
  bool wrong = held < expected || (index == 0 && gap != 0);
  if (start + count > expected) {
    wrong = wrong || end != job.weights;
    count = start < expected ? expected - start : 0;
    decoded.walk = true;
  } else if (decoded.walk && count != 0 && start + count < job.weights - position && walked != bit + CHUNK_BITS + next_gap) {
    wrong = true;
  }
  if (wrong) report(job.status, STATUS_STREAM);

  const u32 phase = (u32)(job.out >> 1) - job.first, margin = (position + phase) & 127;
  Packer packer = {0, 8 * (margin + start), thread == 0 ? 0 : (8 * (margin + start) + 31) & ~31u};
  if (decoded.walk) {
    if (count != 0) walk_chunk(job, common, bit, gap, count, walked, packer);
  } else {
#pragma unroll
    for (int k = 0; k < KEPT; ++k) {
      DF11_AT(write, k)
      if (k >= 7 && (k & 1) != 0 && decoded.entries[k] == 0) break;
      DF11_RUN(write)
      if (k < 4) packer.append<true>(entry_exponents(decoded.entries[k], common), entry_bits(decoded.entries[k]));
      else packer.append<false>(entry_exponents(decoded.entries[k], common), entry_bits(decoded.entries[k]));
    }
    DF11_AT(finish, 0)
    DF11_RUN(finish)
    packer.append<true>(entry_exponents(decoded.last, common), entry_bits(decoded.last));
  }
  packer.finish(behind);
  barrier(staged);
  const u32 from = position > job.first ? position : job.first, to = end < job.end ? end : job.end;
  if (from < to) merge(job, margin - position, from, to, sink);
}
