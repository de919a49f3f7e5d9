// A played time, in which streams run beside each other although the machine does everything at
// once. Work given to a stream begins when the stream has done its earlier work, and not before the
// processor, which waits for streams, has submitted it. So a test can see what overlaps, and what
// should have waited.

#pragma once
#include <algorithm>
#include <map>

namespace {

// Decoding takes longer than the copy of its unit. So a copy that does not wait for a decoding is
// seen to run into it.
const double COPY_TIME = 1, KERNEL_TIME = 3;

struct Timeline {
  double processor = 0, latest = 0;  // now, and until when any stream runs, gone ones included
  // When a stream has done its work; when an event's stream had done what came before the event.
  std::map<void*, double> done;

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

  bool busy(double now) const { return std::max(read, written) > now; }

  // False if another stream uses it, and one of the two writes.
  bool add(void* stream, double begin, double end, bool write) {
    if (writer != stream && written > begin) return false;
    if (write && reader != stream && read > begin) return false;
    if (write) writer = stream, written = end;
    else reader = stream, read = end;
    return true;
  }
};

}  // namespace
