// What the fake drivers share: fake_cuda.cpp and fake_hip.cpp are fronts with one vendor's names on it.
//
// Device memory is this process's memory, a launch runs the kernel on the machine, at once. Copies and launches into a stream are done when they are asked for, in
// that order. Memory and handles belong to the device that was current when they were made, and are known to no other. Any call can be made to fail
// (df11_fake_fail), and what was not given back is counted (df11_fake_live). Only what the backends call is here: whatever else is asked for is missing, and says so.

#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "machine.h"


namespace {

// The numbers are the same in CUresult and hipError_t.
enum Result : int { SUCCESS = 0, INVALID_VALUE = 1, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILED = 719 };

const int NO_CURRENT = -1;

enum class Kind { stream, event, module };

struct Handle {
  Kind kind;
  int device;
};

struct Piece {
  size_t bytes;
  int device;
};

struct Fake {
  std::mutex lock;
  std::string failing;
  int countdown = 0, code = 0;
  std::map<u64, Piece> memory;  // device and page-locked, by first byte
  std::map<void*, Handle> handles;
  int others = 0;               // contexts, programs
  u64 calls = 0;
};
Fake fake;
thread_local int current = NO_CURRENT;

// Whether this call is to fail, and with what.
Result enter(const char* name, bool needs_device) {
  ++fake.calls;
  if (fake.failing == name && --fake.countdown == 0) return Result(fake.code);
  if (needs_device && current == NO_CURRENT) return INVALID_CONTEXT;
  return SUCCESS;
}

bool owns(u64 address, size_t bytes) {
  auto after = fake.memory.upper_bound(address);
  if (after == fake.memory.begin()) return false;
  --after;
  return after->second.device == current && address + bytes <= after->first + after->second.bytes;
}

Result take(u64* address, size_t bytes) {
  void* got = nullptr;
  if (bytes == 0 || posix_memalign(&got, 256, bytes) != 0) return INVALID_VALUE;
  std::memset(got, 0xA5, bytes);
  *address = reinterpret_cast<u64>(got);
  fake.memory[*address] = {bytes, current};
  return SUCCESS;
}

Result give(u64 address) {
  auto found = fake.memory.find(address);
  if (found == fake.memory.end() || found->second.device != current) return INVALID_VALUE;
  fake.memory.erase(found);
  std::free(reinterpret_cast<void*>(address));
  return SUCCESS;
}

bool is(Kind kind, void* handle) {
  auto found = fake.handles.find(handle);
  return found != fake.handles.end() && found->second.kind == kind && found->second.device == current;
}

Result make(Kind kind, void** handle) {
  *handle = std::malloc(1);
  fake.handles[*handle] = {kind, current};
  return SUCCESS;
}

Result end(Kind kind, void* handle) {
  if (!is(kind, handle)) return INVALID_HANDLE;
  fake.handles.erase(handle);
  std::free(handle);
  return SUCCESS;
}

Result copy(void* to, const void* from, size_t bytes, u64 on_device, void* stream) {
  if (!is(Kind::stream, stream) || !owns(on_device, bytes)) return INVALID_VALUE;
  std::memcpy(to, from, bytes);
  return SUCCESS;
}

Result fill(u64 to, unsigned char value, size_t bytes, void* stream) {
  if (!is(Kind::stream, stream) || !owns(to, bytes)) return INVALID_VALUE;
  std::memset(reinterpret_cast<void*>(to), value, bytes);
  return SUCCESS;
}

struct Function {
  const char* name;
  unsigned number;
  size_t sizes[6];  // of its parameters, which lie one behind the other in its arguments
};
Function functions[] = {{"df11_decode", 0, {40 * 88, 4, 4, 4}}, {"df11_gather", 1, {88, 8, 4, 4, 4}}};

bool names_all_functions(const std::string& text) {
  for (const Function& function : functions) {
    if (text.find(function.name) == std::string::npos) return false;
  }
  return true;
}

Result find_function(void** function, const char* name) {
  for (Function& candidate : functions) {
    if (std::strcmp(candidate.name, name) == 0) {
      *function = &candidate;
      return SUCCESS;
    }
  }
  return NOT_FOUND;
}

int resident_blocks(int threads, size_t shared) { return int(shared <= 48 << 10 ? 1024 / threads : 0); }

struct Extent {
  unsigned x, y, z;
};

typedef void (*Kernel)(const void* arguments);

Result run(void* function, Kernel (*kernel)(unsigned number), unsigned warp, Extent grid, Extent threads, unsigned shared, void* stream, void** parameters,
           void** extra) {
  if (!is(Kind::stream, stream) || grid.x == 0 || grid.y * grid.z * threads.y * threads.z != 1 || threads.x == 0 || threads.x > 1024 || shared > 48 << 10 || extra) return INVALID_VALUE;
  const Function& of = *static_cast<Function*>(function);
  alignas(16) char arguments[4096] = {};
  size_t at = 0;
  for (unsigned i = 0; i < 6 && of.sizes[i] != 0; at += of.sizes[i++]) std::memcpy(arguments + at, parameters[i], of.sizes[i]);
  machine::Launch launch = {};
  launch.kernel = kernel(of.number);
  launch.arguments = arguments;
  launch.grid = grid.x;
  launch.threads = threads.x;
  launch.shared_bytes = shared;
  launch.warp = warp;
  launch.seed = fake.calls;
  if (machine::launch(launch)) return SUCCESS;
  fprintf(stderr, "%s: %s\n", of.name, launch.message);
  return LAUNCH_FAILED;
}

}  // namespace

#define ENTER(name, needs_device)             \
  std::lock_guard<std::mutex> guard(fake.lock); \
  if (Result failed = enter(name, needs_device)) return failed

extern "C" {

void df11_fake_fail(const char* name, int nth, int code) {
  std::lock_guard<std::mutex> guard(fake.lock);
  fake.failing = name;
  fake.countdown = nth;
  fake.code = code;
}

// Whether the call that was to fail was made.
bool df11_fake_failed() {
  std::lock_guard<std::mutex> guard(fake.lock);
  return !fake.failing.empty() && fake.countdown <= 0;
}

// What was not given back.
int df11_fake_live() {
  std::lock_guard<std::mutex> guard(fake.lock);
  return int(fake.memory.size() + fake.handles.size()) + fake.others;
}

}  // extern "C"
