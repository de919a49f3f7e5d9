//! What `place_model` reports.

use serde::Serialize;

use super::devices::{Demand, Needed};
use super::items::Item;

/// Where the blocks of a model go in each form. Serialises to the JSON that the program prints on
/// request.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlacementReport {
    /// Tokens of each sequence that was asked for.
    pub context: u64,
    /// Sequences at the same time.
    pub batch: u64,
    /// Bytes of each device.
    pub devices: Vec<u64>,
    /// Bytes of the KV cache of all sequences. `None` if config.json does not tell, or the model
    /// has no such cache.
    pub cache_bytes: Option<u64>,
    /// A placement for each form: `bf16`, `flat`, `df11`.
    pub forms: Vec<PlacedForm>,
}

/// A model in one form on its devices.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlacedForm {
    /// The form's name.
    pub form: &'static str,
    /// Bytes of all weights.
    pub weight_bytes: u64,
    /// Whether everything has room.
    pub fits: bool,
    /// The most tokens of each sequence before memory runs out. `None` if not even the weights fit,
    /// or if there is no bound or none is known.
    pub most_tokens: Option<u64>,
    /// What is on each device; of a model that does not fit, for the most tokens that do. Empty if
    /// not even the weights fit.
    pub devices: Vec<PlacedDevice>,
}

/// What one device holds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlacedDevice {
    /// Its memory.
    pub bytes: u64,
    /// Names of its blocks, and of its tensors outside blocks, in the order of the model.
    pub items: Vec<String>,
    /// Bytes of its weights.
    pub weight_bytes: u64,
    /// Bytes of its part of the KV cache.
    pub cache_bytes: u64,
    /// Bytes of the buffer that its largest coded matrix is decoded into.
    pub buffer_bytes: u64,
    /// What is left of its memory.
    pub left_bytes: u64,
}

pub(super) fn device(bytes: u64, items: &[Item], demands: &[Demand<'_>], tokens: u64) -> PlacedDevice {
    let needed = demands.iter().fold(Needed::default(), |needed, demand| needed.with(demand, tokens));
    PlacedDevice {
        bytes,
        items: items.iter().map(|item| item.name.clone()).collect(),
        weight_bytes: needed.weights,
        cache_bytes: needed.cache,
        buffer_bytes: needed.buffer,
        left_bytes: bytes.saturating_sub(needed.total()),
    }
}
