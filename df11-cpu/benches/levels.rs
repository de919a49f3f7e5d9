//! Every level at every size, next to memcpy: `cargo bench -p df11-cpu`.
//!
//! Buffers are warm. One thread works, or as many as `$RAYON_NUM_THREADS` says. Throughput is in
//! bytes of BF16. The real weights are those of the safetensors file `$DF11_BENCH_WEIGHTS`, or of
//! the bundled sample, repeated to size. Weights unlike those of models (`inputs::UNLIKE_MODELS`)
//! are timed at 64 Mi weights. What is decoded is compared with what was encoded.
//!
//! | row | what it times |
//! |---|---|
//! | `plan` | histogram and code |
//! | `encode` | a plan, and the parts of it |
//! | `validate`, `tables` | what is done once before a unit is decoded |
//! | `decode` | a unit that was loaded before |
//! | `whole` | `validate`, `tables` and `decode` together |
//! | `rows` | 32 rows of 4,096 weights of the unit as one matrix; throughput is that of the rows |

#![allow(missing_docs)] // what criterion's macros make is public

mod inputs;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use df11_core::{Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts, buffer};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/minilm-sample/model.safetensors");
/// 16 Ki, 64 Ki, 256 Ki, 4 Mi, 64 Mi weights.
const SIZES: [usize; 5] = [1 << 14, 1 << 16, 1 << 18, 1 << 22, 1 << 26];
/// The size at which weights unlike those of models are timed.
const UNLIKE_SIZE: usize = 1 << 26;
/// Weights of a row.
const COLUMNS: usize = 4096;

fn levels(criterion: &mut Criterion) {
    let real = std::env::var("DF11_BENCH_WEIGHTS").unwrap_or_else(|_| SAMPLE.into());
    let threads = std::env::var("RAYON_NUM_THREADS").ok().and_then(|threads| threads.parse().ok()).unwrap_or(1);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("no pool was asked for before");
    for size in SIZES {
        let repeated = inputs::repeated(&real, size).expect("the file of real weights can be read");
        for (name, weights) in [("gauss", inputs::gauss(size)), ("real", repeated)] {
            measure(criterion, &format!("{name}/{size}"), &weights);
        }
    }
    for (name, weights) in inputs::UNLIKE_MODELS {
        measure(criterion, &format!("{name}/{UNLIKE_SIZE}"), &weights(UNLIKE_SIZE));
    }
}

fn measure(criterion: &mut Criterion, name: &str, weights: &[bf16]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(size_of_val(weights) as u64));
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    let mut out = buffer::<bf16>(weights.len()).expect("there is memory");
    group.bench_function("memcpy", |bencher| bencher.iter(|| out.copy_from_slice(weights)));
    let whole = Throughput::Bytes(size_of_val(weights) as u64);
    for level in Level::available() {
        let row = |name: &str| BenchmarkId::new(name, level.name());
        let encoder = Encoder::new(level, Work::Pool);
        let plan = encoder.plan(weights).expect("there are weights");
        let mut parts = Parts::of(&plan.sizes()).expect("there is memory");
        group.bench_function(row("plan"), |bencher| bencher.iter(|| encoder.plan(weights)));
        group.bench_function(row("encode"), |bencher| {
            bencher.iter(|| {
                let plan = encoder.plan(weights).expect("there are weights");
                encoder.encode(weights, &plan, parts.as_mut()).expect("the parts are of its size");
            });
        });
        let load = || parts.view(&[]).validate().expect("it was just encoded");
        let decoder = Decoder::new(load(), level);
        group.bench_function(row("validate"), |bencher| bencher.iter(load));
        group.bench_function(row("tables"), |bencher| {
            bencher.iter(|| Decoder::new(decoder.unit().borrowed(), level));
        });
        let decode = |decoder: &Decoder<'_>, out: &mut [bf16]| {
            decoder.decode(out, Work::Pool).expect("it was just encoded");
        };
        group.bench_function(row("decode"), |bencher| bencher.iter(|| decode(&decoder, &mut out)));
        let same = out.iter().zip(weights).all(|(out, weight)| out.to_bits() == weight.to_bits());
        assert!(same, "{level} decodes other weights");
        group.bench_function(row("whole"), |bencher| bencher.iter(|| decode(&Decoder::new(load(), level), &mut out)));
        let height = (weights.len() / COLUMNS) as u64;
        if height >= 1024 {
            let rows: Vec<u64> = (0..32u64).map(|i| i * 0x9E37_79B9 % height).collect();
            let mut out = buffer::<bf16>(rows.len() * COLUMNS).expect("there is memory");
            group.throughput(Throughput::Bytes(size_of_val(&out[..]) as u64));
            group.bench_function(row("rows"), |bencher| {
                bencher.iter(|| {
                    let matrix = 0..height * COLUMNS as u64;
                    decoder.decode_rows(matrix, COLUMNS, &rows, &mut out, Work::Pool).expect("they are in the matrix");
                });
            });
            group.throughput(whole.clone());
        }
    }
    group.finish();
}

criterion_group!(benches, levels);
criterion_main!(benches);
