// The functions that the Rust side calls.

#include <sys/mman.h>
#include <unistd.h>

#include "machine.h"

extern "C" bool df11_shim_launch(machine::Launch* launch) { return machine::launch(*launch); }

namespace {
size_t page() { return size_t(sysconf(_SC_PAGESIZE)); }
size_t inner(size_t bytes) { return (bytes + page() - 1) / page() * page(); }
}  // namespace

// Maps `bytes` bytes between two pages without access. The bytes end less than `align` bytes before
// the second page, and begin at a multiple of `align`. `begin` and `all` are the address and size
// of the whole mapping. Pages that nobody touches take no memory.
extern "C" unsigned char* df11_shim_map(size_t bytes, size_t align, size_t* begin, size_t* all) {
  const size_t middle = inner(bytes + align);
  *all = middle + 2 * page();
  void* got = mmap(nullptr, *all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  *begin = reinterpret_cast<size_t>(got);
  unsigned char* first = static_cast<unsigned char*>(got) + page();
  if (mprotect(first, middle, PROT_READ | PROT_WRITE) != 0) return nullptr;
  return first + (middle - bytes) / align * align;
}

extern "C" void df11_shim_unmap(size_t begin, size_t all) { munmap(reinterpret_cast<void*>(begin), all); }
