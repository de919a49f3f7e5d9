// A libamdhip64.so without a GPU: fake_driver.h under AMD's names. It plays a machine with devices
// of both wavefront sizes. Each takes only code objects for its own instruction set and wavefront
// size. As in ROCm up to 5, the run-time compiler is part of it. It compiles nothing, and records
// what it was asked for.

#define FIRST_CURRENT 0

#include "fake_compiler.h"
#include "fake_driver.h"

extern "C" Kernel df11_shim_kernel_hip_32(unsigned number);
extern "C" Kernel df11_shim_kernel_hip_64(unsigned number);

namespace {

const int OUT_OF_MEMORY = 2, NO_BINARY = 209;

struct Device {
  std::string target;  // the name in ISAS, up to the first colon
  unsigned wavefront;
};
std::vector<Device> devices = {{"gfx1030", 32}, {"gfx90a:sramecc+:xnack-", 64}, {"gfx1100", 32}, {"gfx942:sramecc+:xnack-", 64}, {"gfx1036", 32}};
int visible = 5;

// The low byte of the flags of an AMDGPU ELF file.
const std::map<std::string, unsigned char> ISAS = {{"gfx90a", 0x3F}, {"gfx942", 0x4C}, {"gfx1030", 0x36}, {"gfx1100", 0x41}, {"gfx1036", 0x45}};
const char WAVEFRONT[] = ".wavefront_size";  // in the notes, followed by the number as a byte

unsigned char isa_of(const std::string& target) {
  auto found = ISAS.find(target.substr(0, target.find(':')));
  return found == ISAS.end() ? 0 : found->second;
}

}  // namespace

extern "C" {

void df11_fake_hip_devices(int count) {
  std::lock_guard<std::mutex> guard(calls.lock);
  visible = count;
}
void df11_fake_hip_device(int device, const char* target, unsigned wavefront) {
  std::lock_guard<std::mutex> guard(calls.lock);
  devices[size_t(device)] = {target, wavefront};
}

const char* hipGetErrorName(int error) {
  return error == NO_DEVICE ? "hipErrorNoDevice" : error == OUT_OF_MEMORY ? "hipErrorOutOfMemory" : error == NO_BINARY ? "hipErrorNoBinaryForGpu" : nullptr;
}
int hipInit(unsigned) {
  ENTER("hipInit", false);
  return visible > 0 ? SUCCESS : NO_DEVICE;
}
int hipGetDeviceCount(int* count) {
  ENTER("hipGetDeviceCount", false);
  *count = visible;
  return SUCCESS;
}
int hipDeviceGet(int* device, int ordinal) {
  ENTER("hipDeviceGet", false);
  *device = ordinal;
  return ordinal < visible ? SUCCESS : INVALID_DEVICE;
}
int hipDeviceGetName(char* name, int size, int device) {
  ENTER("hipDeviceGetName", false);
  snprintf(name, size_t(size), "GPU %d played on the processor", device);
  return SUCCESS;
}
int hipDeviceGetAttribute(int* value, int attribute, int device) {
  ENTER("hipDeviceGetAttribute", false);
  *value = attribute == 87 ? int(devices[size_t(device)].wavefront) : attribute == 63 ? 2 : 0;
  return SUCCESS;
}
// The place and size are those of ROCm 6 and later.
int hipGetDevicePropertiesR0600(char* properties, int device) {
  ENTER("hipGetDevicePropertiesR0600", false);
  std::memset(properties, 0, 1472);
  snprintf(properties, 256, "GPU %d played on the processor", device);
  snprintf(properties + 1160, 256, "%s", devices[size_t(device)].target.c_str());
  return SUCCESS;
}
int hipSetDevice(int device) {
  ENTER("hipSetDevice", false);
  if (device < 0 || device >= visible) return INVALID_DEVICE;
  current = device;
  return SUCCESS;
}
int hipGetDevice(int* device) {
  ENTER("hipGetDevice", false);
  *device = current;
  return SUCCESS;
}
int hipDeviceSynchronize() {
  ENTER("hipDeviceSynchronize", true);
  return synchronize_all();
}
int hipMalloc(u64* address, size_t bytes) {
  ENTER("hipMalloc", true);
  return take(address, bytes);
}
int hipFree(u64 address) {
  ENTER("hipFree", true);
  return give(address);
}
int hipHostMalloc(void** address, size_t bytes, unsigned flags) {
  ENTER("hipHostMalloc", true);
  u64 got = 0;
  Result result = flags == 0 ? take(&got, bytes) : INVALID_VALUE;
  *address = reinterpret_cast<void*>(got);
  return result;
}
int hipHostFree(void* address) {
  ENTER("hipHostFree", true);
  return give(reinterpret_cast<u64>(address));
}
int hipMemcpyHtoDAsync(u64 to, const void* from, size_t bytes, void* stream) {
  ENTER("hipMemcpyHtoDAsync", true);
  return copy(reinterpret_cast<void*>(to), from, bytes, to, stream);
}
int hipMemcpyDtoH(void* to, u64 from, size_t bytes) {
  ENTER("hipMemcpyDtoH", true);
  return copy_now(to, from, bytes);
}
int hipMemcpyDtoHAsync(void* to, u64 from, size_t bytes, void* stream) {
  ENTER("hipMemcpyDtoHAsync", true);
  return copy(to, reinterpret_cast<const void*>(from), bytes, from, stream);
}
int hipMemsetD8Async(u64 to, unsigned char value, size_t bytes, void* stream) {
  ENTER("hipMemsetD8Async", true);
  return fill(to, value, bytes, stream);
}
int hipStreamCreateWithFlags(void** stream, unsigned flags) {
  ENTER("hipStreamCreateWithFlags", true);
  return flags == 1 ? make(Kind::stream, stream) : INVALID_VALUE;
}
int hipStreamDestroy(void* stream) {
  ENTER("hipStreamDestroy", true);
  return end(Kind::stream, stream);
}
int hipStreamSynchronize(void* stream) {
  ENTER("hipStreamSynchronize", true);
  return synchronize(stream);
}
int hipStreamWaitEvent(void* stream, void* event, unsigned flags) {
  ENTER("hipStreamWaitEvent", true);
  return flags == 0 ? wait_event(stream, event) : INVALID_VALUE;
}
int hipStreamBeginCapture(void* stream, int) {
  ENTER("hipStreamBeginCapture", true);
  return begin_capture(stream);
}
int hipStreamEndCapture(void* stream, void** graph) {
  ENTER("hipStreamEndCapture", true);
  return end_capture(stream, graph);
}
int hipGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  ENTER("hipGraphInstantiate", true);
  return instantiate(executable, graph);
}
int hipGraphLaunch(void* executable, void* stream) {
  ENTER("hipGraphLaunch", true);
  return launch_graph(executable, stream);
}
int hipGraphExecDestroy(void* executable) {
  ENTER("hipGraphExecDestroy", true);
  return end(Kind::graph, executable);
}
int hipGraphDestroy(void* graph) {
  ENTER("hipGraphDestroy", true);
  return end(Kind::graph, graph);
}
int hipEventCreateWithFlags(void** event, unsigned flags) {
  ENTER("hipEventCreateWithFlags", true);
  return flags == 2 ? make(Kind::event, event) : INVALID_VALUE;
}
int hipEventDestroy(void* event) {
  ENTER("hipEventDestroy", true);
  return end(Kind::event, event);
}
int hipEventRecord(void* event, void* stream) {
  ENTER("hipEventRecord", true);
  return record(event, stream);
}
int hipModuleLoadData(void** module, const void* image) {
  ENTER("hipModuleLoadData", true);
  Header header, expected;
  std::memcpy(&header, image, sizeof header);
  if (std::memcmp(header.ident, expected.ident, 8) != 0 || header.machine != AMDGPU) return INVALID_IMAGE;
  const std::string file(static_cast<const char*>(image), elf_bytes(image));
  const size_t width = file.find(WAVEFRONT);
  if (width == std::string::npos) return INVALID_IMAGE;
  const Device& device = devices[size_t(current)];
  const bool fits = (header.flags & 0xFF) == isa_of(device.target) && unsigned(file[width + sizeof WAVEFRONT - 1]) == device.wavefront;
  return fits ? load_module(module, image, file) : NO_BINARY;
}
int hipModuleUnload(void* module) {
  ENTER("hipModuleUnload", true);
  return unload(module);
}
int hipModuleGetFunction(void** function, void* module, const char* name) {
  ENTER("hipModuleGetFunction", true);
  return find_function(function, module, name);
}
int hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int threads, size_t shared) {
  ENTER("hipModuleOccupancyMaxActiveBlocksPerMultiprocessor", true);
  *blocks = resident_blocks(threads, shared);
  return SUCCESS;
}
int hipModuleLaunchKernel(void* function, unsigned grid, unsigned grid_y, unsigned grid_z, unsigned threads, unsigned threads_y, unsigned threads_z,
                          unsigned shared, void* stream, void** parameters, void** extra) {
  ENTER("hipModuleLaunchKernel", true);
  const unsigned wavefront = devices[size_t(current)].wavefront;
  return run(function, wavefront == 64 ? df11_shim_kernel_hip_64 : df11_shim_kernel_hip_32, wavefront, {grid, grid_y, grid_z}, {threads, threads_y, threads_z}, shared, stream,
             parameters, extra);
}

const char* hiprtcGetErrorString(int result) { return result == COMPILATION ? "HIPRTC_ERROR_COMPILATION" : "another error of hiprtc"; }
int hiprtcCreateProgram(Program** program, const char* source, const char* name, int header_count, const char** headers, const char** header_names) {
  ENTER("hiprtcCreateProgram", false);
  return name && header_count == 0 && !headers && !header_names ? create(program, source) : INVALID_VALUE;
}
int hiprtcCompileProgram(Program* program, int option_count, const char** options) {
  ENTER("hiprtcCompileProgram", false);
  const std::string width = option(option_count, options, "-DDF11_WARP=");
  Header header;
  header.flags = isa_of(option(option_count, options, "--offload-arch="));
  const bool known = header.flags != 0 && (width == "32" || width == "64");
  return compile(program, known, header, known ? std::string(WAVEFRONT) + char(std::stoi(width)) : "");
}
int hiprtcGetProgramLogSize(Program* program, size_t* bytes) {
  ENTER("hiprtcGetProgramLogSize", false);
  return log_size(program, bytes);
}
int hiprtcGetProgramLog(Program* program, char* log) {
  ENTER("hiprtcGetProgramLog", false);
  return get_log(program, log);
}
int hiprtcGetCodeSize(Program* program, size_t* bytes) {
  ENTER("hiprtcGetCodeSize", false);
  return code_size(program, bytes);
}
int hiprtcGetCode(Program* program, char* code) {
  ENTER("hiprtcGetCode", false);
  return get_code(program, code);
}
int hiprtcDestroyProgram(Program** program) {
  ENTER("hiprtcDestroyProgram", false);
  return destroy(program);
}

}  // extern "C"
