//! Encodes and decodes all weights as one unit.

use std::hint::black_box;
use std::time::{Duration, Instant};

use df11_core::{Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts};

use super::row::Row;
use crate::exit::Failure;

/// Odd, so the median is one of the measured times.
const FEWEST_REPETITIONS: usize = 21;
const MOST_REPETITIONS: usize = 1001;
/// Short operations repeat for at least this long.
const MEASURED: Duration = Duration::from_millis(300);

pub const CASES: [(Output, Op); 4] =
    [(Output::Warm, Op::Encode), (Output::Warm, Op::Decode), (Output::Fresh, Op::Encode), (Output::Fresh, Op::Decode)];

#[derive(Clone, Copy, PartialEq)]
pub enum Output {
    Warm,
    Fresh,
}

#[derive(Clone, Copy)]
pub enum Op {
    Encode,
    Decode,
}

/// Every buffer that the measurements use.
pub struct Buffers<'a> {
    weights: &'a [bf16],
    parts: Parts,
    decoded: Vec<bf16>,
    copy: Vec<bf16>,
}

impl<'a> Buffers<'a> {
    pub fn new(weights: &'a [bf16]) -> Result<Buffers<'a>, Failure> {
        let plan = Encoder::new(Level::best(), Work::Pool).plan(weights)?;
        let mut copy = df11_cpu::buffer(weights.len())?;
        copy.copy_from_slice(weights);
        Ok(Buffers { weights, parts: Parts::of(&plan.sizes())?, decoded: df11_cpu::buffer(weights.len())?, copy })
    }

    pub fn measure(&mut self, output: Output, op: Op, level: Level, pool: &rayon::ThreadPool) -> Result<Row, Failure> {
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
            level: Some(name),
            threads,
            output: Some(match output {
                Output::Warm => "warm",
                Output::Fresh => "fresh",
            }),
            op: match op {
                Op::Encode => "encode",
                Op::Decode => "decode",
            },
            gb_per_s: Some(gb_per_s(bytes, of_op)),
            memcpy_gb_per_s: gb_per_s(bytes, of_memcpy),
            ..Row::default()
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
