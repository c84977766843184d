//! Passing a file descriptor over a Unix socket (`SCM_RIGHTS`).

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr::from_mut;

/// Room for one control message with one descriptor, aligned as `cmsghdr` wants.
type Control = [u64; 4];

/// Sends `fd` with one byte of data.
pub(crate) fn send(socket: &UnixStream, fd: BorrowedFd<'_>) -> io::Result<()> {
    let (mut byte, mut control): (u8, Control) = (0, [0; 4]);
    let mut part = libc::iovec { iov_base: from_mut(&mut byte).cast(), iov_len: 1 };
    let message = message(&mut part, &mut control);
    // SAFETY: `message` points to a zeroed control buffer that has room for a header and one descriptor.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &raw const message, 0)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes a descriptor that [`send`] sent.
pub(crate) fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    let (mut byte, mut control): (u8, Control) = (0, [0; 4]);
    let mut part = libc::iovec { iov_base: from_mut(&mut byte).cast(), iov_len: 1 };
    let mut message = message(&mut part, &mut control);
    // SAFETY: every pointer in `message` is to a live local; the header is looked at only if the kernel wrote one.
    unsafe {
        if libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) != 1 {
            return Err(io::Error::last_os_error());
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return Err(io::Error::other("no descriptor came with the byte"));
        }
        Ok(OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
    }
}

fn message(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: all zeroes is a valid `msghdr` without name, parts and control data.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: a function of its argument alone.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as usize;
    message
}
