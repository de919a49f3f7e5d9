//! Which device holds which blocks of a model, and for how many tokens its memory suffices. Only
//! headers are read.
//!
//! ```text
//! model or shapes -> items (a block each, its bytes in every form)
//! config.json     -> KV cache of each block
//!                 -> consecutive items on each device -> most tokens
//! ```
//!
//! A device holds its items' weights, the KV cache of its blocks, and in the form `df11` a buffer
//! for the largest of its matrices, which is decoded before it is used. Activations and what a
//! runtime keeps for itself are not counted.

mod cache;
mod devices;
mod items;
mod report;

use std::path::Path;

use df11_core::Form;

use self::cache::Cache;
use self::devices::{Demand, most_tokens, place};
use self::items::{Item, items_of};
pub use self::report::{PlacedDevice, PlacedForm, PlacementReport};
use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::files::folder::read_whole;
use crate::files::shapes::is_shapes;
use crate::open;
use crate::record::config::ConfigFile;

/// Where a model is to run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlacementOptions {
    /// Bytes of memory of each device, in the order of the model's blocks.
    pub devices: Vec<u64>,
    /// Tokens of each sequence.
    pub context: u64,
    /// Sequences that run at the same time.
    pub batch: u64,
}

impl PlacementOptions {
    /// One sequence of 4,096 tokens on these devices.
    pub fn on(devices: Vec<u64>) -> PlacementOptions {
        PlacementOptions { devices, context: 4096, batch: 1 }
    }
}

/// Places the model at `input` on devices, in each form: a BF16 or DFloat11 model, a directory or a
/// file, or a file of shapes (FILES.md, "Shapes without weights"). Bytes of the form `df11` are
/// exact for a DFloat11 model, and predicted from typical weights for others.
///
/// # Errors
/// INPUT is not a readable model.
pub fn place_model(input: &Path, options: &PlacementOptions) -> Result<PlacementReport, Error> {
    let source = if is_shapes(input) { Checkpoint::of_shapes(input)? } else { Checkpoint::open(input)? };
    let config = if is_shapes(input) { config_of_shapes(input)? } else { ConfigFile::of(&source)? };
    let cache = config.as_ref().and_then(Cache::of);
    let items = items_of(source)?;
    let forms = [Form::Bf16, Form::Flat, Form::Df11].map(|form| in_form(form, &items, cache.as_ref(), options));
    Ok(PlacementReport {
        context: options.context,
        batch: options.batch,
        devices: options.devices.clone(),
        cache_bytes: cache.as_ref().map(|cache| {
            let of_item = |item: &Item| cache.bytes(item.layer, options.context);
            items.iter().fold(0_u64, |sum, item| sum.saturating_add(of_item(item))).saturating_mul(options.batch)
        }),
        forms: forms.into(),
    })
}

/// The model's config.json, as a file of shapes has it.
fn config_of_shapes(path: &Path) -> Result<Option<ConfigFile>, Error> {
    let json = read_whole(open::regular(path)?, path)?;
    let config = ConfigFile::parse(&json, path)?.get("config");
    config.map(|config| ConfigFile::parse(config.to_string().as_bytes(), path)).transpose()
}

fn in_form(form: Form, items: &[Item], cache: Option<&Cache>, options: &PlacementOptions) -> PlacedForm {
    let demands: Vec<Demand<'_>> = items.iter().map(|item| Demand::of(item, form, cache, options.batch)).collect();
    let fits = place(&demands, &options.devices, options.context).is_some();
    let most = most_tokens(&demands, &options.devices);
    // The placement for the most tokens leaves the devices equally full.
    let shown = if fits { Some(most.unwrap_or(options.context)) } else { most };
    let ranges = shown.and_then(|tokens| place(&demands, &options.devices, tokens)).unwrap_or_default();
    let devices = ranges.into_iter().zip(&options.devices).map(|(range, &bytes)| {
        let tokens = if fits { options.context } else { shown.unwrap_or(0) };
        report::device(bytes, &items[range.clone()], &demands[range], tokens)
    });
    PlacedForm {
        form: form.name(),
        weight_bytes: demands.iter().fold(0, |sum, demand| demand.weights.saturating_add(sum)),
        fits,
        most_tokens: most,
        devices: devices.collect(),
    }
}
