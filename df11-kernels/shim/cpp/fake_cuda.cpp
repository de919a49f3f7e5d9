// A libcuda.so.1 without a GPU: fake_driver.h under NVIDIA's names.

#include "fake_driver.h"

extern "C" Kernel df11_shim_kernel_32(unsigned number);

namespace {
const int OUT_OF_MEMORY = 2;
int contexts[8], devices = 1, major = 8, minor = 0;

// PTX is text, a cubin is ELF.
std::string text_of(const void* image) {
  const char* bytes = static_cast<const char*>(image);
  return std::memcmp(bytes, "\x7F" "ELF", 4) == 0 ? std::string(bytes, elf_bytes(image)) : std::string(bytes);
}
}  // namespace

extern "C" {

void df11_fake_cuda_devices(int count, int capability_major, int capability_minor) {
  std::lock_guard<std::mutex> guard(calls.lock);
  devices = count;
  major = capability_major;
  minor = capability_minor;
}

int cuGetErrorName(int error, const char** name) {
  *name = error == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : nullptr;
  return *name != nullptr ? SUCCESS : INVALID_VALUE;
}
int cuInit(unsigned) {
  ENTER("cuInit", false);
  return devices > 0 ? SUCCESS : NO_DEVICE;
}
// NVIDIA's libraries ask each other for tables through this. NVRTC of CUDA 13 accepts a refusal,
// but the function must exist.
int cuGetExportTable(const void**, const void*) {
  ENTER("cuGetExportTable", false);
  return NOT_FOUND;
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
int cuDriverGetVersion(int* version) {
  ENTER("cuDriverGetVersion", false);
  *version = 12000;
  return SUCCESS;
}
int cuDeviceGetName(char* name, int size, int device) {
  ENTER("cuDeviceGetName", false);
  snprintf(name, size_t(size), "GPU %d played on the processor", device);
  return SUCCESS;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  ENTER("cuDeviceGetAttribute", false);
  *value = attribute == 75 ? major : attribute == 76 ? minor : attribute == 16 ? 2 : 0;
  return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
  ENTER("cuDevicePrimaryCtxRetain", false);
  ++calls.others;
  *context = &contexts[device];
  return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  ENTER("cuDevicePrimaryCtxRelease", false);
  --calls.others;
  return SUCCESS;
}
int cuCtxSetCurrent(void* context) {
  ENTER("cuCtxSetCurrent", false);
  const int* found = static_cast<int*>(context);
  current = found >= contexts && found < contexts + devices ? int(found - contexts) : NO_CURRENT;
  return SUCCESS;
}
int cuCtxGetCurrent(void** context) {
  ENTER("cuCtxGetCurrent", false);
  *context = current == NO_CURRENT ? nullptr : &contexts[current];
  return SUCCESS;
}
int cuCtxSynchronize() {
  ENTER("cuCtxSynchronize", true);
  return synchronize_all();
}
int cuModuleLoadData(void** module, const void* image) {
  ENTER("cuModuleLoadData", true);
  return load_module(module, image, text_of(image));
}
int cuModuleUnload(void* module) {
  ENTER("cuModuleUnload", true);
  return unload(module);
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
  ENTER("cuModuleGetFunction", true);
  return find_function(function, module, name);
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
int cuMemcpyDtoH_v2(void* to, u64 from, size_t bytes) {
  ENTER("cuMemcpyDtoH", true);
  return copy_now(to, from, bytes);
}
int cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoHAsync", true);
  return copy(to, reinterpret_cast<const void*>(from), bytes, from, stream);
}
int cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoDAsync", true);
  if (!owns(from, bytes)) return INVALID_VALUE;
  return copy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes, to, stream);
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
  return synchronize(stream);
}
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  ENTER("cuStreamWaitEvent", true);
  return wait_event(stream, event);
}
int cuStreamBeginCapture_v2(void* stream, int) {
  ENTER("cuStreamBeginCapture", true);
  return begin_capture(stream);
}
int cuStreamEndCapture(void* stream, void** graph) {
  ENTER("cuStreamEndCapture", true);
  return end_capture(stream, graph);
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  ENTER("cuGraphInstantiate", true);
  return instantiate(executable, graph);
}
int cuGraphLaunch(void* executable, void* stream) {
  ENTER("cuGraphLaunch", true);
  return launch_graph(executable, stream);
}
int cuGraphExecDestroy(void* executable) {
  ENTER("cuGraphExecDestroy", true);
  return end(Kind::graph, executable);
}
int cuGraphDestroy(void* graph) {
  ENTER("cuGraphDestroy", true);
  return end(Kind::graph, graph);
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
  return record(event, stream);
}
int cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  ENTER("cuEventElapsedTime", true);
  *milliseconds = float(timeline.at(to) - timeline.at(from));
  return is(Kind::event, from) && is(Kind::event, to) ? SUCCESS : INVALID_HANDLE;
}
int cuLaunchKernel(void* function, unsigned grid, unsigned grid_y, unsigned grid_z, unsigned threads, unsigned threads_y, unsigned threads_z,
                   unsigned shared, void* stream, void** parameters, void** extra) {
  ENTER("cuLaunchKernel", true);
  return run(function, df11_shim_kernel_32, 32, {grid, grid_y, grid_z}, {threads, threads_y, threads_z}, shared, stream, parameters, extra);
}

}  // extern "C"
