// The kernels of df11-kernels, compiled for the machine: through host.h, which checks and counts,
// or through hip.h. Built once for each of these and each DF11_WARP.

#include "machine.h"

#include <type_traits>

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
#include "../../src/kernel/flat.cuh"
#include "../../src/kernel/product.cuh"

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

struct Expand {
  FlatMatrix matrix;
  u64 out, first, end;
};
void run_expand(const void* given) {
  const Expand& arguments = *static_cast<const Expand*>(given);
  df11_flat_expand(arguments.matrix, arguments.out, arguments.first, arguments.end);
}

// A kernel of one parameter.
template <class Parameter, void (*kernel)(Parameter)>
void run_one(const void* given) {
  kernel(*static_cast<const std::remove_const_t<Parameter>*>(given));
}

void (*const kernels[])(const void*) = {
    run_decode,
    run_gather,
    run_plain,
    run_expand,
    run_one<const Flatten, df11_flat_count>,
    run_one<const Flatten, df11_flat_write>,
    run_one<const Product, df11_product_flat_1>,
    run_one<const Product, df11_product_flat_2>,
    run_one<const Product, df11_product_flat_4>,
    run_one<const Product, df11_product_flat_8>,
    run_one<const Product, df11_product_bf16_1>,
    run_one<const Product, df11_product_bf16_2>,
    run_one<const Product, df11_product_bf16_4>,
    run_one<const Product, df11_product_bf16_8>,
};

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
  return number < sizeof(kernels) / sizeof(kernels[0]) ? kernels[number] : nullptr;
}
