// What the kernel needs of a GPU, for AMD: hiprtc and hipcc. cuda.h and host.h are its twins. The
// command line sets DF11_WARP, the wavefront size of the device: 64 for CDNA, 32 for RDNA. The
// first argument of a memory access names it for the cost model of the host shim, as DF11_AT and
// DF11_RUN name regions. Here these names vanish.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
// The compiler's own vectors: not every run-time compiler knows HIP's classes of that name.
typedef u32 u32x2 __attribute__((ext_vector_type(2)));
typedef u32 u32x4 __attribute__((ext_vector_type(4)));

// Attributes in full: only headers define their short names.
#define DF11_DEVICE_MEMBER __attribute__((device, always_inline)) inline
#define DF11_DEVICE static DF11_DEVICE_MEMBER
#define DF11_KERNEL(threads, name) extern "C" __attribute__((global, amdgpu_flat_work_group_size(threads, threads))) void name
#define DF11_WIDE_KERNEL(threads, blocks, name) DF11_KERNEL(threads, name)
#define DF11_PARAMETER const
#define DF11_AT(region, step)
#define DF11_RUN(region)

extern __attribute__((shared)) u32x4 df11_shared[];
#define DF11_GLOBAL(type, at) ((__attribute__((address_space(1))) type*)(at))

DF11_DEVICE u32 thread_index() { return __builtin_amdgcn_workitem_id_x(); }
DF11_DEVICE u32 block_index() { return __builtin_amdgcn_workgroup_id_x(); }
// Work items of the grid divided by those of a group. Both are words of the dispatch packet.
DF11_DEVICE u32 grid_size() {
  auto packet = (const __attribute__((address_space(4))) u32*)__builtin_amdgcn_dispatch_ptr();
  return packet[3] / (packet[1] & 0xFFFF);
}
DF11_DEVICE u32 thread_count() {
  return ((const __attribute__((address_space(4))) u32*)__builtin_amdgcn_dispatch_ptr())[1] & 0xFFFF;
}
DF11_DEVICE void group_barrier() {
  __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
  __builtin_amdgcn_s_barrier();
  __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}
#define barrier(name) group_barrier()

// funnel_left: the high word of (high:low << n), n modulo 32; funnel_left_long the same, n up to
// 32. funnel_right: the low word of (high:low >> n), n up to 32. shift_left: `word << n`, n up to
// 32.
DF11_DEVICE u32 funnel_left(u32 low, u32 high, u32 n) { return (u32)((((u64)high << 32 | low) << (n & 31)) >> 32); }
DF11_DEVICE u32 funnel_left_long(u32 low, u32 high, u32 n) { return (u32)((((u64)high << 32 | low) << n) >> 32); }
DF11_DEVICE u32 funnel_right(u32 low, u32 high, u32 n) { return (u32)(((u64)high << 32 | low) >> n); }
DF11_DEVICE u32 shift_left(u32 word, u32 n) { return (u32)((u64)word << n); }
DF11_DEVICE u32 upper_bits(u32 word, u32 n) { return word >> (32 - n); }
// Byte i of the result is the byte of high:low that nibble i of `select` names. Nibbles are below
// 8. The instruction takes a byte for each.
DF11_DEVICE u32 select_bytes(u32 low, u32 high, u32 select) {
  u32 pairs = (select & 0xFF) | (select & 0xFF00) << 8;
  return __builtin_amdgcn_perm(high, low, (pairs | pairs << 4) & 0x0F0F0F0F);
}
// The bits of `ones` where the mask has ones, and those of `zeros` elsewhere.
DF11_DEVICE u32 select_bits(u32 mask, u32 ones, u32 zeros) { return (mask & ones) | (~mask & zeros); }
DF11_DEVICE u32 swap_bytes(u32 word) { return __builtin_amdgcn_perm(0, word, 0x00010203); }
DF11_DEVICE u32 count_bits(u32 word) { return __builtin_popcount(word); }

// A table of 16 bytes, by number.
struct Sixteen {
  u32 words[4];
};
DF11_DEVICE Sixteen sixteen_of(const u32 (&words)[4]) { return Sixteen{{words[0], words[1], words[2], words[3]}}; }
// The bytes that the bytes of `numbers` select, each below 16. The selector 12 gives a byte of
// zeros, 13 one of ones.
DF11_DEVICE u32 select_sixteen(const Sixteen& table, u32 numbers) {
  const u32 within = numbers & 0x07070707, upper = __builtin_amdgcn_perm(0, 0, (numbers >> 3 & 0x01010101) | 0x0C0C0C0C);
  return select_bits(upper, __builtin_amdgcn_perm(table.words[3], table.words[2], within), __builtin_amdgcn_perm(table.words[1], table.words[0], within));
}
// The bytes that the low nibbles of `numbers` select, and those of the high nibbles.
DF11_DEVICE void look_up(const Sixteen& table, u32 numbers, u32& low, u32& high) {
  low = select_sixteen(table, numbers & 0x0F0F0F0F);
  high = select_sixteen(table, numbers >> 4 & 0x0F0F0F0F);
}

DF11_DEVICE float as_float(u32 word) { return __builtin_bit_cast(float, word); }
DF11_DEVICE u32 as_word(float value) { return __builtin_bit_cast(u32, value); }
// left * right + sum, rounded once.
DF11_DEVICE float fused(float left, float right, float sum) { return __builtin_fmaf(left, right, sum); }
DF11_DEVICE float add(float left, float right) { return left + right; }

DF11_DEVICE u32 lane_index() { return thread_index() & (DF11_WARP - 1); }
// The value of a lane of this wavefront. Why not __shfl: older compilers know it without a mask,
// newer ones with a mask of 64 bits.
DF11_DEVICE u32 value_of(u32 value, u32 lane) { return (u32)__builtin_amdgcn_ds_bpermute((int)(4 * lane), (int)value); }
DF11_DEVICE u32 shuffle(u32 value, u32 lane) { return value_of(value, lane); }
DF11_DEVICE u32 shuffle_xor(u32 value, u32 by) { return value_of(value, lane_index() ^ by); }
DF11_DEVICE u32 shuffle_down(u32 value, u32 by) {
  const u32 lane = lane_index();
  return value_of(value, lane + by < DF11_WARP ? lane + by : lane);
}
// Whether any lane has `is` different from 0 (33 means "unequal"). Compilers of all ages know this
// form, for both widths.
DF11_DEVICE bool warp_any(bool is) { return __builtin_amdgcn_uicmp((u32)is, 0u, 33) != 0; }
// The sum over this lane and those before it.
DF11_DEVICE u32 warp_sum(u32 value) {
  const u32 lane = lane_index();
#pragma unroll
  for (u32 by = 1; by < DF11_WARP; by *= 2) {
    const u32 other = value_of(value, lane >= by ? lane - by : lane);
    if (lane >= by) value += other;
  }
  return value;
}
// The sum over the warp.
DF11_DEVICE u32 warp_total(u32 value) {
#pragma unroll
  for (u32 by = DF11_WARP / 2; by > 0; by /= 2) value += value_of(value, lane_index() ^ by);
  return value;
}

#define shared_at(type, at) (*(type*)((u8*)df11_shared + (at)))
#define shared_load8(site, at) ((u32)shared_at(u8, at))
#define shared_load16(site, at) ((u32)shared_at(u16, at))
#define shared_load(site, at) shared_at(u32, at)
#define shared_load64(site, at) shared_at(u32x2, at)
#define shared_load128(site, at) shared_at(u32x4, at)
#define shared_quad(site, at) shared_at(u32x4, at)
#define shared_store(site, at, word) (shared_at(u32, at) = (word))
#define shared_store16(site, at, word) (shared_at(u16, at) = (u16)(word))
#define shared_store128(site, at, words) (shared_at(u32x4, at) = (words))

#define global_load8(site, at) ((u32)*DF11_GLOBAL(const u8, at))
#define global_load16(site, at) ((u32)*DF11_GLOBAL(const u16, at))
#define stream_load32(site, at) __builtin_nontemporal_load(DF11_GLOBAL(const u32, at))
#define stream_load64(site, at) __builtin_nontemporal_load(DF11_GLOBAL(const u32x2, at))
#define global_store8(site, at, byte) (*DF11_GLOBAL(u8, at) = (u8)(byte))
#define global_store32(site, at, word) (*DF11_GLOBAL(u32, at) = (word))
#define global_load32(site, at) (*DF11_GLOBAL(const u32, at))
#define global_load64(site, at) __builtin_nontemporal_load(DF11_GLOBAL(const u32x2, at))
#define global_load128(site, at) (*DF11_GLOBAL(const u32x4, at))
#define global_store16(site, at, word) (*DF11_GLOBAL(u16, at) = (u16)(word))
#define global_store128(site, at, words) __builtin_nontemporal_store(words, DF11_GLOBAL(u32x4, at))
#define report(at, bits) __atomic_fetch_or(DF11_GLOBAL(u32, at), bits, __ATOMIC_RELAXED)
