// What a launch is told: one Job a unit (or a part of one), the units' tables, the errors they report. Mirrored by jobs.rs and tables.rs,
// whose tests compare every number here. No #include anywhere: run-time compilers have no headers; source.rs puts the files together.

// A unit in device memory, and the window of its weights that is wanted.
struct Job {
  u64 stream;         // address of encoded_exponent; fast if a multiple of 8
  u64 sign_mantissa;  // fast if a multiple of 8 together with the output (see `phase` in decode.cuh)
  u64 gaps;
  u64 positions;      // output_positions
  u64 tables;         // TABLE_WORDS words, a multiple of 16
  u64 out;            // BF16 words, `end - first` of them; a multiple of 2
  u64 status;         // u32, set to 0 by the host; a multiple of 4
  u32 stream_bytes;   // below 2^31
  u32 weights;        // of the whole unit
  u32 blocks;         // of the whole unit
  u32 first;          // the window, in weights
  u32 end;
  u32 first_block;    // the blocks that hold the window
  u32 end_block;
  u32 launch_block;   // place of first_block in the numbering of all blocks of the launch
};

// The jobs of a launch travel as its parameters: no memory to allocate or to copy, and fields are constants to the multiprocessor. 4 KiB is what
// every driver takes.
#define LAUNCH_JOBS 40
struct Jobs {
  Job job[LAUNCH_JOBS];
};

// Bits of the status word.
#define STATUS_STREAM 1u     // the stream contradicts gaps or output positions, or holds no code
#define STATUS_POSITIONS 2u  // output positions fall, pass the end, give a block more than the launch was prepared for, or the window to other blocks
#define STATUS_ROW 4u        // a row to gather does not exist

#define BLOCK_CHUNKS 512u
#define BLOCK_THREADS 256u
#define LANE_CHUNKS 2u
#define LANE_BITS 128u
#define CHUNK_BITS 64u
#define BLOCK_GAP_BYTES 320u

// An entry of the table that the next INDEX_BITS bits select:
//
//   31    27 26 24 23      16 15  12 11   8 7    4 3    0
//   [length][count][  rare   ][ 4th ][ 3rd ][ 2nd ][ 1st ]
//
// Up to four exponents, each named by a nibble as the byte-permute instruction takes it: 0..3 the four commonest, 4, 5, 7 the next three, 6 the
// byte `rare`; so one instruction makes four exponents out of an entry. `length` bits code all of them. A negative length: no code of at most
// INDEX_BITS bits; then the low byte is the first, and the next 9 bits the number, of the long codes that begin with these bits.
// Exponents are kept rotated right by one bit, as the merge wants them.
#define INDEX_BITS 11u
#define TABLE_ENTRIES 2048u
#define RARE_NIBBLES 0x6666u
// A long code: its bits, left-aligned, and a word with its length in the low byte and its exponent in the third.
#define LONG_CODES 256u
// Words: the entries, the long codes, the seven common exponents (4 + 3), their lengths (4 + 3).
#define TABLE_WORDS (TABLE_ENTRIES + 2u * LONG_CODES + 4u)

// Shared memory, in bytes: the tables, then one word a warp for counts and first exponents, then the exponents of a block.
#define SHARED_LONG (4u * TABLE_ENTRIES)
#define SHARED_COMMON (SHARED_LONG + 8u * LONG_CODES)
#define SHARED_TOTALS (SHARED_COMMON + 16u)
#define SHARED_FIRSTS (SHARED_TOTALS + 64u)
#define SHARED_STAGE 10496u
// Exponents start up to 127 bytes into the stage, and the last word is written whole.
#define STAGE_SLACK 136u
