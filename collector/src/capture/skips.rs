//! How often the kernel left a program out. It runs a program once at a time on a CPU: a task that gets there while the
//! program is preempted passes without it, and nothing tells so but the program's own count (from Linux 5.12 on; kernels
//! before do not leave any out). The write is lost then, and nobody can say whose it was.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// What the kernel calls the count.
const KEY: &str = "recursion_misses:";

/// Which program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    program: &'static str,
}

/// Skipped runs by program.
pub(super) type Counts = Family<Labels, Counter>;

/// The counts of a probe's programs.
#[derive(Default)]
pub(super) struct Skips {
    programs: Vec<Program>,
    /// The sum of those that see writes when it was last read.
    total: Arc<AtomicU64>,
}

struct Program {
    name: &'static str,
    /// Whether a write is lost when it is left out, or another program steps in.
    sees_writes: bool,
    /// A descriptor of its own: the count is in what the kernel says of it.
    fd: OwnedFd,
    /// The count when it was last read.
    counted: u64,
}

impl Skips {
    /// Of these programs, with a descriptor each: those that another steps in for, and those that alone see a write.
    pub(super) fn of(
        backed: Vec<(&'static str, OwnedFd)>,
        writes: Vec<(&'static str, OwnedFd)>,
    ) -> Self {
        let program = |sees_writes| move |(name, fd)| Program { name, fd, counted: 0, sees_writes };
        let programs = backed.into_iter().map(program(false));
        let programs = programs.chain(writes.into_iter().map(program(true))).collect();
        Self { programs, total: Arc::default() }
    }

    /// The sum, for who wants to see it grow.
    pub(super) fn total(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.total)
    }

    /// Reads the counts; a few microseconds for each program.
    pub(super) fn read(&mut self, counts: &Counts) {
        let mut total = 0;
        for Program { name, fd, counted, sees_writes } in &mut self.programs {
            match count(fd) {
                Ok(count) => {
                    let more = count.saturating_sub(*counted);
                    counts.get_or_create(&Labels { program: name }).inc_by(more);
                    *counted += more;
                }
                Err(error) => {
                    tracing::debug!(program = name, %error, "skipped runs cannot be counted");
                }
            }
            total += if *sees_writes { *counted } else { 0 };
        }
        let before = self.total.swap(total, Ordering::Relaxed);
        if before == 0 && total > 0 {
            tracing::warn!(
                skipped = total,
                "the kernel left programs of the probe out: writes were lost; told once, counted in \
                 writetap_probe_skipped_total"
            );
        }
    }
}

/// What the kernel says of one program; 0 where it does not count.
fn count(fd: &OwnedFd) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    Ok(parse(&text).unwrap_or_default())
}

fn parse(fdinfo: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix(KEY)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{Counts, Labels, Skips, parse};

    #[test]
    fn finds_the_count_among_the_others() {
        let fdinfo = "pos:\t0\nflags:\t02000002\nprog_id:\t7\nrecursion_misses:\t12\nx:\t1\n";
        assert_eq!(parse(fdinfo), Some(12));
        assert_eq!(parse("prog_id:\t7\n"), None);
        assert_eq!(parse("recursion_misses:\tmany\n"), None);
    }

    /// A descriptor of something else has no such count.
    #[test]
    fn a_kernel_that_does_not_count_skips_nothing() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let mut skips = Skips::of(Vec::new(), vec![("program", file.into())]);
        let counts = Counts::default();
        skips.read(&counts);
        assert_eq!(skips.total().load(std::sync::atomic::Ordering::Relaxed), 0);
        assert_eq!(counts.get_or_create(&Labels { program: "program" }).get(), 0);
    }
}
