//! Process 1 of a virtual machine: mounts what a system has, runs the tests, powers off.

use std::ffi::CStr;
use std::fs::create_dir_all;
use std::io::Error;
use std::process::ExitCode;
use std::ptr::null;

use anyhow::{Context as _, Result};

use crate::report;

/// Type and place of every file system, in this order.
const MOUNTS: [(&CStr, &CStr); 7] = [
    (c"devtmpfs", c"/dev"),
    (c"devpts", c"/dev/pts"),
    (c"proc", c"/proc"),
    (c"sysfs", c"/sys"),
    (c"debugfs", c"/sys/kernel/debug"),
    (c"cgroup2", c"/sys/fs/cgroup"),
    (c"tmpfs", c"/tmp"),
];

/// Runs `tests` with the arguments that the kernel was given for `/init`.
pub(crate) fn run(tests: fn(&[&str]) -> ExitCode) -> ! {
    let filter: Vec<String> = std::env::args().skip(1).collect();
    match mount_all() {
        Ok(()) => drop(tests(&filter.iter().map(String::as_str).collect::<Vec<_>>())),
        Err(error) => drop(report::exit_code(Err(error))),
    }
    power_off()
}

fn mount_all() -> Result<()> {
    for (kind, place) in MOUNTS {
        let path = place.to_str()?;
        // In a file system of the kernel's own the directory is there already, or cannot be made.
        let made = create_dir_all(path);
        // SAFETY: the strings are terminated; there are no options.
        if unsafe { libc::mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), 0, null()) } != 0 {
            let error = Error::last_os_error();
            return made.and(Err(error)).with_context(|| format!("failed to mount `{path}`"));
        }
    }
    Ok(())
}

/// By a restart, which QEMU was told to take for the end: that needs no ACPI.
fn power_off() -> ! {
    // SAFETY: nothing is left to be saved.
    unsafe {
        libc::reboot(libc::RB_AUTOBOOT);
    }
    // Only where the kernel refused: the end of process 1 is a panic, which ends the machine too.
    std::process::exit(1)
}
