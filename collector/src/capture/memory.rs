//! The kernel's types take some 30 MiB while they are looked through, once: afterwards that goes back to the system.

/// Gives back what is free when it is dropped. glibc would keep most of it, between what is still in use.
pub(super) struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        #[cfg(target_env = "gnu")]
        // SAFETY: the function has no preconditions.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
