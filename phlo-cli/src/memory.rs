//! How the process gets memory from the system.

/// Gives large blocks pages of their own, so that these go back to the system when a block is freed.
///
/// Rows come and go in blocks of up to some MiB. By itself glibc raises the size from which a block has its own pages to that of
/// the largest block freed so far (`M_MMAP_THRESHOLD` in mallopt(3)); the heap then fills with holes for as long as a run lasts.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library has no other door to this")]
pub(crate) fn give_back_what_is_freed() {
    const FROM: libc::c_int = 256 << 10;
    // SAFETY: mallopt only sets a parameter of the allocator, and no second thread runs yet.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, FROM) };
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back_what_is_freed() {}
