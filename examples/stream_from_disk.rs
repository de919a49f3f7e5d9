//! A model larger than memory: a unit at a time is read into memory that is used again, and decoded by
//! threads of our own, a tile each.
//!
//!     cargo run --release --example stream_from_disk -- MODEL

use std::error::Error;
use std::thread;
use std::time::Instant;

use df11::core::{PartsMut, UnitView};
use df11::cpu::{Decoder, Level};
use df11::{Model, Work, bf16};

/// Weights of a tile: 2 MiB, which stay in the second-level cache.
const TILE: u64 = 1 << 20;

/// The memory of a unit, kept from one to the next.
#[derive(Default)]
struct Slot([Vec<u8>; 6]);

fn main() -> Result<(), Box<dyn Error>> {
    let model = Model::open(std::env::args().nth(1).ok_or("give MODEL")?)?;
    let threads = thread::available_parallelism()?.get();
    let (mut slot, start, mut total) = (Slot::default(), Instant::now(), 0);
    for entry in model.units() {
        let sizes = entry.sizes()?;
        let [stream, sign_mantissa, luts, gaps, positions, splits] = &mut slot.0;
        stream.resize(sizes.parts.encoded_exponent, 0);
        sign_mantissa.resize(sizes.parts.sign_mantissa, 0);
        luts.resize(sizes.parts.luts, 0);
        gaps.resize(sizes.parts.gaps, 0);
        positions.resize(sizes.parts.output_positions, 0);
        splits.resize(sizes.split_positions, 0);
        let parts = PartsMut { encoded_exponent: stream, sign_mantissa, luts, gaps, output_positions: positions };
        entry.read_into(parts, splits)?;
        let view = UnitView {
            encoded_exponent: stream,
            sign_mantissa,
            luts,
            gaps,
            output_positions: positions,
            split_positions: splits,
        };
        let decoder = Decoder::new(view.validate()?, Level::best());
        let tiles: Vec<_> = decoder.unit().tiles(TILE).collect();
        let sums = thread::scope(|scope| {
            let decoder = &decoder;
            let work = |tiles: Vec<std::ops::Range<u64>>| {
                scope.spawn(move || {
                    let mut weights = Vec::new();
                    let mut sum = 0.0;
                    for tile in tiles {
                        weights.resize((tile.end - tile.start) as usize, bf16::ZERO);
                        decoder.decode_range(tile.start, &mut weights, Work::ThisThread)?;
                        sum += weights.iter().map(|weight| f64::from(weight.to_f32())).sum::<f64>();
                    }
                    Ok::<_, df11::core::Error>(sum)
                })
            };
            let shares = tiles.chunks(tiles.len().div_ceil(threads)).map(<[_]>::to_vec);
            let running: Vec<_> = shares.map(work).collect();
            running.into_iter().map(|thread| thread.join().expect("it does not panic")).collect::<Result<Vec<_>, _>>()
        })?;
        total += entry.weights();
        println!("{}: {} weights, sum {:.3}", entry.name(), entry.weights(), sums.iter().sum::<f64>());
    }
    println!("{:.2} GB of BF16 in {:.2?}", 2e-9 * total as f64, start.elapsed());
    Ok(())
}
