// The kernels of df11-kernels, compiled for the machine: through host.h, which checks and counts,
// or through hip.h. Built once for each of these and each DF11_WARP.

#include "machine.h"

namespace {
#ifdef DF11_HIP
#include "hip_on_host.h"
#else
#include "../../src/vendor/host.h"
#endif
#include "../../src/kernel/job.cuh"
#include "../../src/kernel/lane.cuh"
#include "../../src/kernel/decode.cuh"
#include "../../src/kernel/launch.cuh"
#include "../../src/kernel/plain.cuh"

struct Decode {
  Jobs jobs;
  u32 job_count, blocks, stage_bytes;
};
void run_decode(const void* given) {
  const Decode& arguments = *static_cast<const Decode*>(given);
  df11_decode(arguments.jobs, arguments.job_count, arguments.blocks, arguments.stage_bytes);
}

struct Gather {
  Job job;
  u64 rows;
  u32 row_count, row_weights, stage_bytes;
};
void run_gather(const void* given) {
  const Gather& arguments = *static_cast<const Gather*>(given);
  df11_gather(arguments.job, arguments.rows, arguments.row_count, arguments.row_weights, arguments.stage_bytes);
}

struct Plain {
  u64 luts, stream, sign_mantissa, positions, gaps, out;
  u32 tables, stream_bytes, weights;
};
void run_plain(const void* given) {
  const Plain& arguments = *static_cast<const Plain*>(given);
  df11_plain(arguments.luts, arguments.stream, arguments.sign_mantissa, arguments.positions, arguments.gaps, arguments.out, arguments.tables,
             arguments.stream_bytes, arguments.weights);
}

#define JOINED(name, width) name##width
#define NAME(name, width) JOINED(name, width)

#ifdef DF11_HIP
#define PREFIX df11_shim_kernel_hip_
#else
#define PREFIX df11_shim_kernel_
#endif

}  // namespace

// The kernel of this number for this warp width, or null.
extern "C" void (*NAME(PREFIX, DF11_WARP)(unsigned number))(const void*) {
  return number == 0 ? run_decode : number == 1 ? run_gather : number == 2 ? run_plain : nullptr;
}
