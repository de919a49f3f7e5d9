//! Makes checkpoints with the shapes of a published architecture and weights like trained ones, so
//! that sizes and speeds can be measured without the model.
//!
//! ```text
//! matrix            row r ~ N(0, s_r^2), s_r = 1 / sqrt(columns) times a log-normal factor
//!                   of ROW_SPREAD binary orders of magnitude
//! vector, .weight   N(1, 0.05^2): a norm
//! other vectors     N(0, 0.02^2): a bias
//! ```
//!
//! One sample takes 16 random bits: a sign, and an index into a table of quantiles of
//! |N(0, 1)|. Only the exponents matter for compression, and [`ROW_SPREAD`] gives them the entropy
//! of trained weights. Every row has its own generator, so any number of threads writes the same
//! bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use df11_core::bf16;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::error::{Fitting, JsonReason};
use crate::files::dotted::is_decimal;
use crate::files::file_names::{CONFIG_FILE, MAIN_FILES};
use crate::files::folder::read_whole;
use crate::files::python;
use crate::files::sampling::scatter;
use crate::files::shapes::read_shapes;
use crate::files::words;
use crate::progress::{Progress, check_stopped};
use crate::safetensors::{Layout, MAX_HEADER_BYTES, NewTensor, TensorInfo};
use crate::writer::output::{Form, NewFile, Output};
use crate::{Error, open};

/// Standard deviation of the binary logarithm of a row's spread.
const ROW_SPREAD: f64 = 0.35;
/// Target size of a shard in bytes, as in transformers.
const SHARD_BYTES: u64 = 5_000_000_000;
/// Weights that one thread makes before it writes them.
const STEP_WEIGHTS: u64 = 1 << 20;
/// Quantiles of |N(0, 1)|: 15 bits choose one of them.
const QUANTILES: usize = 1 << 15;

/// What to make.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SynthOptions {
    /// Leave out blocks with this number or a higher one.
    pub layers: Option<u64>,
    /// The weights depend on this number and on the names of the tensors.
    pub seed: u64,
    /// Replace an OUTPUT that exists.
    pub force: bool,
}

/// What was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct SynthReport {
    /// The number of tensors.
    pub tensors: usize,
    /// Bytes of the weight files.
    pub bytes: u64,
    /// The number of files, config.json and index included.
    pub files: usize,
}

/// Makes the directory `output` from the shapes in the JSON file `shapes` (FILES.md, "Shapes
/// without weights") and from its `config`, if it has one. Runs on the current rayon pool.
///
/// # Errors
/// The shapes cannot be read or have dtypes other than BF16 and F32, or OUTPUT may not be written.
/// OUTPUT is then absent, or unchanged.
pub fn synth(
    shapes: &Path,
    output: &Path,
    options: &SynthOptions,
    progress: &dyn Progress,
) -> Result<SynthReport, Error> {
    let mut tensors = read_shapes(shapes)?;
    let is_kept = |name: &str| {
        let number =
            name.split('.').find(|component| is_decimal(component)).and_then(|number| number.parse::<u64>().ok());
        options.layers.is_none_or(|layers| number.is_none_or(|number| number < layers))
    };
    tensors.retain(|name, _| is_kept(name));
    if let Some((name, info)) = tensors.iter().find(|(_, info)| !matches!(info.dtype.name(), "BF16" | "F32")) {
        let (path, tensor, found) = (shapes.to_path_buf(), name.clone(), info.dtype.to_string());
        return Err(Error::TensorUnfit { path, tensor, found, expected: "BF16 or F32".into() });
    }
    let shards = into_shards(tensors).into_iter().map(|shard| Shard::lay_out(shard, shapes));
    let shards = shards.collect::<Result<Vec<Shard>, Error>>()?;
    let small = small_files(&shards, shapes, options)?;
    progress.begin(shards.iter().map(|shard| shard.layout.data_bytes()).sum());
    let output = Output::begin(output, &[shapes], Form::Directory, options.force)?;
    let maker = Maker { quantiles: quantiles(), seed: options.seed, progress };
    let mut report = SynthReport { tensors: 0, bytes: 0, files: shards.len() + small.len() };
    for (number, shard) in shards.iter().enumerate() {
        let name = shard_name(number, shards.len());
        progress.unit(&name);
        let file = output.file(Path::new(&name))?;
        maker.write(&file, shard)?;
        report.tensors += shard.layout.tensors().len();
        report.bytes += shard.bytes();
        file.finish()?;
    }
    for (name, text) in &small {
        let file = output.file(Path::new(name))?;
        file.write(text.as_bytes(), 0)?;
        file.finish()?;
    }
    output.commit()?;
    Ok(report)
}

/// A weight file that will be written.
struct Shard {
    layout: Layout,
    header: Vec<u8>,
}

impl Shard {
    /// Lays out a file of these tensors, if a reader would accept it.
    fn lay_out(tensors: Vec<(String, TensorInfo)>, shapes: &Path) -> Result<Shard, Error> {
        let new = |(name, info): (String, TensorInfo)| {
            let bytes = info.bytes();
            NewTensor { name, dtype: info.dtype, shape: info.shape, bytes }
        };
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let laid_out = Layout::new(tensors.into_iter().map(new).collect());
        let shard = laid_out.and_then(|layout| Ok(Shard { header: layout.header(&metadata)?, layout }));
        shard.map_err(|fault| Error::Unwritable {
            path: shapes.to_path_buf(),
            file: MAIN_FILES[0].to_owned(),
            fault: Box::new(fault),
            fitting: Fitting::FewerShapes,
        })
    }

    fn bytes(&self) -> u64 {
        self.header.len() as u64 + self.layout.data_bytes()
    }
}

/// The name of a shard.
fn shard_name(number: usize, of: usize) -> String {
    match of {
        1 => MAIN_FILES[0].to_owned(),
        of => format!("model-{:05}-of-{of:05}.safetensors", number + 1),
    }
}

/// The index of the shards, if there are several, and the configuration. Each is checked to be
/// small enough for a reader.
fn small_files(shards: &[Shard], shapes: &Path, options: &SynthOptions) -> Result<Vec<(&'static str, String)>, Error> {
    let mut small = Vec::new();
    if shards.len() > 1 {
        let tensors = shards.iter().enumerate().flat_map(|(number, shard)| {
            let name = shard_name(number, shards.len());
            shard.layout.tensors().iter().map(move |(tensor, _)| (tensor.clone(), Value::from(name.clone())))
        });
        let index: BTreeMap<String, Value> = tensors.collect();
        let bytes: u64 = shards.iter().map(Shard::bytes).sum();
        small.push(("model.safetensors.index.json", json!({"metadata": {"total_size": bytes}, "weight_map": index})));
    }
    small.extend(config_of(shapes, options)?.map(|config| (CONFIG_FILE, config)));
    let written = small.into_iter().map(|(name, value)| {
        let text = python::to_python(format!("{value:#}\n"));
        if text.len() as u64 > MAX_HEADER_BYTES {
            let reason = JsonReason::MakesTooLarge { file: name, most: MAX_HEADER_BYTES };
            return Err(Error::Json { path: shapes.to_path_buf(), reason });
        }
        Ok((name, text))
    });
    written.collect()
}

/// Divides tensors into shards in order of name; each shard gets as many as it may hold.
fn into_shards(tensors: BTreeMap<String, TensorInfo>) -> Vec<Vec<(String, TensorInfo)>> {
    let mut shards = vec![Vec::new()];
    let mut bytes = 0;
    for (name, info) in tensors {
        if bytes + info.bytes() > SHARD_BYTES && bytes > 0 {
            shards.push(Vec::new());
            bytes = 0;
        }
        bytes += info.bytes();
        shards.last_mut().expect("there is one at least").push((name, info));
    }
    shards
}

/// The model's configuration, with the number of layers that are made.
fn config_of(shapes: &Path, options: &SynthOptions) -> Result<Option<Value>, Error> {
    const LAYERS: &str = "num_hidden_layers";
    #[derive(serde::Deserialize)]
    struct Config {
        config: Option<Value>,
    }
    let text = read_whole(open::regular(shapes)?, shapes)?;
    let json = python::to_json(&text);
    let Config { mut config } = serde_json::from_slice(&json).map_err(|error| Error::Json {
        path: shapes.to_path_buf(),
        reason: JsonReason::NoConfig { message: error.to_string() },
    })?;
    if let (Some(config), Some(layers)) = (&mut config, options.layers)
        && let Some(all) = config.get(LAYERS).and_then(Value::as_u64)
    {
        config[LAYERS] = layers.min(all).into();
    }
    Ok(config)
}

struct Maker<'a> {
    quantiles: Vec<f32>,
    seed: u64,
    progress: &'a dyn Progress,
}

impl Maker<'_> {
    /// Fills a shard.
    fn write(&self, file: &NewFile, Shard { layout, header }: &Shard) -> Result<(), Error> {
        file.write(header, 0)?;
        for (name, info) in layout.tensors() {
            self.fill(file, header.len() as u64 + info.begin, name, info)?;
        }
        Ok(())
    }

    fn fill(&self, file: &NewFile, begin: u64, name: &str, info: &TensorInfo) -> Result<(), Error> {
        let columns = info.shape.last().copied().unwrap_or(1).max(1);
        let width = if info.dtype.is_bf16() { size_of::<bf16>() } else { size_of::<f32>() } as u64;
        let all = info.bytes() / width;
        let seed = name.bytes().fold(self.seed, |seed, byte| scatter(seed ^ u64::from(byte)));
        (0..all.div_ceil(STEP_WEIGHTS)).into_par_iter().try_for_each(|step| {
            let first = step * STEP_WEIGHTS;
            let end = all.min(first + STEP_WEIGHTS);
            let mut values: Vec<f32> = Vec::with_capacity((end - first) as usize);
            let mut at = first;
            while at < end {
                let (row, column) = (at / columns, at % columns);
                let piece = column..columns.min(column + (end - at));
                at += piece.end - piece.start;
                let (mean, spread) = self.kind(name, &info.shape, columns, scatter(seed ^ row));
                self.row(scatter(seed.wrapping_add(row)), piece, mean, spread, &mut values);
            }
            let bytes = values.len() as u64 * width;
            if info.dtype.is_bf16() {
                let weights: Vec<bf16> = values.into_iter().map(bf16::from_f32).collect();
                file.write(&words::to_file(&weights), begin + first * width)?;
            } else {
                let data: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
                file.write(&data, begin + first * width)?;
            }
            self.progress.advance(bytes);
            check_stopped(self.progress)
        })
    }

    /// Mean and standard deviation of a row.
    fn kind(&self, name: &str, shape: &[u64], columns: u64, bits: u64) -> (f32, f32) {
        if shape.len() > 1 {
            let factor = f64::exp2(ROW_SPREAD * f64::from(self.normal(bits)));
            return (0.0, (factor / (columns as f64).sqrt()) as f32);
        }
        if name.ends_with(".weight") { (1.0, 0.05) } else { (0.0, 0.02) }
    }

    /// The values of some columns of a row. Four columns share the bits of one state, and states
    /// are numbered, so a row may be made in pieces.
    fn row(&self, state: u64, columns: Range<u64>, mean: f32, spread: f32, values: &mut Vec<f32>) {
        let bits_from = |column: u64| scatter(state.wrapping_add(column / 4 + 1)) >> (16 * (column % 4));
        let mut bits = bits_from(columns.start);
        for column in columns {
            if column % 4 == 0 {
                bits = bits_from(column);
            }
            values.push(mean + spread * self.normal(bits));
            bits >>= 16;
        }
    }

    /// A sample of N(0, 1) from the lowest 16 bits.
    fn normal(&self, bits: u64) -> f32 {
        let magnitude = self.quantiles[bits as usize >> 1 & (QUANTILES - 1)];
        if bits & 1 == 0 { magnitude } else { -magnitude }
    }
}

/// The magnitudes at the middle of equally likely parts of |N(0, 1)|, from the integral of its
/// density.
fn quantiles() -> Vec<f32> {
    const STEP: f64 = 1e-5;
    let mut quantiles = Vec::with_capacity(QUANTILES);
    let (mut below, mut at) = (0.0, 0.0);
    while quantiles.len() < QUANTILES {
        let wanted = (quantiles.len() as f64 + 0.5) / QUANTILES as f64;
        while below < wanted && at < 6.0 {
            below += STEP * (-0.5 * (at + STEP / 2.0) * (at + STEP / 2.0)).exp() * (2.0 / std::f64::consts::PI).sqrt();
            at += STEP;
        }
        quantiles.push(at as f32);
    }
    quantiles
}
