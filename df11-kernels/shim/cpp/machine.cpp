#include "machine.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "fiber.h"

#if defined(__x86_64__) && !defined(DF11_UCONTEXT)
asm(R"(
.text
.globl df11_switch
.hidden df11_switch
df11_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#endif

namespace machine {
namespace {

// Most accesses of one thread between two barriers or warp operations. A walk through a lane's
// chunks takes a few thousand.
const u64 MOST_ACCESSES = 200'000;
const size_t STACK_BYTES = 64 << 10;

std::mutex names_lock;
std::deque<std::string> names;

// These stand in for a lane: an operation over all lanes.
const u32 ANY = ~0u, TOTAL = ~1u;

enum class Wait : u8 { none, barrier, warp, done };

struct Event {
  u32 step;
  int site;
  u32 turn;  // how often this lane has been at (site, step) before
  u32 lane;
  Space space;
  u32 bytes;
  u64 at;
  auto instruction() const { return std::tie(step, site, turn, space); }
};

struct Thread {
  Fiber fiber;
  Wait wait = Wait::none;
  int site = -1;
  u32 step = 0;
  u64 accesses = 0;
  u32 value = 0, lane = 0;  // brought to, and then got from, a warp operation
  std::map<std::pair<int, u32>, u32> turns;
};

// Who touched a shared byte last, and in which stretch between barriers.
struct Touch {
  u32 written_in = 0, read_in = 0;
  u16 writer = 0, reader = 0;
};
const u16 SEVERAL = 0xFFFF;

struct Machine {
  Launch* launch;
  u32 block = 0, running = 0;
  u64 random;
  Fiber scheduler;
  std::unique_ptr<char[]> stacks;
  std::vector<Thread> threads;
  std::vector<u32> ready;
  std::vector<u8> shared;
  std::vector<Touch> touches;
  u32 stretch = 1;
  std::vector<std::vector<Event>> events;  // by warp
  std::map<std::pair<int, Space>, Count> counts;
  bool failed = false;

  u64 draw() {  // splitmix64
    u64 z = random += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  bool counting() const { return launch->counts != nullptr; }
  void fail(const char* format, ...) __attribute__((format(printf, 2, 3)));
  [[noreturn]] void stop();
  void yield(Wait wait, int site);
  void release(u32 from, u32 to);
  void meet_warp(u32 warp);
  void meet_barrier();
  void note(Space space, int site, u64 at, u32 bytes);
  void settle(u32 warp);
  void touch(u32 at, u32 bytes, bool store, int site);
  bool run_block();
};

thread_local Machine* current = nullptr;

const char* name_of(int site) {
  std::lock_guard<std::mutex> guard(names_lock);
  return site < 0 ? "?" : names[site].c_str();
}

void Machine::fail(const char* format, ...) {
  if (failed) return;
  failed = true;
  char text[200];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  snprintf(launch->message, sizeof launch->message, "thread block %u: %s", block, text);
}

// Leaves a fiber for good, because its launch has failed.
void Machine::stop() {
  yield(Wait::done, -1);
  abort();
}

void Machine::yield(Wait wait, int site) {
  Thread& thread = threads[running];
  thread.wait = wait;
  thread.site = site;
  thread.accesses = 0;
  Fiber::swap(thread.fiber, scheduler);
}

void Machine::release(u32 from, u32 to) {
  for (u32 i = from; i < to; ++i) {
    threads[i].wait = Wait::none;
    ready.push_back(i);
  }
}

// If the last lane of a warp has come to a warp operation: exchange.
void Machine::meet_warp(u32 warp) {
  const u32 from = warp * launch->warp, to = from + launch->warp;
  for (u32 i = from; i < to; ++i) {
    if (threads[i].wait != Wait::warp) return;
  }
  for (u32 i = from; i < to; ++i) {
    if (threads[i].site != threads[from].site) {
      return fail("lanes of warp %u are at different operations: %s and %s", warp, name_of(threads[from].site), name_of(threads[i].site));
    }
  }
  std::vector<u32> values(launch->warp);
  for (u32 i = from; i < to; ++i) values[i - from] = threads[i].value;
  const u32 total = std::accumulate(values.begin(), values.end(), 0u);
  const u32 any = std::any_of(values.begin(), values.end(), [](u32 value) { return value != 0; });
  for (u32 i = from; i < to; ++i) {
    const u32 lane = threads[i].lane;
    threads[i].value = lane == TOTAL ? total : lane == ANY ? any : values[lane];
  }
  launch->shuffles += threads[from].lane < launch->warp;
  settle(warp);
  release(from, to);
}

// Nobody can run: either all threads wait at one barrier, or something is wrong.
void Machine::meet_barrier() {
  u32 waiting = 0, done = 0, in_warps = 0, first = 0;
  for (u32 i = 0; i < launch->threads; ++i) {
    const Thread& thread = threads[i];
    if (thread.wait == Wait::barrier) {
      if (waiting++ == 0) first = i;
      if (thread.site != threads[first].site) return fail("threads wait at different barriers: %s and %s", name_of(threads[first].site), name_of(thread.site));
    }
    done += thread.wait == Wait::done;
    in_warps += thread.wait == Wait::warp;
  }
  if (waiting == launch->threads) {
    ++launch->barriers;
    ++stretch;
    for (u32 warp = 0; warp < launch->threads / launch->warp; ++warp) settle(warp);
    return release(0, launch->threads);
  }
  fail("not every thread comes to the same place: %u wait at barrier %s, %u at warp operations, %u have ended", waiting,
       waiting > 0 ? name_of(threads[first].site) : "-", in_warps, done);
}

void Machine::note(Space space, int site, u64 at, u32 bytes) {
  if (++threads[running].accesses > MOST_ACCESSES) {
    fail("a loop without end at %s", name_of(site));
    stop();
  }
  if (!counting()) return;
  Thread& thread = threads[running];
  u32 turn = thread.turns[{site * 8 + int(space), thread.step}]++;
  events[running / launch->warp].push_back({thread.step, site, turn, running % launch->warp, space, bytes, at});
}

u64 shared_wavefronts(std::vector<u64>& places, u32 bytes) {
  // Rule 2. `places` are the addresses of lanes, in lane order.
  const u32 lanes = bytes <= 4 ? 32 : 128 / bytes;
  u64 wavefronts = 0;
  for (size_t from = 0; from < places.size(); from += lanes) {
    std::vector<u64> words;
    for (size_t i = from; i < std::min(places.size(), from + lanes); ++i) {
      for (u32 byte = 0; byte < std::max(bytes, 4u); byte += 4) words.push_back((places[i] + byte) / 4);
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    u64 banks[32] = {};
    for (u64 word : words) ++banks[word % 32];
    wavefronts += *std::max_element(banks, banks + 32);
  }
  return wavefronts;
}

u64 pieces(const std::vector<u64>& places, u32 bytes, u64 size) {
  std::vector<u64> found;
  for (u64 place : places) {
    for (u64 piece = place / size; piece <= (place + bytes - 1) / size; ++piece) found.push_back(piece);
  }
  std::sort(found.begin(), found.end());
  return std::unique(found.begin(), found.end()) - found.begin();
}

// Groups what the lanes of a warp did since they last met into warp instructions.
void Machine::settle(u32 warp) {
  if (!counting()) return;
  std::vector<Event>& list = events[warp];
  std::sort(list.begin(), list.end(), [](const Event& a, const Event& b) {
    return a.instruction() != b.instruction() ? a.instruction() < b.instruction() : a.lane < b.lane;
  });
  for (size_t from = 0, to; from < list.size(); from = to) {
    const Event& first = list[from];
    std::vector<u64> places;
    for (to = from; to < list.size() && list[to].instruction() == first.instruction(); ++to) places.push_back(list[to].at);
    Count& count = counts[{first.site, first.space}];
    count.space = u32(first.space);
    ++count.warp_instructions;
    if (first.space == Space::region) continue;
    if (first.space == Space::shared_load || first.space == Space::shared_store) {
      count.wavefronts += shared_wavefronts(places, first.bytes);
    } else {
      count.wavefronts += pieces(places, first.bytes, 128);
      count.sectors += pieces(places, first.bytes, 32);
    }
  }
  list.clear();
  for (u32 i = warp * launch->warp; i < (warp + 1) * launch->warp; ++i) threads[i].turns.clear();
}

void Machine::touch(u32 at, u32 bytes, bool store, int site) {
  const u16 me = u16(running);
  for (u32 i = at; i < at + bytes; ++i) {
    Touch& touch = touches[i];
    const bool written = touch.written_in == stretch && touch.writer != me, read = touch.read_in == stretch && touch.reader != me;
    if (written || (store && read)) {
      fail("shared byte %u is touched by threads %u and %u with no barrier between, at %s", i, written ? touch.writer : touch.reader, me, name_of(site));
      stop();
    }
    if (store) {
      touch.written_in = stretch;
      touch.writer = me;
    } else {
      touch.reader = touch.read_in == stretch && touch.reader != me ? SEVERAL : me;
      touch.read_in = stretch;
    }
  }
}

void enter() {
  Machine& machine = *current;
  machine.launch->kernel(machine.launch->arguments);
  machine.yield(Wait::done, -1);
  abort();
}

bool Machine::run_block() {
  for (u8& byte : shared) byte = u8(draw());
  std::fill(touches.begin(), touches.end(), Touch());
  stretch = 1;
  ready.clear();
  for (u32 i = 0; i < launch->threads; ++i) {
    threads[i].fiber.start(stacks.get() + i * STACK_BYTES, STACK_BYTES, enter);
    threads[i].step = 0;
  }
  release(0, launch->threads);
  for (;;) {
    while (!ready.empty()) {
      size_t pick = draw() % ready.size();
      running = ready[pick];
      ready[pick] = ready.back();
      ready.pop_back();
      Fiber::swap(scheduler, threads[running].fiber);
      if (failed) return false;
      if (threads[running].wait == Wait::warp) meet_warp(running / launch->warp);
      if (failed) return false;
    }
    if (std::all_of(threads.begin(), threads.end(), [](const Thread& t) { return t.wait == Wait::done; })) break;
    meet_barrier();
    if (failed) return false;
  }
  for (u32 warp = 0; warp < launch->threads / launch->warp; ++warp) settle(warp);
  return true;
}

}  // namespace

int site(const char* name) {
  std::lock_guard<std::mutex> guard(names_lock);
  auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return int(found - names.begin());
  names.push_back(name);
  return int(names.size()) - 1;
}

void at(u32 step) { current->threads[current->running].step = step; }
void run(int site) { current->note(Space::region, site, 0, 0); }
u32 thread() { return current->running; }
u32 block() { return current->block; }
u32 grid() { return current->launch->grid; }
u32 threads() { return current->launch->threads; }

u32 up_to_32(u32 n) {
  if (n > 32) {
    current->fail("a shift by %u", n);
    current->stop();
  }
  return n;
}

u32 down(u32 by) {
  const u32 warp = current->launch->warp, lane = current->running % warp;
  return lane + by < warp ? lane + by : lane;
}

void barrier(int site) { current->yield(Wait::barrier, site); }

static u32 meet(int site, u32 value, u32 lane) {
  Machine& machine = *current;
  const u32 me = machine.running;
  machine.threads[me].value = value;
  machine.threads[me].lane = lane;
  machine.yield(Wait::warp, site);
  return machine.threads[me].value;
}
u32 exchange(int site, u32 value, u32 lane) { return meet(site, value, lane); }
bool any(int site, bool is) { return meet(site, is, ANY) != 0; }
u32 total(int site, u32 value) { return meet(site, value, TOTAL); }

void* shared(int site, u32 at, u32 bytes, bool store) {
  Machine& machine = *current;
  if (at % bytes != 0 || at > machine.launch->shared_bytes || bytes > machine.launch->shared_bytes - at) {
    machine.fail("%u shared bytes at %u of %u, at %s", bytes, at, machine.launch->shared_bytes, name_of(site));
    machine.stop();
  }
  machine.touch(at, bytes, store, site);
  machine.note(store ? Space::shared_store : Space::shared_load, site, at, bytes);
  return &machine.shared[at];
}

void global(int site, u64 at, u32 bytes, bool store) {
  Machine& machine = *current;
  if (at % bytes != 0) {
    machine.fail("a misaligned global access of %u bytes at %s", bytes, name_of(site));
    machine.stop();
  }
  machine.note(store ? Space::global_store : Space::global_load, site, at, bytes);
}

void global_or(u64 at, u32 bits) {
  global(site("report"), at, 4, true);
  *reinterpret_cast<u32*>(at) |= bits;
}

bool launch(Launch& launch) {
  launch.message[0] = 0;
  launch.found_counts = 0;
  launch.barriers = launch.shuffles = 0;
  Machine machine;
  machine.launch = &launch;
  machine.random = launch.seed;
  machine.stacks.reset(new char[launch.threads * STACK_BYTES]);
  machine.threads.resize(launch.threads);
  machine.shared.resize(launch.shared_bytes);
  machine.touches.resize(launch.shared_bytes);
  machine.events.resize(launch.threads / launch.warp);
  Machine* before = current;
  current = &machine;
  for (machine.block = 0; machine.block < launch.grid && !machine.failed; ++machine.block) machine.run_block();
  current = before;
  if (machine.counting()) {
    for (auto& [key, count] : machine.counts) {
      if (launch.found_counts == launch.most_counts) break;
      snprintf(count.name, sizeof count.name, "%s", name_of(key.first));
      launch.counts[launch.found_counts++] = count;
    }
  }
  return !machine.failed;
}

}  // namespace machine
