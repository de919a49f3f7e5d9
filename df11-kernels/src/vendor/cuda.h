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
#define DF11_PARAMETER const __grid_constant__
#define DF11_AT(region, step)
#define DF11_RUN(region)

extern __shared__ u32 df11_shared[];

DF11_DEVICE u32 thread_index() { return threadIdx.x; }
DF11_DEVICE u32 block_index() { return blockIdx.x; }
DF11_DEVICE u32 grid_size() { return gridDim.x; }
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

DF11_DEVICE u32 value_of(u32 value, u32 lane) { return __shfl_sync(DF11_ALL, value, lane); }
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
DF11_DEVICE void store_global16(u64 at, u32 word) { asm volatile("st.global.u16 [%0], %1;" ::"l"(at), "h"((u16)word) : "memory"); }
// Written once: first to leave the caches. With plain stores, an H100 is 5 % slower.
DF11_DEVICE void store_global128(u64 at, u32x4 words) {
  asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(at), "r"(words.x), "r"(words.y), "r"(words.z), "r"(words.w) : "memory");
}
#define global_load8(site, at) load_global8(at)
#define global_load32(site, at) load_global32(at)
#define global_load64(site, at) load_global64(at)
#define global_load128(site, at) load_global128(at)
#define global_store16(site, at, word) store_global16(at, word)
#define global_store128(site, at, words) store_global128(at, words)
#define report(at, bits) atomicOr((u32*)(at), bits)
