//! What this program does in the place of a container runtime and of a container's program.

use std::env::{current_exe, temp_dir};
use std::ffi::CString;
use std::fs;
use std::io::Error;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::ptr::null;

use anyhow::{Context as _, Result};
use rustix::fs::statfs;

use crate::container::new_id;
use crate::workload;

/// Joins `cgroup`, then executes this program as the container's entry point: in this order, as runc does it.
pub(crate) fn enter(cgroup: &str, command: &[&str]) -> Result<()> {
    join(Path::new(cgroup))?;
    Err(Command::new(current_exe()?).args(command).exec().into())
}

/// Moves into a new cgroup below `cgroup` and goes on as the workload there.
pub(crate) fn nest(cgroup: &str, command: &[&str]) -> Result<()> {
    let nested = Path::new(cgroup).join("nested");
    fs::create_dir(&nested)?;
    join(&nested)?;
    Ok(workload::run(command)?)
}

/// `include/uapi/linux/magic.h`
const CGROUP2: i64 = 0x6367_7270;

/// Goes on as the collector where no cgroups of version 2 are mounted, only one of version 1.
pub(crate) fn without_version_2(command: &[&str]) -> Result<()> {
    let place = temp_dir().join(new_id());
    fs::create_dir(&place)?;
    let place = CString::new(place.as_os_str().as_bytes())?;
    // SAFETY: the strings are terminated, and there are no options but these.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(null(), c"/".as_ptr(), null(), private, null()))?;
        for place in [c"/sys/fs/cgroup/unified", c"/sys/fs/cgroup"] {
            while statfs(place).is_ok_and(|found| found.f_type == CGROUP2) {
                check(libc::umount2(place.as_ptr(), libc::MNT_DETACH))?;
            }
        }
        let kind = c"cgroup".as_ptr();
        check(libc::mount(kind, place.as_ptr(), kind, 0, c"none,name=writetap".as_ptr().cast()))?;
    }
    Err(Command::new(current_exe()?).arg("writetap").args(command).exec().into())
}

fn join(cgroup: &Path) -> Result<()> {
    let members = cgroup.join("cgroup.procs");
    // 0: the writer itself.
    fs::write(&members, "0").with_context(|| format!("failed to join `{}`", cgroup.display()))
}

fn check(result: libc::c_int) -> Result<()> {
    if result == 0 { Ok(()) } else { Err(Error::last_os_error().into()) }
}
