// What the kernel needs of a GPU, for NVIDIA: NVRTC and nvcc, compute capability 7.5 and later.
// hip.h and host.h are its twins. The first argument of a memory access names it for the cost model
// of the host shim, as DF11_AT and DF11_RUN name regions. Here these names vanish.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef uint2 u32x2;
typedef uint4 u32x4;

#define DF11_WARP 32
#define DF11_ALL 0xFFFFFFFFu
#define DF11_DEVICE static __device__ __forceinline__
#define DF11_DEVICE_MEMBER __device__ __forceinline__
// 64 registers per thread, which lets 1024 threads run on every multiprocessor.
#define DF11_KERNEL(threads, name) extern "C" __global__ void __launch_bounds__(threads, 1024 / threads) name
// Registers for this number of thread blocks on every multiprocessor.
#define DF11_WIDE_KERNEL(threads, blocks, name) extern "C" __global__ void __launch_bounds__(threads, blocks) name
#define DF11_PARAMETER const __grid_constant__
#define DF11_AT(region, step)
#define DF11_RUN(region)

extern __shared__ u32 df11_shared[];

DF11_DEVICE u32 thread_index() { return threadIdx.x; }
DF11_DEVICE u32 block_index() { return blockIdx.x; }
DF11_DEVICE u32 grid_size() { return gridDim.x; }
DF11_DEVICE u32 thread_count() { return blockDim.x; }
#define barrier(name) __syncthreads()

// funnel_left: the high word of (high:low << n), n modulo 32; funnel_left_long the same, n up to
// 32. funnel_right: the low word of (high:low >> n), n up to 32. shift_left: `word << n`, n up to
// 32.
DF11_DEVICE u32 funnel_left(u32 low, u32 high, u32 n) { return __funnelshift_l(low, high, n); }
DF11_DEVICE u32 funnel_left_long(u32 low, u32 high, u32 n) { return __funnelshift_lc(low, high, n); }
DF11_DEVICE u32 funnel_right(u32 low, u32 high, u32 n) { return __funnelshift_rc(low, high, n); }
DF11_DEVICE u32 shift_left(u32 word, u32 n) {
  u32 result;
  asm("shl.b32 %0, %1, %2;" : "=r"(result) : "r"(word), "r"(n));
  return result;
}
// The upper n bits. The assembly hides the shift from the compiler's front end, which would mask
// and add where the address can take a scaled index.
DF11_DEVICE u32 upper_bits(u32 word, u32 n) {
  u32 result;
  asm("shr.u32 %0, %1, %2;" : "=r"(result) : "r"(word), "r"(32 - n));
  return result;
}
// Byte i of the result is the byte of high:low that nibble i of `select` names. Nibbles are below
// 8.
DF11_DEVICE u32 select_bytes(u32 low, u32 high, u32 select) {
  u32 result;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(low), "r"(high), "r"(select));
  return result;
}
// The bits of `ones` where the mask has ones, and those of `zeros` elsewhere.
DF11_DEVICE u32 select_bits(u32 mask, u32 ones, u32 zeros) {
  u32 result;
  asm("lop3.b32 %0, %1, %2, %3, 0xCA;" : "=r"(result) : "r"(mask), "r"(ones), "r"(zeros));
  return result;
}
DF11_DEVICE u32 swap_bytes(u32 word) { return __byte_perm(word, 0, 0x0123); }
DF11_DEVICE u32 count_bits(u32 word) { return __popc(word); }

// A table of 16 bytes, by number. The instruction that selects a byte of eight takes a fourth bit:
// then it gives eight times the sign bit of the byte. So the bytes of a half, with their numbers'
// fourth bit turned for the upper half, give the byte in one half and its partner's sign bit, eight
// times, in the other. `low` is as it is. `high` is turned where its partner in `low` has the sign
// bit, and has none itself. So low ^ high is right but for the sign bit of a byte of the upper
// half, where it differs from its partner's: `odd` has the bit below it there.
struct Sixteen {
  u32 low[2], high[2], odd[2];
};
DF11_DEVICE Sixteen sixteen_of(const u32 (&bytes)[4]) {
  Sixteen table;
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    table.low[i] = bytes[i];
    table.high[i] = (bytes[i + 2] ^ select_bytes(bytes[i], bytes[i], 0xBA98)) & 0x7F7F7F7F;
    table.odd[i] = ((bytes[i] ^ bytes[i + 2]) & 0x80808080) >> 1;
  }
  return table;
}
// The bytes that the low nibbles of `numbers` select, and those of the high nibbles.
DF11_DEVICE void look_up(const Sixteen& table, u32 numbers, u32& low, u32& high) {
  u32 found[2];
  const u32 turned = numbers ^ 0x88888888;
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    const u32 of_low = numbers >> 16 * i, of_high = turned >> 16 * i;
    found[i] = select_bytes(table.low[0], table.low[1], of_low) ^ select_bytes(table.high[0], table.high[1], of_high) ^
               select_bytes(table.odd[0], table.odd[1], of_high) << 1;
  }
  low = select_bytes(found[0], found[1], 0x6420);
  high = select_bytes(found[0], found[1], 0x7531);
}

DF11_DEVICE float as_float(u32 word) { return __uint_as_float(word); }
DF11_DEVICE u32 as_word(float value) { return __float_as_uint(value); }
// left * right + sum, rounded once.
DF11_DEVICE float fused(float left, float right, float sum) { return __fmaf_rn(left, right, sum); }
DF11_DEVICE float add(float left, float right) { return __fadd_rn(left, right); }

DF11_DEVICE u32 shuffle(u32 value, u32 lane) { return __shfl_sync(DF11_ALL, value, lane); }
DF11_DEVICE u32 shuffle_xor(u32 value, u32 by) { return __shfl_xor_sync(DF11_ALL, value, by); }
DF11_DEVICE u32 shuffle_down(u32 value, u32 by) { return __shfl_down_sync(DF11_ALL, value, by); }
DF11_DEVICE bool warp_any(bool is) { return __any_sync(DF11_ALL, is); }
// The sum over the warp. From 8.0 on, one instruction computes it and leaves the shuffle pipe free.
DF11_DEVICE u32 warp_total(u32 value) {
#if __CUDA_ARCH__ >= 800
  return __reduce_add_sync(DF11_ALL, value);
#else
  for (u32 by = DF11_WARP / 2; by > 0; by /= 2) value += __shfl_xor_sync(DF11_ALL, value, by);
  return value;
#endif
}
// The sum over this lane and those before it. The shuffle itself says whether there was a lane to
// read.
DF11_DEVICE u32 warp_sum(u32 value) {
#pragma unroll
  for (u32 by = 1; by < DF11_WARP; by *= 2) {
    asm volatile("{ .reg .pred p; .reg .u32 v; shfl.sync.up.b32 v|p, %0, %1, 0, 0xFFFFFFFF; @p add.u32 %0, %0, v; }" : "+r"(value) : "r"(by));
  }
  return value;
}

#define shared_load8(site, at) ((u32)((const u8*)df11_shared)[at])
#define shared_load16(site, at) ((u32)*(const u16*)((const u8*)df11_shared + (at)))
#define shared_load(site, at) (df11_shared[(at) / 4])
#define shared_load64(site, at) (*(const u32x2*)((const u8*)df11_shared + (at)))
#define shared_load128(site, at) load_shared128(at)
#define shared_quad(site, at) (*(const u32x4*)((const u8*)df11_shared + (at)))
#define shared_store(site, at, word) (df11_shared[(at) / 4] = (word))
#define shared_store16(site, at, word) (*(u16*)((u8*)df11_shared + (at)) = (u16)(word))
#define shared_store128(site, at, words) (*(u32x4*)((u8*)df11_shared + (at)) = (words))

// This reads what other threads stored before a barrier, so it declares that it touches memory:
// otherwise nothing would keep it after the barrier. The compiler would keep values that all lanes
// read alike in uniform registers, and move them out at every use. So the address depends on the
// thread's number, in a way that changes nothing and that the compiler does not see through.
DF11_DEVICE u32x4 load_shared128(u32 at) {
  u32x4 words;
  u32 thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
               : "r"((u32)__cvta_generic_to_shared((const u8*)df11_shared + (at + (thread >> 16))))
               : "memory");
  return words;
}

// Addresses are numbers: only this states that they are in global memory. The compiler may move
// loads, and may make one load serve for two: a launch does not write what it reads (the Safety
// section of Kernels::decode).
DF11_DEVICE u32 load_global8(u64 at) {
  u32 byte;
  asm("ld.global.u8 %0, [%1];" : "=r"(byte) : "l"(at));
  return byte;
}
DF11_DEVICE u32 load_global32(u64 at) {
  u32 word;
  asm("ld.global.u32 %0, [%1];" : "=r"(word) : "l"(at));
  return word;
}
// Why not .cs, though this is read once: with it, an H200 is 2 % slower.
DF11_DEVICE u32x2 load_global64(u64 at) {
  u32x2 pair;
  asm("ld.global.v2.u32 {%0, %1}, [%2];" : "=r"(pair.x), "=r"(pair.y) : "l"(at));
  return pair;
}
DF11_DEVICE u32x4 load_global128(u64 at) {
  u32x4 words;
  asm("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w) : "l"(at));
  return words;
}
DF11_DEVICE u32 load_global16(u64 at) {
  u16 word;
  asm("ld.global.u16 %0, [%1];" : "=h"(word) : "l"(at));
  return word;
}
// Read once, and not kept in the multiprocessor's cache; the second-level cache reads whole lines
// ahead, which saves 3 to 5 % of the time of a product on an H200.
DF11_DEVICE u32 stream_global32(u64 at) {
  u32 word;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.u32 %0, [%1];" : "=r"(word) : "l"(at));
  return word;
}
DF11_DEVICE u32x2 stream_global64(u64 at) {
  u32x2 pair;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v2.u32 {%0, %1}, [%2];" : "=r"(pair.x), "=r"(pair.y) : "l"(at));
  return pair;
}
DF11_DEVICE void store_global8(u64 at, u32 byte) { asm volatile("st.global.u8 [%0], %1;" ::"l"(at), "r"(byte) : "memory"); }
DF11_DEVICE void store_global32(u64 at, u32 word) { asm volatile("st.global.u32 [%0], %1;" ::"l"(at), "r"(word) : "memory"); }
DF11_DEVICE void store_global16(u64 at, u32 word) { asm volatile("st.global.u16 [%0], %1;" ::"l"(at), "h"((u16)word) : "memory"); }
// Written once: first to leave the caches. With plain stores, an H100 is 5 % slower.
DF11_DEVICE void store_global128(u64 at, u32x4 words) {
  asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(at), "r"(words.x), "r"(words.y), "r"(words.z), "r"(words.w) : "memory");
}
#define global_load8(site, at) load_global8(at)
#define global_load16(site, at) load_global16(at)
#define stream_load32(site, at) stream_global32(at)
#define stream_load64(site, at) stream_global64(at)
#define global_store8(site, at, word) store_global8(at, word)
#define global_store32(site, at, word) store_global32(at, word)
#define global_load32(site, at) load_global32(at)
#define global_load64(site, at) load_global64(at)
#define global_load128(site, at) load_global128(at)
#define global_store16(site, at, word) store_global16(at, word)
#define global_store128(site, at, words) store_global128(at, words)
#define report(at, bits) atomicOr((u32*)(at), bits)
