// A libcuda.so.1 without a GPU: device memory is this process's memory, a launch runs the kernel on the machine, at once. Copies and launches into a stream are
// done when they are asked for, in that order. Any call can be made to fail (df11_fake_fail), and what was not given back is counted (df11_fake_live).
// Only what df11-cuda calls is here: whatever else the binding may ask for is missing, and says so.

#include <cstdlib>
#include <cstring>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "machine.h"

extern "C" void (*df11_shim_kernel_32(unsigned number))(const void*);

namespace {

enum Result : int { SUCCESS = 0, INVALID_VALUE = 1, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILED = 719 };

struct Fake {
  std::mutex lock;
  int devices = 1;
  int major = 8, minor = 0;
  std::string failing;
  int countdown = 0, code = 0;
  std::map<u64, size_t> memory;  // device and page-locked, by first byte
  std::set<void*> handles;       // streams, events, modules
  int contexts = 0;
  u64 calls = 0;
};
Fake fake;
thread_local void* current = nullptr;
int the_context;

// Whether this call is to fail, and with what.
Result enter(const char* name, bool needs_context) {
  ++fake.calls;
  if (fake.failing == name && --fake.countdown == 0) return Result(fake.code);
  if (needs_context && current != &the_context) return INVALID_CONTEXT;
  return SUCCESS;
}

bool owns(u64 address, size_t bytes) {
  auto after = fake.memory.upper_bound(address);
  if (after == fake.memory.begin()) return false;
  --after;
  return address + bytes <= after->first + after->second;
}

Result take(u64* address, size_t bytes) {
  void* got = nullptr;
  if (bytes == 0 || posix_memalign(&got, 256, bytes) != 0) return INVALID_VALUE;
  std::memset(got, 0xA5, bytes);
  *address = reinterpret_cast<u64>(got);
  fake.memory[*address] = bytes;
  return SUCCESS;
}

Result give(u64 address) {
  if (fake.memory.erase(address) == 0) return INVALID_VALUE;
  std::free(reinterpret_cast<void*>(address));
  return SUCCESS;
}

Result make_handle(void** handle) {
  *handle = std::malloc(1);
  fake.handles.insert(*handle);
  return SUCCESS;
}

Result end_handle(void* handle) {
  if (fake.handles.erase(handle) == 0) return INVALID_HANDLE;
  std::free(handle);
  return SUCCESS;
}

bool is_stream(void* stream) { return fake.handles.count(stream) != 0; }

struct Function {
  const char* name;
  unsigned number;
  size_t sizes[6];  // of its parameters, which lie one behind the other in its arguments
};
Function functions[] = {{"df11_decode", 0, {40 * 88, 4, 4, 4}}, {"df11_gather", 1, {88, 8, 4, 4, 4}}};

}  // namespace

#define ENTER(name, needs_context)                                    \
  std::lock_guard<std::mutex> guard(fake.lock);                       \
  if (Result failed = enter(name, needs_context)) return failed

extern "C" {

void df11_fake_fail(const char* name, int nth, int code) {
  std::lock_guard<std::mutex> guard(fake.lock);
  fake.failing = name;
  fake.countdown = nth;
  fake.code = code;
}
void df11_fake_device(int devices, int major, int minor) {
  std::lock_guard<std::mutex> guard(fake.lock);
  fake.devices = devices;
  fake.major = major;
  fake.minor = minor;
}
// Allocations, handles and contexts that were not given back.
int df11_fake_live() {
  std::lock_guard<std::mutex> guard(fake.lock);
  return int(fake.memory.size() + fake.handles.size()) + fake.contexts;
}

int cuInit(unsigned) {
  ENTER("cuInit", false);
  return fake.devices > 0 ? SUCCESS : NO_DEVICE;
}
int cuDeviceGetCount(int* count) {
  ENTER("cuDeviceGetCount", false);
  *count = fake.devices;
  return SUCCESS;
}
int cuDeviceGet(int* device, int ordinal) {
  ENTER("cuDeviceGet", false);
  *device = ordinal;
  return ordinal < fake.devices ? SUCCESS : INVALID_DEVICE;
}
int cuDeviceGetName(char* name, int size, int) {
  ENTER("cuDeviceGetName", false);
  snprintf(name, size_t(size), "a GPU played on the processor");
  return SUCCESS;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  ENTER("cuDeviceGetAttribute", false);
  *value = attribute == 75 ? fake.major : attribute == 76 ? fake.minor : attribute == 16 ? 2 : 0;
  return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  ENTER("cuDevicePrimaryCtxRetain", false);
  ++fake.contexts;
  *context = &the_context;
  return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  ENTER("cuDevicePrimaryCtxRelease", false);
  --fake.contexts;
  return SUCCESS;
}
int cuCtxSetCurrent(void* context) {
  ENTER("cuCtxSetCurrent", false);
  current = context;
  return SUCCESS;
}
int cuModuleLoadData(void** module, const void* image) {
  ENTER("cuModuleLoadData", true);
  const char* text = static_cast<const char*>(image);
  for (const Function& function : functions) {
    if (!std::strstr(text, function.name)) return INVALID_IMAGE;
  }
  return make_handle(module);
}
int cuModuleUnload(void* module) {
  ENTER("cuModuleUnload", true);
  return end_handle(module);
}
int cuModuleGetFunction(void** function, void*, const char* name) {
  ENTER("cuModuleGetFunction", true);
  for (Function& candidate : functions) {
    if (std::strcmp(candidate.name, name) == 0) {
      *function = &candidate;
      return SUCCESS;
    }
  }
  return NOT_FOUND;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int threads, size_t shared) {
  ENTER("cuOccupancyMaxActiveBlocksPerMultiprocessor", true);
  *blocks = int(shared <= 48 << 10 ? 1024 / threads : 0);
  return SUCCESS;
}
int cuMemAlloc_v2(u64* address, size_t bytes) {
  ENTER("cuMemAlloc", true);
  return take(address, bytes);
}
int cuMemFree_v2(u64 address) {
  ENTER("cuMemFree", true);
  return give(address);
}
int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  ENTER("cuMemHostAlloc", true);
  u64 got = 0;
  Result result = take(&got, bytes);
  *address = reinterpret_cast<void*>(got);
  return result;
}
int cuMemFreeHost(void* address) {
  ENTER("cuMemFreeHost", true);
  return give(reinterpret_cast<u64>(address));
}
int cuMemcpyHtoDAsync_v2(u64 to, const void* from, size_t bytes, void* stream) {
  ENTER("cuMemcpyHtoDAsync", true);
  if (!is_stream(stream) || !owns(to, bytes)) return INVALID_VALUE;
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoHAsync", true);
  if (!is_stream(stream) || !owns(from, bytes)) return INVALID_VALUE;
  std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  return SUCCESS;
}
int cuMemsetD8Async(u64 to, unsigned char value, size_t bytes, void* stream) {
  ENTER("cuMemsetD8Async", true);
  if (!is_stream(stream) || !owns(to, bytes)) return INVALID_VALUE;
  std::memset(reinterpret_cast<void*>(to), value, bytes);
  return SUCCESS;
}
int cuStreamCreate(void** stream, unsigned) {
  ENTER("cuStreamCreate", true);
  return make_handle(stream);
}
int cuStreamDestroy_v2(void* stream) {
  ENTER("cuStreamDestroy", true);
  return end_handle(stream);
}
int cuStreamSynchronize(void* stream) {
  ENTER("cuStreamSynchronize", true);
  return is_stream(stream) ? SUCCESS : INVALID_HANDLE;
}
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  ENTER("cuStreamWaitEvent", true);
  return is_stream(stream) && fake.handles.count(event) ? SUCCESS : INVALID_HANDLE;
}
int cuEventCreate(void** event, unsigned) {
  ENTER("cuEventCreate", true);
  return make_handle(event);
}
int cuEventDestroy_v2(void* event) {
  ENTER("cuEventDestroy", true);
  return end_handle(event);
}
int cuEventRecord(void* event, void* stream) {
  ENTER("cuEventRecord", true);
  return is_stream(stream) && fake.handles.count(event) ? SUCCESS : INVALID_HANDLE;
}
int cuLaunchKernel(void* function, unsigned grid, unsigned grid_y, unsigned grid_z, unsigned threads, unsigned threads_y, unsigned threads_z,
                   unsigned shared, void* stream, void** parameters, void** extra) {
  ENTER("cuLaunchKernel", true);
  if (!is_stream(stream) || grid == 0 || grid_y * grid_z * threads_y * threads_z != 1 || threads == 0 || threads > 1024 || shared > 48 << 10 || extra) return INVALID_VALUE;
  const Function& of = *static_cast<Function*>(function);
  alignas(16) char arguments[4096] = {};
  size_t at = 0;
  for (unsigned i = 0; i < 6 && of.sizes[i] != 0; at += of.sizes[i++]) std::memcpy(arguments + at, parameters[i], of.sizes[i]);
  machine::Launch launch = {};
  launch.kernel = df11_shim_kernel_32(of.number);
  launch.arguments = arguments;
  launch.grid = grid;
  launch.threads = threads;
  launch.shared_bytes = shared;
  launch.warp = 32;
  launch.seed = fake.calls;
  if (machine::launch(launch)) return SUCCESS;
  fprintf(stderr, "%s: %s\n", of.name, launch.message);
  return LAUNCH_FAILED;
}

}  // extern "C"
