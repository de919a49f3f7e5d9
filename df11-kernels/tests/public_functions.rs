//! Calls every public function with arguments at the ends of their types. Each gives what its
//! documentation says, or panics as it says, the same in debug and release.

#[path = "../shim/tests/unit/mod.rs"]
mod unit;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use df11_core::Code;
use df11_core::limits::MAX_BLOCK_WEIGHTS;
use df11_kernels::{
    BLOCK_THREADS, DeviceUnit, Geometry, Job, Jobs, LAUNCH_JOBS, Layout, PLAIN_THREADS, TABLE_WORDS, Tables,
    TooManyJobs, fullest_block, stage_bytes,
};
use unit::Parts;

const WEIGHTS: u64 = 40_000;
const ENDS: [u64; 9] = [0, 1, 3, 39_999, WEIGHTS, WEIGHTS + 1, u32::MAX as u64, u32::MAX as u64 + 1, u64::MAX];

/// Enough weights for several blocks.
fn parts() -> Parts {
    Parts::new(&(0..WEIGHTS as u16).map(|word| word.wrapping_mul(0x9E37)).collect::<Vec<_>>())
}

/// The message of the panic, if there is one.
fn panics<T>(work: impl FnOnce() -> T) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(work()))).err()?;
    Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no text".into()))
}

/// Whether a message is one of ours. Messages about overflow or slices differ between debug and
/// release.
fn is_ours(message: &str) -> bool {
    !["overflow", "out of range", "index", "no text", "unwrap"].iter().any(|word| message.contains(word))
}

#[test]
fn a_window_is_of_the_unit_or_a_panic_that_says_so() {
    let parts = parts();
    let unit = DeviceUnit::new(&parts.unit(), 0, 0, 0, 0, 0);
    let blocks = unit.blocks as usize;
    assert!(blocks > 3);
    for (first, end) in ENDS.iter().flat_map(|&first| ENDS.map(|end| (first, end))) {
        for (from, to) in [(0, blocks), (3, 1), (0, blocks + 1), (1, 2), (2, 2), (usize::MAX, 0), (0, usize::MAX)] {
            let what = format!("{first}..{end} of {from}..{to}");
            let right = first <= end && end <= WEIGHTS && from <= to && to <= blocks && (from < to || first == end);
            match panics(|| Job::window(&unit, first..end, from..to, u64::MAX, u64::MAX)) {
                None => assert!(right, "{what}: accepted"),
                Some(message) => assert!(!right && is_ours(&message), "{what}: {message}"),
            }
            if right {
                let job = Job::window(&unit, first..end, from..to, 0, 0);
                assert_eq!(job.blocks() as usize, if first == end { 0 } else { to - from }, "{what}");
            }
        }
    }
    assert_eq!(Job::all(&unit, 0, 0).blocks(), unit.blocks);
    let message = panics(|| Job::all(&DeviceUnit { blocks: 0, ..unit }, 0, 0)).expect("weights of no block");
    assert!(is_ours(&message), "{message}");
}

#[test]
fn a_launch_takes_the_jobs_that_have_weights_and_no_more_than_it_carries() {
    let parts = parts();
    let unit = DeviceUnit::new(&parts.unit(), 0, 0, 0, 0, 0);
    let (one, none) = (Job::window(&unit, 0..1, 0..1, 0, 0), Job::window(&unit, 5..5, 0..2, 0, 0));
    let refused = |jobs: &[Job]| Jobs::new(jobs).map(|_| ()).unwrap_err();
    assert_eq!(refused(&[]), TooManyJobs { found: 0 });
    assert_eq!(refused(&vec![none; 100]), TooManyJobs { found: 0 });
    assert_eq!(refused(&[vec![one; LAUNCH_JOBS + 1], vec![none; 5]].concat()), TooManyJobs { found: LAUNCH_JOBS + 1 });
    let (_, count, blocks) = Jobs::new(&[vec![none; 50], vec![one; LAUNCH_JOBS]].concat()).expect("as many as fit");
    assert_eq!((count, blocks), (LAUNCH_JOBS as u32, LAUNCH_JOBS as u32));
    // No unit has this many blocks. Their sum exceeds a u32.
    let endless = Job::all(&DeviceUnit { blocks: u32::MAX, ..unit }, 0, 0);
    assert_eq!(refused(&[endless, one]), TooManyJobs { found: 2 });
    assert!(refused(&[endless, one]).to_string().contains("found 2"));
}

#[test]
fn a_layout_writes_its_own_unit_into_a_buffer_of_its_size() {
    let (parts, other) = (parts(), Parts::new(&[0; 3]));
    let layout = Layout::new(&parts.unit());
    assert_eq!((layout.weights(), layout.bytes() % 256), (WEIGHTS, 0));
    let mut bytes = vec![0; layout.bytes()];
    layout.write(&parts.unit(), &mut bytes);
    for size in [0, 1, layout.bytes() - 1, layout.bytes() + 1] {
        let message = panics(|| layout.write(&parts.unit(), &mut vec![0; size])).expect("another size");
        assert!(is_ours(&message), "{message}");
    }
    let message = panics(|| layout.write(&other.unit(), &mut bytes)).expect("another unit");
    assert!(is_ours(&message), "{message}");
}

#[test]
fn a_unit_lies_where_there_are_addresses_for_it() {
    let layout = Layout::new(&parts().unit());
    let last = (u64::MAX - layout.bytes() as u64) / 256 * 256;
    for base in [0, 256, 1 << 40, last] {
        let unit = layout.at(base);
        let places = [unit.stream, unit.sign_mantissa, unit.gaps, unit.positions, unit.tables];
        assert!(places.is_sorted() && unit.stream == base && unit.tables > base, "{base:#x}");
    }
    for base in [1, 255, last + 1, last + 256, u64::MAX] {
        let message = panics(|| layout.at(base)).expect("no place for a unit");
        assert!(is_ours(&message), "{base:#x}: {message}");
    }
}

#[test]
fn a_stage_holds_the_fullest_block_that_there_may_be() {
    let parts = parts();
    let fullest = fullest_block(&parts.unit());
    assert!(fullest > 0 && stage_bytes(fullest) > fullest);
    for held in [0, 1, MAX_BLOCK_WEIGHTS as u32] {
        assert!(stage_bytes(held) > held);
    }
    for held in [MAX_BLOCK_WEIGHTS as u32 + 1, u32::MAX] {
        let message = panics(|| stage_bytes(held)).expect("no block holds so many");
        assert!(is_ours(&message), "{message}");
    }
}

#[test]
fn a_geometry_asks_for_what_there_is_or_for_more_than_any_device_has() {
    let ends = [0, 1, 135, 136, 40_000, u32::MAX - 1, u32::MAX];
    for (blocks, stage) in ends.iter().flat_map(|&blocks| ends.map(|stage| (blocks, stage))) {
        for resident in ends {
            let Geometry { grid, shared_bytes } = Geometry::new(blocks, stage, resident);
            assert_eq!(grid, blocks.min(resident.max(1)));
            assert_eq!(shared_bytes, Geometry::shared_bytes(stage));
            assert_eq!(u64::from(shared_bytes), (10_496 + u64::from(stage.max(136))).min(u64::from(u32::MAX)));
        }
    }
    assert_eq!([BLOCK_THREADS, PLAIN_THREADS], [256, 512]);
}

#[test]
fn tables_are_made_of_any_code() {
    for range in [0..1, 0..256] as [Range<usize>; 2] {
        for length in [1, 8, 11, 12, 32] {
            let mut lengths = [0; 256];
            // No more codes than there are bit strings of that length.
            lengths[range.start..range.end.min(1 << length.min(8))].fill(length);
            let code = Code::canonical(&lengths).expect("no more codes than bit strings");
            assert_eq!(Tables::new(&code).words().len(), TABLE_WORDS);
        }
    }
}
