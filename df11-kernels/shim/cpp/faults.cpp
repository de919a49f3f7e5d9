// Kernels with mistakes that a GPU would not report. A test checks that the machine finds each.

#include "machine.h"

namespace {

// Thread 0 reads what thread 1 writes, with no barrier between them.
void missing_barrier(const void*) {
  if (machine::thread() == 1) machine::shared_store<u32>(machine::site("store"), 0, 1);
  if (machine::thread() == 0) machine::shared_load<u32>(machine::site("load"), 0);
}
void barrier_for_some(const void*) {
  if (machine::thread() < 100) machine::barrier(machine::site("some"));
}
void two_barriers(const void*) { machine::barrier(machine::site(machine::thread() < 100 ? "left" : "right")); }
void two_shuffles(const void*) { machine::exchange(machine::site(machine::thread() % 2 ? "odd" : "even"), 0, 0); }
void past_shared_memory(const void*) { machine::shared_load<u32>(machine::site("past"), 4 * machine::thread()); }
void misaligned(const void*) { machine::shared_load<u32>(machine::site("askew"), 2); }
void without_end(const void*) {
  for (;;) machine::shared_load<u8>(machine::site("again"), 0);
}
}  // namespace

extern "C" void (*df11_shim_fault(unsigned number))(const void*) {
  void (*const all[])(const void*) = {missing_barrier, barrier_for_some, two_barriers, two_shuffles, past_shared_memory, misaligned, without_end};
  return number < sizeof all / sizeof *all ? all[number] : nullptr;
}
