//! The ways to see writes.

/// Which hooks see the writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Entry and return of the functions that write to pipes and terminals, by `kprobe.multi`: the kernel leaves none out.
    /// Linux 6.14, where it stands on the function graph tracer.
    Multi,
    /// Return of the same functions by fexit: cheaper. Where the kernel may preempt programs, and so leave them out, also their
    /// entry and the return of system calls: up to 6.18 that finds all but what `io_uring` and AIO write.
    Fexit,
    /// `sys_exit` by BTF tracepoint: every kernel with BTF allows it. Every system call pays a little, and `io_uring` and
    /// AIO pass by. From 7.2 on the kernel leaves some out.
    Syscall,
}

impl Backend {
    /// Each, the best first: exact before cheap.
    pub const ALL: [Self; 3] = [Self::Multi, Self::Fexit, Self::Syscall];

    /// Its name in configuration and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Multi => "multi",
            Self::Fexit => "fexit",
            Self::Syscall => "syscall",
        }
    }

    /// How many scratches a CPU needs: programs that may run there while another is preempted have one each.
    pub(super) const fn slots(self) -> u32 {
        match self {
            Self::Fexit => 5,
            Self::Multi | Self::Syscall => 1,
        }
    }
}
