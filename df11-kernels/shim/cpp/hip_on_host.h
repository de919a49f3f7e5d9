// vendor/hip.h on this processor: the file as it is, with AMD's instructions played as the manuals
// of the CDNA 2 and RDNA 2 instruction sets describe them. Unlike host.h, this neither checks nor
// counts reads and writes. It shows that lanes exchange the right words, and that bytes and bits go
// where they should.

#define __builtin_amdgcn_workitem_id_x machine::thread
#define __builtin_amdgcn_workgroup_id_x machine::block
#define __builtin_amdgcn_dispatch_ptr played_dispatch
#define __builtin_amdgcn_fence(order, scope) ((void)0)
#define __builtin_amdgcn_s_barrier() machine::barrier(PLAYED_SITE(s_barrier))
#define __builtin_amdgcn_perm played_perm
#define __builtin_amdgcn_ds_bpermute(at, value) int(machine::exchange(PLAYED_SITE(ds_bpermute), u32(value), (u32(at) / 4) % DF11_WARP))
#define __builtin_amdgcn_uicmp(left, right, relation) u64((relation) == 33 && machine::any(PLAYED_SITE(uicmp), (left) != (right)))
#define __builtin_nontemporal_load(at) (*(at))
#define __builtin_nontemporal_store(value, at) (*(at) = (value))
#define PLAYED_SITE(name) ([]() -> int { static const int site = machine::site(#name); return site; }())

// Words 0 to 3 of the packet of a launch. They hold the threads of a group, and those of the grid.
static const uint32_t* played_dispatch() {
  static thread_local uint32_t packet[4];
  packet[1] = machine::threads();
  packet[3] = machine::threads() * machine::grid();
  return packet;
}

// v_perm_b32: a byte of the selector takes a byte of the second word (0 to 3) or the first (4 to
// 7), or a constant (12: zeros; above: ones). Sign bytes (8 to 11) are not played: the kernel does
// not use them.
static uint32_t played_perm(uint32_t first, uint32_t second, uint32_t selector) {
  const uint64_t bytes = uint64_t(first) << 32 | second;
  uint32_t word = 0;
  for (uint32_t i = 0; i < 32; i += 8) {
    const uint32_t from = selector >> i & 0xFF;
    word |= (from < 8 ? uint32_t(bytes >> 8 * from & 0xFF) : from == 12 ? 0 : 0xFF) << i;
  }
  return word;
}

// Not every compiler has vectors with named parts. So structures replace the types that the file
// defines, and its address spaces are dropped.
#define u32x2 unused_x2
#define u32x4 unused_x4
#define ext_vector_type(lanes) unused
#define address_space(number) unused
#include "../../src/vendor/hip.h"
#undef address_space
#undef ext_vector_type
#undef u32x4
#undef u32x2

struct u32x2 {
  u32 x, y;
};
struct u32x4 {
  u32 x, y, z, w;
};

// All the memory that a launch may ask for. One thread block runs at a time on a thread.
alignas(16) static thread_local u32 played_lds[64 << 8];
#define df11_shared played_lds

#undef DF11_KERNEL
#define DF11_KERNEL(threads, name) static void name
