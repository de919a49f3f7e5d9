//! Units stay in page-locked memory; the device holds two at a time. While one is decoded, the next one is copied.

use std::sync::Arc;

use df11_kernels::Job;

use crate::device::Device;
use crate::error::Error;
use crate::kernels::Kernels;
use crate::memory::{DeviceMemory, PinnedUnit, Stream};
use crate::sys::{hipEvent_t, hipStream_t};

/// A place on the device for one unit at a time.
#[derive(Debug)]
struct Slot {
    memory: DeviceMemory,
    copied: Event,
    decoded: Event,
}

/// Two slots that take turns, and the stream of the copies.
#[derive(Debug)]
pub struct Offload {
    kernels: Arc<Kernels>,
    copies: Stream,
    slots: [Slot; 2],
    next: usize,
}

impl Offload {
    /// Slots for units of up to `bytes` bytes (`Layout::bytes`).
    ///
    /// # Errors
    /// `Driver`.
    pub fn new(kernels: &Arc<Kernels>, bytes: usize) -> Result<Self, Error> {
        let device = kernels.device();
        let slot = || {
            Ok::<_, Error>(Slot {
                memory: DeviceMemory::new(device, bytes)?,
                copied: Event::new(device)?,
                decoded: Event::new(device)?,
            })
        };
        Ok(Self { kernels: kernels.clone(), copies: Stream::new(device)?, slots: [slot()?, slot()?], next: 0 })
    }

    /// Copies `unit` into the slot whose turn it is and decodes all of it, on `stream`, to the BF16 words at `out`. Returns at once; `stream` waits for the copy, and
    /// the copy for the slot's last decoding.
    ///
    /// # Errors
    /// `Driver`, or `Unit` with `BufferSize` for a unit larger than the slots.
    ///
    /// # Safety
    /// As `Kernels::decode`, for `stream`, `out` and `status`; and `unit` lives until the stream has done this work.
    pub unsafe fn decode(
        &mut self,
        stream: hipStream_t,
        unit: &PinnedUnit,
        out: u64,
        status: u64,
    ) -> Result<(), Error> {
        let slot = &self.slots[self.next];
        let (found, expected) = (unit.layout().bytes(), slot.memory.bytes());
        if found > expected {
            return Err(Error::Unit(df11_core::Error::BufferSize { buffer: "offload slot", found, expected }));
        }
        slot.decoded.hold(self.copies.raw())?;
        // SAFETY: the slot is free once its last decoding is done, for which the stream of copies was just told to wait.
        unsafe { unit.copy(slot.memory.address(), self.copies.raw())? };
        slot.copied.record(self.copies.raw())?;
        slot.copied.hold(stream)?;
        let job = Job::all(&unit.layout().at(slot.memory.address()), out, status);
        // SAFETY: the slot holds the unit by then; the rest is the caller's promise.
        unsafe { self.kernels.decode(stream, &[job], unit.layout().stage_bytes())? };
        slot.decoded.record(stream)?;
        self.next = 1 - self.next;
        Ok(())
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        // Slots must not be freed under a copy; decodings that use them are in the caller's streams, which the driver's free waits for.
        let _ = self.copies.wait();
    }
}

#[derive(Debug)]
struct Event {
    device: Arc<Device>,
    raw: hipEvent_t,
}

// SAFETY: events may be used from any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    fn new(device: &Arc<Device>) -> Result<Self, Error> {
        let raw = device.bind()?.event_create()?;
        Ok(Self { device: device.clone(), raw })
    }

    /// Marks what is in `stream` by now.
    fn record(&self, stream: hipStream_t) -> Result<(), Error> {
        // SAFETY: the event lives; the stream is one of the device.
        unsafe { self.device.bind()?.event_record(self.raw, stream) }
    }

    /// Holds `stream` until what was marked is done; at once, if nothing was.
    fn hold(&self, stream: hipStream_t) -> Result<(), Error> {
        // SAFETY: as above.
        unsafe { self.device.bind()?.stream_wait_event(stream, self.raw) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if let Ok(hip) = self.device.bind() {
            // SAFETY: created once.
            let _ = unsafe { hip.event_destroy(self.raw) };
        }
    }
}
