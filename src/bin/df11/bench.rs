//! `df11 bench`: how fast each level encodes and decodes, beside memcpy of the same bytes.
//!
//! The weights of the file are one unit. No file is read while time is taken.
//!
//! warm: every buffer is the caller's and was written before. fresh: the output is a new buffer, so that its pages, the system's work, are in the time;
//! giving it back is not.
//!
//! ```text
//! encode: weights -> histogram, code, tables, stream, index    decode: six tensors -> validated, tables derived -> weights
//! for each number of threads, level, output, op:  warm up; (op, memcpy), (op, memcpy), ... until enough; the median of each
//! ```
//! memcpy runs between the repetitions, so that a machine that changes its pace changes both.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use df11::jobs;
use df11::shown::shown;
use df11_core::{Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts};

use crate::exit::{Failure, Outcome, Verdict};
use crate::options::{Machine, pool};
use crate::terminal::{Terminal, grouped, size};

/// 128 MiB of BF16 are more than a processor's cache holds.
const MOST_WEIGHTS: u64 = 64 << 20;
/// Odd, so that the median is one of them.
const FEWEST_REPETITIONS: usize = 21;
const MOST_REPETITIONS: usize = 1001;
/// Short operations are repeated for at least this long.
const MEASURED: Duration = Duration::from_millis(500);

/// Measure encoding and decoding of a file's weights, every level at 1 and at all threads, beside memcpy on 1 thread
///
/// GB/s are 1e9 bytes of BF16 a second, medians, into a buffer of the caller's that was written before (warm) or into a new one (fresh); at most
/// 64 Mi weights of the file are taken, as one unit. What was decoded is compared with what was encoded.
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
        let weights = all.install(|| jobs::load_weights(&self.input, &backend, MOST_WEIGHTS))?;
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

/// Everything that the measurements touch.
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
        // The first run warms up, and is where the answer is checked: over what cannot be it.
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

    /// Frees what `op` writes.
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
