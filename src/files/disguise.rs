//! Reads weights as BF16, from BF16 tensors and from F32 and F16 tensors that hold BF16 values only
//! (tensors in disguise).

use std::collections::BTreeMap;

use df11_core::bf16;

use super::checkpoint::Checkpoint;
use super::dotted::module_of;
use super::spelling::Spelling;
use super::superseded::is_superseded;
use super::words;
use crate::Error;
use crate::progress::{Progress, report_reading};
use crate::safetensors::{Dtype, TensorInfo};

/// Buffer for the file's bytes of a tensor in disguise. It comes on top of the weights.
const COPY_BYTES: usize = 4 << 20;

impl Checkpoint {
    /// Finds the F32 and F16 tensors that hold BF16 values only. With `all` it looks at every
    /// tensor, else at those that a Linear or Embedding may own. It reads the runs of weights that
    /// `runs` gives for their number, and stops at the first value that is not BF16. Returns that
    /// value's index for each tensor that has one.
    pub fn find_disguised<R: Iterator<Item = (u64, u64)>>(
        &mut self,
        all: bool,
        runs: impl Fn(u64) -> R,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, u64>, Error> {
        let (mut found, mut others) = (BTreeMap::new(), BTreeMap::new());
        let mut buffer = Vec::new();
        for (name, place) in self.tensors.iter().filter(|(name, _)| !is_superseded(name)) {
            let info = &place.info;
            let may_be_owned = all || (info.shape.len() == 2 && module_of(name).is_some());
            let wide = Spelling::of(info.dtype.name()).filter(|spelling| may_be_owned && *spelling != Spelling::Bf16);
            let (Some(spelling), false) = (wide, info.bytes() == 0) else { continue };
            let mut other = None;
            for (first, length) in runs(info.bytes() / spelling.bytes() as u64) {
                report_reading(progress, name, first * spelling.bytes() as u64, info.bytes());
                buffer.resize(length as usize, bf16::ZERO);
                let read = self.try_read_weights(name, first, &mut buffer, |_| {})?;
                other = read.err().map(|index| first + index as u64);
                if other.is_some() {
                    break;
                }
            }
            match other {
                Some(index) => drop(others.insert(name.clone(), index)),
                None => {
                    found.insert(name.clone(), TensorInfo { dtype: Dtype::named("BF16"), ..info.clone() });
                }
            }
        }
        self.disguised = found;
        Ok(others)
    }

    /// The number of weights of a tensor that is BF16 or in disguise.
    pub fn weights_of(&self, tensor: &str) -> u64 {
        let info = &self.tensors[tensor].info;
        info.bytes() / Spelling::of(info.dtype.name()).map_or(1, Spelling::bytes) as u64
    }

    /// Reads the weights of a tensor that is BF16 or in disguise, starting at weight `first`. `see`
    /// receives the bytes of the file.
    pub fn read_weights(
        &self,
        tensor: &str,
        first: u64,
        weights: &mut [bf16],
        see: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let changed = |_| {
            let path = self.reader(&self.tensors[tensor]).path().to_path_buf();
            Error::SourceChanged { path, tensor: tensor.to_owned() }
        };
        self.try_read_weights(tensor, first, weights, see)?.map_err(changed)
    }

    /// As `read_weights`, for any tensor. The inner error is the index of the first value that is
    /// not a BF16 value.
    fn try_read_weights(
        &self,
        tensor: &str,
        first: u64,
        weights: &mut [bf16],
        mut see: impl FnMut(&[u8]),
    ) -> Result<Result<(), usize>, Error> {
        let place = &self.tensors[tensor];
        let reader = self.reader(place);
        let Some(spelling) = Spelling::of(place.info.dtype.name()) else { return Ok(Err(0)) };
        if spelling == Spelling::Bf16 {
            words::from_file(weights, |bytes| {
                reader.read(tensor, &place.info, first * size_of::<bf16>() as u64, bytes)
            })?;
            see(&words::to_file(weights));
            return Ok(Ok(()));
        }
        let mut bytes = vec![0; COPY_BYTES.min(weights.len() * spelling.bytes())];
        let mut at = first * spelling.bytes() as u64;
        for weights in weights.chunks_mut(COPY_BYTES / spelling.bytes()) {
            let bytes = &mut bytes[..weights.len() * spelling.bytes()];
            reader.read(tensor, &place.info, at, bytes)?;
            if let Err(index) = spelling.read(bytes, weights) {
                return Ok(Err((at / spelling.bytes() as u64 - first) as usize + index));
            }
            see(bytes);
            at += bytes.len() as u64;
        }
        Ok(Ok(()))
    }
}
