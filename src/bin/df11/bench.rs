//! `df11 bench`: measures how fast each level encodes, decodes and multiplies, next to memcpy of
//! the same bytes.
//!
//! - `input`: the weights of the file. Nothing is read from disk while the clock runs.
//! - `coding`: all weights form one unit.
//! - `products`: the weights form a matrix in each form; `turns` runs its products, next to
//!   `reading`.
//! - `row`: what was measured.
//!
//! The output of encoding and decoding is warm or fresh:
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

mod coding;
mod input;
mod products;
mod reading;
mod row;
mod turns;

use std::path::PathBuf;

use df11::Model;
use df11::shown::shown;
use df11_core::bf16;
use df11_cpu::Level;

use self::coding::{Buffers, CASES};
use self::input::weights_of;
use self::products::Products;
use self::row::{coding_columns, product_columns};
use crate::exit::{Failure, Outcome, Verdict};
use crate::options::{Machine, pool};
use crate::terminal::{Terminal, grouped, size};

/// Measure how fast a file's weights encode, decode and multiply, at every level, on 1 thread and
/// on all threads, next to memcpy on 1 thread
///
/// GB/s means 1e9 bytes of BF16 per second; each figure is a median. The output goes into a buffer
/// that was written before (warm) or into a new one (fresh). At most 64 Mi weights of the file are
/// used, as one unit. The decoded weights are compared with the encoded ones.
///
/// Then a matrix of rows of 4096 weights, at least 32 Mi weights in all, is multiplied with 1, 8
/// and 64 vectors from each form: bf16, flat, df11. Larger batches are left out where they are
/// slow. A weight counts once, whatever the batch; GB/s are bytes of the weights in their form.
/// Plain reading of the BF16 weights is measured next to the products; the fastest of several
/// readers counts. Each figure is the best of several.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// A .safetensors file or directory, BF16 or DFloat11
    input: PathBuf,
    /// Print a JSON array of {level, threads, op, output, form, batch, gb_per_s, gweights_per_s,
    /// read_gb_per_s, memcpy_gb_per_s} instead. A field that a row lacks is null. `op` is encode,
    /// decode, product or read. encode and decode have output and gb_per_s; product has form,
    /// batch, gweights_per_s and read_gb_per_s; read has form and read_gb_per_s, but no level
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: Machine,
}

impl Bench {
    pub fn run(&self, terminal: &Terminal) -> Outcome {
        let backend = self.machine.backend()?;
        if !backend.is_processor() {
            return Err(Failure::NotTimed { backend: backend.to_string() });
        }
        let all = self.machine.pool()?;
        let weights = all.install(|| weights_of(&Model::open(&self.input)?, backend.level()))?;
        if weights.is_empty() {
            return Err(Failure::NothingToMeasure { input: self.input.clone() });
        }
        let levels: Vec<Level> =
            if self.machine.is_forced() { vec![backend.level()] } else { Level::available().collect() };
        let show = |text: &str| if self.json { Ok(()) } else { terminal.result(text) };

        let mut buffers = all.install(|| Buffers::new(&weights))?;
        show(&heading(&shown(&self.input).to_string(), &weights))?;
        let pools = if all.current_num_threads() > 1 { vec![pool(1)?, all] } else { vec![all] };
        let mut rows = Vec::new();
        for (pool, level) in pools.iter().flat_map(|pool| levels.iter().map(move |&level| (pool, level))) {
            for (output, op) in CASES {
                let row = buffers.measure(output, op, level, pool)?;
                show(&row.of_coding())?;
                rows.push(row);
            }
        }
        drop(buffers);

        let widest = &pools[pools.len() - 1];
        let mut products = widest.install(|| Products::new(&weights))?;
        drop(weights);
        show(&widest.install(|| products.heading(&backend.level()))?)?;
        show(&product_columns())?;
        for pool in &pools {
            let of_pool = pool.install(|| products.measure(&levels))?;
            let reading = of_pool.iter().find(|row| row.op == "read").and_then(|row| row.read_gb_per_s);
            for row in &of_pool {
                show(&row.of_product(reading.unwrap_or_default()))?;
            }
            rows.extend(of_pool);
        }
        if self.json {
            terminal.json(&rows)?;
        }
        Ok(Verdict::Fine)
    }
}

fn heading(name: &str, weights: &[bf16]) -> String {
    let (count, bytes) = (grouped(weights.len() as u64), size(size_of_val(weights) as u64));
    format!("{name}: {count} weights as one unit, {bytes} of BF16\n{}", coding_columns())
}
