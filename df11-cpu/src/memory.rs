//! What this crate asks of the system and the caches: huge pages for its buffers, and cache lines
//! before they are needed.

use df11_core::Error;

/// Allocates zeros, and asks the system to use huge pages for them.
///
/// Why: writing fresh pages of 4 KiB limits any decoder to about 2.5 GB/s a core, fresh huge pages
/// to about 13.
///
/// # Errors
/// `OutOfMemory` if the system gives no memory, as for any buffer of more than `isize::MAX` bytes.
pub fn buffer<T: bytemuck::Zeroable>(len: usize) -> Result<Vec<T>, Error> {
    let no_memory = |()| Error::OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) };
    let mut buffer = bytemuck::try_zeroed_vec(len).map_err(no_memory)?;
    advise_huge_pages(&mut buffer);
    Ok(buffer)
}

/// Asks for huge pages wherever the buffer holds a whole one. Fresh zeros are not yet touched: a
/// large allocation is mapped at its first write.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn advise_huge_pages<T>(buffer: &mut [T]) {
    const HUGE_PAGE: usize = 2 << 20;
    let all = buffer.as_mut_ptr_range();
    // A buffer at the end of the address space has no next multiple.
    let start = (all.start as usize).checked_next_multiple_of(HUGE_PAGE).unwrap_or(usize::MAX);
    let end = all.end as usize / HUGE_PAGE * HUGE_PAGE;
    if start < end {
        // SAFETY: the pages lie within `buffer`, which is borrowed mutably. This advice changes how
        // they are mapped, never what they hold. It may fail; that does not matter.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages<T>(_: &mut [T]) {}

/// Prefetches the cache line of an element that is needed soon. Does nothing if there is no such
/// element.
#[inline(always)]
pub(crate) fn prefetch<T>(elements: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: a prefetch never faults, whatever the address. SSE is part of x86-64.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(elements.as_ptr().wrapping_add(index).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (elements, index);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_no_memory_can_hold_is_refused() {
        fn refused<T: bytemuck::Zeroable>(len: usize, bytes: usize) {
            assert_eq!(buffer::<T>(len).map(|buffer| buffer.len()), Err(Error::OutOfMemory { bytes }));
        }
        let most = isize::MAX as usize;
        refused::<u8>(most + 1, most + 1);
        refused::<u8>(usize::MAX, usize::MAX);
        refused::<u16>(most / 2 + 1, most + 1);
        refused::<u64>(usize::MAX, usize::MAX);
        assert_eq!(buffer::<u16>(3), Ok(vec![0; 3]));
        assert_eq!(buffer::<u64>(0), Ok(vec![]));
        assert_eq!(buffer::<()>(usize::MAX).map(|units| units.len()), Ok(usize::MAX));
    }
}
