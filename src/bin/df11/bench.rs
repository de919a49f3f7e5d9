//! `df11 bench`: measures how fast each level encodes and decodes, next to memcpy of the same
//! bytes.
//!
//! All weights of the file form one unit. Nothing is read from disk while the clock runs.
//!
//! - warm: the caller owns every buffer, and has written to each one before.
//! - fresh: the output goes into a new buffer. The time includes the system's work to supply its
//!   pages, but not the work to free it.
//!
//! ```text
//! encode: weights -> histogram, code, tables, stream, index
//! decode: six tensors -> validated, tables derived -> weights
//!
//! for each number of threads, level, output, op:
//!   warm up;  (op, memcpy), (op, memcpy), ... until enough;  the median of each
//! ```
//! memcpy runs between the repetitions, so a machine that changes speed affects both alike.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use df11::Model;
use df11::reader::Matrix;
use df11::shown::shown;
use df11_core::{Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts};

use crate::exit::{Failure, Outcome, Verdict};
use crate::options::{Machine, pool};
use crate::terminal::{Terminal, grouped, size};

/// 128 MiB of BF16: more than the cache of a processor holds.
const MOST_WEIGHTS: usize = 64 << 20;
/// Odd, so the median is one of the measured times.
const FEWEST_REPETITIONS: usize = 21;
const MOST_REPETITIONS: usize = 1001;
/// Short operations repeat for at least this long.
const MEASURED: Duration = Duration::from_millis(500);

/// Measure how fast a file's weights encode and decode, at every level, on 1 thread and on all
/// threads, next to memcpy on 1 thread
///
/// GB/s means 1e9 bytes of BF16 per second; each figure is a median. The output goes into a buffer
/// that was written before (warm) or into a new one (fresh). At most 64 Mi weights of the file are
/// used, as one unit. The decoded weights are compared with the encoded ones.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// A .safetensors file or directory, BF16 or DFloat11
    input: PathBuf,
    /// Print a JSON array of {level, threads, output, op, gb_per_s, memcpy_gb_per_s} instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: Machine,
}

#[derive(serde::Serialize)]
struct Row {
    level: &'static str,
    threads: usize,
    output: &'static str,
    op: &'static str,
    gb_per_s: f64,
    memcpy_gb_per_s: f64,
}

impl Bench {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let backend = self.machine.backend()?;
        if !backend.is_processor() {
            return Err(Failure::NotTimed { backend: backend.to_string() });
        }
        let all = self.machine.pool()?;
        let weights = all.install(|| weights_of(&Model::open(&self.input)?, backend.level()))?;
        let levels: Vec<Level> =
            if self.machine.is_forced() { vec![backend.level()] } else { Level::available().collect() };
        let mut buffers = all.install(|| Buffers::new(&weights))?;
        let mut pools = vec![pool(1)?];
        if all.current_num_threads() > 1 {
            pools.push(all);
        }

        if !self.json {
            terminal.result(&heading(&shown(&self.input).to_string(), &weights))?;
        }
        let mut rows = Vec::new();
        for (pool, level) in pools.iter().flat_map(|pool| levels.iter().map(move |&level| (pool, level))) {
            for (output, op) in CASES {
                let row = buffers.measure(output, op, level, pool)?;
                if !self.json {
                    terminal.result(&line(&row))?;
                }
                rows.push(row);
            }
        }
        if self.json {
            terminal.json(&rows)?;
        }
        Ok(Verdict::Fine)
    }
}

const CASES: [(Output, Op); 4] =
    [(Output::Warm, Op::Encode), (Output::Warm, Op::Decode), (Output::Fresh, Op::Encode), (Output::Fresh, Op::Decode)];

#[derive(Clone, Copy, PartialEq)]
enum Output {
    Warm,
    Fresh,
}

#[derive(Clone, Copy)]
enum Op {
    Encode,
    Decode,
}

/// Adds room for `count` weights, or for as many as `MOST_WEIGHTS` still allows.
fn more(weights: &mut Vec<bf16>, count: u64) -> &mut [bf16] {
    let first = weights.len();
    weights.resize(first.saturating_add(count as usize).min(MOST_WEIGHTS), bf16::ZERO);
    &mut weights[first..]
}

/// The weights of all units, or of all matrices of a BF16 model, in order; `MOST_WEIGHTS` at most.
fn weights_of(model: &Model, level: Level) -> Result<Vec<bf16>, df11::Error> {
    let mut weights = Vec::new();
    for unit in model.units() {
        if weights.len() == MOST_WEIGHTS {
            return Ok(weights);
        }
        let loaded = unit.load(&level)?;
        loaded.decode_range(0, more(&mut weights, unit.weights()), Work::Pool).map_err(|error| unit.error(error))?;
    }
    if model.units().len() == 0 {
        let is_matrix = |matrix: &Matrix| matrix.shape().is_some_and(|shape| shape.len() > 1);
        for matrix in model.tensors().flat_map(|tensor| tensor.into_matrix()).filter(is_matrix) {
            matrix.decode_range(&level, 0, more(&mut weights, matrix.weights()))?;
        }
    }
    Ok(weights)
}

/// Every buffer that the measurements use.
struct Buffers<'a> {
    weights: &'a [bf16],
    parts: Parts,
    decoded: Vec<bf16>,
    copy: Vec<bf16>,
}

impl<'a> Buffers<'a> {
    fn new(weights: &'a [bf16]) -> Result<Buffers<'a>, Failure> {
        let plan = Encoder::new(Level::best(), Work::Pool).plan(weights)?;
        let mut copy = df11_cpu::buffer(weights.len())?;
        copy.copy_from_slice(weights);
        Ok(Buffers { weights, parts: Parts::of(&plan.sizes())?, decoded: df11_cpu::buffer(weights.len())?, copy })
    }

    fn measure(&mut self, output: Output, op: Op, level: Level, pool: &rayon::ThreadPool) -> Result<Row, Failure> {
        let threads = pool.current_num_threads();
        let name = level.name();
        // The first run warms up and checks the answer. NaN fills the output first: it cannot be
        // the answer.
        self.decoded.fill(bf16::NAN);
        pool.install(|| self.run(output, op, level))?;
        if matches!(op, Op::Decode) && !same_bits(self.weights, &self.decoded) {
            return Err(Failure::WrongWeights { level: name, threads });
        }

        let (mut of_op, mut of_memcpy) = (Vec::new(), Vec::new());
        let began = Instant::now();
        while of_op.len() < FEWEST_REPETITIONS || began.elapsed() < MEASURED && of_op.len() < MOST_REPETITIONS {
            if output == Output::Fresh {
                self.give_back(op);
            }
            let start = Instant::now();
            pool.install(|| self.run(output, op, level))?;
            of_op.push(start.elapsed());
            let start = Instant::now();
            black_box(&mut self.copy).copy_from_slice(black_box(self.weights));
            of_memcpy.push(start.elapsed());
        }
        let bytes = size_of_val(self.weights);
        Ok(Row {
            level: name,
            threads,
            output: match output {
                Output::Warm => "warm",
                Output::Fresh => "fresh",
            },
            op: match op {
                Op::Encode => "encode",
                Op::Decode => "decode",
            },
            gb_per_s: gb_per_s(bytes, of_op),
            memcpy_gb_per_s: gb_per_s(bytes, of_memcpy),
        })
    }

    /// Frees what `op` has written.
    fn give_back(&mut self, op: Op) {
        match op {
            Op::Encode => self.parts = Parts::default(),
            Op::Decode => self.decoded = Vec::new(),
        }
    }

    fn run(&mut self, output: Output, op: Op, level: Level) -> Result<(), df11_core::Error> {
        match op {
            Op::Encode => {
                let encoder = Encoder::new(level, Work::Pool);
                let plan = encoder.plan(self.weights)?;
                if output == Output::Fresh {
                    self.parts = Parts::of(&plan.sizes())?;
                }
                encoder.encode(self.weights, &plan, self.parts.as_mut())
            }
            Op::Decode => {
                if output == Output::Fresh {
                    self.decoded = df11_cpu::buffer(self.weights.len())?;
                }
                Decoder::new(self.parts.view(&[]).validate()?, level).decode(&mut self.decoded, Work::Pool)
            }
        }
    }
}

fn same_bits(one: &[bf16], other: &[bf16]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.to_bits() == other.to_bits())
}

fn gb_per_s(bytes: usize, mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    bytes as f64 / 1e9 / times[times.len() / 2].as_secs_f64()
}

fn heading(name: &str, weights: &[bf16]) -> String {
    let bytes = size_of_val(weights) as u64;
    format!(
        "{name}: {} weights as one unit, {} of BF16\n{:<8}  threads  output  op          GB/s  of memcpy\n",
        grouped(weights.len() as u64),
        size(bytes),
        "level"
    )
}

fn line(row: &Row) -> String {
    let share = row.gb_per_s / row.memcpy_gb_per_s;
    let Row { level, threads, output, op, gb_per_s, .. } = row;
    format!("{level:<8}  {threads:>7}  {output:<6}  {op}  {gb_per_s:>8.3}  {share:>9.3}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_that_of_the_median_run() {
        let times = [9, 1, 2, 100, 3].map(Duration::from_secs).to_vec();
        assert_eq!(gb_per_s(3_000_000_000, times), 1.0);
    }

    #[test]
    fn equal_numbers_with_other_bits_are_not_the_same() {
        let zeros = [bf16::from_bits(0), bf16::from_bits(0x8000)];
        assert!(same_bits(&zeros[..1], &zeros[..1]) && !same_bits(&zeros[..1], &zeros[1..]));
        let nan = [bf16::from_bits(0x7FC1)];
        assert!(same_bits(&nan, &nan));
    }
}
