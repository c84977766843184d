//! From a file descriptor of the current task to the object behind it.

use core::ptr;

use collector_ebpf::FileId;

use super::kernel::{current_task, field, has_typed_task, offsets, read};

const S_IFMT: u16 = 0o170_000;
const S_IFIFO: u16 = 0o010_000;
const S_IFCHR: u16 = 0o020_000;
const S_IFREG: u16 = 0o100_000;

/// File systems that answer by themselves: no process, and no other machine, can keep a reader of them waiting.
/// `include/uapi/linux/magic.h`: ext2 to ext4, XFS, Btrfs, tmpfs, overlay, squashfs, erofs, f2fs.
const OWN_MAGICS: [u64; 8] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x794c_7630,
    0x7371_7368,
    0xe0f5_e1e2,
    0xf2f5_2010,
];

/// Descriptors of a process that are looked through for an open file.
const SOUGHT_DESCRIPTORS: u64 = 64;

/// `/dev/null`, as the kernel's `dev_t`. Documentation/admin-guide/devices.txt
const NULL_DEVICE: u32 = 1 << 20 | 3;

/// Majors of terminals' slave ends. Documentation/admin-guide/devices.txt
const PTS_MAJORS: core::ops::RangeInclusive<u32> = 136..=143;

/// An open file's inode, as a kernel address.
#[derive(Clone, Copy)]
pub(super) struct File {
    file: u64,
    inode: u64,
}

impl File {
    /// What `fd` is open on in the current task now, which another thread may have changed since the call began.
    #[inline(always)]
    pub(super) fn of_current(fd: u64) -> Option<Self> {
        let table = if has_typed_task() { table::<true>() } else { table::<false>() };
        let (descriptors, limit) = table?;
        if fd >= u64::from(limit) {
            return None;
        }
        Self::at(read(descriptors + fd * 8, 0)?)
    }

    /// The `struct file` at this kernel address.
    #[inline(always)]
    pub(super) fn at(file: u64) -> Option<Self> {
        let inode: u64 = read(file, offsets().get(|o| &o.file_inode))?;
        Some(Self { file, inode })
    }

    /// Its inode number.
    #[inline(always)]
    pub(super) fn inode_number(self) -> Option<u64> {
        read(self.inode, offsets().get(|o| &o.inode_ino))
    }

    /// Device of its file system.
    #[inline(always)]
    pub(super) fn device(self) -> Option<u32> {
        let superblock: u64 = read(self.inode, offsets().get(|o| &o.inode_sb))?;
        read(superblock, offsets().get(|o| &o.sb_dev))
    }

    /// What tells it from other files.
    #[inline(always)]
    pub(super) fn id(self) -> Option<FileId> {
        Some(FileId { inode: self.inode_number()?, device: self.device()?, reserved: 0 })
    }

    /// The descriptor that the current task has it open as, if it is one of the first.
    #[inline(always)]
    pub(super) fn descriptor(self) -> Option<u64> {
        // A function's argument that the verifier knows as a pointer is no number to it until it was read from memory.
        let file = self.file;
        let fd = descriptor_of(read(ptr::from_ref(&file) as u64, 0)?);
        (fd < SOUGHT_DESCRIPTORS).then_some(fd)
    }

    /// Whether it is on a file system that this kernel itself keeps, mounted by the node's root: whoever reads it waits for a disk at
    /// most.
    #[inline(always)]
    pub(super) fn is_of_this_node(self) -> bool {
        let Some(superblock) = read::<u64>(self.inode, offsets().get(|o| &o.inode_sb)) else {
            return false;
        };
        let magic: Option<u64> = read(superblock, offsets().get(|o| &o.sb_magic));
        let namespace: Option<u64> = read(superblock, offsets().get(|o| &o.sb_user_ns));
        let level = namespace.and_then(|it| read::<u32>(it, offsets().get(|o| &o.user_ns_level)));
        level == Some(0) && magic.is_some_and(|magic| OWN_MAGICS.contains(&magic))
    }

    /// Its position.
    #[inline(always)]
    pub(super) fn position(self) -> u64 {
        read(self.file, offsets().get(|o| &o.file_pos)).unwrap_or(0)
    }

    /// Whether it is a regular file.
    #[inline(always)]
    pub(super) fn is_regular(self) -> bool {
        self.mode() & S_IFMT == S_IFREG
    }

    /// Whether it is a pipe or FIFO.
    #[inline(always)]
    pub(super) fn is_fifo(self) -> bool {
        self.mode() & S_IFMT == S_IFIFO
    }

    /// Whether it can be a container's stdio: a pipe, a FIFO or a terminal.
    #[inline(always)]
    pub(super) fn is_stream(self) -> bool {
        match self.mode() & S_IFMT {
            S_IFIFO => true,
            S_IFCHR => is_terminal(self.device_number()),
            _ => false,
        }
    }

    /// Whether it is a terminal.
    #[inline(always)]
    pub(super) fn is_terminal(self) -> bool {
        self.mode() & S_IFMT == S_IFCHR && is_terminal(self.device_number())
    }

    /// Whether it is `/dev/null`.
    #[inline(always)]
    pub(super) fn is_null(self) -> bool {
        self.mode() & S_IFMT == S_IFCHR && self.device_number() == NULL_DEVICE
    }

    /// Whether the current task has it as this descriptor.
    #[inline(always)]
    pub(super) fn is_descriptor(self, fd: u64) -> bool {
        Self::of_current(fd).is_some_and(|file| file.file == self.file)
    }

    /// Which device it is, if it is one, as the kernel's `dev_t`.
    #[inline(always)]
    fn device_number(self) -> u32 {
        read(self.inode, offsets().get(|o| &o.inode_rdev)).unwrap_or(0)
    }

    #[inline(always)]
    fn mode(self) -> u16 {
        read(self.inode, offsets().get(|o| &o.inode_mode)).unwrap_or(0)
    }
}

/// The first descriptor that the current task has the `struct file` at this address open as; [`SOUGHT_DESCRIPTORS`] if that
/// is none of the first. A global function, as [`super::copy`] has one: the verifier looks at it by itself.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn descriptor_of(file: u64) -> u64 {
    let Some((descriptors, limit)) = table::<false>() else { return SOUGHT_DESCRIPTORS };
    for fd in 0..SOUGHT_DESCRIPTORS {
        if fd < u64::from(limit) && read::<u64>(descriptors + fd * 8, 0) == Some(file) {
            return fd;
        }
    }
    SOUGHT_DESCRIPTORS
}

#[inline(always)]
fn is_terminal(device: u32) -> bool {
    PTS_MAJORS.contains(&(device >> 20))
}

/// The address of the current task's descriptors, and how many there are.
#[inline(always)]
fn table<const TYPED: bool>() -> Option<(u64, u32)> {
    let task = current_task::<TYPED>();
    let files: *const u8 = field::<TYPED, _>(task, offsets().get(|o| &o.task_files))?;
    let table: *const u8 = field::<TYPED, _>(files, offsets().get(|o| &o.files_fdt))?;
    let limit: u32 = field::<TYPED, _>(table, offsets().get(|o| &o.fdt_max_fds))?;
    Some((field::<TYPED, _>(table, offsets().get(|o| &o.fdt_fd))?, limit))
}
