//! What a caller has who keeps units and weights on the device.

use std::ops::Deref;
use std::sync::Arc;

use df11_core::{Unit, bf16};
use df11_gpu::{Decoder, Device, DeviceMemory, Driver, Error, Kernels, PinnedUnit, Stream};
use df11_kernels::DeviceUnit;

use crate::unit::Parts;

/// A device, its kernels, and a stream.
pub struct Rig<D: Driver> {
    pub device: Arc<Device<D>>,
    pub kernels: Arc<Kernels<D>>,
    pub stream: Stream<D>,
}

impl<D: Driver> Rig<D> {
    pub fn open(ordinal: usize) -> Self {
        Self::of(Kernels::load(&Device::open(ordinal).expect("a device")).expect("the kernels load"))
    }

    pub fn of(kernels: Kernels<D>) -> Self {
        let device = kernels.device().clone();
        let stream = Stream::new(&device).expect("a stream");
        Self { device, kernels: Arc::new(kernels), stream }
    }

    pub fn memory(&self, bytes: usize) -> Memory<D> {
        let memory = Memory(DeviceMemory::new(&self.device, bytes).expect("memory"));
        memory.clear(&self.stream);
        memory
    }

    pub fn upload(&self, words: &[u16]) -> OnDevice<D> {
        let pinned = PinnedUnit::new(&self.device, &Parts::new(words).unit()).expect("page-locked memory");
        let memory = self.memory(pinned.layout().bytes());
        // SAFETY: the memory is ours and as large; all of it lives until the stream is waited for.
        unsafe { pinned.copy(memory.address(), self.stream.raw()) }.expect("a copy");
        self.stream.wait().expect("it is done");
        OnDevice { pinned, memory }
    }
}

/// Memory whose content is looked at.
pub struct Memory<D: Driver>(pub DeviceMemory<D>);

impl<D: Driver> Deref for Memory<D> {
    type Target = DeviceMemory<D>;

    fn deref(&self) -> &DeviceMemory<D> {
        &self.0
    }
}

impl<D: Driver> Memory<D> {
    /// Sets it to 0, after what is in the stream.
    pub fn clear(&self, stream: &Stream<D>) {
        // SAFETY: the memory is ours, and lives until the stream is waited for.
        unsafe { self.0.clear(stream.raw()) }.expect("a clear");
        stream.wait().expect("it is done");
    }

    /// So many words of it, after what is in the stream.
    pub fn words(&self, words: usize, stream: &Stream<D>) -> Vec<bf16> {
        stream.wait().expect("the work is done");
        let mut found = vec![bf16::ZERO; words];
        self.0.read(bytemuck::cast_slice_mut(&mut found)).expect("a copy");
        found
    }
}

/// A unit on the device.
pub struct OnDevice<D: Driver> {
    pub pinned: PinnedUnit<D>,
    pub memory: Memory<D>,
}

impl<D: Driver> OnDevice<D> {
    pub fn unit(&self) -> DeviceUnit {
        self.pinned.layout().at(self.memory.address())
    }

    pub fn stage_bytes(&self) -> u32 {
        self.pinned.layout().stage_bytes()
    }
}

/// A range of a unit, which goes to the device for it.
pub fn decode<D: Driver>(decoder: &Decoder<D>, unit: Unit<'_>, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
    decoder.load(unit)?.decode_range(first, weights)
}

#[track_caller]
pub fn assert_same(what: &str, expected: &[u16], found: &[bf16]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let at = (0..found.len()).find(|&at| expected[at] != found[at].to_bits());
    assert_eq!(at, None, "{what}: first other weight");
}
