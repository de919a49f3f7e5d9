// A libcuda.so.1 without a GPU: fake_driver.h under NVIDIA's names.

#include "fake_driver.h"

extern "C" Kernel df11_shim_kernel_32(unsigned number);

namespace {
int the_context, devices = 1, major = 8, minor = 0;
}

extern "C" {

void df11_fake_device(int count, int capability_major, int capability_minor) {
  std::lock_guard<std::mutex> guard(fake.lock);
  devices = count;
  major = capability_major;
  minor = capability_minor;
}

int cuInit(unsigned) {
  ENTER("cuInit", false);
  return devices > 0 ? SUCCESS : NO_DEVICE;
}
int cuDeviceGetCount(int* count) {
  ENTER("cuDeviceGetCount", false);
  *count = devices;
  return SUCCESS;
}
int cuDeviceGet(int* device, int ordinal) {
  ENTER("cuDeviceGet", false);
  *device = ordinal;
  return ordinal < devices ? SUCCESS : INVALID_DEVICE;
}
int cuDeviceGetName(char* name, int size, int) {
  ENTER("cuDeviceGetName", false);
  snprintf(name, size_t(size), "a GPU played on the processor");
  return SUCCESS;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  ENTER("cuDeviceGetAttribute", false);
  *value = attribute == 75 ? major : attribute == 76 ? minor : attribute == 16 ? 2 : 0;
  return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  ENTER("cuDevicePrimaryCtxRetain", false);
  ++fake.others;
  *context = &the_context;
  return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  ENTER("cuDevicePrimaryCtxRelease", false);
  --fake.others;
  return SUCCESS;
}
int cuCtxSetCurrent(void* context) {
  ENTER("cuCtxSetCurrent", false);
  current = context == &the_context ? 0 : NO_CURRENT;
  return SUCCESS;
}
int cuModuleLoadData(void** module, const void* image) {
  ENTER("cuModuleLoadData", true);
  return names_all_functions(static_cast<const char*>(image)) ? make(Kind::module, module) : INVALID_IMAGE;
}
int cuModuleUnload(void* module) {
  ENTER("cuModuleUnload", true);
  return end(Kind::module, module);
}
int cuModuleGetFunction(void** function, void*, const char* name) {
  ENTER("cuModuleGetFunction", true);
  return find_function(function, name);
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int threads, size_t shared) {
  ENTER("cuOccupancyMaxActiveBlocksPerMultiprocessor", true);
  *blocks = resident_blocks(threads, shared);
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
  return copy(reinterpret_cast<void*>(to), from, bytes, to, stream);
}
int cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoHAsync", true);
  return copy(to, reinterpret_cast<const void*>(from), bytes, from, stream);
}
int cuMemsetD8Async(u64 to, unsigned char value, size_t bytes, void* stream) {
  ENTER("cuMemsetD8Async", true);
  return fill(to, value, bytes, stream);
}
int cuStreamCreate(void** stream, unsigned) {
  ENTER("cuStreamCreate", true);
  return make(Kind::stream, stream);
}
int cuStreamDestroy_v2(void* stream) {
  ENTER("cuStreamDestroy", true);
  return end(Kind::stream, stream);
}
int cuStreamSynchronize(void* stream) {
  ENTER("cuStreamSynchronize", true);
  return is(Kind::stream, stream) ? SUCCESS : INVALID_HANDLE;
}
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  ENTER("cuStreamWaitEvent", true);
  return is(Kind::stream, stream) && is(Kind::event, event) ? SUCCESS : INVALID_HANDLE;
}
int cuEventCreate(void** event, unsigned) {
  ENTER("cuEventCreate", true);
  return make(Kind::event, event);
}
int cuEventDestroy_v2(void* event) {
  ENTER("cuEventDestroy", true);
  return end(Kind::event, event);
}
int cuEventRecord(void* event, void* stream) {
  ENTER("cuEventRecord", true);
  return is(Kind::stream, stream) && is(Kind::event, event) ? SUCCESS : INVALID_HANDLE;
}
int cuLaunchKernel(void* function, unsigned grid, unsigned grid_y, unsigned grid_z, unsigned threads, unsigned threads_y, unsigned threads_z,
                   unsigned shared, void* stream, void** parameters, void** extra) {
  ENTER("cuLaunchKernel", true);
  return run(function, df11_shim_kernel_32, 32, {grid, grid_y, grid_z}, {threads, threads_y, threads_z}, shared, stream, parameters, extra);
}

}  // extern "C"
