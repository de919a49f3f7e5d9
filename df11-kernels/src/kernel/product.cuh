// Products y = W x + bias, with the bits that FLAT.md fixes, from flat matrices and from BF16
// words. Eight lanes share a row. Each keeps 8 of the row's 64 partial sums, for all groups of the
// row: so every partial sum is added in the order of columns, and no lane waits for another.
//
//   prologue:    x -> shared memory, as f32, in the order of positions; -0 for the padding
//   each turn:   loads of the next turn's pieces; then, group by group of this turn's,
//                piece -> eight weights of a lane -> fused steps
//   at the end:  the tree of partial sums, by shuffles and within the lane
//
// 1. A turn takes AHEAD groups. Its pieces are in registers, and those of the next turn arrive while
//    it is computed. The turn after a row's last is the first of the thread block's next rows.
// 2. A lane notes the one weight of a turn that escapes, and takes its exponent from the list where
//    its group comes. A turn in which a lane has two is taken with care: every group looks for
//    escapes. So is a turn that is not whole, or is followed by one that is not.
// 3. Lanes of rows after the last take the last row, and store nothing.

// A product of all rows of a matrix with vectors.
struct Product {
  FlatMatrix flat;
  u64 words;    // instead: BF16 words, row after row; a multiple of 2
  u64 x;        // BF16 words, vector after vector; a multiple of 2
  u64 bias;     // an element for each row, or 0; a multiple of its size
  u64 y;        // for vector v and row r, element v * y_rows + r; a multiple of its size
  u32 rows;
  u32 columns;
  u32 vectors;
  u32 y_rows;   // elements of y from one vector to the next
  u32 kinds;    // PRODUCT_ bits
  u32 reserved;
};

// What the words of bias and y are: BF16, else f32.
#define PRODUCT_BIAS_BF16 1u
#define PRODUCT_Y_BF16 2u

#define PRODUCT_THREADS 128
// Most elements of x in shared memory: 32 KiB.
#define CHUNK_VALUES 8192u
#define NEGATIVE_ZERO 0x80000000u

// Four weights from words of two.
DF11_DEVICE void widen(u32 first, u32 second, float* weights) {
  weights[0] = as_float(first << 16);
  weights[1] = as_float(first & 0xFFFF0000);
  weights[2] = as_float(second << 16);
  weights[3] = as_float(second & 0xFFFF0000);
}

// A row of a flat matrix, as a lane reads it.
struct FlatRow {
  typedef FlatPiece Piece;
  typedef Exponents Given;
  typedef Sixteen Table;
  u64 sign_mantissa, codes;  // of the lane's piece of the first group of the next turn
  Listed listed;             // of the next row
  Escapes escapes;
  u32 before;       // the number of the next escape before this turn
  Escaped escaped;  // the lane's one escape of this turn,
  u32 slot;         // in this group of the turn, or NO_GROUP

  static DF11_DEVICE_MEMBER void load(const Product& product, Given& given) { given.load(product.flat); }
  static DF11_DEVICE_MEMBER Table table(const Given& given) { return given.table(); }
  DF11_DEVICE_MEMBER void place(const Product& product, u32 row) {
    const u64 place = (u64)groups_of(product.columns) * row;
    sign_mantissa = product.flat.sign_mantissa + 64 * place + 4 * row_lane();
    codes = product.flat.codes + 32 * place + 4 * row_lane();
  }
  DF11_DEVICE_MEMBER bool is_aligned() const { return true; }
  template <bool CARE>
  DF11_DEVICE_MEMBER Piece load(const Product&, u32 ahead, u32) const {
    return load_flat(sign_mantissa + 64 * ahead, codes + 32 * ahead);
  }
  DF11_DEVICE_MEMBER void step(u32 groups) {
    sign_mantissa += 64 * groups;
    codes += 32 * groups;
  }

  DF11_DEVICE_MEMBER void load_listed(const Product& product, u32 row) { listed = listed_of(product.flat, row); }
  DF11_DEVICE_MEMBER void load_escapes(const Product& product) {
    escapes.end = listed.end;
    escapes.go_to(product.flat, listed.first);
  }
  DF11_DEVICE_MEMBER void begin() { escapes.begin(); }
  // Takes the escapes of a turn. Returns whether one of them has no place.
  DF11_DEVICE_MEMBER bool take_escapes(const Product& product, u32 begin, u32 groups) {
    before = escapes.at;
    escaped = Escaped{0, 0, 0};
    slot = NO_GROUP;
    bool is_left = false;
#pragma unroll 1
    while (warp_any(escapes.group - begin < groups)) {
      DF11_RUN(take_escape)
      const bool is = escapes.group - begin < groups;
      const Escaped next = escaped_of(escapes);
      if (is && (next.low | next.high) != 0) {
        is_left = is_left || slot != NO_GROUP;
        escaped = next;
        slot = escapes.group - begin;
      }
      escapes.advance(product.flat, is);
    }
    return is_left;
  }
  DF11_DEVICE_MEMBER void leave_escapes(const Product& product) {
    escapes.go_to(product.flat, before);
    escapes.begin();
  }
  template <bool CARE>
  DF11_DEVICE_MEMBER void weights(const Product& product, const Table& table, const Piece& piece, u32 begin, u32 ahead, float* weights) {
    u32 low, high, words[4];
    look_up(table, piece.codes, low, high);
    if (CARE) put_escapes(product.flat, escapes, begin + ahead, low, high);
    else if (slot == ahead) escaped.put(low, high);
    merge_four(low, piece.low, words[0], words[1]);
    merge_four(high, piece.high, words[2], words[3]);
    widen(words[0], words[1], weights);
    widen(words[2], words[3], weights + 4);
  }
};

// A row of BF16 words, as a lane reads it.
struct WordRow {
  struct Piece {
    u32 words[4];
  };
  struct Given {};
  struct Table {};
  u64 words;  // of the lane's first weight in the first group of the next turn

  static DF11_DEVICE_MEMBER void load(const Product&, Given&) {}
  static DF11_DEVICE_MEMBER Table table(const Given&) { return Table(); }
  DF11_DEVICE_MEMBER void place(const Product& product, u32 row) { words = product.words + 2 * ((u64)product.columns * row + first_column(row_lane())); }
  DF11_DEVICE_MEMBER bool is_aligned() const { return (words & 7) == 0; }
  template <bool CARE>
  DF11_DEVICE_MEMBER Piece load(const Product& product, u32 ahead, u32 group) const {
    const u64 at = words + 128 * ahead;
    Piece piece;
    if (!CARE) {
      const u32x2 first = stream_load64(words, at), second = stream_load64(words, at + 32);
      piece = Piece{{first.x, first.y, second.x, second.y}};
    } else {
      const u64 column = (u64)GROUP * group + first_column(row_lane());
#pragma unroll
      for (u32 i = 0; i < 8; ++i) {
        const u32 further = 16 * (i / 4) + i % 4, word = column + further < product.columns ? global_load16(word, at + 2 * further) : 0;
        piece.words[i / 2] = i % 2 == 0 ? word : piece.words[i / 2] | word << 16;
      }
    }
    return piece;
  }
  DF11_DEVICE_MEMBER void step(u32 groups) { words += 128 * groups; }

  DF11_DEVICE_MEMBER void load_listed(const Product&, u32) {}
  DF11_DEVICE_MEMBER void load_escapes(const Product&) {}
  DF11_DEVICE_MEMBER void begin() {}
  DF11_DEVICE_MEMBER bool take_escapes(const Product&, u32, u32) { return false; }
  DF11_DEVICE_MEMBER void leave_escapes(const Product&) {}
  template <bool CARE>
  DF11_DEVICE_MEMBER void weights(const Product&, const Table&, const Piece& piece, u32, u32, float* weights) {
    widen(piece.words[0], piece.words[1], weights);
    widen(piece.words[2], piece.words[3], weights + 4);
  }
};

// The column of the first of four elements of x that follow one another in the order of positions.
DF11_DEVICE u64 column_of_quad(u32 quad) {
  return (u64)GROUP * (quad / (GROUP / 4)) + first_column(quad % ROW_LANES) + quad / ROW_LANES % 2 * 16;
}

// Copies groups `first` to `end` of VECTORS vectors into shared memory, in the order of positions.
// Each takes `stride` bytes there. The last vector stands for those after it.
template <u32 VECTORS>
DF11_DEVICE void load_vectors(const Product& product, u32 first_vector, u32 first, u32 end, u32 stride) {
  const u32 quads = (end - first) * (GROUP / 4), threads = thread_count(), last = product.vectors - 1;
  // Rounds of a thread whose loads are underway together.
  const u32 ROUNDS = 8 / VECTORS;
  const u64 from = product.x + 2ull * GROUP * first, row_bytes = 2ull * product.columns;
  if (((product.x >> 1 | product.columns) & 1) == 0 && GROUP * (u64)end <= product.columns) {
#pragma unroll 1
    for (u32 quad = thread_index(); quad < quads; quad += ROUNDS * threads) {
      DF11_RUN(load_vectors)
      u32 pairs[ROUNDS][VECTORS][2];
      // A round has whole groups, so that one is as far from the next as they are long.
      const u64 at = from + 2 * column_of_quad(quad);
#pragma unroll
      for (u32 v = 0; v < VECTORS; ++v) {
        const u64 of_vector = at + row_bytes * (first_vector + v < last ? first_vector + v : last);
#pragma unroll
        for (u32 i = 0; i < ROUNDS; ++i) {
          if (quad + i * threads >= quads) continue;
          pairs[i][v][0] = global_load32(x, of_vector + 8ull * i * threads);
          pairs[i][v][1] = global_load32(x, of_vector + 8ull * i * threads + 4);
        }
      }
#pragma unroll
      for (u32 i = 0; i < ROUNDS; ++i) {
        if (quad + i * threads >= quads) continue;
#pragma unroll
        for (u32 v = 0; v < VECTORS; ++v) {
          const u32 pair = pairs[i][v][0], next = pairs[i][v][1];
          shared_store128(x, v * stride + 16 * (quad + i * threads), (u32x4{pair << 16, pair & 0xFFFF0000, next << 16, next & 0xFFFF0000}));
        }
      }
    }
    return;
  }
#pragma unroll 1
  for (u32 v = 0; v < VECTORS; ++v) {
    const u64 of_vector = from + row_bytes * (first_vector + v < last ? first_vector + v : last);
#pragma unroll 1
    for (u32 element = thread_index(); element < 4 * quads; element += threads) {
      DF11_RUN(load_elements)
      const u64 column = column_of_quad(element / 4) + element % 4;
      const bool is_padding = GROUP * (u64)first + column >= product.columns;
      shared_store(x, v * stride + 4 * element, is_padding ? NEGATIVE_ZERO : global_load16(x, of_vector + 2 * column) << 16);
    }
  }
}

// A turn of the loop.
struct Turn {
  u32 begin, end;            // its groups
  u32 next_begin, next_end;  // those of the next turn, in this row or in the next
  u32 x;                     // where x is in shared memory,
  u32 stride;                // and the bytes of a vector there
};

// The rows of a lane.
template <class Row, u32 ROWS, u32 VECTORS, u32 AHEAD>
struct Tile {
  Row rows[ROWS];
  typename Row::Piece pieces[ROWS][AHEAD];
  float sums[ROWS][VECTORS][8];

  // The rows from this one on, the last one for those after it.
  static DF11_DEVICE_MEMBER u32 row_of(const Product& product, u32 first_row, u32 r) {
    const u32 row = first_row + r * rows_apart();
    return row < product.rows ? row : product.rows - 1;
  }
  DF11_DEVICE_MEMBER void place(const Product& product, u32 first_row) {
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) rows[r].place(product, row_of(product, first_row, r));
  }
  DF11_DEVICE_MEMBER void load_listed(const Product& product, u32 first_row) {
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) rows[r].load_listed(product, row_of(product, first_row, r));
  }
  DF11_DEVICE_MEMBER void load_escapes(const Product& product) {
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) rows[r].load_escapes(product);
  }
  DF11_DEVICE_MEMBER void step() {
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) rows[r].step(AHEAD);
  }
  DF11_DEVICE_MEMBER void load_first(const Product& product, u32 groups) {
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) {
      if (GROUP * AHEAD <= product.columns && rows[r].is_aligned()) {
#pragma unroll
        for (u32 ahead = 0; ahead < AHEAD; ++ahead) pieces[r][ahead] = rows[r].template load<false>(product, ahead, ahead);
      } else {
#pragma unroll
        for (u32 ahead = 0; ahead < AHEAD; ++ahead) {
          if (ahead < groups) pieces[r][ahead] = rows[r].template load<true>(product, ahead, ahead);
        }
      }
    }
    step();
  }
  DF11_DEVICE_MEMBER void begin() {
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) {
      rows[r].begin();
#pragma unroll
      for (u32 v = 0; v < VECTORS; ++v) {
#pragma unroll
        for (u32 i = 0; i < 8; ++i) sums[r][v][i] = 0;
      }
    }
  }
  // Whether a lane of the warp wants the turn to be taken with care.
  DF11_DEVICE_MEMBER bool wants_care(const Product& product, const Turn& turn) {
    // Whole groups of a turn, which has all AHEAD of them or which there is not.
    const u32 whole = product.columns / GROUP;
    bool care = turn.begin + AHEAD > whole || (turn.next_begin < turn.next_end && turn.next_begin + AHEAD > whole);
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) care = rows[r].take_escapes(product, turn.begin, AHEAD) || care || !rows[r].is_aligned();
    care = warp_any(care);
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) {
      if (care) rows[r].leave_escapes(product);
    }
    return care;
  }

  // Loads the pieces of the next turn, then multiplies the groups of this one with x. Without CARE
  // both turns are whole, or the next one is not there, and every escape has its place.
  template <bool CARE>
  DF11_DEVICE_MEMBER void multiply(const Product& product, const typename Row::Table& table, const Turn& turn) {
    typename Row::Piece next[ROWS][AHEAD];
    const bool more = turn.next_begin < turn.next_end;
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) {
#pragma unroll
      for (u32 ahead = 0; ahead < AHEAD; ++ahead) {
        const u32 group = turn.next_begin + ahead;
        if (CARE ? group < turn.next_end : more) next[r][ahead] = rows[r].template load<CARE>(product, ahead, group);
      }
    }
#pragma unroll
    for (u32 ahead = 0; ahead < AHEAD; ++ahead) {
      DF11_AT(multiply, ahead)
      DF11_RUN(multiply)
      if (CARE && turn.begin + ahead >= turn.end) break;
      float weights[ROWS][8];
#pragma unroll
      for (u32 r = 0; r < ROWS; ++r) rows[r].template weights<CARE>(product, table, pieces[r][ahead], turn.begin, ahead, weights[r]);
#pragma unroll
      for (u32 v = 0; v < VECTORS; ++v) {
#pragma unroll
        for (u32 half = 0; half < 2; ++half) {
          const u32x4 x = shared_quad(x, turn.x + v * turn.stride + 4 * GROUP * ahead + 2 * GROUP * half);
#pragma unroll
          for (u32 r = 0; r < ROWS; ++r) {
            const float* of_row = weights[r] + 4 * half;
            float* to = sums[r][v] + 4 * half;
            to[0] = fused(of_row[0], as_float(x.x), to[0]);
            to[1] = fused(of_row[1], as_float(x.y), to[1]);
            to[2] = fused(of_row[2], as_float(x.z), to[2]);
            to[3] = fused(of_row[3], as_float(x.w), to[3]);
          }
        }
      }
    }
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) {
#pragma unroll
      for (u32 ahead = 0; ahead < AHEAD; ++ahead) pieces[r][ahead] = next[r][ahead];
    }
    step();
  }
};

// The tree of FLAT.md, over the lanes of a row. A lane has the sums of columns c to c + 4, and of
// c + 16 to c + 20.
DF11_DEVICE float fold(float* sums) {
  // Columns 32, 8 and 4 further are of the lane 2, 4 and 1 further.
#pragma unroll
  for (u32 i = 0; i < 8; ++i) sums[i] = add(sums[i], as_float(shuffle_xor(as_word(sums[i]), 2)));
#pragma unroll
  for (u32 i = 0; i < 4; ++i) sums[i] = add(sums[i], sums[i + 4]);
#pragma unroll
  for (u32 i = 0; i < 4; ++i) sums[i] = add(sums[i], as_float(shuffle_xor(as_word(sums[i]), 4)));
#pragma unroll
  for (u32 i = 0; i < 4; ++i) sums[i] = add(sums[i], as_float(shuffle_xor(as_word(sums[i]), 1)));
  return add(add(sums[0], sums[2]), add(sums[1], sums[3]));
}

// Adds the bias to a row's sum and writes it.
DF11_DEVICE void store_sum(const Product& product, u32 row, u32 vector, float sum) {
  if (product.bias != 0) {
    const bool is_bf16 = (product.kinds & PRODUCT_BIAS_BF16) != 0;
    sum = add(sum, as_float(is_bf16 ? global_load16(bias, product.bias + 2ull * row) << 16 : global_load32(bias, product.bias + 4ull * row)));
  }
  const u64 index = (u64)vector * product.y_rows + row;
  const bool is_nan = sum != sum;
  const u32 word = is_nan ? 0x7FC00000 : as_word(sum);
  if ((product.kinds & PRODUCT_Y_BF16) != 0) {
    // To the nearest, ties to even. What is not NaN carries to infinity at most.
    global_store16(y, product.y + 2 * index, is_nan ? 0x7FC0 : (word + 0x7FFF + (word >> 16 & 1)) >> 16);
  } else {
    global_store32(y, product.y + 4 * index, word);
  }
}

// ROWS rows for each lane, VECTORS vectors at a time. A thread block takes its rows, then those as
// far on as all thread blocks have rows, and so on.
template <class Row, u32 ROWS, u32 VECTORS, u32 AHEAD>
DF11_DEVICE void multiply(const Product& product) {
  const u32 block_rows = rows_apart() * ROWS, within = thread_index() / ROW_LANES, groups = groups_of(product.columns);
  const u32 most = CHUNK_VALUES / GROUP / VECTORS, stride = 4 * GROUP * (groups < most ? groups : most);
  typename Row::Given given;
  typename Row::Table table;
  Row::load(product, given);
#pragma unroll 1
  for (u32 first_vector = 0; first_vector < product.vectors; first_vector += VECTORS) {
    Tile<Row, ROWS, VECTORS, AHEAD> tile;
    u64 row = (u64)block_index() * block_rows;
    tile.place(product, (u32)row + within);
    tile.load_first(product, groups);
    tile.load_listed(product, (u32)row + within);
    tile.load_escapes(product);
    bool is_first = true;
#pragma unroll 1
    for (;;) {
      const u64 next_row = row + (u64)grid_size() * block_rows;
      const bool is_last = next_row >= product.rows;
      if (!is_last) tile.load_listed(product, (u32)next_row + within);
#pragma unroll 1
      for (u32 first = 0; first < groups; first += most) {
        const u32 end = groups - first < most ? groups : first + most;
        if (is_first || groups > most) {
          barrier(used);
          load_vectors<VECTORS>(product, first_vector, first, end, stride);
          barrier(loaded);
        }
        if (first == 0) {
          // What was loaded before x is here by now.
          if (is_first) table = Row::table(given);
          is_first = false;
          tile.begin();
        }
#pragma unroll 1
        for (u32 begin = first; begin < end; begin += AHEAD) {
          Turn turn = {begin, groups, begin + AHEAD, groups, 4 * GROUP * (begin - first) + 16 * row_lane(), stride};
          const bool care = tile.wants_care(product, turn);
          if (groups - begin <= AHEAD) {
            turn.next_begin = 0;
            turn.next_end = is_last ? 0 : groups;
            if (!is_last) tile.place(product, (u32)next_row + within);
          }
          if (care) {
            tile.template multiply<true>(product, table, turn);
          } else {
            tile.template multiply<false>(product, table, turn);
          }
        }
      }
      if (!is_last) tile.load_escapes(product);
#pragma unroll
      for (u32 r = 0; r < ROWS; ++r) {
        const u64 own = row + within + r * rows_apart();
#pragma unroll
        for (u32 v = 0; v < VECTORS; ++v) {
          const float sum = fold(tile.sums[r][v]);
          if (row_lane() == 0 && own < product.rows && first_vector + v < product.vectors) store_sum(product, (u32)own, first_vector + v, sum);
        }
      }
      if (is_last) break;
      row = next_row;
    }
  }
}

// The kernels, by the vectors that they take at a time, and the thread blocks that a multiprocessor
// must have room for. flat.rs mirrors these lines.
#define PRODUCT(name, Row, rows, vectors, ahead, blocks) \
  DF11_WIDE_KERNEL(PRODUCT_THREADS, blocks, name)(DF11_PARAMETER Product product) { multiply<Row, rows, vectors, ahead>(product); }
PRODUCT(df11_product_flat_1, FlatRow, 1, 1, 8, 3)
PRODUCT(df11_product_flat_2, FlatRow, 1, 2, 4, 4)
PRODUCT(df11_product_flat_4, FlatRow, 1, 4, 4, 3)
PRODUCT(df11_product_flat_8, FlatRow, 1, 8, 2, 3)
PRODUCT(df11_product_bf16_1, WordRow, 1, 1, 8, 3)
PRODUCT(df11_product_bf16_2, WordRow, 1, 2, 4, 4)
PRODUCT(df11_product_bf16_4, WordRow, 1, 4, 4, 3)
PRODUCT(df11_product_bf16_8, WordRow, 1, 8, 2, 3)
