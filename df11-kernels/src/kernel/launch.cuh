// The entry points.

// Copies a unit's tables into shared memory. The caller must follow with a barrier.
DF11_DEVICE void load_tables(u64 tables) {
#pragma unroll
  for (u32 k = 0; k < (4 * TABLE_WORDS + 16 * BLOCK_THREADS - 1) / (16 * BLOCK_THREADS); ++k) {
    DF11_AT(tables, k)
    DF11_RUN(tables)
    const u32 at = 16 * thread_index() + k * 16 * BLOCK_THREADS;
    if (at < 4 * TABLE_WORDS) shared_store128(tables, at, global_load128(tables, tables + at));
  }
}

// Reports weights of the window before its first block, or after its last: nothing would write
// them.
DF11_DEVICE void check_window(const Job& job, bool outside) {
  if (outside && thread_index() == 0) report(job.status, STATUS_POSITIONS);
}

// Decodes the windows of `job_count` jobs, `blocks` blocks in all. Each job has at least one block.
// Thread block i takes the i-th part of the blocks.
DF11_KERNEL(256, df11_decode)(DF11_PARAMETER Jobs jobs, u32 job_count, u32 blocks, u32 stage_bytes) {
  const u32 part = blocks / grid_size(), more = blocks % grid_size(), index = block_index();
  u32 at = index * part + (index < more ? index : more);
  const u32 end = at + part + (index < more ? 1 : 0);
  u32 low = 0, high = job_count;
  while (high - low > 1) {
    u32 middle = (low + high) / 2;
    if (jobs.job[middle].launch_block <= at) low = middle;
    else high = middle;
  }
  for (u32 number = low; number < job_count && at < end; ++number) {
    const Job& job = jobs.job[number];
    load_tables(job.tables);
    u32 block = job.first_block + (at - job.launch_block);
    const u32 left = end - at, stop = job.end_block - block < left ? job.end_block : block + left;
    at += stop - block;
    u32 position = load_position(job, block);
    const Lanes lanes = lanes_of(job);
    Chunks chunks = load_chunks(job, lanes, block), next = chunks;
    Store store = {job.out, job.first};
    check_window(job, block == job.first_block && position > job.first);
    barrier(tables);
    for (; block < stop; ++block) {
      u32 end;
      decode_block(job, lanes, block, position, chunks, stage_bytes, block + 1 < stop, next, end, store);
      position = end;
      chunks = next;
    }
    check_window(job, block == job.end_block && position < job.end);
  }
}

// Gathers rows of a matrix, which is the job's window. For each of the `row_count` numbers in
// `rows` (u32, in device memory), it decodes the row of that number, one row after the other. A row
// has `row_weights` weights. The job's blocks are not used.
DF11_KERNEL(256, df11_gather)(DF11_PARAMETER Job all, u64 rows, u32 row_count, u32 row_weights, u32 stage_bytes) {
  Job job = all;
  const u64 out = job.out;
  const u32 matrix = job.first, matrix_end = job.end;
  const Lanes lanes = lanes_of(job);
  load_tables(job.tables);
  barrier(tables);
  for (u64 number = block_index(); number < row_count; number += grid_size()) {
    // At most 2^64 - 1, whatever the numbers are.
    const u64 first = matrix + (u64)global_load32(rows, rows + 4 * number) * row_weights;
    if (first + row_weights > matrix_end) {
      if (thread_index() == 0) report(job.status, STATUS_ROW);
      continue;
    }
    job.first = (u32)first;
    job.end = job.first + row_weights;
    job.out = out + 2 * number * row_weights;
    // The last block that begins at or before the row. Blocks without weights are after it.
    u32 low = 0, high = job.blocks;
    while (high - low > 1) {
      u32 middle = (low + high) / 2;
      if (load_position(job, middle) <= job.first) low = middle;
      else high = middle;
    }
    Store store = {job.out, job.first};
    for (u32 block = low, position = load_position(job, low); block < job.blocks && position < job.end; ++block) {
      Chunks chunks = load_chunks(job, lanes, block), none = chunks;
      u32 end;
      decode_block(job, lanes, block, position, chunks, stage_bytes, false, none, end, store);
      position = end;
    }
  }
}
