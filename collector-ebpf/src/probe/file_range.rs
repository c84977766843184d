//! Where bytes come from that no buffer of the caller's has: sendfile and splice move them out of a file.

use aya_ebpf::helpers::bpf_probe_read_user as read_user;
use collector_ebpf::FileId;

use super::file::File;
use super::kernel::read;

/// A range of a regular file that the current process has open: it begins at `position`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct FileRange {
    /// The file; all zero: it is not known, or not one to read from.
    pub file: FileId,
    /// Where in it.
    pub position: u64,
    /// As which descriptor.
    pub fd: u64,
}

impl FileRange {
    /// Not known.
    pub(super) const NONE: Self =
        Self { file: FileId { inode: 0, device: 0, reserved: 0 }, position: 0, fd: 0 };

    /// Whether it is known.
    #[inline(always)]
    pub(super) fn is_known(&self) -> bool {
        self.file.inode != 0
    }

    /// The place in the file that is open as `fd`, if not `file`, where a call goes on reading: at `*position`, an address of the
    /// kernel or of the caller, or where the file is if that is null. `back_bytes`: it has read so many since.
    #[inline(always)]
    pub(super) fn of(file: Option<File>, fd: Option<u64>, position: u64, back_bytes: u64) -> Self {
        let Some(file) = file.filter(|file| file.is_regular() && file.is_of_this_node()) else {
            return Self::NONE;
        };
        let fd = match fd {
            Some(fd) => fd,
            None => match file.descriptor() {
                Some(fd) => fd,
                None => return Self::NONE,
            },
        };
        let end = if position == 0 {
            file.position()
        } else if let Some(end) = read::<u64>(position, 0) {
            end
        // SAFETY: the helper checks the address.
        } else if let Ok(end) = unsafe { read_user(position as *const u64) } {
            end
        } else {
            return Self::NONE;
        };
        match file.id() {
            Some(id) if end >= back_bytes => Self { file: id, position: end - back_bytes, fd },
            _ => Self::NONE,
        }
    }
}
