// What the kernel needs of a GPU, on this processor: every thread is a fiber, every access is
// checked and, if asked for, counted. cuda.h and hip.h are its twins. shim/cpp/machine.h has the
// rules of counting. The build sets DF11_WARP.

#define DF11_DEVICE static inline
#define DF11_DEVICE_MEMBER inline
#define DF11_WIDE_KERNEL(threads, blocks, name) DF11_KERNEL(threads, name)
#define DF11_PARAMETER const
#define DF11_KERNEL(threads, name) static void name
#define DF11_AT(region, step) machine::at(step);
#define DF11_RUN(region) machine::run(DF11_SITE(region));
#define DF11_SITE(name) ([]() -> int { static const int site = machine::site(#name); return site; }())

struct u32x2 {
  u32 x, y;
};
struct u32x4 {
  u32 x, y, z, w;
};

DF11_DEVICE u32 thread_index() { return machine::thread(); }
DF11_DEVICE u32 block_index() { return machine::block(); }
DF11_DEVICE u32 grid_size() { return machine::grid(); }
DF11_DEVICE u32 thread_count() { return machine::threads(); }
#define barrier(name) machine::barrier(DF11_SITE(name))

DF11_DEVICE u32 funnel_left(u32 low, u32 high, u32 n) { return (u32)((((u64)high << 32 | low) << (n & 31)) >> 32); }
DF11_DEVICE u32 funnel_left_long(u32 low, u32 high, u32 n) { return (u32)((((u64)high << 32 | low) << machine::up_to_32(n)) >> 32); }
DF11_DEVICE u32 funnel_right(u32 low, u32 high, u32 n) { return (u32)(((u64)high << 32 | low) >> machine::up_to_32(n)); }
DF11_DEVICE u32 shift_left(u32 word, u32 n) { return (u32)((u64)word << machine::up_to_32(n)); }
DF11_DEVICE u32 upper_bits(u32 word, u32 n) { return word >> (32 - n); }
DF11_DEVICE u32 select_bytes(u32 low, u32 high, u32 select) {
  const u64 bytes = (u64)high << 32 | low;
  u32 word = 0;
  for (u32 i = 0; i < 4; ++i) word |= (u32)(bytes >> 8 * (select >> 4 * i & 7) & 0xFF) << 8 * i;
  return word;
}
DF11_DEVICE u32 select_bits(u32 mask, u32 ones, u32 zeros) { return (mask & ones) | (~mask & zeros); }
DF11_DEVICE u32 swap_bytes(u32 word) { return __builtin_bswap32(word); }
DF11_DEVICE u32 count_bits(u32 word) { return (u32)__builtin_popcount(word); }

// A table of 16 bytes, by number.
struct Sixteen {
  u8 bytes[16];
};
DF11_DEVICE Sixteen sixteen_of(const u32 (&words)[4]) {
  Sixteen table;
  std::memcpy(table.bytes, words, 16);
  return table;
}
// The bytes that the low nibbles of `numbers` select, and those of the high nibbles.
DF11_DEVICE void look_up(const Sixteen& table, u32 numbers, u32& low, u32& high) {
  low = high = 0;
  for (u32 i = 0; i < 32; i += 8) {
    low |= (u32)table.bytes[numbers >> i & 0xF] << i;
    high |= (u32)table.bytes[numbers >> (i + 4) & 0xF] << i;
  }
}

DF11_DEVICE float as_float(u32 word) {
  float value;
  std::memcpy(&value, &word, 4);
  return value;
}
DF11_DEVICE u32 as_word(float value) {
  u32 word;
  std::memcpy(&word, &value, 4);
  return word;
}
// left * right + sum, rounded once.
DF11_DEVICE float fused(float left, float right, float sum) { return std::fma(left, right, sum); }
DF11_DEVICE float add(float left, float right) { return left + right; }

#define shuffle(value, lane) machine::exchange(DF11_SITE(shuffle), value, (lane) % DF11_WARP)
#define shuffle_xor(value, by) machine::exchange(DF11_SITE(shuffle_xor), value, (thread_index() & (DF11_WARP - 1)) ^ (by))
#define shuffle_down(value, by) machine::exchange(DF11_SITE(shuffle_down), value, machine::down(by))
#define warp_any(is) machine::any(DF11_SITE(any), is)
#define warp_total(value) machine::total(DF11_SITE(total), value)
DF11_DEVICE u32 warp_sum(u32 value) {
  const u32 lane = thread_index() & (DF11_WARP - 1);
  for (u32 by = 1; by < DF11_WARP; by *= 2) {
    u32 other = machine::exchange(DF11_SITE(sum), value, lane >= by ? lane - by : lane);
    if (lane >= by) value += other;
  }
  return value;
}

#define shared_load8(site, at) ((u32)machine::shared_load<u8>(DF11_SITE(site), at))
#define shared_load16(site, at) ((u32)machine::shared_load<u16>(DF11_SITE(site), at))
#define shared_load(site, at) machine::shared_load<u32>(DF11_SITE(site), at)
#define shared_load64(site, at) machine::shared_load<u32x2>(DF11_SITE(site), at)
#define shared_load128(site, at) machine::shared_load<u32x4>(DF11_SITE(site), at)
#define shared_quad(site, at) machine::shared_load<u32x4>(DF11_SITE(site), at)
#define shared_store(site, at, word) machine::shared_store<u32>(DF11_SITE(site), at, word)
#define shared_store16(site, at, word) machine::shared_store<u16>(DF11_SITE(site), at, (u16)(word))
#define shared_store128(site, at, words) machine::shared_store<u32x4>(DF11_SITE(site), at, words)

#define global_load8(site, at) ((u32)machine::global_load<u8>(DF11_SITE(site), at))
#define global_load16(site, at) ((u32)machine::global_load<u16>(DF11_SITE(site), at))
#define stream_load32(site, at) machine::global_load<u32>(DF11_SITE(site), at)
#define stream_load64(site, at) machine::global_load<u32x2>(DF11_SITE(site), at)
#define global_store8(site, at, word) machine::global_store<u8>(DF11_SITE(site), at, (u8)(word))
#define global_store32(site, at, word) machine::global_store<u32>(DF11_SITE(site), at, word)
#define global_load32(site, at) machine::global_load<u32>(DF11_SITE(site), at)
#define global_load64(site, at) machine::global_load<u32x2>(DF11_SITE(site), at)
#define global_load128(site, at) machine::global_load<u32x4>(DF11_SITE(site), at)
#define global_store16(site, at, word) machine::global_store<u16>(DF11_SITE(site), at, (u16)(word))
#define global_store128(site, at, words) machine::global_store<u32x4>(DF11_SITE(site), at, words)
#define report(at, bits) machine::global_or(at, bits)
