// One lane, one chunk: from bits to table entries.
//
// 1. A window of three words holds the chunk's bits from its gap on, and the next chunk's first 32: every code that starts here ends in it.
// 2. The next chunk's gap is the exact stop, and so the check of the chain of gaps: a lane that cannot stop there has an error, or is the last.
// 3. An entry that would pass the stop is cut to the codes in front of it, with the lengths of its common exponents and one subtraction.
// 4. Entries stay in registers: at most KEPT steps, unrolled. All codes of 1 bit need 16. What needs more (valid, but no weights look so), what
//    fails, and the unit's last two chunks are walked code by code.

#define KEPT 16

struct Window {
  u32 first, second, third;
};

// Drops `bits` < 32 bits.
DF11_DEVICE void skip(Window& window, u32 bits) {
  window.first = funnel_left(window.second, window.first, bits);
  window.second = funnel_left(window.third, window.second, bits);
  window.third = shift_left(window.third, bits);
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
  for (; at < end && at < LONG_CODES; ++at) {
    u32 bits = shared_load(long_code, SHARED_LONG + 8 * at), found = shared_load(long_code, SHARED_LONG + 8 * at + 4);
    if (((bits ^ window) >> (32 - (found & 0x3F))) == 0) return found;
  }
  return 0;
}

// What a lane has decoded.
struct Decoded {
  u32 entries[KEPT];
  u32 last;   // the entry that was cut at the stop
  u32 count;  // exponents
  u32 first;  // the first three of them, or all
  bool walk;  // the above means nothing: walk the chunk
};

// `rest` behind the first `bits` / 8 bytes of `exponents`.
DF11_DEVICE u32 join(u32 exponents, u32 bits, u32 rest) {
  return shift_left(rest, bits) | (exponents & ~shift_left(~0u, bits));
}

DF11_DEVICE void decode_chunk(Window window, u32 left, bool active, const Common& common, Decoded& decoded) {
  const u32 all = left;
  u32 sum = 0, entry = 0;
#pragma unroll
  for (int k = 0; k < KEPT; ++k) {
    decoded.entries[k] = 0;
  }
#pragma unroll
  for (int k = 0; k < KEPT; ++k) {
    DF11_AT(step, k)
    if (k >= 7 && !active) break;
    DF11_RUN(step)
    if (active) {
      entry = shared_load(lookup, 4 * (window.first >> (32 - INDEX_BITS)));
      u32 length = entry_length(entry);
      if (length <= left) {
        decoded.entries[k] = entry;
        left -= length;
        sum += entry >> 24;  // 8 * length + count: the lengths add up to all - left, so the counts need no sum of their own
        skip(window, length);
      } else {
        active = false;
        if ((int)entry < 0 && left != 0) {
          DF11_RUN(long_code)
          u32 found = find_long(entry, window.first);
          length = found & 0x3F;
          if (found != 0 && length <= left) {
            active = true;
            decoded.entries[k] = rare_entry(found);
            left -= length;
            sum += 8 * length + 1;
            skip(window, length / 2);
            skip(window, length - length / 2);
          }
        }
      }
    }
  }
  DF11_AT(cut, 0)
  DF11_RUN(cut)
  u32 ends = entry_ends(entry, common);
  u32 in_front = count_bits(((left | 0x80) * 0x01010101 - ends) & 0x80808080);
  bool cut = left != 0;
  decoded.last = cut ? (entry & 0xFFFFFF) | in_front << 24 : 0;
  decoded.walk = active || (cut && ((int)entry < 0 || (((ends << 8) >> (8 * in_front)) & 0xFF) != left));
  decoded.count = sum - 8 * (all - left) + (cut ? in_front : 0);
  u32 third = entry_exponents(decoded.entries[2], common);
  if (warp_any(decoded.entries[2] == 0)) {
    third = join(third, entry_bits(decoded.entries[2]), entry_exponents(decoded.last, common));
  }
  u32 second = join(entry_exponents(decoded.entries[1], common), entry_bits(decoded.entries[1]), third);
  decoded.first = join(entry_exponents(decoded.entries[0], common), entry_bits(decoded.entries[0]), second);
}

// The 32 bits from `bit` of a stream on; zeros behind its end.
DF11_DEVICE u32 bits_at(const Job& job, u64 bit) {
  u64 bits = 0;
  for (u32 i = 0; i < 5; ++i) {
    u64 at = (bit >> 3) + i;
    bits = bits << 8 | (at < job.stream_bytes ? global_load8(walk_stream, job.stream + at) : 0);
  }
  return (u32)(bits >> (8 - (bit & 7)));
}

// The slow way through one chunk, code by code: gives `take` the exponents that start in it, at most `most`; returns their number, and in `end`
// the bit behind the last one.
template <class Take>
DF11_DEVICE u32 walk_chunk(const Job& job, const Common& common, u64 bit, u32 gap, u32 most, u64& end, Take& take) {
  const u64 stop = bit + CHUNK_BITS, stream_end = 8ull * job.stream_bytes;
  u32 count = 0;
  for (bit += gap; bit < stop && count < most; ++count) {
    DF11_AT(walk, 0)
    DF11_RUN(walk)
    u32 window = bits_at(job, bit), entry = shared_load(walk_lookup, 4 * (window >> (32 - INDEX_BITS)));
    u32 exponent, length;
    if ((int)entry < 0) {
      u32 found = find_long(entry, window);
      exponent = (found >> 16) & 0xFF;
      length = found & 0x3F;
    } else {
      exponent = entry_exponents(entry, common) & 0xFF;
      length = entry_ends(entry, common) & 0xFF;
    }
    if (length == 0 || bit + length > stream_end) break;
    take(exponent);
    bit += length;
  }
  end = bit;
  return count;
}
