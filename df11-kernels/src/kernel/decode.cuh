// The fast kernel. 256 threads decode a block of 512 chunks, two chunks each.
//
//   each lane:    window -> entries, count, first exponents (lane.cuh)
//   scan:         counts -> each lane's place in the stage (shuffles, a word per warp, a barrier)
//   each lane:    entries -> exponents -> whole words of the stage
//                 (one writer per word: the lane in which the word starts)
//   barrier
//   each thread:  eight exponents of the stage + eight bytes of sign_mantissa
//                 -> eight weights -> the sink
//
// 1. The stage has the alignment of the output's 128-byte lines. So the last step loads and stores
//    whole vectors and lines. Only the first and last vector of a window or block are made weight
//    by weight.
// 2. A lane's last word may need the first exponents of the next lanes. They come by shuffle within
//    a warp, and with the counts between warps. So no word has two writers, and nothing is read
//    back.
// 3. A block takes two barriers. Counts are read between them and written outside. The stage is
//    written between them and read outside.
// 4. A thread block works through a run of the launch's blocks. It reloads the tables where the
//    unit changes, and loads the next block's chunk while this block's words are written.
// 5. The sink decides what happens to eight merged weights. The sink here stores them.

// What a lane reads of a block.
struct Chunks {
  u32 word[5];  // as bytes in memory; the last word only in the last lane of the warp
  u32 side;     // lane i < SIDE_WORDS: word i of the warp's gaps, as in memory; lane SIDE_END: the
                // first weight after the block
};
// A warp has 10 bits of gaps per lane, and the first gap of the next warp.
#define SIDE_WORDS (10 * DF11_WARP / 32 + 1)
#define SIDE_END SIDE_WORDS


// A word at an address that is no multiple of 4.
DF11_DEVICE u32 load_unaligned(u64 at) {
  DF11_RUN(load_unaligned)
  u32 word = 0;
#pragma unroll 1
  for (u32 i = 0; i < 4; ++i) word |= global_load8(unaligned, at + i) << (8 * i);
  return word;
}

// The first weight of a block.
DF11_DEVICE u32 load_position(const Job& job, u32 block) {
  if (block == 0) return 0;
  const u64 at = job.positions + 4ull * block;
  return (job.positions & 3) == 0 ? global_load32(position, at) : load_unaligned(at);
}

// Lanes of a unit, counted from its first lane.
struct Lanes {
  u32 all;      // lanes in which the stream has bytes
  u32 inner;    // two chunks begin after these: codes end in the stream, the gap after is real
  u32 aligned;  // `inner` if the chunks of lanes begin at multiples of 16, else 0
};

DF11_DEVICE Lanes lanes_of(const Job& job) {
  const u32 inner = job.stream_bytes > 24 ? (job.stream_bytes - 9) / 16 : 0;
  return Lanes{(job.stream_bytes + 15) / 16, inner, (job.stream & 15) == 0 ? inner : 0};
}

DF11_DEVICE Chunks load_chunks(const Job& job, const Lanes& lanes, u32 block) {
  DF11_AT(load, 0)
  DF11_RUN(load)
  Chunks chunks;
  const u32 thread = thread_index(), number = block * BLOCK_THREADS + thread;
  const bool last_lane = (thread & (DF11_WARP - 1)) == DF11_WARP - 1;
  const u64 at = job.stream + 16ull * number;
  if (number < lanes.aligned) {
    const u32x4 words = global_load128(stream, at);
    chunks.word[0] = words.x;
    chunks.word[1] = words.y;
    chunks.word[2] = words.z;
    chunks.word[3] = words.w;
    chunks.word[4] = 0;
    if (last_lane) chunks.word[4] = global_load32(stream_next, at + 16);
  } else {
    load_words(job, number, chunks.word);
  }
  DF11_RUN(load_side)
  const u32 lane = thread & (DF11_WARP - 1), first = (number - lane) / 16 * 20 + 4 * lane;
  const bool is_end = lane == SIDE_END, aligned = ((job.gaps | job.positions) & 3) == 0;
  const u64 side = is_end ? job.positions + 4ull * block + 4 : job.gaps + first;
  chunks.side = job.weights;
  if (is_end ? block + 1 < job.blocks : lane < SIDE_WORDS && first < job.blocks * BLOCK_GAP_BYTES) {
    chunks.side = aligned ? global_load32(side, side) : load_unaligned(side);
  }
  return chunks;
}

// The first exponents after this lane: those of the next lane, or `beyond` for the last lane. If
// `few` is set, a lane of the warp has fewer than three exponents, and passes on what follows it.
DF11_DEVICE u32 first_behind(u32 firsts, u32 count, bool few, u32 beyond) {
  const bool last = (thread_index() & (DF11_WARP - 1)) == DF11_WARP - 1;
  u32 behind = shuffle_down(firsts, 1);
  if (last) behind = beyond;
  if (few) {
    DF11_RUN(short_lane)
    for (u32 i = 0; i < 3; ++i) {
      behind = shuffle_down(join(firsts, count < 4 ? 8 * count : 32, behind), 1);
      if (last) behind = beyond;
    }
  }
  return behind;
}

// Packs exponents one after the other into whole words of the stage.
struct Packer {
  u32 latest;  // the last four exponents
  u32 bit;     // place of the next exponent, in bits of the stage
  u32 owned;   // words from this bit on start in this lane; a multiple of 32

  template <bool CHECKED>
  DF11_DEVICE_MEMBER void append(u32 exponents, u32 bits) {
    const u32 word = funnel_left(latest, exponents, bit), next = bit + bits;
    latest = funnel_right(latest, exponents, bits);
    if (((next ^ bit) & 32) != 0 && (!CHECKED || bit >= owned)) shared_store(stage_word, SHARED_STAGE + ((bit >> 5) << 2), word);
    bit = next;
  }
  DF11_DEVICE_MEMBER void finish(u32 behind) {
    if ((bit & 31) != 0 && bit >= owned) shared_store(stage_last, SHARED_STAGE + ((bit >> 5) << 2), funnel_left(latest, behind, bit));
  }
  DF11_DEVICE_MEMBER void operator()(u32 exponents, u32 number) { append<true>(exponents, 8 * number); }
};

// The exponents of the first CHECKED entries may end before the first word that starts in this
// lane, so they are checked.
template <u32 CHECKED>
DF11_DEVICE void write_entries(const Decoded& decoded, const Common& common, Packer& packer) {
#pragma unroll
  for (u32 k = 0; k < KEPT; ++k) {
    DF11_AT(write, k)
    if (k >= SURE_STEPS) {
      DF11_RUN(write_vote)
      if (k == decoded.steps) break;
    }
    DF11_RUN(write)
    const u32 entry = decoded.entries[k];
    if (k < CHECKED) packer.append<true>(entry_exponents(entry, common), entry_bits(entry));
    else packer.append<false>(entry_exponents(entry, common), entry_bits(entry));
  }
  DF11_AT(finish, 0)
  DF11_RUN(finish)
  packer.append<true>(entry_exponents(decoded.last, common), entry_bits(decoded.last));
}

// Takes the first exponents of a chunk that is walked.
struct Firsts {
  u32 exponents, bits;
  DF11_DEVICE_MEMBER void operator()(u32 more, u32 number) {
    if (bits < 32) exponents = join(exponents, bits, more);
    bits += 8 * number;
  }
};

// The sink that stores weights.
struct Store {
  u64 out;
  u32 first;
  DF11_DEVICE_MEMBER u64 place(u32 weight) const { return out + 2ull * (weight - first); }
  DF11_DEVICE_MEMBER void eight(u64 place, u32x4 words) const { global_store128(out, place, words); }
  DF11_DEVICE_MEMBER void one(u64 place, u32 word) const { global_store16(out_edge, place, word); }
};

// Makes four weights from four rotated exponents and their bytes of sign_mantissa. The high byte
// has the sign and the upper 7 bits of the exponent; the low byte has its last bit and the
// mantissa.
DF11_DEVICE void merge_four(u32 exponents, u32 sign_mantissa, u32& low, u32& high) {
  u32 upper = select_bits(0x80808080, sign_mantissa, exponents), lower = select_bits(0x80808080, exponents, sign_mantissa);
  low = select_bytes(lower, upper, 0x5140);
  high = select_bytes(lower, upper, 0x7362);
}

// Bytes of the stage that the threads take in one round. Then the number of rounds whose
// sign_mantissa is loaded before the stage is written, and the number loaded before it is read:
// enough for blocks of usual weights.
#define ROUND (8 * BLOCK_THREADS)
#define EARLY 6
#define LATE 1

// The part of a block to write, in bytes of the stage. Weight w is at w + place, modulo 2^32.
struct Span {
  u32 place, begin, end;
  u32 at;        // this thread's first eight; every eight begins at a multiple of 8
  bool aligned;  // whether eights of sign_mantissa begin at multiples of 8, too
  u32x2 raw[EARLY];  // its first eights of sign_mantissa

  DF11_DEVICE_MEMBER u32 stop() const { return aligned ? end & ~7u : begin; }
};

template <u32 FIRST, u32 NUMBER>
DF11_DEVICE void load_rounds(const Job& job, const Span& span, u32x2 (&raw)[NUMBER]) {
  const u64 from = job.sign_mantissa + (span.at - span.place);
#pragma unroll
  for (u32 k = 0; k < NUMBER; ++k) {
    DF11_AT(rounds, FIRST + k)
    DF11_RUN(rounds)
    raw[k] = u32x2{0, 0};
    if (span.at + (FIRST + k) * ROUND < span.stop()) raw[k] = global_load64(sign_mantissa, from + (FIRST + k) * ROUND);
  }
}

// Starts the first loads, which arrive while the stage is written. Threads before the first whole
// eight begin one round later.
DF11_DEVICE Span span_of(const Job& job, u32 place, u32 from, u32 to) {
  Span span = {place, from + place, to + place, 0, ((job.sign_mantissa - place) & 7) == 0, {}};
  span.at = (span.begin & ~127u) + 8 * thread_index();
  if (span.at < span.begin) span.at += ROUND;
  load_rounds<0>(job, span, span.raw);
  return span;
}

template <class Sink>
DF11_DEVICE void merge_one(const Job& job, const Span& span, u32 at, const Sink& sink) {
  DF11_RUN(merge_one)
  const u32 weight = at - span.place;
  u32 low, high;
  merge_four(shared_load8(staged_one, SHARED_STAGE + at), global_load8(sign_mantissa_one, job.sign_mantissa + weight), low, high);
  sink.one(sink.place(weight), low & 0xFFFF);
}

template <class Sink>
DF11_DEVICE void merge_eight(u32 at, u32x2 raw, u64 place, const Sink& sink) {
  const u32x2 exponents = shared_load64(staged, SHARED_STAGE + at);
  u32 first, second, third, fourth;
  merge_four(exponents.x, raw.x, first, second);
  merge_four(exponents.y, raw.y, third, fourth);
  sink.eight(place, u32x4{first, second, third, fourth});
}

template <class Sink>
DF11_DEVICE void merge(const Job& job, const Span& span, const u32x2 (&late)[LATE], const Sink& sink) {
  const u32 stop = span.stop(), thread = thread_index();
  const u64 place = sink.place(span.at - span.place);
#pragma unroll
  for (u32 k = 0; k < EARLY + LATE; ++k) {
    DF11_AT(merge, k)
    DF11_RUN(merge)
    const u32 at = span.at + k * ROUND;
    if (at < stop) {
      DF11_RUN(merge_eight)
      merge_eight(at, k < EARLY ? span.raw[k] : late[k - EARLY], place + 2 * k * ROUND, sink);
    }
  }
#pragma unroll 1
  for (u32 at = span.at + (EARLY + LATE) * ROUND; at < stop; at += ROUND) {
    DF11_AT(merge_more, 0)
    DF11_RUN(merge_more)
    merge_eight(at, global_load64(sign_mantissa, job.sign_mantissa + (at - span.place)), sink.place(at - span.place), sink);
  }
  DF11_AT(edges, 0)
  DF11_RUN(edges)
  if (!span.aligned) {
    DF11_RUN(unaligned)
#pragma unroll 1
    for (u32 at = span.begin + thread; at < span.end; at += BLOCK_THREADS) merge_one(job, span, at, sink);
  } else if (thread < 8) {
    const u32 body = (span.begin + 7) & ~7u, head = (span.begin & ~7u) + thread, tail = stop + thread;
    if (head >= span.begin && head < body && head < span.end) merge_one(job, span, head, sink);
    if (tail >= body && tail < span.end) merge_one(job, span, tail, sink);
  }
}

template <class Sink>
DF11_DEVICE void decode_block(const Job& job, const Lanes& lanes, u32 block, u32 position, const Chunks& chunks, u32 stage_bytes, bool more, Chunks& next, u32& end, const Sink& sink) {
  DF11_AT(start, 0)
  DF11_RUN(start)
  const u32 thread = thread_index(), lane = thread & (DF11_WARP - 1), warp = thread / DF11_WARP;
  const u32 number = block * BLOCK_THREADS + thread;
  const bool last_lane = lane == DF11_WARP - 1;
  end = warp_total(lane == SIDE_END ? chunks.side : 0);
  // Each lane has ten bits of gaps.
  const u32 side = swap_bytes(chunks.side), of_lane = 10 * lane >> 5;
  const u32 gaps = funnel_left(shuffle(side, of_lane + 1), shuffle(side, of_lane), 10 * lane);
  const u32 gap = number == 0 ? 0 : gaps >> 27, next_gap = (gaps >> 17) & 31;
  const u32 word_of_next = shuffle_down(chunks.word[0], 1);
  Window window;
#pragma unroll
  for (u32 i = 0; i < 4; ++i) window.word[i] = swap_bytes(chunks.word[i]);
  window.word[4] = swap_bytes(last_lane ? chunks.word[4] : word_of_next);
  skip(window, gap);
  const bool fast = number < lanes.inner;
  const Common common = load_common();
  Decoded decoded;
  decode_lane(window, gap, next_gap, common, decoded);

  decoded.walk = decoded.walk || !fast;
  u32 walked = 0;
  if (decoded.walk) {
    Firsts firsts = {0, 0};
    decoded.count = number < lanes.all ? walk_lane(job, common, number, gap, LANE_BITS, walked, firsts) : 0;
    decoded.first = firsts.exponents;
  }
  DF11_AT(scan, 0)
  DF11_RUN(scan)
  u32 count = decoded.count;
  const u32 up_to = warp_sum(count);
  const bool few = warp_any(count < 3);
  if (few) decoded.first = join(decoded.first, count < 4 ? 8 * count : 32, first_behind(decoded.first, count, few, 0));
  if (last_lane) shared_store(totals, SHARED_TOTALS + 4 * warp, up_to);
  if (lane == 0) shared_store(firsts, SHARED_FIRSTS + 4 * warp, decoded.first);
  barrier(counted);

  const u32 warps = BLOCK_THREADS / DF11_WARP;
  const u32 total = lane < warps ? shared_load(totals, SHARED_TOTALS + 4 * lane) : 0;
  const u32 beyond = last_lane && warp + 1 < warps ? shared_load(firsts, SHARED_FIRSTS + 4 * (warp + 1)) : 0;
  const u32 behind = first_behind(decoded.first, count, few, beyond);
  const u32 start = warp_total(lane < warp ? total : 0) + up_to - count, held = warp_total(total);
  if (more) next = load_chunks(job, lanes, block + 1);

  DF11_AT(place, 0)
  DF11_RUN(place)
  u32 expected = end - position, faults = 0, last = end;
  if (position > end || end > job.weights || expected + STAGE_SLACK > stage_bytes) {
    faults = STATUS_POSITIONS;
    last = position;
    expected = 0;
  }
  if (held < expected) faults |= STATUS_STREAM;
  // Lanes may find more than there is only at the end of the unit. Only there may a chunk end at
  // another bit than the next gap says.
  if (decoded.walk || start + count > expected) {
    DF11_RUN(check)
    if (start + count > expected) {
      if (last != job.weights) faults |= STATUS_STREAM;
      count = start < expected ? expected - start : 0;
      decoded.walk = true;
    } else if (start + count < job.weights - position && walked != LANE_BITS + next_gap) {
      faults |= STATUS_STREAM;
    }
  }
  if (faults != 0) {
    DF11_RUN(faults)
    report(job.status, faults);
  }
  DF11_AT(ready, 0)
  DF11_RUN(ready)
  const u32 phase = (u32)(job.out >> 1) - job.first, margin = (position + phase) & 127;
  const u32 from = position > job.first ? position : job.first, to = last < job.end ? last : job.end;
  const Span span = span_of(job, margin - position, from, to > from ? to : from);
  Packer packer = {0, 8 * (margin + start), thread == 0 ? 0 : (8 * (margin + start) + 31) & ~31u};
  if (decoded.walk) {
    DF11_RUN(walk_again)
    if (count != 0) walk_lane(job, common, number, gap, count, walked, packer);
  } else if (decoded.waited) {
    write_entries<KEPT>(decoded, common, packer);
  } else {
    write_entries<2>(decoded, common, packer);
  }
  DF11_AT(finish, 1)
  DF11_RUN(end)
  packer.finish(behind);
  u32x2 late[LATE];
  load_rounds<EARLY>(job, span, late);
  barrier(staged);
  merge(job, span, late, sink);
}
