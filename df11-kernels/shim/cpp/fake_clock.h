// A time in which streams run beside each other, though all is done at once when it is asked for: whatever a stream is given begins when the stream is done with what it has,
// and when the processor, which waits for streams, has got to asking for it. So it can be said what overlaps what, and what ought to have waited.

#pragma once
#include <algorithm>
#include <map>

namespace {

// A decoding takes longer than the copy of its unit: so a copy that does not wait for a decoding is seen to run into it.
const double COPY_TIME = 1, KERNEL_TIME = 3;

struct Timeline {
  double processor = 0, latest = 0;  // until now, and until when anything runs, in streams that are gone too
  std::map<void*, double> done;  // of streams: with what they have; of events: with what was in the stream when they were recorded

  double at(void* handle) const {
    auto found = done.find(handle);
    return found == done.end() ? 0 : found->second;
  }
  double begin(void* stream) const { return std::max(processor, at(stream)); }
  void end(void* handle, double time) {
    done[handle] = time;
    latest = std::max(latest, time);
  }
  void wait_for(void* stream) { processor = begin(stream); }
  void wait_for_all() { processor = std::max(processor, latest); }
  bool busy() const { return latest > processor; }
  void forget(void* handle) { done.erase(handle); }
};
Timeline timeline;

struct Touched {
  unsigned long long address;
  bool write;
};

// Who reads and writes a piece of memory, and until when.
struct Uses {
  void *reader = nullptr, *writer = nullptr;
  double read = 0, written = 0;

  // False if another stream is at it, and one of the two writes.
  bool add(void* stream, double begin, double end, bool write) {
    if (writer != stream && written > begin) return false;
    if (write && reader != stream && read > begin) return false;
    if (write) writer = stream, written = end;
    else reader = stream, read = end;
    return true;
  }
};

}  // namespace
