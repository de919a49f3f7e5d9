//! How fast every level is, next to memcpy in the same run: medians of warm buffers, tables and validation included or not.
//!
//!     cargo run --release --example speed -- gauss|FILE.safetensors [WEIGHTS] [THREADS] [LEVEL...]
//!
//! FILE's BF16 tensors one behind the other, repeated to WEIGHTS (67108864).

use std::time::{Duration, Instant};

use df11_core::{Unit, UnitView, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts, buffer};

type Failure = Box<dyn std::error::Error + Send + Sync>;

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
    let mut weights = buffer::<bf16>(count);
    match source.as_str() {
        "gauss" => gauss(&mut weights),
        path => repeat(&bf16_tensors(&std::fs::read(path)?)?, &mut weights),
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| measure(&weights, &levels, threads, &source))
}

fn measure(weights: &[bf16], levels: &[Level], threads: usize, source: &str) -> Result<(), Failure> {
    let mut out = buffer::<bf16>(weights.len());
    let bytes = weights.len() as f64 * 2.0;
    let copy = median(bytes, || out.copy_from_slice(weights));
    let speed = |time: Duration| bytes / time.as_secs_f64() / 1e9;
    println!("{source}, {} weights, {threads} threads; memcpy on one: {:.2} GB/s", weights.len(), speed(copy));
    for &level in levels {
        let encoder = Encoder::new(level);
        let plan = encoder.plan(weights)?;
        let mut parts = Parts::for_plan(&plan);
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
    let mut out = buffer(rows.len() * COLUMNS as usize);
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

/// N(0, 0.02), by Box and Muller.
fn gauss(weights: &mut [bf16]) {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 + 0.5) / (1 << 24) as f32
    };
    for pair in weights.chunks_mut(2) {
        let (radius, angle) = (0.02 * (-2.0 * uniform().ln()).sqrt(), std::f32::consts::TAU * uniform());
        for (weight, value) in pair.iter_mut().zip([angle.cos(), angle.sin()]) {
            *weight = bf16::from_f32(radius * value);
        }
    }
}

fn repeat(sample: &[bf16], weights: &mut [bf16]) {
    for chunk in weights.chunks_mut(sample.len()) {
        chunk.copy_from_slice(&sample[..chunk.len()]);
    }
}

/// All BF16 tensors of a safetensors file, in the order of their bytes.
fn bf16_tensors(file: &[u8]) -> Result<Vec<bf16>, Failure> {
    let header = u64::from_le_bytes(*file.first_chunk().ok_or("no header")?) as usize;
    let json: serde_json::Value = serde_json::from_slice(&file[8..][..header])?;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (name, tensor) in json.as_object().ok_or("no object")? {
        if name != "__metadata__" && tensor["dtype"] == "BF16" {
            let offset = |index: usize| tensor["data_offsets"][index].as_u64().map(|offset| offset as usize);
            ranges.push((offset(0).ok_or("no offset")?, offset(1).ok_or("no offset")?));
        }
    }
    ranges.sort_unstable();
    let words = |&(start, end): &(usize, usize)| file[8 + header..][start..end].as_chunks::<2>().0;
    Ok(ranges.iter().flat_map(words).map(|&word| bf16::from_bits(u16::from_le_bytes(word))).collect())
}
