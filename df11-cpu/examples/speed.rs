//! How fast every level is, next to memcpy in the same run: medians of warm buffers, tables and validation included or not.
//!
//!     cargo run --release --example speed -- gauss|FILE.safetensors [WEIGHTS] [THREADS] [LEVEL...]
//!
//! FILE's BF16 tensors one behind the other, repeated to WEIGHTS (67108864).

#[path = "../benches/inputs/mod.rs"]
mod inputs;

use std::time::{Duration, Instant};

use df11_core::{Unit, UnitView, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts, buffer};
use inputs::Failure;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let source = args.next().unwrap_or_else(|| "gauss".into());
    let count: usize = args.next().map_or(Ok(1 << 26), |count| count.parse())?;
    let threads: usize = args.next().map_or(Ok(1), |threads| threads.parse())?;
    let names: Vec<String> = args.collect();
    let levels: Vec<Level> = match names.is_empty() {
        true => Level::available().collect(),
        false => names.iter().map(|name| Level::named(name)).collect::<Result<_, _>>()?,
    };
    let weights = match source.as_str() {
        "gauss" => inputs::gauss(count),
        path => inputs::repeated(path, count)?,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| measure(&weights, &levels, threads, &source))
}

fn measure(weights: &[bf16], levels: &[Level], threads: usize, source: &str) -> Result<(), Failure> {
    let mut out = buffer::<bf16>(weights.len())?;
    let bytes = weights.len() as f64 * 2.0;
    let copy = median(bytes, || out.copy_from_slice(weights));
    let speed = |time: Duration| bytes / time.as_secs_f64() / 1e9;
    println!("{source}, {} weights, {threads} threads; memcpy on one: {:.2} GB/s", weights.len(), speed(copy));
    for &level in levels {
        let encoder = Encoder::new(level);
        let plan = encoder.plan(weights)?;
        let mut parts = Parts::for_plan(&plan)?;
        let planned = median(bytes * 4.0, || drop(encoder.plan(weights)));
        let encoded = median(bytes * 4.0, || {
            let plan = encoder.plan(weights).expect("it was planned before");
            encoder.encode(weights, &plan, parts.as_mut()).expect("it was encoded before");
        });
        let unit = parts.view(&[]).validate()?;
        let decoder = Decoder::new(&unit, level);
        out.fill(bf16::ZERO);
        decoder.decode(&mut out)?;
        assert!(out == weights, "{level} decodes other weights");
        let decoded = median(bytes * 2.0, || decoder.decode(&mut out).expect("it was decoded before"));
        let whole = median(bytes * 2.0, || whole(parts.view(&[]), level, &mut out));
        let validated = median(bytes, || drop(std::hint::black_box(parts.view(&[]).validate())));
        let tables = median(bytes, || drop(std::hint::black_box(Decoder::new(&unit, level))));
        let ratio = |time: Duration| copy.as_secs_f64() / time.as_secs_f64();
        println!(
            "{:9} decode {:6.2} GB/s = {:.3} memcpy; with validation and tables {:.3} ({:.1?} + {:.1?})   encode {:6.2} GB/s = {:.3} memcpy (plan {:.0} %)",
            level.name(),
            speed(decoded),
            ratio(decoded),
            ratio(whole),
            validated,
            tables,
            speed(encoded),
            ratio(encoded),
            100.0 * planned.as_secs_f64() / encoded.as_secs_f64()
        );
        rows(&unit, level, decoded)?;
    }
    Ok(())
}

fn whole(view: UnitView<'_>, level: Level, out: &mut [bf16]) {
    let unit = view.validate().expect("it was validated before");
    Decoder::new(&unit, level).decode(out).expect("it was decoded before");
}

/// 32 rows of 4,096 out of the unit as one matrix.
fn rows(unit: &Unit<'_>, level: Level, decoded: Duration) -> Result<(), df11_core::Error> {
    const COLUMNS: u64 = 4096;
    let height = unit.weights() / COLUMNS;
    if height < 1024 {
        return Ok(());
    }
    let rows: Vec<u64> = (0..32u64).map(|i| i * 0x9E37_79B9 % height).collect();
    let decoder = Decoder::new(unit, level);
    let mut out = buffer(rows.len() * COLUMNS as usize)?;
    let time = median(1e6, || {
        decoder.decode_rows(0..height * COLUMNS, COLUMNS as usize, &rows, &mut out).expect("they are in the matrix");
    });
    println!(
        "          32 rows of {height}: {time:.1?}, 1/{:.0} of the whole",
        decoded.as_secs_f64() / time.as_secs_f64()
    );
    Ok(())
}

/// The median of at least 21 runs, more of short ones.
fn median(bytes: f64, mut work: impl FnMut()) -> Duration {
    let runs = (20e6 / bytes) as usize * 10 + 21;
    let mut times: Vec<_> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[runs / 2]
}
