// The flat form (df11-core/FLAT.md): how eight lanes read a row of it, how it is made from BF16,
// and how it becomes BF16 again.
//
//   positions of a group        0..4  4..8  ...  28..32 | 32..36  36..40 ... 60..64
//   lane of the row               0     1           7        0       1          7
//   its byte of the codes       0..4  4..8       28..32     the same bytes, their high nibbles
//
// A lane's eight weights of a group are those of two runs of four columns, the second 16 columns
// after the first.

#define GROUP 64u
#define ROW_LANES 8u
#define ROW_BLOCK_THREADS 256u
#define ESCAPE 15u
#define NO_GROUP 0xFFFFFFFFu

// A flat matrix in device memory, from one of its rows on.
struct FlatMatrix {
  u64 sign_mantissa;     // of the first row; a multiple of 64, as all sections are
  u64 codes;             // of the first row; a multiple of 32
  u64 row_starts;        // of the first row; a multiple of 4
  u64 escape_columns;    // of the whole matrix
  u64 escape_exponents;  // of the whole matrix
  u64 exponents;         // the table of the header; a multiple of 8
  u32 rows;              // from the first row on
  u32 columns;
  u32 escapes;           // of the whole matrix
  u32 reserved;
};

DF11_DEVICE u32 row_lane() { return thread_index() % ROW_LANES; }
// The row of this thread, where each thread has `rows_each`. The others are `rows_apart` apart.
DF11_DEVICE u32 rows_apart() { return thread_count() / ROW_LANES; }
DF11_DEVICE u32 row_of_thread(u32 rows_each) { return block_index() * rows_apart() * rows_each + thread_index() / ROW_LANES; }
DF11_DEVICE u32 groups_of(u32 columns) { return (columns - 1) / GROUP + 1; }
// The first column of a lane's weights in a group; the fifth's is 16 after it.
DF11_DEVICE u32 first_column(u32 lane) { return 8 * (lane / 4) + 32 * (lane / 2 % 2) + 4 * (lane % 2); }

// Every byte rotated right by one bit: exponents as merge_four takes them.
DF11_DEVICE u32 rotate_bytes(u32 word) { return select_bits(0x7F7F7F7F, word >> 1, word << 7); }

// The table of exponents, as it is in memory.
struct Exponents {
  u32 words[4];

  DF11_DEVICE_MEMBER void load(const FlatMatrix& matrix) {
#pragma unroll
    for (u32 i = 0; i < 4; ++i) words[i] = global_load32(exponents, matrix.exponents + 4 * i);
  }
  // The same to look up in, as merge_four takes exponents.
  DF11_DEVICE_MEMBER Sixteen table() const {
    u32 rotated[4];
#pragma unroll
    for (u32 i = 0; i < 4; ++i) rotated[i] = rotate_bytes(words[i]);
    return sixteen_of(rotated);
  }
};

// Where the escapes of a row are in the list, whatever the row starts say.
struct Listed {
  u32 first, end;
};
DF11_DEVICE Listed listed_of(const FlatMatrix& matrix, u32 row) {
  const u32 first = global_load32(row_start, matrix.row_starts + 4ull * row), end = global_load32(row_start, matrix.row_starts + 4ull * row + 4);
  return Listed{first, end < matrix.escapes ? end : matrix.escapes};
}

// The escapes of a row, from the next one on. The lanes of the row have eight of the list, one
// each, and the eight after these are being loaded. All lanes of a warp do the same, each for its
// row.
struct Escapes {
  u32 at, end;  // numbers in the list: of the next one, and after the last
  u32 cursor;   // which of the eight is the next one
  u32 group;    // its group, or NO_GROUP
  u32 column;   // its column
  u32 columns[2], exponents[2];  // the lane's one of the eight, and of the eight after them

  DF11_DEVICE_MEMBER void load(const FlatMatrix& matrix, u32 eight, u32 further) {
    const u64 number = (u64)at + further + row_lane();
    columns[eight] = exponents[eight] = 0;
    if (number < end) {
      columns[eight] = global_load32(escape_column, matrix.escape_columns + 4 * number);
      exponents[eight] = global_load8(escape_exponent, matrix.escape_exponents + number);
    }
  }
  // Goes to this number of the list. `begin` must follow, before anything else is asked.
  DF11_DEVICE_MEMBER void go_to(const FlatMatrix& matrix, u32 number) {
    at = number;
    cursor = 0;
    load(matrix, 0, 0);
    load(matrix, 1, ROW_LANES);
  }
  DF11_DEVICE_MEMBER u32 of_next(u32 value) const { return shuffle(value, (thread_index() & (DF11_WARP - ROW_LANES)) + cursor); }
  DF11_DEVICE_MEMBER void begin() {
    column = of_next(columns[0]);
    group = at < end ? column / GROUP : NO_GROUP;
  }
  // Goes to the next one, if `is` says so.
  DF11_DEVICE_MEMBER void advance(const FlatMatrix& matrix, bool is) {
    if (is) {
      ++at;
      if (++cursor == ROW_LANES) {
        cursor = 0;
        columns[0] = columns[1];
        exponents[0] = exponents[1];
        load(matrix, 1, ROW_LANES);
      }
    }
    begin();
  }
};

// A lane's piece of a group.
struct FlatPiece {
  u32 codes;
  u32 low;   // signs and mantissas of the positions in the lower half of the group
  u32 high;  // and in the upper half
};

DF11_DEVICE FlatPiece load_flat(u64 sign_mantissa, u64 codes) {
  FlatPiece piece;
  piece.codes = stream_load32(flat_codes, codes);
  piece.low = stream_load32(flat_bytes, sign_mantissa);
  piece.high = stream_load32(flat_bytes, sign_mantissa + 32);
  return piece;
}

// An exponent of this lane that escapes, and the bytes of the lane's exponents of a group that it
// takes the place of.
struct Escaped {
  u32 low, high, exponent;  // masks of the lower and the upper half, and the exponent in its place

  DF11_DEVICE_MEMBER void put(u32& low_exponents, u32& high_exponents) const {
    low_exponents = select_bits(low, exponent, low_exponents);
    high_exponents = select_bits(high, exponent, high_exponents);
  }
};

// The next escape of the row; no bytes if it is another lane's.
DF11_DEVICE Escaped escaped_of(const Escapes& escapes) {
  const u32 exponent = escapes.of_next(escapes.exponents[0]);
  const u32 column = escapes.column % GROUP, lane = column % 16 / 8 * 4 + column / 32 * 2 + column % 8 / 4;
  const u32 shift = 8 * (column % 4), mask = lane == row_lane() ? 0xFFu << shift : 0;
  const bool is_low = column % 32 < 16;
  return Escaped{is_low ? mask : 0, is_low ? 0 : mask, rotate_bytes(exponent) << shift};
}

// Puts the escaped exponents of a group in the place of those that code 15 gave.
DF11_DEVICE void put_escapes(const FlatMatrix& matrix, Escapes& escapes, u32 group, u32& low, u32& high) {
#pragma unroll 1
  while (warp_any(escapes.group == group)) {
    DF11_RUN(escape)
    const bool is = escapes.group == group;
    const Escaped escaped = escaped_of(escapes);
    if (is) escaped.put(low, high);
    escapes.advance(matrix, is);
  }
}

// A place of shared memory for each exponent, with its code. The caller must follow with a barrier.
DF11_DEVICE void load_codes(u64 exponents) {
  u32 code = 0;
#pragma unroll 1
  while (code < ESCAPE && global_load8(exponents, exponents + code) != thread_index()) ++code;
  shared_store(code, 4 * thread_index(), code);
}

// Rows of BF16 words that are made flat, into the sections of a matrix of as many rows.
struct Flatten {
  u64 words;   // a multiple of 2
  u64 counts;  // the number of escapes of each row, u32
  FlatMatrix matrix;
};

// A row's weight of this column.
DF11_DEVICE u32 load_word(const Flatten& flatten, u32 row, u32 column) {
  return global_load16(word, flatten.words + 2 * ((u64)row * flatten.matrix.columns + column));
}

// Counts the escapes of each row.
DF11_KERNEL(ROW_BLOCK_THREADS, df11_flat_count)(DF11_PARAMETER Flatten flatten) {
  load_codes(flatten.matrix.exponents);
  barrier(codes);
  const u32 row = row_of_thread(1), columns = flatten.matrix.columns;
  u32 count = 0;
  if (row < flatten.matrix.rows) {
#pragma unroll 1
    for (u64 column = row_lane(); column < columns; column += ROW_LANES) {
      const u32 word = load_word(flatten, row, (u32)column);
      count += shared_load(code, 4 * (word >> 7 & 0xFF)) == ESCAPE;
    }
  }
#pragma unroll
  for (u32 by = 1; by < ROW_LANES; by *= 2) count += shuffle_xor(count, by);
  if (row_lane() == 0 && row < flatten.matrix.rows) global_store32(count, flatten.counts + 4ull * row, count);
}

// Writes signs and mantissas, codes, and the lists of escapes. The row starts are there.
DF11_KERNEL(ROW_BLOCK_THREADS, df11_flat_write)(DF11_PARAMETER Flatten flatten) {
  const FlatMatrix& matrix = flatten.matrix;
  load_codes(matrix.exponents);
  barrier(codes);
  const u32 row = row_of_thread(1), lane = row_lane(), groups = groups_of(matrix.columns);
  const bool is_row = row < matrix.rows;
  u32 next = is_row ? global_load32(row_start, matrix.row_starts + 4ull * row) : 0;
#pragma unroll 1
  for (u32 group = 0; group < groups; ++group) {
    u32 codes = 0, bytes[2] = {0, 0}, exponents[8], escaped[2] = {0, 0};
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
      const u32 within = first_column(lane) + 16 * (i / 4) + i % 4;
      const u64 column = (u64)GROUP * group + within;
      exponents[i] = 0;
      if (!is_row || column >= matrix.columns) continue;
      const u32 word = load_word(flatten, row, (u32)column);
      exponents[i] = word >> 7 & 0xFF;
      const u32 code = shared_load(code, 4 * exponents[i]);
      codes |= code << (8 * (i % 4) + 4 * (i / 4));
      bytes[i / 4] |= ((word >> 8 & 0x80) | (word & 0x7F)) << 8 * (i % 4);
      if (code == ESCAPE) escaped[within / 32] |= 1u << within % 32;
    }
    if (is_row) {
      const u64 place = (u64)groups * row + group;
      global_store32(flat_codes, matrix.codes + 32 * place + 4 * lane, codes);
      global_store32(flat_bytes, matrix.sign_mantissa + 64 * place + 4 * lane, bytes[0]);
      global_store32(flat_bytes, matrix.sign_mantissa + 64 * place + 32 + 4 * lane, bytes[1]);
    }
    if (!warp_any((escaped[0] | escaped[1]) != 0)) continue;
    u32 all[2] = {escaped[0], escaped[1]};
#pragma unroll
    for (u32 by = 1; by < ROW_LANES; by *= 2) {
      all[0] |= shuffle_xor(all[0], by);
      all[1] |= shuffle_xor(all[1], by);
    }
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
      const u32 within = first_column(lane) + 16 * (i / 4) + i % 4, bit = 1u << within % 32;
      if ((escaped[within / 32] & bit) == 0) continue;
      const u32 at = next + (within < 32 ? 0 : count_bits(all[0])) + count_bits(all[within / 32] & (bit - 1));
      global_store32(escape_column, matrix.escape_columns + 4ull * at, GROUP * group + within);
      global_store8(escape_exponent, matrix.escape_exponents + at, exponents[i]);
    }
    next += count_bits(all[0]) + count_bits(all[1]);
  }
}

// Writes weights `first` to `end` of the matrix, counted from its first row, to `out` (a multiple
// of 2).
DF11_KERNEL(ROW_BLOCK_THREADS, df11_flat_expand)(DF11_PARAMETER FlatMatrix matrix, u64 out, u64 first, u64 end) {
  const u32 row = row_of_thread(1), lane = row_lane(), groups = groups_of(matrix.columns);
  const bool is_row = row < matrix.rows;
  const u32 read = is_row ? row : matrix.rows - 1;
  Exponents exponents;
  exponents.load(matrix);
  const Sixteen table = exponents.table();
  const Listed listed = listed_of(matrix, read);
  Escapes escapes;
  escapes.end = listed.end;
  escapes.go_to(matrix, listed.first);
  escapes.begin();
#pragma unroll 1
  for (u32 group = 0; group < groups; ++group) {
    const u64 place = (u64)groups * read + group;
    const FlatPiece piece = load_flat(matrix.sign_mantissa + 64 * place + 4 * lane, matrix.codes + 32 * place + 4 * lane);
    u32 low, high, words[4];
    look_up(table, piece.codes, low, high);
    put_escapes(matrix, escapes, group, low, high);
    merge_four(low, piece.low, words[0], words[1]);
    merge_four(high, piece.high, words[2], words[3]);
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
      const u64 column = (u64)GROUP * group + first_column(lane) + 16 * (i / 4) + i % 4, weight = (u64)row * matrix.columns + column;
      if (is_row && column < matrix.columns && weight >= first && weight < end) global_store16(word, out + 2 * (weight - first), words[i / 2] >> 16 * (i % 2) & 0xFFFF);
    }
  }
}
