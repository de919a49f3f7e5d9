//! Every level at every size, next to memcpy: `cargo bench -p df11-cpu`.
//!
//! Warm buffers, one thread, the plan included in encoding, tables and validation in decoding. Throughput is in bytes of BF16. The real weights are those of
//! the safetensors file `$DF11_BENCH_WEIGHTS`, or of the bundled sample, repeated to size. What is decoded is compared with what was encoded.

#![allow(missing_docs)] // what criterion's macros make is public

#[allow(clippy::duplicate_mod)] // the example has it too
mod inputs;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use df11_core::bf16;
use df11_cpu::{Decoder, Encoder, Level, Parts, buffer};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/minilm-sample/model.safetensors");
/// 16 Ki, 64 Ki, 256 Ki, 4 Mi, 64 Mi weights.
const SIZES: [usize; 5] = [1 << 14, 1 << 16, 1 << 18, 1 << 22, 1 << 26];

fn levels(criterion: &mut Criterion) {
    let real = std::env::var("DF11_BENCH_WEIGHTS").unwrap_or_else(|_| SAMPLE.into());
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("no pool was asked for before");
    for size in SIZES {
        let repeated = inputs::repeated(&real, size).expect("the file of real weights can be read");
        for (name, weights) in [("gauss", inputs::gauss(size)), ("real", repeated)] {
            measure(criterion, &format!("{name}/{size}"), &weights);
        }
    }
}

fn measure(criterion: &mut Criterion, name: &str, weights: &[bf16]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(size_of_val(weights) as u64));
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    let mut out = buffer::<bf16>(weights.len()).expect("there is memory");
    group.bench_function("memcpy", |bencher| bencher.iter(|| out.copy_from_slice(weights)));
    for level in Level::available() {
        let encoder = Encoder::new(level);
        let plan = encoder.plan(weights).expect("there are weights");
        let mut parts = Parts::for_plan(&plan).expect("there is memory");
        group.bench_function(BenchmarkId::new("encode", level.name()), |bencher| {
            bencher.iter(|| {
                let plan = encoder.plan(weights).expect("there are weights");
                encoder.encode(weights, &plan, parts.as_mut()).expect("the parts are of its size");
            });
        });
        group.bench_function(BenchmarkId::new("decode", level.name()), |bencher| {
            bencher.iter(|| {
                let unit = parts.view(&[]).validate().expect("it was just encoded");
                Decoder::new(&unit, level).decode(&mut out).expect("it was just encoded");
            });
        });
        assert!(out == weights, "{level} decodes other weights");
    }
    group.finish();
}

criterion_group!(benches, levels);
criterion_main!(benches);
