//! What a caller has who keeps units and weights on the device.

use std::ops::Deref;
use std::sync::Arc;

use df11_core::{Unit, bf16};
use df11_gpu::{Decoder, Device, DeviceMemory, Driver, Error, Kernels, Offload, PinnedUnit, RawStream, Rows, Stream};
use df11_kernels::{DeviceUnit, Job};

use crate::unit::Parts;

/// A device, its kernels, and a stream.
pub struct Rig<D: Driver> {
    pub device: Arc<Device<D>>,
    pub kernels: Arc<Kernels<D>>,
    pub decoder: Decoder<D>,
    pub stream: Stream<D>,
}

impl<D: Driver> Rig<D> {
    pub fn open(ordinal: usize) -> Self {
        Self::of(Kernels::load(&Device::open(ordinal).expect("a device")).expect("the kernels load"))
    }

    pub fn of(kernels: Kernels<D>) -> Self {
        let decoder = Decoder::of(kernels).expect("a stream");
        let (kernels, device) = (decoder.kernels().clone(), decoder.kernels().device().clone());
        Self { stream: Stream::new(&device).expect("a stream"), device, kernels, decoder }
    }

    pub fn memory(&self, bytes: usize) -> Memory<D> {
        let memory = Memory(DeviceMemory::new(&self.device, bytes).expect("memory"));
        memory.clear(&self.stream);
        memory
    }

    /// A range of a unit, which goes to the device for it.
    pub fn decode(&self, unit: Unit<'_>, first: u64, weights: &mut [bf16]) -> Result<(), Error> {
        self.decoder.load(unit)?.decode_range(first, weights)
    }
}

/// Memory whose content is looked at.
pub struct Memory<D: Driver>(DeviceMemory<D>);

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

/// The row that is gathered: of this number and length, of a matrix that begins at an odd place.
const ROW: Rows = Rows { numbers: 0, count: 1, weights: 500 };
const ROW_NUMBER: u32 = 2;
const MATRIX: u64 = 7;
const ROW_START: usize = MATRIX as usize + ROW_NUMBER as usize * ROW.weights as usize;

/// A unit on the device, and memory for its weights, for a row of it, and for a status.
pub struct OnDevice<'r, D: Driver> {
    rig: &'r Rig<D>,
    pub words: Vec<u16>,
    pub pinned: PinnedUnit<D>,
    pub memory: Memory<D>,
    number: Memory<D>,
    row: Memory<D>,
    output: Memory<D>,
    pub status: Memory<D>,
}

impl<'r, D: Driver> OnDevice<'r, D> {
    pub fn new(rig: &'r Rig<D>, words: Vec<u16>) -> Self {
        let pinned = PinnedUnit::new(&rig.device, &Parts::new(&words).unit()).expect("page-locked memory");
        let sizes = [pinned.layout().bytes(), 4, 2 * ROW.weights as usize, 2 * words.len(), 4];
        let [memory, number, row, output, status] = sizes.map(|bytes| rig.memory(bytes));
        // SAFETY: the memory is ours and as large; all of it lives until the stream is waited for.
        unsafe {
            pinned.copy(memory.address(), rig.stream.raw()).expect("a copy");
            number.write(bytemuck::bytes_of(&ROW_NUMBER), rig.stream.raw()).expect("a copy");
        }
        rig.stream.wait().expect("it is done");
        Self { rig, words, pinned, memory, number, row, output, status }
    }

    pub fn unit(&self) -> DeviceUnit {
        self.pinned.layout().at(self.memory.address())
    }

    pub fn stage_bytes(&self) -> u32 {
        self.pinned.layout().stage_bytes()
    }

    pub fn job(&self) -> Job {
        Job::all(&self.unit(), self.output.address(), self.status.address())
    }

    /// Decodes the unit on a stream. Returns at once.
    pub fn decode(&self, stream: RawStream, stage_bytes: u32) -> Result<(), Error> {
        // SAFETY: all of it is ours and on the device, which `drop` waits for.
        unsafe { self.rig.kernels.decode(stream, &[self.job()], stage_bytes) }
    }

    /// Gathers the row on a stream. Returns at once.
    pub fn gather(&self, stream: RawStream) -> Result<(), Error> {
        let matrix = MATRIX..self.words.len() as u64;
        let job = Job::window(&self.unit(), matrix, 0..1, self.row.address(), self.status.address());
        let rows = Rows { numbers: self.number.address(), ..ROW };
        // SAFETY: as above.
        unsafe { self.rig.kernels.gather(stream, &job, rows, self.stage_bytes()) }
    }

    /// Sends the unit through slots, to its output, on a stream. Returns at once.
    pub fn offload(&self, offload: &mut Offload<D>, stream: RawStream) -> Result<(), Error> {
        // SAFETY: as above.
        unsafe { offload.decode(stream, &self.pinned, self.output.address(), self.status.address()) }
    }

    pub fn clear(&self) {
        [&self.output, &self.row, &self.status].into_iter().for_each(|memory| memory.clear(&self.rig.stream));
    }

    /// Nothing was decoded.
    pub fn is_clear(&self) -> bool {
        self.output.words(self.words.len(), &self.rig.stream).iter().all(|word| word.to_bits() == 0)
    }

    /// The whole unit was decoded.
    #[track_caller]
    pub fn assert_decoded(&self, what: &str) {
        self.assert_in(what, &self.output, &self.words);
    }

    /// The row was gathered.
    #[track_caller]
    pub fn assert_gathered(&self, what: &str) {
        self.assert_in(what, &self.row, &self.words[ROW_START..][..ROW.weights as usize]);
    }

    #[track_caller]
    fn assert_in(&self, what: &str, memory: &Memory<D>, expected: &[u16]) {
        self.rig.device.synchronize().expect("the work is done");
        assert_same(what, expected, &memory.words(expected.len(), &self.rig.stream));
        assert_eq!(self.faults(), 0, "{what}: status");
    }

    pub fn faults(&self) -> u32 {
        u32::from(self.status.words(1, &self.rig.stream)[0].to_bits())
    }
}

impl<D: Driver> Drop for OnDevice<'_, D> {
    fn drop(&mut self) {
        let _ = self.rig.device.synchronize();
    }
}

#[track_caller]
pub fn assert_same(what: &str, expected: &[u16], found: &[bf16]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let at = (0..found.len()).find(|&at| expected[at] != found[at].to_bits());
    assert_eq!(at, None, "{what}: first other weight");
}
