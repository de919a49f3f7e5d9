//! Our products, which `products.py` asks for in turns with those of the peers.
//!
//! ```text
//! products WORDS ROWS COLUMNS COPIES
//! ```
//!
//! WORDS is a file of BF16 words. They are repeated to COPIES matrices of ROWS x COLUMNS. Each line
//! of stdin, `FORM BATCH THREADS`, multiplies every matrix with the same vectors: the first BATCH *
//! COLUMNS words. The answer is a line of `SECONDS FIRST LAST`: the time, and two elements of the
//! last y.

use std::error::Error;
use std::io::BufRead;
use std::time::Instant;

use df11_core::product::Output;
use df11_core::{Backend, Form, Linear, Loaded, Rows, Shape, Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, buffer};

type Answer<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Answer<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, rows, columns, copies] = &arguments[..] else { return Err("WORDS ROWS COLUMNS COPIES".into()) };
    let words = std::fs::read(file)?;
    let shape = Shape::new(rows.parse()?, columns.parse()?)?;
    let matrices = vec![shape; copies.parse()?];
    let mut weights: Vec<bf16> = buffer(matrices.len() * usize::try_from(shape.weights())?)?;
    let values = words.as_chunks().0.iter().map(|&word| bf16::from_le_bytes(word));
    weights.iter_mut().zip(values.clone().cycle()).for_each(|(weight, word)| *weight = word);
    let level = Level::best();
    let unit = Encoder::new(level, Work::Pool).unit(&weights, &[])?;
    let df11 = Decoder::new(unit.borrowed(), level);
    let bf16 = level.load_bf16(bytemuck::cast_slice::<_, u8>(&weights).into())?;
    let flat = bf16.flatten(&matrices, Work::Pool)?.loaded;
    println!("df11 {level}");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [form, batch, threads] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(line.into()) };
        let loaded: &dyn Loaded = match form.parse() {
            Ok(Form::Bf16) => &*bf16,
            Ok(Form::Flat) => &*flat,
            Ok(Form::Df11) => &df11,
            Err(_) => return Err(line.into()),
        };
        let x: Vec<bf16> = values.clone().take(batch.parse::<usize>()? * shape.columns() as usize).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
        let (seconds, first, last) = pool.install(|| multiply(loaded, &matrices, &x))?;
        println!("{seconds} {first} {last}");
    }
    Ok(())
}

/// Multiplies every matrix with `x`. Returns the seconds, and two elements of the last y.
fn multiply(loaded: &dyn Loaded, matrices: &[Shape], x: &[bf16]) -> Answer<(f64, bf16, bf16)> {
    let columns = matrices[0].columns();
    let vectors = x.len() / columns as usize;
    let mut scratch = vec![0.0; loaded.scratch(columns, vectors, Work::Pool)];
    let mut y = vec![bf16::ZERO; vectors * matrices[0].rows() as usize];
    let begun = Instant::now();
    for rows in Rows::of_matrices(matrices, loaded.weights())? {
        let mut linear = [Linear { rows, bias: None, y: Output::Bf16(&mut y) }];
        loaded.product(x, &mut linear, &mut scratch, Work::Pool)?;
    }
    Ok((begun.elapsed().as_secs_f64(), y[0], y[y.len() - 1]))
}
