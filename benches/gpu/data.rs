//! Tensors on the device.

use std::sync::{Arc, Mutex, PoisonError};

use df11_core::{Unit, Work, bf16};
use df11_cpu::{Encoder, Level};
use df11_cuda::cudarc::driver::result;
use df11_cuda::{Device, DeviceMemory, Error, PinnedUnit, Stream};
use df11_kernels::{DeviceUnit, fullest_block};

use crate::{Failure, MI, cases};

/// Bytes of a table, and of the lengths after the last table.
const ROW_BYTES: usize = 256;

/// What weights are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// N(0, 0.02).
    Gauss,
    /// Rows of differing scale, outliers and zeros: long codes are commoner.
    RealLike,
}

/// A unit on the host.
pub struct Source {
    pub weights: Vec<bf16>,
    unit: Unit<'static>,
}

impl Source {
    pub fn new(kind: Kind, number: usize) -> Result<Self, Failure> {
        let generate = match kind {
            Kind::Gauss => cases::gauss,
            Kind::RealLike => cases::real_like,
        };
        let mut weights = vec![bf16::ZERO; number];
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        let chunks: Mutex<_> = Mutex::new(weights.chunks_mut(MI).enumerate());
        let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((seed, chunk)) = next() {
                        let words = generate(chunk.len(), seed as u64);
                        chunk.iter_mut().zip(words).for_each(|(weight, word)| *weight = bf16::from_bits(word));
                    }
                });
            }
        });
        let unit = Encoder::new(Level::best(), Work::Pool).unit(&weights, &[])?;
        Ok(Self { weights, unit })
    }

    /// Bytes that a decoder reads, without the tables.
    pub fn coded_bytes(&self) -> usize {
        let view = self.unit.view();
        [view.encoded_exponent, view.sign_mantissa, view.gaps, view.output_positions]
            .iter()
            .map(|array| array.len())
            .sum()
    }

    /// `number` copies on the device.
    pub fn upload(&self, device: &Arc<Device>, number: usize, stream: &Stream) -> Result<Vec<Tensor>, Failure> {
        let unit = &self.unit;
        let pinned = PinnedUnit::new(device, unit)?;
        let luts = unit.view().luts;
        let tensor = || -> Result<Tensor, Error> {
            let memory = DeviceMemory::new(device, pinned.layout().bytes())?;
            // SAFETY: the memory is as large as the unit. It and the unit live until the stream is
            // waited for, below, or the program ends.
            unsafe { pinned.copy(memory.address(), stream.raw())? };
            Ok(Tensor {
                unit: pinned.layout().at(memory.address()),
                _memory: memory,
                luts: DeviceMemory::new(device, luts.len())?,
                rows_of_luts: (luts.len() / ROW_BYTES) as u32,
                out: DeviceMemory::new(device, 2 * self.weights.len())?,
                status: DeviceMemory::new(device, size_of::<u32>())?,
                stage_bytes: pinned.layout().stage_bytes(),
                fullest: fullest_block(unit),
            })
        };
        let tensors = (0..number).map(|_| tensor()).collect::<Result<Vec<_>, _>>();
        stream.wait()?;
        let tensors = tensors?;
        for tensor in &tensors {
            // SAFETY: as large; both live until the stream is waited for.
            unsafe { result::memcpy_htod_async(tensor.luts.address(), luts, stream.raw().cast()) }?;
        }
        stream.wait()?;
        Ok(tensors)
    }
}

/// A unit, its output and its status word, all in device memory.
pub struct Tensor {
    _memory: DeviceMemory,
    pub unit: DeviceUnit,
    pub luts: DeviceMemory,
    pub rows_of_luts: u32,
    pub out: DeviceMemory,
    pub status: DeviceMemory,
    pub stage_bytes: u32,
    /// The number of weights of the fullest block.
    pub fullest: u32,
}
