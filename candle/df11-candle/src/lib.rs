//! Runs models on [candle](https://crates.io/crates/candle-core) from weights that stay compressed:
//! DFloat11 models (or BF16 ones), in less memory, with the same bits.
//!
//! ```no_run
//! use df11_candle::{Decoder, Form, Run};
//!
//! let model = Decoder::open("Llama-3.1-8B-DF11", Form::Df11)?;
//! let mut cache = model.cache()?;
//! let mut tokens = vec![128000, 791, 6864]; // a tokenizer's
//! while tokens.len() < 40 {
//!     let new = &tokens[cache.tokens()..];
//!     let logits = model.forward(&mut [Run { tokens: new, cache: &mut cache }])?;
//!     tokens.push(logits.squeeze(0)?.argmax(0)?.to_scalar()?);
//! }
//! # Ok::<(), df11_candle::Error>(())
//! ```
//!
//! # Choose your entry point
//!
//! | you want | begin with |
//! |---|---|
//! | to run Llama, Mistral, Qwen 2 and 2.5, Qwen 3 or Gemma 3 | [`Decoder::open`] |
//! | vectors of sentences, by a BERT such as MiniLM | [`Encoder::open`] |
//! | layers for a model of your own | [`Weights::open`], [`Linear`], [`Embedding`] |
//! | a model of candle-transformers, from DFloat11 files | [`var_builder`] |
//!
//! ```no_run
//! use candle_core::{DType, Device, Module, Tensor};
//! use df11_candle::{Form, Linear, Weights};
//!
//! let mut weights = Weights::open("Llama-3.1-8B-DF11", Form::Flat)?;
//! let down = Linear::new(weights.matrix("model.layers.0.mlp.down_proj.weight", [4096, 14336])?);
//! let y = down.forward(&Tensor::ones((1, 14336), DType::BF16, &Device::Cpu)?)?;
//! # Ok::<(), df11_candle::Error>(())
//! ```
//!
//! # Forms
//!
//! | form | memory for each weight | speed |
//! |---|---|---|
//! | [`Form::Df11`] | about 11 bits | the slowest: each product decodes |
//! | [`Form::Flat`] | 12 bits, and what escapes | as BF16; a single product can be faster |
//! | [`Form::Bf16`] | 16 bits | as the memory allows |
//!
//! The form changes memory and speed, never a result: every logit has the same bits in each form,
//! for any number of threads, on every level of the processor, for a text alone or beside others,
//! at once or token by token. `tests/identity.rs` compares them.
//!
//! # What is the same as what
//!
//! - A model that loads from [`var_builder`] computes exactly what it computes from the BF16 files:
//!   it gets the same tensors.
//! - Products of [`Linear`] add in an order of their own, so their last bits differ from those of
//!   candle's matmul or of torch. Against transformers, the logits of the small models in
//!   `tests/vectors` are within a bound that `tests/transformers.rs` states.
//!
//! # Map
//!
//! ```text
//! decoder           one decoder for all families: layers, positions, cache
//! encoder           BERT: layers, and pooling as sentence-transformers has it
//! config            what config.json says, in the spelling of transformers 4 and 5
//! linear, embedding products and rows of a matrix that stays in its form
//! ops               norms, activations and attention in BF16, in a fixed order
//! weights, units    a model's matrices, loaded in a form;  var_builder: decoded at load
//! ```
//!
//! Products and attention run on the current rayon pool. Everything here is for the CPU.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod config;
mod decoder;
mod embedding;
mod encoder;
mod error;
mod files;
mod linear;
mod ops;
mod scratch;
mod units;
mod var_builder;
mod weights;

pub use config::{Config, EncoderConfig, Family, LayerConfig, Rope, Scaling};
pub use decoder::{Cache, Decoder, Run};
pub use df11::backend::Choice;
pub use df11::{Form, Model};
pub use embedding::Embedding;
pub use encoder::{Encoder, Pooling, PoolingMode};
pub use error::Error;
pub use files::read_file;
pub use linear::Linear;
pub use ops::Activation;
pub use var_builder::var_builder;
pub use weights::{Matrix, Weights};
