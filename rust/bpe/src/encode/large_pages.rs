//! Large pages for a large table.
//!
//! Memory that a process has not written to yet comes page by page, each at the price of a trap into the system, and a
//! table that is read here and there needs a page table as far-flung as itself. Linux has pages of two megabytes for
//! those who ask, unless it is set up never to.

/// The size of a large page, in bytes. Only memory that is aligned to its size can be one.
pub(super) const SIZE: usize = 2 << 20;

/// Asks for large pages for memory that is about to be written; nothing else depends on it.
pub(super) fn ask_for(memory: &mut [u64]) {
    let n_bytes = size_of_val(memory);
    if n_bytes < SIZE || !memory.as_ptr().cast::<u8>().addr().is_multiple_of(SIZE) {
        return;
    }
    #[cfg(all(target_os = "linux", not(miri)))]
    #[allow(unsafe_code)]
    // SAFETY: the range is `memory`, and the advice changes neither what is there nor who may use it.
    unsafe {
        libc::madvise(memory.as_mut_ptr().cast(), n_bytes, libc::MADV_HUGEPAGE);
    }
}
