//! The jobs on model files: compress, decompress, verify, inspect.
//!
//! # Map
//!
//! ```text
//! compress    checkpoint -> units -> (read a unit, plan, encode, verify, write) ... -> raw tensors -> record, config.json
//! decompress  coded -> matrices -> restoration (which files, which tensor where) -> (read a unit, decode tile by tile, check, write) ...
//! verify      coded -> (read a unit, decode plainly tile by tile, compare with record and source) ...
//! inspect     coded or checkpoint -> (a unit at a time, counted)
//! synth       shapes -> (rows of weights, written)
//! estimate    checkpoint or shapes -> units -> (a sample of each unit, planned) -> layout
//! ```
//!
//! Rooms below: what a model's files are (`weight_files`, `checkpoint`, `beside`, `links`, `coded`, `pipeline`), which of them are ours and whole
//! (`our_files`, `portable`, `manifest`, `judge`), what belongs together (`names`, `owners`, `infer`,
//! `units`, `pattern`, `pattern_cost`, `matrices`), what is
//! written beside the arrays (`record`, `config`, `values`, `python_json`, `card`), how a unit passes through memory (`memory`, `codec`, `words`, `spelling`, `disguise`), and how OUTPUT comes to be (`output`).

mod beside;
mod card;
mod checkpoint;
mod codec;
mod coded;
mod compress;
mod config;
mod decompress;
mod disguise;
mod estimate;
mod family;
mod infer;
mod inspect;
mod judge;
mod links;
mod load;
mod manifest;
mod matrices;
mod memory;
mod names;
mod our_files;
#[allow(clippy::disallowed_methods, reason = "what is opened there was made by a run of ours")]
mod output;
mod owners;
mod pattern;
mod pattern_cost;
mod pipeline;
mod portable;
mod progress;
mod python_json;
mod record;
mod restoration;
mod sampling;
mod shapes;
mod spelling;
mod synth;
mod units;
mod values;
mod verify;
mod weight_files;
mod words;

pub use compress::{CodeKind, CompressOptions, CompressReport, KeptRaw, compress};
pub use decompress::{DecompressOptions, DecompressReport, decompress};
pub use estimate::{EstimateOptions, EstimateReport, EstimatedRaw, EstimatedUnit, estimate};
pub use inspect::{Entropy, InspectOptions, InspectReport, RawReport, UnitReport, inspect};
pub use load::load_weights;
pub use pattern::PatternDict;
pub use progress::Progress;
pub use synth::{SynthOptions, SynthReport, synth};
pub use verify::{VerifyOptions, VerifyReport, verify};
