// A GPU played on this processor. A kernel compiled with vendor/host.h runs on it.
//
// Every thread of a thread block is a fiber. A fiber runs until it comes to a barrier or a warp
// operation. The next fiber is drawn at random, so an order that a GPU does not promise is not
// promised here. Thread blocks run one after the other. Errors that a GPU would not report end the
// launch with a message: a barrier that not all threads reach; lanes of a warp at different
// operations; a shared access out of bounds or misaligned; a global access misaligned; two threads
// at one shared byte between two barriers, one of them writing; an access count that only an
// endless loop reaches. Shared memory starts as random bytes. Global addresses are those of this
// process: tests put guard pages around their buffers.
//
// THE RULES OF COUNTING
// 1. A warp instruction is what lanes of a warp do at one site (the name in the source) at one step
//    (DF11_AT: the turn of an unrolled loop), the n-th time since the last barrier or warp
//    operation of the warp. Lanes that take no part do not count, but the instruction does.
// 2. Shared memory has 32 banks of 4 bytes. An access of up to 4 bytes per lane takes as many
//    wavefronts as the busiest bank holds different words. An access of 8 bytes runs by halves of a
//    warp, one of 16 bytes by quarters, and their wavefronts add up.
// 3. A global access takes one wavefront for each 128-byte line that the warp touches. Sectors are
//    the 32-byte pieces that it touches.
// 4. A shuffle takes one wavefront. A vote, a warp's total (one instruction from compute capability
//    8.0 on) and a barrier take none.
// 5. A region (DF11_RUN) counts once for each warp and step in which any lane runs it. Instructions
//    = a region's SASS instructions times that count (ci/gpu/cost.py). Predicated-off lanes and
//    branches are included, as they are issued.

#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

namespace machine {

enum class Space : u8 { shared_load, shared_store, global_load, global_store, region };

int site(const char* name);  // the same number for the same name
void at(u32 step);
void run(int site);
u32 thread();
u32 block();
u32 grid();
u32 threads();
u32 up_to_32(u32 n);
u32 down(u32 by);  // the lane `by` places further, or this lane past the warp's end
void barrier(int site);
u32 exchange(int site, u32 value, u32 lane);
bool any(int site, bool is);
u32 total(int site, u32 value);
void* shared(int site, u32 at, u32 bytes, bool store);       // checked and counted
void global(int site, u64 at, u32 bytes, bool store);        // alignment checked, counted
void global_or(u64 at, u32 bits);

template <class T>
T shared_load(int site, u32 at) {
  T value;
  std::memcpy(&value, shared(site, at, sizeof(T), false), sizeof(T));
  return value;
}
template <class T>
void shared_store(int site, u32 at, T value) {
  std::memcpy(shared(site, at, sizeof(T), true), &value, sizeof(T));
}
template <class T>
T global_load(int site, u64 at) {
  T value;
  global(site, at, sizeof(T), false);
  std::memcpy(&value, reinterpret_cast<const void*>(at), sizeof(T));
  return value;
}
template <class T>
void global_store(int site, u64 at, T value) {
  global(site, at, sizeof(T), true);
  std::memcpy(reinterpret_cast<void*>(at), &value, sizeof(T));
}

// The counts of a launch at one site. `space` is a Space.
struct Count {
  char name[32];
  u32 space;
  u32 reserved;
  u64 warp_instructions;
  u64 wavefronts;
  u64 sectors;
};

struct Launch {
  void (*kernel)(const void* arguments);
  const void* arguments;
  u32 grid;
  u32 threads;
  u32 shared_bytes;
  u32 warp;
  u64 seed;
  Count* counts;      // null: not counted
  u32 most_counts;
  u32 found_counts;   // out
  u64 barriers;       // out: thread blocks times barriers
  u64 shuffles;       // out: warp operations that move values
  char message[256];  // out: empty, or what went wrong
};

// Runs a launch to its end or to its first error. Returns true if it ended well.
bool launch(Launch& launch);

}  // namespace machine
