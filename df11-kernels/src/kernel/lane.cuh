// One lane, two chunks: from bits to table entries.
//
// 1. A window of five words holds the chunks' bits from the first one's gap on, and the next lane's first 32: every code that starts here ends in it.
// 2. The next lane's gap is the exact stop, and so the check of the chain of gaps: a lane that cannot stop there has an error, or is the last. (The gap
//    between a lane's two chunks is not used.)
// 3. An entry that would pass the stop is cut to the codes in front of it, with the lengths of its common exponents and one subtraction.
// 4. Entries stay in registers: at most KEPT steps, unrolled, without a branch that parts the lanes. All codes of 1 bit need 32 steps. What needs more
//    (valid, but no weights look so), what fails, and the unit's last two chunks are walked code by code.

#define KEPT 32
// Steps that nearly every warp takes: only behind them is it asked whether any lane goes on.
#define SURE_STEPS 15

struct Window {
  u32 word[5];
};

// Drops `bits` < 32 bits.
DF11_DEVICE void skip(Window& window, u32 bits) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) window.word[i] = funnel_left(window.word[i + 1], window.word[i], bits);
  window.word[4] = shift_left(window.word[4], bits);
}

DF11_DEVICE u32 entry_length(u32 entry) { return (u32)((int)entry >> 27); }
// Eight times the number of exponents of an entry.
DF11_DEVICE u32 entry_bits(u32 entry) { return (entry >> 21) & 0x38; }
DF11_DEVICE u32 rare_entry(u32 exponent_in_third_byte) { return (exponent_in_third_byte & 0xFF0000) | RARE_NIBBLES | 1u << 24; }

// The seven common exponents, and the lengths of their codes, as nibbles 0..3 and 4, 5, 7 select them.
struct Common {
  u32 low, high, low_lengths, high_lengths;
};

DF11_DEVICE Common load_common() {
  u32x4 words = shared_load128(common, SHARED_COMMON);
  return Common{words.x, words.y, words.z, words.w};
}

// The exponents of an entry, first in the low byte. Behind its last one: anything.
DF11_DEVICE u32 entry_exponents(u32 entry, const Common& common) {
  return select_bytes(common.low, (entry & 0xFF0000) | common.high, entry);
}

// In byte i the bits of the first i + 1 codes of an entry; behind its last one, more than all.
DF11_DEVICE u32 entry_ends(u32 entry, const Common& common) {
  const u32 low = common.low_lengths, high = common.high_lengths;
  u32 of_common = (select_bytes(low, high, entry) * 0x01010101) >> 24;
  u32 lengths = select_bytes(low, high | (entry_length(entry) - of_common) << 16, entry);
  return lengths * 0x01010101;
}

// The long code that `window` begins with: its second word, or 0.
DF11_DEVICE u32 find_long(u32 entry, u32 window) {
  u32 at = entry & 0xFF, end = at + ((entry >> 8) & 0x1FF);
#pragma unroll 1
  for (; at < end && at < LONG_CODES; ++at) {
    u32 bits = shared_load(long_code, SHARED_LONG + 8 * at), found = shared_load(long_code, SHARED_LONG + 8 * at + 4);
    if (((bits ^ window) >> (32 - (found & 0x3F))) == 0) return found;
  }
  return 0;
}

// What a lane has decoded.
struct Decoded {
  u32 entries[KEPT];
  u32 steps;  // entries that are of meaning, in every lane of the warp
  u32 last;   // the entry that was cut at the stop
  u32 count;  // exponents
  u32 first;  // the first three of them, or all
  bool waited;  // a lane of the warp has an empty one among its first three entries
  bool walk;    // the above means nothing: walk the chunks
};

// `rest` behind the first `bits` / 8 bytes of `exponents`.
DF11_DEVICE u32 join(u32 exponents, u32 bits, u32 rest) {
  return shift_left(rest, bits) | (exponents & ~shift_left(~0u, bits));
}

// `left`: bits from the gap to the stop; 0 for a lane that has nothing to decode.
DF11_DEVICE void decode_lane(Window window, u32 left, const Common& common, Decoded& decoded) {
  const u32 all = left;
  u32 sum = 0, entry = 0;
  bool taken = true;
  decoded.steps = KEPT;
#pragma unroll
  for (u32 k = 0; k < KEPT; ++k) {
    DF11_AT(step, k)
    if (k >= SURE_STEPS) {
      DF11_RUN(vote)
      if (!warp_any(taken || ((int)entry < 0 && left != 0))) {
        decoded.steps = k;
        break;
      }
    }
    DF11_RUN(step)
    // What is not taken counts as an entry of nothing, so that no lane parts from the others. It would not be taken at the next step either.
    entry = shared_load(lookup, 4 * upper_bits(window.word[0], INDEX_BITS));
    taken = entry_length(entry) <= left;
    const u32 kept = taken ? entry : 0, length = entry_length(kept);
    decoded.entries[k] = kept;
    left -= length;
    sum += kept >> 24;  // 8 * length + count: the lengths add up to all - left, so the counts need no sum of their own
    skip(window, length);
    // A lane that meets a long code waits for the next fourth step.
    if (k % 4 == 3) {
      const bool met = (int)entry < 0 && left != 0;
      if (warp_any(met)) {
        DF11_RUN(long_code)
        if (met) {
          const u32 found = find_long(entry, window.word[0]), bits = found & 0x3F;
          if (found != 0 && bits <= left) {
            taken = true;
            decoded.entries[k] = rare_entry(found);
            left -= bits;
            sum += 8 * bits + 1;
            skip(window, bits / 2);
            skip(window, bits - bits / 2);
          }
        }
      }
    }
  }
  DF11_AT(cut, 0)
  DF11_RUN(cut)
  const u32 ends = entry_ends(entry, common);
  const u32 in_front = left != 0 ? count_bits(((left | 0x80) * 0x01010101 - ends) & 0x80808080) : 0;
  decoded.last = (entry & 0xFFFFFF) | in_front << 24;
  decoded.walk = taken || (left != 0 && ((int)entry < 0 || (((ends << 8) >> (8 * in_front)) & 0xFF) != left));
  decoded.count = sum - 8 * (all - left) + in_front;
  u32 third = entry_exponents(decoded.entries[2], common);
  decoded.waited = false;
  if (warp_any(decoded.entries[2] == 0)) {
    DF11_RUN(waited)
    decoded.waited = true;
    third = entry_exponents(decoded.last, common);
#pragma unroll
    for (u32 k = 11; k >= 2; --k) {  // a long code every fourth step gives the third exponent at the twelfth
      if (k < decoded.steps) third = join(entry_exponents(decoded.entries[k], common), entry_bits(decoded.entries[k]), third);
    }
  }
  DF11_AT(first, 0)
  DF11_RUN(first)
  const u32 second = join(entry_exponents(decoded.entries[1], common), entry_bits(decoded.entries[1]), third);
  decoded.first = join(entry_exponents(decoded.entries[0], common), entry_bits(decoded.entries[0]), second);
}

// The 32 bits from `bit` of a stream on; zeros behind its end.
DF11_DEVICE u32 bits_at(const Job& job, u64 bit) {
  u64 bits = 0;
#pragma unroll 1
  for (u32 i = 0; i < 5; ++i) {
    u64 at = (bit >> 3) + i;
    bits = bits << 8 | (at < job.stream_bytes ? global_load8(walk_stream, job.stream + at) : 0);
  }
  return (u32)(bits >> (8 - (bit & 7)));
}

// The slow way through a lane's chunks, code by code: gives `take` the exponents that start in them, at most `most`; returns their number, and in
// `end` the bit behind the last one, counted from the first chunk's first.
template <class Take>
DF11_DEVICE u32 walk_lane(const Job& job, const Common& common, u32 chunk, u32 gap, u32 most, u32& end, Take& take) {
  DF11_AT(walk_start, 0)
  DF11_RUN(walk_start)
  const u64 first = (u64)chunk * CHUNK_BITS, bits = 8ull * job.stream_bytes - first;
  u32 count = 0, bit = gap;
#pragma unroll 1
  for (; bit < LANE_BITS && count < most; ++count) {
    DF11_AT(walk, 0)
    DF11_RUN(walk)
    u32 window = bits_at(job, first + bit), entry = shared_load(walk_lookup, 4 * (window >> (32 - INDEX_BITS)));
    u32 exponent, length;
    if ((int)entry < 0) {
      u32 found = find_long(entry, window);
      exponent = (found >> 16) & 0xFF;
      length = found & 0x3F;
    } else {
      exponent = entry_exponents(entry, common) & 0xFF;
      length = entry_ends(entry, common) & 0xFF;
    }
    if (length == 0 || bit + length > bits) break;
    take(exponent);
    bit += length;
  }
  end = bit;
  return count;
}
