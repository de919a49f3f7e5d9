use std::sync::Arc;

use super::opened::{Found, Opened};
use crate::Error;
use crate::safetensors::Dtype;

/// A tensor of a model. It keeps the model open.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(super) opened: Arc<Opened>,
    name: String,
}

impl Tensor {
    pub(super) fn of(opened: &Arc<Opened>, name: &str) -> Tensor {
        Tensor { opened: opened.clone(), name: name.to_owned() }
    }

    /// Proof that indexing cannot fail: `of` receives only names of the table, and the table does
    /// not change.
    pub(super) fn found(&self) -> &Found {
        &self.opened.tensors[&self.name]
    }

    /// Its name before the model was compressed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is coded in a unit. Otherwise it is raw.
    pub fn is_coded(&self) -> bool {
        matches!(self.found(), Found::Coded { .. })
    }

    /// Its dtype before the model was compressed. Coded weights always decode to BF16: a tensor of
    /// F32 that holds only BF16 values may have been coded.
    pub fn dtype(&self) -> &Dtype {
        match self.found() {
            Found::Coded { dtype, .. } => dtype,
            Found::Raw(place) => &place.info.dtype,
        }
    }

    /// Its sizes, slowest first; `None` for a coded tensor whose shape is unknown.
    ///
    /// The shape of a coded tensor is a claim: of the record of the source, else of
    /// `OpenOptions::like`, else of the fields of config.json. Only its product is checked, against
    /// the number of weights. So `[rows, columns]` may lie, and rows of a hostile model may begin
    /// anywhere in its weights, but never outside them.
    pub fn shape(&self) -> Option<&[u64]> {
        match self.found() {
            Found::Coded { shape, .. } => shape.as_deref(),
            Found::Raw(place) => Some(&place.info.shape),
        }
    }

    /// Bytes of its data once read or decoded.
    pub fn bytes(&self) -> u64 {
        match self.found() {
            Found::Coded { weights, .. } => 2 * (weights.end - weights.start),
            Found::Raw(place) => place.info.bytes(),
        }
    }

    /// Reads the data of a raw tensor into all of `bytes`, starting at byte `offset`.
    ///
    /// # Errors
    /// `TensorUnfit` for a coded tensor, which must be decoded, and for bytes past its end; what
    /// the operating system said.
    pub fn read_raw(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let Found::Raw(place) = self.found() else {
            return Err(self.unfit("a coded tensor".into(), "a raw one: decode it as a matrix".into()));
        };
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > place.info.bytes()) {
            let asked = format!("{} bytes from {offset} on", bytes.len());
            return Err(self.unfit(format!("{} bytes", place.info.bytes()), asked));
        }
        self.opened.checkpoint.reader(place).read(&self.name, &place.info, offset, bytes)
    }

    pub(super) fn unfit(&self, found: String, expected: String) -> Error {
        Error::TensorUnfit { path: self.opened.checkpoint.path.clone(), tensor: self.name.clone(), found, expected }
    }
}
