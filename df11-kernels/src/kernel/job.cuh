// The parameters of a launch: one Job per unit (or part of a unit), the units' tables, and the
// errors they report. jobs.rs and tables.rs mirror this file, and their tests compare every number
// here. No file has an #include: run-time compilers have no headers; source.rs joins the files.

// A unit in device memory, and the window of its weights to decode.
struct Job {
  u64 stream;         // address of encoded_exponent; fast if a multiple of 8
  u64 sign_mantissa;  // fast if aligned alike with the output (`phase` in decode.cuh)
  u64 gaps;
  u64 positions;      // output_positions
  u64 tables;         // TABLE_WORDS words, a multiple of 16
  u64 out;            // `end - first` BF16 words; a multiple of 2
  u64 status;         // a u32 that the host set to 0; a multiple of 4
  u32 stream_bytes;   // below 2^31
  u32 weights;        // of the whole unit
  u32 blocks;         // of the whole unit
  u32 first;          // the window, in weights
  u32 end;
  u32 first_block;    // the blocks that hold the window, to end_block
  u32 end_block;
  u32 launch_block;   // number of first_block among all blocks of the launch
};

// The jobs of a launch are its parameters. So there is no memory to allocate or copy, and the
// fields are constants to the multiprocessor. Every driver accepts 4 KiB of parameters.
#define LAUNCH_JOBS 40
struct Jobs {
  Job job[LAUNCH_JOBS];
};

// Bits of the status word. STATUS_POSITIONS: output positions fall, pass the end, give a block more
// weights than the launch was prepared for, or give the window to other blocks.
#define STATUS_STREAM 1u     // the stream contradicts gaps or output positions, or holds no code
#define STATUS_POSITIONS 2u  // the output positions are wrong
#define STATUS_ROW 4u        // a row to gather does not exist

#define BLOCK_CHUNKS 512u
#define BLOCK_THREADS 256u
#define LANE_CHUNKS 2u
#define LANE_BITS 128u
#define CHUNK_BITS 64u
#define BLOCK_GAP_BYTES 320u

// An entry of the table. The next INDEX_BITS bits of the stream select it:
//
//   31    27 26 24 23      16 15  12 11   8 7    4 3    0
//   [length][count][  rare   ][ 4th ][ 3rd ][ 2nd ][ 1st ]
//
// An entry has up to four exponents. A nibble names each, as the byte-permute instruction takes it:
// 0..3 are the four commonest exponents, 4, 5, 7 the next three, and 6 is the byte `rare`. So one
// instruction makes four exponents from an entry. `length` bits code all of them. A negative length
// means that no code of at most INDEX_BITS bits matches. Then the low byte is the first of the long
// codes that begin with these bits, and the next 9 bits are their number. Exponents are kept
// rotated right by one bit, as the merge needs them.
#define INDEX_BITS 11u
#define TABLE_ENTRIES 2048u
#define RARE_NIBBLES 0x6666u
// A long code has two words: its bits, left-aligned; and its length in the low byte with its
// exponent in the third byte.
#define LONG_CODES 256u
// In words: the entries, the long codes, the seven common exponents (4 + 3), their lengths (4 + 3).
#define TABLE_WORDS (TABLE_ENTRIES + 2u * LONG_CODES + 4u)

// Shared memory, in bytes: the tables, one word per warp for counts and one for first exponents,
// then the exponents of a block.
#define SHARED_LONG (4u * TABLE_ENTRIES)
#define SHARED_COMMON (SHARED_LONG + 8u * LONG_CODES)
#define SHARED_TOTALS (SHARED_COMMON + 16u)
#define SHARED_FIRSTS (SHARED_TOTALS + 64u)
#define SHARED_STAGE 10496u
// Exponents start up to 127 bytes into the stage, and the last word is written whole.
#define STAGE_SLACK 136u
