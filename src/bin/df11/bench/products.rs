//! Multiplies a matrix with vectors, from every form in which the weights can be held.
//!
//! ```text
//! for each number of threads, level, batch:
//!   check each form;  (each form, each reader, memcpy), (...), ... until enough;  the best of each
//! ```
//! The forms take turns, so a machine that changes speed affects all alike.

use df11_core::{Backend, BackendError, Bytes, Flattened, Form, Shape, Unit, UnitView, Work, bf16};
use df11_cpu::{Encoder, Level, buffer};

use super::reading::ROW_BYTES;
use super::row::Row;
use super::turns::{Held, Operands, Times};
use crate::exit::Failure;
use crate::terminal::grouped;

const COLUMNS: usize = ROW_BYTES / size_of::<bf16>();
/// 64 MiB of BF16 at least: more than most caches hold. Fewer weights are repeated.
const FEWEST_WEIGHTS: usize = 32 << 20;
/// Vectors of a product. Each batch is `GROWTH` times the one before.
const BATCHES: [usize; 3] = [1, 8, 64];
const GROWTH: u32 = 8;
/// A batch is left out if a product of it may take longer than this, in seconds, by the time of the
/// batch before.
const QUICK: f64 = 2.0;

/// The matrix in BF16 and as a unit, the vectors, and the buffers.
pub struct Products {
    shape: Shape,
    /// How many weights of the file the matrix has.
    used: usize,
    words: Vec<u8>,
    copy: Vec<u8>,
    unit: Unit<'static>,
    x: Vec<bf16>,
    y: Vec<f32>,
}

impl Products {
    /// Cuts the weights into rows. They are repeated if they are too few.
    pub fn new(weights: &[bf16]) -> Result<Products, Failure> {
        let rows = weights.len().max(FEWEST_WEIGHTS) / COLUMNS;
        let mut matrix = buffer::<bf16>(rows * COLUMNS)?;
        for part in matrix.chunks_mut(weights.len()) {
            part.copy_from_slice(&weights[..part.len()]);
        }
        let mut words = buffer::<u8>(rows * ROW_BYTES)?;
        for (word, weight) in words.as_chunks_mut().0.iter_mut().zip(&matrix) {
            *word = weight.to_le_bytes();
        }
        let mut copy = buffer(words.len())?;
        copy.copy_from_slice(&words);
        let value = |index: usize| bf16::from_f32((index as f32 * 0.7).sin());
        let most = BATCHES[BATCHES.len() - 1];
        Ok(Products {
            shape: Shape::new(rows as u64, COLUMNS as u64)?,
            used: weights.len().min(matrix.len()),
            words,
            copy,
            unit: Encoder::new(Level::best(), Work::Pool).unit(&matrix, &[])?,
            x: (0..most * COLUMNS).map(value).collect(),
            y: buffer(most * rows)?,
        })
    }

    /// Says in one line what the matrix is, and what its flat form takes.
    pub fn heading(&self, backend: &dyn Backend) -> Result<String, Failure> {
        let weights = self.shape.weights();
        let mut text = format!("products: {} weights in rows of {}", grouped(weights), grouped(COLUMNS as u64));
        if self.used as u64 != weights {
            text += &format!(", the file's {} repeated", grouped(self.used as u64));
        }
        if let Some(flat) = if_supported(backend.load(self.unit.borrowed())?.flatten(&[self.shape], Work::Pool))? {
            let Flattened { bytes, escapes, kept_bf16, .. } = flat;
            let share = 100.0 * bytes as f64 / self.words.len() as f64;
            text += &match kept_bf16 {
                0 => format!("; flat: {} bytes, {share:.2} % of BF16, {} escapes", grouped(bytes), grouped(escapes)),
                _ => "; flat: kept as BF16, because it would not be smaller".to_owned(),
            };
        }
        Ok(text + "\n")
    }

    /// Measures plain reading and the products of these levels on the current pool. The first row
    /// is that of plain reading.
    pub fn measure(&mut self, levels: &[Level]) -> Result<Vec<Row>, Failure> {
        let threads = rayon::current_num_threads();
        let (mut all, mut rows) = (Times::default(), vec![Row::default()]);
        for &level in levels {
            let forms = forms(&level, &self.unit, &self.words, self.shape)?;
            for batch in BATCHES {
                let (x, y) = (&self.x[..batch * COLUMNS], &mut self.y[..batch * self.shape.rows() as usize]);
                let mut operands = Operands::new(&forms, &self.words, self.shape, x, y)?;
                if let Some(form) = operands.wrong_form()? {
                    return Err(Failure::WrongProduct { level: level.name(), form: form.name(), threads });
                }
                let times = operands.times(&mut self.copy)?;
                rows.extend(forms.iter().zip(&times.products).map(|(held, &seconds)| Row {
                    level: Some(level.name()),
                    threads,
                    op: "product",
                    form: Some(held.loaded.form().name()),
                    batch: Some(batch),
                    gweights_per_s: Some(self.shape.weights() as f64 / 1e9 / seconds),
                    read_gb_per_s: Some(held.bytes as f64 / 1e9 / seconds),
                    memcpy_gb_per_s: self.words.len() as f64 / 1e9 / times.memcpy,
                    ..Row::default()
                }));
                all.reading = all.reading.min(times.reading);
                all.memcpy = all.memcpy.min(times.memcpy);
                if times.products.iter().any(|seconds| seconds * f64::from(GROWTH) > QUICK) {
                    break;
                }
            }
        }
        rows[0] = Row {
            threads,
            op: "read",
            form: Some(Form::Bf16.name()),
            read_gb_per_s: Some(self.words.len() as f64 / 1e9 / all.reading),
            memcpy_gb_per_s: self.words.len() as f64 / 1e9 / all.memcpy,
            ..Row::default()
        };
        Ok(rows)
    }
}

/// The matrix in every form that the backend multiplies from.
fn forms<'a>(
    backend: &dyn Backend,
    unit: &'a Unit<'_>,
    words: &'a [u8],
    shape: Shape,
) -> Result<Vec<Held<'a>>, Failure> {
    let UnitView { encoded_exponent, sign_mantissa, luts, gaps, output_positions, .. } = unit.view();
    let bytes = [encoded_exponent, sign_mantissa, luts, gaps, output_positions].map(<[u8]>::len).iter().sum();
    let df11 = Held { loaded: backend.load(unit.borrowed())?, bytes };
    let flat = if_supported(df11.loaded.flatten(&[shape], Work::Pool))?;
    let flat = flat.map(|flat| Held { loaded: flat.loaded, bytes: flat.bytes as usize });
    let bf16 = if_supported(backend.load_bf16(Bytes::from(words)))?.map(|loaded| Held { loaded, bytes: words.len() });
    let mut forms = Vec::new();
    for held in [bf16, flat, Some(df11)].into_iter().flatten() {
        // Nothing to multiply: only a backend that cannot multiply refuses it.
        if if_supported(held.loaded.product(&[], &mut [], &mut [], Work::Pool))?.is_some() {
            forms.push(held);
        }
    }
    Ok(forms)
}

fn if_supported<T>(result: Result<T, BackendError>) -> Result<Option<T>, Failure> {
    match result {
        Err(BackendError::Unsupported { .. }) => Ok(None),
        other => Ok(other.map(Some)?),
    }
}
