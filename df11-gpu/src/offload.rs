//! Units stay in page-locked memory; the device holds two at a time. While one is decoded, the next
//! one is copied.

use std::sync::Arc;

use df11_kernels::Job;

use crate::driver::Driver;
use crate::error::Error;
use crate::functions::RawStream;
use crate::kernels::Kernels;
use crate::memory::{DeviceMemory, PinnedUnit};
use crate::stream::{Event, Stream};

/// A place on the device for one unit at a time.
#[derive(Debug)]
struct Slot<D: Driver> {
    memory: DeviceMemory<D>,
    copied: Event<D>,
    /// Marks the slot's last decoding, unless that is `unmarked`.
    decoded: Event<D>,
    /// A decoding may be at the slot that `decoded` does not mark, in a stream that may be gone:
    /// only the whole device can be waited for.
    unmarked: bool,
}

/// Two slots that take turns, and the stream of the copies.
#[derive(Debug)]
pub struct Offload<D: Driver> {
    kernels: Arc<Kernels<D>>,
    copies: Stream<D>,
    slots: [Slot<D>; 2],
    next: usize,
}

impl<D: Driver> Offload<D> {
    /// Slots for units of up to `bytes` bytes (`Layout::bytes`).
    pub fn new(kernels: &Arc<Kernels<D>>, bytes: usize) -> Result<Self, Error> {
        let device = kernels.device();
        let slot = || {
            Ok::<_, Error>(Slot {
                memory: DeviceMemory::new(device, bytes)?,
                copied: Event::new(device)?,
                decoded: Event::new(device)?,
                unmarked: false,
            })
        };
        Ok(Self { kernels: kernels.clone(), copies: Stream::new(device)?, slots: [slot()?, slot()?], next: 0 })
    }

    /// Copies `unit` into the slot whose turn it is and decodes all of it, on `stream`, to the BF16
    /// words at `out`. Returns at once; `stream` waits for the copy, and the copy for the slot's
    /// last decoding.
    ///
    /// After an error it can be called again; what `out` and `status` hold means nothing, and the
    /// decoding may be in `stream` all the same.
    ///
    /// # Errors
    /// `Driver`, or `Unit` with `BufferSize` for a unit larger than the slots.
    ///
    /// # Safety
    /// As `Kernels::decode`, for `stream`, `out` and `status`, and after an error too; and `unit`
    /// lives until the stream has done this work.
    pub unsafe fn decode(
        &mut self,
        stream: RawStream,
        unit: &PinnedUnit<D>,
        out: u64,
        status: u64,
    ) -> Result<(), Error> {
        let slot = &mut self.slots[self.next];
        let (found, expected) = (unit.layout().bytes(), slot.memory.bytes());
        if found > expected {
            return Err(Error::Unit(df11_core::Error::BufferSize { buffer: "offload slot", found, expected }));
        }
        if slot.unmarked {
            self.kernels.device().synchronize()?;
            slot.unmarked = false;
        }
        // SAFETY: the stream of copies is of the same device, and lives.
        unsafe { slot.decoded.hold(self.copies.raw())? };
        // SAFETY: no decoding is at the slot that is not marked, and for the marked one the stream
        // of copies was just told to wait. The rest is the caller's promise.
        let launched = unsafe { slot.copy_and_decode(&self.kernels, &self.copies, stream, unit, out, status) };
        match launched {
            Ok(()) => self.next = 1 - self.next,
            // `stream` may know nothing of the copy, and the caller knows only of `stream`. If this
            // fails too, no memory of the device is freed before the device has been waited for.
            Err(_) => drop(self.copies.wait()),
        }
        launched
    }
}

impl<D: Driver> Slot<D> {
    /// # Safety
    /// As `Offload::decode`; and nobody is at the slot once `copies` has done what is in it.
    unsafe fn copy_and_decode(
        &mut self,
        kernels: &Kernels<D>,
        copies: &Stream<D>,
        stream: RawStream,
        unit: &PinnedUnit<D>,
        out: u64,
        status: u64,
    ) -> Result<(), Error> {
        // SAFETY: the slot is large enough, the streams are of the device and live, and the
        // caller's promise.
        unsafe {
            unit.copy(self.memory.address(), copies.raw())?;
            self.copied.record(copies.raw())?;
            self.copied.hold(stream)?;
        }
        let job = Job::all(&unit.layout().at(self.memory.address()), out, status);
        self.unmarked = true;
        // SAFETY: the slot holds the unit by then; the rest is the caller's promise.
        unsafe { kernels.decode(stream, &[job], unit.layout().stage_bytes())? };
        // SAFETY: as above.
        unsafe { self.decoded.record(stream)? };
        self.unmarked = false;
        Ok(())
    }
}

impl<D: Driver> Drop for Offload<D> {
    fn drop(&mut self) {
        // Slots must not be freed under a copy; decodings that use them are in the caller's
        // streams, which the driver's free waits for.
        let _ = self.copies.wait();
    }
}
