//! The jobs on model files: compress, decompress, verify, inspect, estimate, synth, and the
//! placement of a model on devices.
//!
//! # Map
//!
//! ```text
//! compress    checkpoint -> units -> (read a unit, plan, encode, verify, write) ...
//!             -> raw tensors -> record, config.json
//! decompress  coded -> matrices -> restoration (which files, which tensor where)
//!             -> (read a unit, decode tile by tile, check, write) ...
//! verify      coded
//!             -> (read a unit, decode plainly tile by tile, compare with record and source) ...
//! inspect     coded or checkpoint -> (a unit at a time, counted)
//! synth       shapes -> (rows of weights, written)
//! estimate    checkpoint or shapes -> units -> (a sample of each unit, planned) -> layout
//! placement   checkpoint, coded or shapes -> blocks, KV cache -> devices
//! ```
//!
//! Shared by them: `chosen`, which units a model gets; `completeness`, what is missing; `judge` and
//! `restoration`, used by both `verify` and `decompress`; `card`, the model card; `memory`, whether
//! a unit fits.

mod card;
mod chosen;
mod completeness;
mod compress;
mod decompress;
mod estimate;
mod inspect;
mod judge;
mod memory;
mod placement;
mod restoration;
mod synth;
mod verify;

pub use crate::naming::owners::RawReason;
pub use crate::naming::pattern::PatternDict;
pub use crate::progress::Progress;
pub use completeness::Completeness;
pub use compress::{CodeKind, CompressOptions, CompressReport, KeptRaw, KeptReason, compress};
pub use decompress::{DecompressOptions, DecompressReport, decompress};
pub use estimate::{EstimateOptions, EstimateReport, EstimatedPatterns, EstimatedRaw, EstimatedUnit, estimate};
pub use inspect::{Entropy, FlatReport, InspectOptions, InspectReport, RawReport, UnitReport, inspect};
pub use placement::{PlacedDevice, PlacedForm, PlacementOptions, PlacementReport, place_model};
pub use synth::{SynthOptions, SynthReport, synth};
pub use verify::{VerifyOptions, VerifyReport, verify};
