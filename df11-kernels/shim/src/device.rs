//! Launches the kernels over memory of this process, as a backend would.

use std::ops::Range;

use df11_core::limits::{BLOCK_BYTES, BLOCK_GAP_BYTES};
use df11_core::{Code, Unit, bf16};
use df11_kernels::{DeviceUnit, Geometry, Job, Jobs, Tables, fullest_block, stage_bytes};

use crate::guarded::Guarded;
use crate::machine::{Counts, Fault, Kernel, Order, launch};

/// Outputs start with these bytes, so that weights not written are found.
const POISON: u8 = 0xA5;

/// A unit "on the device": each array is a copy that ends at a guard page.
#[derive(Debug)]
pub struct Uploaded {
    arrays: [Guarded; 5],
    tables: Guarded,
    unit: DeviceUnit,
    stage_bytes: u32,
    luts: u32,
}

impl Uploaded {
    /// Copies a unit. Arrays begin at multiples of `align`. The smaller `align` is, the nearer
    /// their ends are to the guard pages.
    pub fn new(unit: &Unit<'_>, align: usize) -> Self {
        let view = unit.view();
        let arrays = [view.encoded_exponent, view.sign_mantissa, view.gaps, view.output_positions, view.luts];
        let arrays = arrays.map(|array| Guarded::new(array, align));
        let tables = Guarded::new(bytemuck::cast_slice(Tables::new(unit.code()).words()), 16);
        let [stream, sign_mantissa, gaps, positions, _] = &arrays;
        let places = [stream, sign_mantissa, gaps, positions, &tables].map(Guarded::address);
        let device = DeviceUnit::new(unit, places[0], places[1], places[2], places[3], places[4]);
        Self {
            unit: device,
            tables,
            stage_bytes: stage_bytes(fullest_block(unit)),
            luts: (view.luts.len() / 256 - 1) as u32,
            arrays,
        }
    }

    /// A unit of zeros, of which only touched pages take memory, so it may be as long as units get.
    /// The test writes what it needs, including output positions, with no block fuller than
    /// `fullest`.
    pub fn zeros(code: &Code, stream_bytes: u32, weights: u32, fullest: u32) -> Self {
        let blocks = stream_bytes.div_ceil(BLOCK_BYTES as u32);
        let sizes = [stream_bytes, weights, blocks * BLOCK_GAP_BYTES as u32, 4 * (blocks + 1), 0];
        let arrays = sizes.map(|size| Guarded::zeros(size as usize, 16));
        let tables = Guarded::new(bytemuck::cast_slice(Tables::new(code).words()), 16);
        let [stream, sign_mantissa, gaps, positions, _] = [0, 1, 2, 3, 4].map(|array: usize| arrays[array].address());
        let unit = DeviceUnit {
            stream,
            sign_mantissa,
            gaps,
            positions,
            tables: tables.address(),
            stream_bytes,
            weights,
            blocks,
        };
        Self { arrays, tables, unit, stage_bytes: stage_bytes(fullest), luts: 0 }
    }

    /// The bytes in device memory, to change: 0 the stream, 1 sign_mantissa, 2 gaps, 3 output
    /// positions.
    pub fn array(&mut self, number: usize) -> &mut [u8] {
        &mut self.arrays[number]
    }

    /// The addresses of the unit's arrays.
    pub fn unit(&self) -> &DeviceUnit {
        &self.unit
    }

    /// The number of bytes on the device.
    pub fn bytes(&self) -> usize {
        self.arrays.iter().map(|array| array.len()).sum::<usize>() + self.tables.len()
    }
}

/// What a launch gave: the weights of each job, the status of each job, and the cost.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The weights of each job. They may be anything if the job's status is not 0.
    pub weights: Vec<Vec<bf16>>,
    /// The status of each job.
    pub status: Vec<u32>,
    /// What the launch cost.
    pub counts: Counts,
}

fn words(output: &Guarded) -> Vec<bf16> {
    output.chunks_exact(2).map(|pair| bf16::from_bits(u16::from_le_bytes([pair[0], pair[1]]))).collect()
}

fn status_of(status: &Guarded) -> Vec<u32> {
    status.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

fn poisoned(weights: usize, align: usize) -> Guarded {
    Guarded::new(&vec![POISON; 2 * weights], align)
}

/// Decodes windows (weights, and the blocks that hold them) of units in one launch, on a device
/// that holds `resident` thread blocks. Outputs begin at multiples of `align`, which is at least 2.
///
/// # Errors
/// `Fault`.
///
/// # Panics
/// If `Jobs` refuses the windows.
pub fn decode(
    windows: &[(&Uploaded, Range<u64>, Range<usize>)],
    resident: u32,
    align: usize,
    order: Order,
) -> Result<Outcome, Fault> {
    #[repr(C)]
    struct Arguments {
        jobs: Jobs,
        job_count: u32,
        blocks: u32,
        stage_bytes: u32,
    }
    let outputs: Vec<Guarded> =
        windows.iter().map(|(_, weights, _)| poisoned((weights.end - weights.start) as usize, align)).collect();
    let status = Guarded::new(&vec![0; 4 * windows.len()], 4);
    let jobs: Vec<Job> = windows
        .iter()
        .enumerate()
        .map(|(i, (unit, weights, blocks))| {
            Job::window(
                &unit.unit,
                weights.clone(),
                blocks.clone(),
                outputs[i].address(),
                status.address() + 4 * i as u64,
            )
        })
        .collect();
    let (jobs, job_count, blocks) = Jobs::new(&jobs).expect("windows for one launch");
    let stage_bytes = windows.iter().map(|(unit, ..)| unit.stage_bytes).max().unwrap_or(0);
    let geometry = Geometry::new(blocks, stage_bytes, resident);
    let counts = launch(
        Kernel::Decode,
        &Arguments { jobs, job_count, blocks, stage_bytes },
        geometry.grid,
        geometry.shared_bytes,
        order,
    )?;
    Ok(Outcome { weights: outputs.iter().map(words).collect(), status: status_of(&status), counts })
}

/// Gathers rows of a matrix, of `row_weights` weights each.
///
/// # Errors
/// `Fault`.
pub fn gather(
    unit: &Uploaded,
    matrix: Range<u64>,
    rows: &[u32],
    row_weights: u32,
    resident: u32,
    order: Order,
) -> Result<Outcome, Fault> {
    #[repr(C)]
    struct Arguments {
        unit: Job,
        rows: u64,
        row_count: u32,
        row_weights: u32,
        stage_bytes: u32,
    }
    let output = poisoned(rows.len() * row_weights as usize, 16);
    let status = Guarded::new(&[0; 4], 4);
    let numbers = Guarded::new(bytemuck::cast_slice(rows), 4);
    let arguments = Arguments {
        unit: Job::window(&unit.unit, matrix, 0..unit.unit.blocks as usize, output.address(), status.address()),
        rows: numbers.address(),
        row_count: rows.len() as u32,
        row_weights,
        stage_bytes: unit.stage_bytes,
    };
    let geometry = Geometry::new(rows.len() as u32, unit.stage_bytes, resident);
    let counts = launch(Kernel::Gather, &arguments, geometry.grid, geometry.shared_bytes, order)?;
    Ok(Outcome { weights: vec![words(&output)], status: status_of(&status), counts })
}

/// Decodes a whole unit with the plain kernel.
///
/// # Errors
/// `Fault`.
pub fn plain(unit: &Uploaded, order: Order) -> Result<Outcome, Fault> {
    #[repr(C)]
    struct Arguments {
        luts: u64,
        stream: u64,
        sign_mantissa: u64,
        positions: u64,
        gaps: u64,
        out: u64,
        tables: u32,
        stream_bytes: u32,
        weights: u32,
    }
    let DeviceUnit { stream, sign_mantissa, gaps, positions, stream_bytes, weights, blocks, .. } = unit.unit;
    let output = poisoned(weights as usize, 16);
    let arguments = Arguments {
        luts: unit.arrays[4].address(),
        stream,
        sign_mantissa,
        positions,
        gaps,
        out: output.address(),
        tables: unit.luts,
        stream_bytes,
        weights,
    };
    let shared_bytes = 2052 + 2 * unit.stage_bytes;
    let counts = launch(Kernel::Plain, &arguments, blocks, shared_bytes, order)?;
    Ok(Outcome { weights: vec![words(&output)], status: vec![0], counts })
}
