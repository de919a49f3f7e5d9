// Accesses of one warp whose price by the rules of machine.h is known. A test checks that the
// machine counts that price.

#include "machine.h"

namespace {

alignas(128) u8 memory[8192];
u64 base() { return reinterpret_cast<u64>(memory); }

struct Bytes8 {
  u32 words[2];
};
struct Bytes16 {
  u32 words[4];
};

template <class T>
void shared(u32 apart) {
  machine::shared_load<T>(machine::site("pattern"), apart * machine::thread());
}
template <class T>
void global(u64 from, u32 apart) {
  machine::global_load<T>(machine::site("pattern"), base() + from + apart * machine::thread());
}

void row_of_words(const void*) { shared<u32>(4); }
void one_word(const void*) { shared<u32>(0); }
void every_second_word(const void*) { shared<u32>(8); }
void one_bank(const void*) { shared<u32>(128); }
void row_of_bytes(const void*) { shared<u8>(1); }
void row_of_eights(const void*) { shared<Bytes8>(8); }
void row_of_sixteens(const void*) { shared<Bytes16>(16); }
void half_of_the_lanes(const void*) {
  if (machine::thread() % 2 == 0) shared<u32>(4);
}
void a_line(const void*) { global<u32>(0, 4); }
void a_line_askew(const void*) { global<u32>(4, 4); }
void scattered(const void*) { global<u16>(0, 256); }
void row_of_global_sixteens(const void*) { global<Bytes16>(0, 16); }

}  // namespace

extern "C" void (*df11_shim_pattern(unsigned number))(const void*) {
  void (*const all[])(const void*) = {row_of_words,  one_word,        every_second_word, one_bank,     row_of_bytes, row_of_eights,
                                      row_of_sixteens, half_of_the_lanes, a_line,          a_line_askew, scattered,    row_of_global_sixteens};
  return number < sizeof all / sizeof *all ? all[number] : nullptr;
}
