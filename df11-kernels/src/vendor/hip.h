// What the kernel asks of a GPU, for NVIDIA: NVRTC and nvcc, compute capability 7.5 and later. Its twins are hip.h and host.h.
// The first argument of a memory access names it for the cost model of the host shim; so do DF11_AT and DF11_RUN. Here they vanish.

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
// Three blocks of 512 threads fit every multiprocessor from 8.0 on; 7.5 holds two at most.
#if __CUDA_ARCH__ >= 800
#define DF11_RESIDENT 3
#else
#define DF11_RESIDENT 2
#endif
#define DF11_KERNEL(name) extern "C" __global__ void __launch_bounds__(512, DF11_RESIDENT) name
#define DF11_PARAMETER const __grid_constant__
#define DF11_AT(region, step)
#define DF11_RUN(region)

extern __shared__ u32 df11_shared[];

DF11_DEVICE u32 thread_index() { return threadIdx.x; }
DF11_DEVICE u32 block_index() { return blockIdx.x; }
DF11_DEVICE u32 grid_size() { return gridDim.x; }
#define barrier(name) __syncthreads()

// The low word of (high:low << n), n modulo 32; the low word of (high:low >> n), n up to 32; `word << n`, n up to 32.
DF11_DEVICE u32 funnel_left(u32 low, u32 high, u32 n) { return __funnelshift_l(low, high, n); }
DF11_DEVICE u32 funnel_right(u32 low, u32 high, u32 n) { return __funnelshift_rc(low, high, n); }
DF11_DEVICE u32 shift_left(u32 word, u32 n) {
  u32 result;
  asm("shl.b32 %0, %1, %2;" : "=r"(result) : "r"(word), "r"(n));
  return result;
}
// Byte i of the result is byte `nibble i of select` of high:low.
DF11_DEVICE u32 select_bytes(u32 low, u32 high, u32 select) { return __byte_perm(low, high, select); }
DF11_DEVICE u32 swap_bytes(u32 word) { return __byte_perm(word, 0, 0x0123); }
DF11_DEVICE u32 count_bits(u32 word) { return __popc(word); }

DF11_DEVICE u32 shuffle(u32 value, u32 lane) { return __shfl_sync(DF11_ALL, value, lane); }
DF11_DEVICE u32 shuffle_down(u32 value, u32 by) { return __shfl_down_sync(DF11_ALL, value, by); }
DF11_DEVICE bool warp_any(bool is) { return __any_sync(DF11_ALL, is); }
// The sum over this lane and those before it. The shuffle itself says whether there was a lane to take from.
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
#define shared_store(site, at, word) (df11_shared[(at) / 4] = (word))
#define shared_store16(site, at, word) (*(u16*)((u8*)df11_shared + (at)) = (u16)(word))
#define shared_store128(site, at, words) (*(u32x4*)((u8*)df11_shared + (at)) = (words))

#define global_load8(site, at) ((u32)*(const u8*)(at))
#define global_load32(site, at) (*(const u32*)(at))
#define global_load64(site, at) load_once64(at)
#define global_load128(site, at) (*(const u32x4*)(at))
#define global_store16(site, at, word) (*(u16*)(at) = (u16)(word))
#define global_store128(site, at, words) store_once128(at, words)

// Read or written once: not worth a line of the first cache, first to go from the second.
DF11_DEVICE u32x2 load_once64(u64 at) {
  u32x2 pair;
  asm("ld.global.cs.v2.u32 {%0, %1}, [%2];" : "=r"(pair.x), "=r"(pair.y) : "l"(at));
  return pair;
}
DF11_DEVICE void store_once128(u64 at, u32x4 words) {
  asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(at), "r"(words.x), "r"(words.y), "r"(words.z), "r"(words.w) : "memory");
}
#define report(at, bits) atomicOr((u32*)(at), bits)
