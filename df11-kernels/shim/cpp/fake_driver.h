// Shared by the fake drivers: fake_cuda.cpp and fake_hip.cpp put one vendor's names on it.
//
// Device memory is memory of this process, and a launch runs the kernel on the machine at once.
// Copies and launches into a stream are done when they are asked for, in that order. While the
// stream is captured, they are done whenever the graph is launched. During a capture, every call
// that may wait, or take or give memory, is refused and breaks the capture, on any stream and
// thread, as in the strictest of the drivers' modes.
//
// Memory and handles belong to the device that was current when they were made; no other device
// knows them. A device's default stream and each thread's own exist without being made. They are
// played as streams that wait for no other, although real ones wait for some, so nothing can rely
// on that waiting. Streams run in a played time (fake_clock.h), in
// which two streams that use one piece of memory at once are an error. Any call can be made to fail
// (df11_fake_fail), and what was not given back is counted (df11_fake_live). Only the calls that
// the backends, their tests and benches make exist here; any other is missing, and says so.

#pragma once
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <vector>

#include "fake_calls.h"
#include "fake_clock.h"

namespace {

enum class Kind { stream, event, module, graph };

typedef std::function<Result()> Work;

struct Handle {
  Kind kind;
  int device;
  bool captured = false;      // of an event: recorded in the current capture
  std::vector<Work> work = {};  // of a graph
  std::string image = {};       // of a module
  const void* given = nullptr;  // the caller's memory with that image
};

struct Piece {
  size_t bytes;
  int device;
  Uses uses = {};
};

struct Fake {
  std::map<u64, Piece> memory;  // device and page-locked, by first byte
  std::map<void*, Handle> handles;
  void* capturing = nullptr;  // a stream
  bool broken = false;        // the capture is lost
  std::vector<Work> captured;
  int hasty = 0;  // frees of memory that a stream still used
};
Fake fake;

// The piece that holds these bytes of the current device, or null.
Piece* piece_of(u64 address, size_t bytes) {
  auto after = fake.memory.upper_bound(address);
  if (after == fake.memory.begin()) return nullptr;
  --after;
  return after->second.device == current && address + bytes <= after->first + after->second.bytes ? &after->second : nullptr;
}

bool owns(u64 address, size_t bytes) { return piece_of(address, bytes) != nullptr; }

// Refuses what a captured stream cannot wait for or change.
Result refused_while_capturing() {
  if (fake.capturing == nullptr) return SUCCESS;
  fake.broken = true;
  return CAPTURE_UNSUPPORTED;
}

Result take(u64* address, size_t bytes) {
  if (Result refused = refused_while_capturing()) return refused;
  void* got = nullptr;
  if (bytes == 0 || posix_memalign(&got, 256, bytes) != 0) return INVALID_VALUE;
  std::memset(got, 0xA5, bytes);
  *address = reinterpret_cast<u64>(got);
  fake.memory[*address] = {bytes, current};
  return SUCCESS;
}

Result give(u64 address) {
  if (Result refused = refused_while_capturing()) return refused;
  auto found = fake.memory.find(address);
  if (found == fake.memory.end() || found->second.device != current) return INVALID_VALUE;
  if (found->second.uses.busy(timeline.processor)) ++fake.hasty;
  timeline.wait_for_all();
  fake.memory.erase(found);
  std::free(reinterpret_cast<void*>(address));
  return SUCCESS;
}

bool is(Kind kind, void* handle) {
  auto found = fake.handles.find(handle);
  return found != fake.handles.end() && found->second.kind == kind && found->second.device == current;
}

// What a timeline knows a stream by; null for what is none.
void* stream_of(void* stream) {
  const auto PER_THREAD = reinterpret_cast<void*>(2);
  static char by_default[8];
  static thread_local char of_thread[8];
  if (current == NO_CURRENT) return nullptr;
  if (stream == nullptr) return &by_default[current];
  if (stream == PER_THREAD) return &of_thread[current];
  return is(Kind::stream, stream) ? stream : nullptr;
}

Result make(Kind kind, void** handle) {
  *handle = std::malloc(1);
  fake.handles[*handle] = {kind, current};
  return SUCCESS;
}

Result end(Kind kind, void* handle) {
  if (!is(kind, handle)) return INVALID_HANDLE;
  fake.handles.erase(handle);
  timeline.forget(handle);
  std::free(handle);
  return SUCCESS;
}

// Does the work, which takes `time` and touches these bytes, or records it for the graph.
Result submit(void* stream, double time, const std::vector<Touched>& touched, Work work) {
  stream = stream_of(stream);
  if (stream == nullptr) return INVALID_HANDLE;
  if (stream == fake.capturing) {
    fake.captured.push_back(std::move(work));
    return SUCCESS;
  }
  const double begin = timeline.begin(stream);
  for (const Touched& bytes : touched) {
    Piece* piece = piece_of(bytes.address, 1);
    if (piece == nullptr) return INVALID_VALUE;
    if (!piece->uses.add(stream, begin, begin + time, bytes.write)) {
      fprintf(stderr, "two streams at one piece of memory at once\n");
      return LAUNCH_FAILED;
    }
  }
  timeline.end(stream, begin + time);
  return work();
}

Result copy(void* to, const void* from, size_t bytes, u64 on_device, void* stream) {
  if (!owns(on_device, bytes)) return INVALID_VALUE;
  const bool write = reinterpret_cast<u64>(to) == on_device;
  return submit(stream, COPY_TIME, {{on_device, write}}, [=] {
    if (!owns(on_device, bytes)) return INVALID_VALUE;
    std::memmove(to, from, bytes);
    return SUCCESS;
  });
}

// Copies from the device, and returns when that is done. It waits for no stream, as the backends'
// streams do not wait for each other.
Result copy_now(void* to, u64 from, size_t bytes) {
  if (Result refused = refused_while_capturing()) return refused;
  Piece* piece = piece_of(from, bytes);
  if (piece == nullptr) return INVALID_VALUE;
  const double begin = timeline.processor;
  if (!piece->uses.add(nullptr, begin, begin + COPY_TIME, false)) {
    fprintf(stderr, "memory is copied that a stream still writes\n");
    return LAUNCH_FAILED;
  }
  timeline.processor = begin + COPY_TIME;
  std::memmove(to, reinterpret_cast<const void*>(from), bytes);
  return SUCCESS;
}

Result fill(u64 to, unsigned char value, size_t bytes, void* stream) {
  if (!owns(to, bytes)) return INVALID_VALUE;
  return submit(stream, COPY_TIME, {{to, true}}, [=] {
    if (!owns(to, bytes)) return INVALID_VALUE;
    std::memset(reinterpret_cast<void*>(to), value, bytes);
    return SUCCESS;
  });
}

Result synchronize(void* stream) {
  stream = stream_of(stream);
  if (stream == nullptr) return INVALID_HANDLE;
  if (Result refused = refused_while_capturing()) return refused;
  timeline.wait_for(stream);
  return SUCCESS;
}

Result synchronize_all() {
  if (Result refused = refused_while_capturing()) return refused;
  timeline.wait_for_all();
  return SUCCESS;
}

Result record(void* event, void* stream) {
  stream = stream_of(stream);
  if (stream == nullptr || !is(Kind::event, event)) return INVALID_HANDLE;
  fake.handles[event].captured = stream == fake.capturing;
  timeline.end(event, timeline.begin(stream));
  return SUCCESS;
}

// A stream that waits for a captured event would be captured too. That is not played.
Result wait_event(void* stream, void* event) {
  stream = stream_of(stream);
  if (stream == nullptr || !is(Kind::event, event)) return INVALID_HANDLE;
  if (fake.handles[event].captured != (stream == fake.capturing)) {
    fake.broken = true;
    return CAPTURE_ISOLATION;
  }
  timeline.end(stream, std::max(timeline.begin(stream), timeline.at(event)));
  return SUCCESS;
}

Result begin_capture(void* stream) {
  if (!is(Kind::stream, stream)) return INVALID_HANDLE;
  if (Result refused = refused_while_capturing()) return refused;
  fake.capturing = stream;
  fake.broken = false;
  fake.captured.clear();
  return SUCCESS;
}

Result end_capture(void* stream, void** graph) {
  if (stream == nullptr || stream != fake.capturing) return INVALID_HANDLE;
  fake.capturing = nullptr;
  for (auto& [_, handle] : fake.handles) handle.captured = false;
  if (fake.broken) return CAPTURE_INVALIDATED;
  Result made = make(Kind::graph, graph);
  fake.handles[*graph].work = std::move(fake.captured);
  return made;
}

Result instantiate(void** executable, void* graph) {
  if (!is(Kind::graph, graph)) return INVALID_HANDLE;
  Result made = make(Kind::graph, executable);
  fake.handles[*executable].work = fake.handles[graph].work;
  return made;
}

Result launch_graph(void* executable, void* stream) {
  stream = stream_of(stream);
  if (!is(Kind::graph, executable) || stream == nullptr) return INVALID_HANDLE;
  for (const Work& work : fake.handles[executable].work) {
    timeline.end(stream, timeline.begin(stream) + KERNEL_TIME);
    if (Result failed = work()) return failed;
  }
  return SUCCESS;
}

// What a launch touches: addresses among its arguments, by their place. An address of 0 is none.
struct Touch {
  size_t at;
  bool is_written;
};
struct Function {
  const char* name;
  unsigned number;
  std::array<size_t, 9> sizes;  // of its parameters, which follow each other in its arguments
  std::vector<Touch> touches;   // empty for jobs
};
// A flat matrix, rows to make flat, a product: sizes, and places within them.
const size_t MATRIX = 64, FLATTEN = 16 + MATRIX, PRODUCT = MATRIX + 56, WORDS = MATRIX, X = WORDS + 8, BIAS = X + 8, Y = BIAS + 8;
const std::vector<Touch> of_product = {{0, false}, {WORDS, false}, {X, false}, {BIAS, false}, {Y, true}};
// The last is the published kernel's name. The plain kernel plays it. The published kernel counts
// the row of lengths among the tables, the plain one does not.
Function functions[] = {
    {"df11_decode", 0, {40 * 88, 4, 4, 4}, {}},
    {"df11_gather", 1, {88, 8, 4, 4, 4}, {}},
    {"df11_plain", 2, {8, 8, 8, 8, 8, 8, 4, 4, 4}, {{0, false}, {40, true}}},
    {"df11_flat_expand", 3, {MATRIX, 8, 8, 8}, {{0, false}, {MATRIX, true}}},
    {"df11_flat_count", 4, {FLATTEN}, {{0, false}, {8, true}}},
    {"df11_flat_write", 5, {FLATTEN}, {{0, false}, {16, true}}},
    {"df11_product_flat_1", 6, {PRODUCT}, of_product},
    {"df11_product_flat_2", 7, {PRODUCT}, of_product},
    {"df11_product_flat_4", 8, {PRODUCT}, of_product},
    {"df11_product_flat_8", 9, {PRODUCT}, of_product},
    {"df11_product_bf16_1", 10, {PRODUCT}, of_product},
    {"df11_product_bf16_2", 11, {PRODUCT}, of_product},
    {"df11_product_bf16_4", 12, {PRODUCT}, of_product},
    {"df11_product_bf16_8", 13, {PRODUCT}, of_product},
    {"decode", 2, {8, 8, 8, 8, 8, 8, 4, 4, 4}, {{0, false}, {40, true}}},
};
Function& published = functions[sizeof functions / sizeof functions[0] - 1];
const size_t PLAIN_TABLES = 6 * 8;  // place of the number of tables in the arguments
// In a job the unit's address is first. OUT is where its weights go.
const size_t JOB = 88, JOB_COUNT = 40 * JOB, OUT = 40;

u64 address_at(const char* arguments, size_t at) {
  u64 address;
  std::memcpy(&address, arguments + at, sizeof address);
  return address;
}

// What a launch reads and writes.
std::vector<Touched> touched_by(const Function& function, const char* arguments) {
  std::vector<Touched> touched;
  for (const Touch& touch : function.touches) {
    const u64 address = address_at(arguments, touch.at);
    if (address != 0) touched.push_back({address, touch.is_written});
  }
  if (!touched.empty()) return touched;
  u32 jobs = 1;
  if (function.number == 0) std::memcpy(&jobs, arguments + JOB_COUNT, sizeof jobs);
  for (u32 i = 0; i < jobs; ++i) {
    touched.push_back({address_at(arguments, i * JOB), false});
    touched.push_back({address_at(arguments, i * JOB + OUT), true});
  }
  return touched;
}

bool is_of_name(char byte) { return byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z'); }

// Whether a module's image has the function's name as a whole name, not as part of another.
bool names(const std::string& image, const Function& function) {
  const std::string name = function.name;
  for (size_t at = image.find(name); at != std::string::npos; at = image.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || !is_of_name(image[at - 1])) && (end == image.size() || !is_of_name(image[end]))) return true;
  }
  return false;
}

// A module holds the functions that its image names, at least one.
Result load_module(void** module, const void* given, const std::string& image) {
  if (Result refused = refused_while_capturing()) return refused;
  bool any = false;
  for (const Function& function : functions) any = any || names(image, function);
  if (!any) return INVALID_IMAGE;
  Result made = make(Kind::module, module);
  fake.handles[*module].image = image;
  fake.handles[*module].given = given;
  return made;
}

// Anything that runs may belong to the module.
Result unload(void* module) {
  if (timeline.busy()) {
    fprintf(stderr, "a module is unloaded while something runs\n");
    return LAUNCH_FAILED;
  }
  return end(Kind::module, module);
}

Result find_function(void** function, void* module, const char* name) {
  if (!is(Kind::module, module)) return INVALID_HANDLE;
  for (Function& candidate : functions) {
    if (std::strcmp(candidate.name, name) == 0 && names(fake.handles[module].image, candidate)) {
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
  if (grid.x == 0 || grid.y * grid.z * threads.y * threads.z != 1 || threads.x == 0 || threads.x > 1024 || shared > 48 << 10 || extra) return INVALID_VALUE;
  const Function& of = *static_cast<Function*>(function);
  struct alignas(16) Arguments {
    char bytes[4096];
  } arguments = {};
  size_t at = 0;
  for (size_t i = 0; i < of.sizes.size(); at += of.sizes[i++]) {
    if (of.sizes[i] != 0) std::memcpy(arguments.bytes + at, parameters[i], of.sizes[i]);
  }
  if (&of == &published) --*reinterpret_cast<u32*>(arguments.bytes + PLAIN_TABLES);
  return submit(stream, KERNEL_TIME, touched_by(of, arguments.bytes), [=, &of] {
    machine::Launch launch = {};
    launch.kernel = kernel(of.number);
    launch.arguments = arguments.bytes;
    launch.grid = grid.x;
    launch.threads = threads.x;
    launch.shared_bytes = shared;
    launch.warp = warp;
    launch.seed = calls.number;
    if (machine::launch(launch)) return SUCCESS;
    fprintf(stderr, "%s: %s\n", of.name, launch.message);
    return LAUNCH_FAILED;
  });
}

// The size in bytes of a 64-bit ELF image: up to the end of its section table.
size_t elf_bytes(const void* image) {
  struct {
    unsigned char ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, segments, sections;
    u32 flags;
    u16 size, segment_size, segment_count, section_size, section_count, names;
  } header;
  std::memcpy(&header, image, sizeof header);
  return header.sections + size_t(header.section_size) * header.section_count;
}

}  // namespace

extern "C" {

// Until when a stream is busy, in the time of fake_clock.h.
double df11_fake_time(void* stream) {
  std::lock_guard<std::mutex> guard(calls.lock);
  return timeline.begin(stream);
}

// The number of times that the caller freed what the device might still use: memory in use by a
// stream (real drivers wait then, if they can), and images of modules that are loaded.
int df11_fake_hasty() {
  std::lock_guard<std::mutex> guard(calls.lock);
  int hasty = fake.hasty;
  for (auto& [_, handle] : fake.handles) hasty += handle.kind == Kind::module && std::memcmp(handle.given, handle.image.data(), handle.image.size()) != 0;
  return hasty;
}

// The number of things not given back.
int df11_fake_live() {
  std::lock_guard<std::mutex> guard(calls.lock);
  return int(fake.memory.size() + fake.handles.size()) + calls.others;
}

}  // extern "C"
