//! The pieces of a model that are placed: each block, and what is before and after the blocks.

use std::collections::BTreeMap;

use df11_core::{Sections, Shape, bf16};

use crate::Error;
use crate::files::checkpoint::Checkpoint;
use crate::files::dotted::{is_decimal, natural_order, parent_and_last, prefixes};
use crate::jobs::completeness::is_decoder_list;
use crate::jobs::estimate::{EstimateOptions, estimate_one};
use crate::reader::{Model, OpenOptions};

/// Tensors that are placed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// The module path of a block, or the name of a tensor outside blocks.
    pub name: String,
    /// The number of the block in the decoder.
    pub layer: Option<u64>,
    pub bf16_bytes: u64,
    pub flat_bytes: u64,
    pub df11_bytes: u64,
    /// Bytes of its largest coded matrix as BF16.
    pub largest_coded: u64,
}

/// Which end of the model an item is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Before,
    Block,
    After,
}

/// The items of a model in the order in which it computes: embeddings, blocks, and what follows
/// them. A name with `norm` or `head` is taken for the latter.
pub(super) fn items_of(source: Checkpoint) -> Result<Vec<Item>, Error> {
    let mut items: BTreeMap<String, Item> = BTreeMap::new();
    match source.coded {
        true => of_coded(&Model::of(source, &OpenOptions::default())?, &mut items),
        false => of_source(source, &mut items)?,
    }
    let mut items: Vec<Item> = items.into_values().collect();
    let place = |item: &Item| match () {
        () if block_of(&item.name).is_some() => Place::Block,
        () if ["norm", "head"].iter().any(|word| item.name.contains(word)) => Place::After,
        () => Place::Before,
    };
    items.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| natural_order(&a.name, &b.name)));
    Ok(items)
}

fn of_coded(model: &Model, items: &mut BTreeMap<String, Item>) {
    for unit in model.units() {
        let item = item_of(items, unit.name());
        add_unit(item, unit.weights(), unit.bytes());
        let matrices = unit.matrices();
        if matrices.len() == 0 {
            add_matrix(item, &[unit.weights()]);
        }
        for matrix in matrices {
            add_matrix(item, matrix.shape().unwrap_or(&[matrix.weights()]));
        }
    }
    for tensor in model.raw_tensors() {
        add_raw(items, tensor.name(), tensor.bytes());
    }
}

fn of_source(source: Checkpoint, items: &mut BTreeMap<String, Item>) -> Result<(), Error> {
    let shapes = source.tensors.iter().map(|(name, place)| (name.clone(), place.info.shape.clone()));
    let shapes: BTreeMap<String, Vec<u64>> = shapes.collect();
    let estimate = estimate_one(source, &EstimateOptions { headers_only: true, ..EstimateOptions::default() })?;
    for unit in &estimate.units {
        let item = item_of(items, &unit.name);
        add_unit(item, unit.weights, unit.bytes);
        for tensor in &unit.tensors {
            add_matrix(item, &shapes[tensor]);
        }
    }
    for raw in &estimate.raw {
        add_raw(items, &raw.name, raw.bytes);
    }
    Ok(())
}

fn add_unit(item: &mut Item, weights: u64, bytes: u64) {
    item.df11_bytes = item.df11_bytes.saturating_add(bytes);
    item.bf16_bytes = item.bf16_bytes.saturating_add(bytes_of(weights));
}

/// Adds a coded matrix's flat form, without escapes: how many weights escape, headers do not tell.
fn add_matrix(item: &mut Item, shape: &[u64]) {
    let weights = shape.iter().fold(1_u64, |weights, size| weights.saturating_mul(*size));
    let columns = shape.last().copied().unwrap_or(1);
    let flat = weights.checked_div(columns).and_then(|rows| Shape::new(rows, columns).ok());
    let flat = flat.and_then(|shape| Sections::new(shape, 0).ok()).map(|sections| sections.total() as u64);
    item.flat_bytes = item.flat_bytes.saturating_add(flat.unwrap_or(bytes_of(weights)));
    item.largest_coded = item.largest_coded.max(bytes_of(weights));
}

/// As BF16.
fn bytes_of(weights: u64) -> u64 {
    weights.saturating_mul(size_of::<bf16>() as u64)
}

fn add_raw(items: &mut BTreeMap<String, Item>, tensor: &str, bytes: u64) {
    let item = item_of(items, tensor);
    for sum in [&mut item.bf16_bytes, &mut item.flat_bytes, &mut item.df11_bytes] {
        *sum = sum.saturating_add(bytes);
    }
}

/// The item that a tensor or a unit belongs to.
fn item_of<'a>(items: &'a mut BTreeMap<String, Item>, path: &str) -> &'a mut Item {
    let name = block_of(path).unwrap_or(path);
    items.entry(name.to_owned()).or_insert_with(|| {
        let (list, last) = parent_and_last(name);
        let layer = last.parse().ok().filter(|_| is_decoder_list(list));
        Item { name: name.to_owned(), layer, ..Item::default() }
    })
}

/// The block that a path is, or lies below: `model.layers.3` of `model.layers.3.mlp.up_proj`.
fn block_of(path: &str) -> Option<&str> {
    prefixes(path).find(|path| is_decimal(parent_and_last(path).1))
}
