//! df11 for candle.
mod config;
mod decoder;
mod embedding;
mod error;
mod files;
mod linear;
mod ops;
mod scratch;
mod units;
mod var_builder;
mod weights;

pub use config::{Config, Family, LayerConfig, Rope, Scaling};
pub use decoder::{Cache, Decoder, Run};
pub use df11::backend::Choice;
pub use df11::{Form, Model};
pub use embedding::Embedding;
pub use error::Error;
pub use linear::Linear;
pub use var_builder::var_builder;
pub use weights::{Matrix, Weights};
