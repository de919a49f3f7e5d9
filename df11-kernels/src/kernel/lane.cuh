// One lane, two chunks: from bits to table entries.
//
// 1. A window of five words holds the bits of the chunks from the first gap on, and the first 32
//    bits of the next lane. Every code that starts in the lane ends in the window.
// 2. Entries are taken up to the lane's last bit but one. So the last code of every lane is left.
//    It starts in the lane, and must end where the next lane's gap says. That checks the chain of
//    gaps: a lane that ends elsewhere has an error, or is the last. (The gap between a lane's two
//    chunks is not used.)
// 3. The entry with the last code is cut after that code, by the lengths of its common exponents
//    and one subtraction.
// 4. Entries stay in registers: at most KEPT steps, unrolled, with no branch that lets lanes
//    diverge. Three things are walked: a lane that needs more steps (codes of 1 bit need up to 32),
//    a lane that fails, and the unit's last two chunks.

// Long codes have more than INDEX_BITS bits. Their entry in the table names the long codes that
// begin with its bits, and `find_long` searches these. `take_long` takes the one that it found, at
// every fourth step. A long code that is the lane's last is taken where the last entry is cut.

// With 22, no register spills (sm_80 to sm_90). With 32, some do, and an H100 is 4 % slower.
#define KEPT 22
// Steps that nearly every warp takes. Only after them does the warp ask whether any lane goes on.
#define SURE_STEPS 15

struct Window {
  u32 word[5];
};

// Drops `bits` bits, fewer than 32.
DF11_DEVICE void skip(Window& window, u32 bits) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) window.word[i] = funnel_left(window.word[i + 1], window.word[i], bits);
  window.word[4] = shift_left(window.word[4], bits);
}

// Drops up to 32 bits.
DF11_DEVICE void skip_long(Window& window, u32 bits) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) window.word[i] = funnel_left_long(window.word[i + 1], window.word[i], bits);
  window.word[4] = shift_left(window.word[4], bits);
}

DF11_DEVICE u32 entry_length(u32 entry) { return (u32)((int)entry >> 27); }
// Eight times the number of exponents of an entry.
DF11_DEVICE u32 entry_bits(u32 entry) { return (entry >> 21) & 0x38; }
DF11_DEVICE u32 rare_entry(u32 exponent_in_third_byte) { return (exponent_in_third_byte & 0xFF0000) | RARE_NIBBLES | 1u << 24; }

// The seven common exponents, and the lengths of their codes, as nibbles 0..3 and 4, 5, 7 select
// them.
struct Common {
  u32 low, high, low_lengths, high_lengths;
};

DF11_DEVICE Common load_common() {
  u32x4 words = shared_load128(common, SHARED_COMMON);
  return Common{words.x, words.y, words.z, words.w};
}

// The exponents of an entry, the first in the low byte. Bytes after the last one may have any
// value.
DF11_DEVICE u32 entry_exponents(u32 entry, const Common& common) {
  return select_bytes(common.low, (entry & 0xFF0000) | common.high, entry);
}

// Byte i holds the number of bits of the first i + 1 codes of an entry. Bytes after the last code
// hold more than all codes have.
DF11_DEVICE u32 entry_ends(u32 entry, const Common& common) {
  const u32 low = common.low_lengths, high = common.high_lengths;
  u32 of_common = (select_bytes(low, high, entry) * 0x01010101) >> 24;
  u32 lengths = select_bytes(low, high | (entry_length(entry) - of_common) << 16, entry);
  return lengths * 0x01010101;
}

// The second word of the long code that `window` begins with, or 0.
DF11_DEVICE u32 find_long(u32 entry, u32 window) {
  u32 at = entry & 0xFF, end = at + ((entry >> 8) & 0x1FF);
#pragma unroll 1
  for (; at < end && at < LONG_CODES; ++at) {
    DF11_RUN(long_search)
    u32 bits = shared_load(long_code, SHARED_LONG + 8 * at), found = shared_load(long_code, SHARED_LONG + 8 * at + 4);
    if (((bits ^ window) >> (32 - (found & 0x3F))) == 0) return found;
  }
  return 0;
}

// What a lane has decoded.
struct Decoded {
  u32 entries[KEPT];
  u32 steps;  // entries that count, the same in every lane of the warp
  u32 last;   // the entry that was cut after the last code
  u32 count;  // exponents
  u32 first;  // the first three exponents, or all
  bool waited;  // a lane of the warp has fewer than three exponents in its first two entries
  bool walk;    // all of the above is void: walk the chunks
};

// `rest`, placed after the first `bits` / 8 bytes of `exponents`.
DF11_DEVICE u32 join(u32 exponents, u32 bits, u32 rest) {
  return shift_left(rest, bits) | (exponents & ~shift_left(~0u, bits));
}

// The state of a lane.
struct Lane {
  Window window;
  u32 left;    // bits left before the stop
  u32 entry;   // the latest entry
  u32 sum;     // of 8 * length + count; `left` gives the lengths, so counts need no other sum
  bool taken;  // whether the latest entry was taken
};

// Takes one step. An entry not taken counts as an empty one, so that lanes do not diverge. The next
// step would not take it either.
DF11_DEVICE u32 take_entry(Lane& lane) {
  lane.entry = shared_load(lookup, 4 * upper_bits(lane.window.word[0], INDEX_BITS));
  lane.taken = entry_length(lane.entry) <= lane.left;
  const u32 kept = lane.taken ? lane.entry : 0, length = entry_length(kept);
  lane.left -= length;
  lane.sum += kept >> 24;
  skip(lane.window, length);
  return kept;
}

// Lanes that have met a long code wait for this at every fourth step. Their step was empty, and the
// long code takes its place.
DF11_DEVICE u32 take_long(Lane& lane, u32 kept) {
  const bool met = (int)lane.entry < 0;
  if (warp_any(met)) {
    DF11_RUN(long_code)
    if (met) {
      const u32 found = find_long(lane.entry, lane.window.word[0]), bits = found & 0x3F;
      if (found != 0 && bits <= lane.left) {
        lane.taken = true;
        lane.left -= bits;
        lane.sum += 8 * bits + 1;
        skip_long(lane.window, bits);
        kept = rare_entry(found);
      }
    }
  }
  return kept;
}

// Decodes the codes of a lane from bit `gap` on. The last one must end at `next_gap` of the next
// lane.
DF11_DEVICE void decode_lane(const Window& window, u32 gap, u32 next_gap, const Common& common, Decoded& decoded) {
  const u32 all = LANE_BITS - 1 - gap;
  Lane lane = {window, all, 0, 0, true};
  decoded.steps = KEPT;
#pragma unroll
  for (u32 k = 0; k < SURE_STEPS; ++k) {
    DF11_AT(step, k)
    DF11_RUN(step)
    decoded.entries[k] = take_entry(lane);
    if (k % 4 == 3) decoded.entries[k] = take_long(lane, decoded.entries[k]);
  }
#pragma unroll
  for (u32 k = SURE_STEPS; k < KEPT; ++k) {
    DF11_AT(late_step, k)
    DF11_RUN(vote)
    // A long code that was looked up and not taken is the last code, or no code at all.
    if (!warp_any(lane.taken || (k % 4 != 0 && (int)lane.entry < 0))) {
      decoded.steps = k;
      break;
    }
    DF11_RUN(late_step)
    decoded.entries[k] = take_entry(lane);
    if (k % 4 == 3) decoded.entries[k] = take_long(lane, decoded.entries[k]);
  }
  DF11_AT(cut, 0)
  DF11_RUN(cut)
  const u32 left = lane.left, ends = entry_ends(lane.entry, common);
  // Proof that they are at most three: the entry was not taken, so one of its codes ends after the
  // stop.
  u32 entry = lane.entry, in_front = count_bits(((left | 0x80) * 0x01010101 - ends) & 0x80808080), end = (ends >> (8 * in_front)) & 0xFF;
  if (warp_any((int)entry < 0)) {
    DF11_RUN(cut_long)
    if ((int)entry < 0) {
      const u32 found = find_long(entry, lane.window.word[0]);
      entry = rare_entry(found);
      in_front = 0;
      end = found & 0x3F;
    }
  }
  DF11_AT(cut, 1)
  DF11_RUN(cut_end)
  decoded.last = (entry & 0xFFFFFF) | (in_front + 1) << 24;
  decoded.walk = lane.taken || end != left + next_gap + 1;
  decoded.count = lane.sum - 8 * (all - left) + in_front + 1;
  // Two entries nearly always have the first three exponents. If not: a long code every fourth step
  // gives the third exponent at the twelfth step.
  const u32 bits[2] = {entry_bits(decoded.entries[0]), entry_bits(decoded.entries[1])};
  u32 behind = entry_exponents(decoded.entries[1], common);
  decoded.waited = false;
  if (warp_any(bits[0] + bits[1] < 24)) {
    DF11_RUN(waited)
    decoded.waited = true;
    u32 third = entry_exponents(decoded.last, common);
#pragma unroll
    for (u32 k = 11; k >= 2; --k) {
      if (k < decoded.steps) third = join(entry_exponents(decoded.entries[k], common), entry_bits(decoded.entries[k]), third);
    }
    behind = join(behind, bits[1], third);
  }
  DF11_AT(first, 0)
  DF11_RUN(first)
  decoded.first = join(entry_exponents(decoded.entries[0], common), bits[0], behind);
}

// Words of the stream from a lane's first byte on, as in memory, with zeros after its end.
DF11_DEVICE void load_words(const Job& job, u32 number, u32 (&word)[5]) {
  DF11_RUN(load_words)
  const u64 first = 16ull * number;
#pragma unroll
  for (u32 i = 0; i < 5; ++i) {
    const u64 at = first + 4 * i;
    word[i] = 0;
    if ((job.stream & 3) == 0 && at + 4 <= job.stream_bytes) {
      word[i] = global_load32(stream_word, job.stream + at);
    } else {
      DF11_RUN(load_bytes)
#pragma unroll
      for (u32 k = 0; k < 4; ++k) {
        if (at + k < job.stream_bytes) word[i] |= global_load8(stream_byte, job.stream + at + k) << (8 * k);
      }
    }
  }
}

// The slow way through a lane's chunks, an entry after the other. Gives `take` the exponents that
// start in them, at most `most`: up to four at a time, the first in the low byte, and their number.
// Returns how many they are. Sets `end` to the bit after the last code, counted from the first bit
// of the first chunk.
template <class Take>
DF11_DEVICE u32 walk_lane(const Job& job, const Common& common, u32 number, u32 gap, u32 most, u32& end, Take& take) {
  DF11_AT(walk_start, 0)
  DF11_RUN(walk_start)
  Window window;
  load_words(job, number, window.word);
#pragma unroll
  for (u32 i = 0; i < 5; ++i) window.word[i] = swap_bytes(window.word[i]);
  skip(window, gap);
  const u64 bits = 8ull * job.stream_bytes - (u64)number * LANE_BITS;
  u32 count = 0, bit = gap;
#pragma unroll 1
  while (bit < LANE_BITS && count < most) {
    DF11_AT(walk, 0)
    DF11_RUN(walk)
    u32 entry = shared_load(walk_lookup, 4 * upper_bits(window.word[0], INDEX_BITS));
    u32 length = entry_length(entry), codes = entry_bits(entry) / 8;
    if ((int)entry < 0) {
      const u32 found = find_long(entry, window.word[0]);
      entry = rare_entry(found);
      length = found & 0x3F;
      codes = 1;
    } else if (bit + length > LANE_BITS || bit + length > bits || codes > most - count) {
      // Its last codes may start in the next lane, end after the stream, or be too many.
      length = entry_ends(entry, common) & 0xFF;
      codes = 1;
    }
    if (length == 0 || bit + length > bits) break;
    take(entry_exponents(entry, common), codes);
    count += codes;
    bit += length;
    skip_long(window, length);
  }
  end = bit;
  return count;
}
