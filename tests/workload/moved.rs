//! Calls that bring bytes onto stdout without a buffer of the caller's.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;

use rustix::fs::{copy_file_range, ftruncate, sendfile};
use rustix::pipe::{IoSliceRaw, SpliceFlags, pipe, splice, tee, vmsplice};
use rustix::stdio::stdout;

use super::body;
use super::ways::write_once;

/// Text of `bytes` by `call`; no more than a pipe holds.
pub(crate) fn moved(call: &str, bytes: u64) -> io::Result<()> {
    let text = body::text(1, bytes as usize);
    let flags = SpliceFlags::empty();
    match call {
        "sendfile" | "splice" => sent(call, &file(&text)?, None, text.len()),
        "splice_pipe" => {
            let (source, write_end) = pipe()?;
            write_once(write_end, &text)?;
            until(text.len(), |left| Ok(splice(&source, None, stdout(), None, left, flags)?))
        }
        "vmsplice" => {
            // The pages become the pipe's as well.
            let part = [IoSliceRaw::from_slice(text.clone().leak())];
            // SAFETY: nothing changes the text from here on.
            until(text.len(), |_| Ok(unsafe { vmsplice(stdout(), &part, flags)? }))
        }
        "tee" => {
            let (source, write_end) = pipe()?;
            write_once(write_end, &text)?;
            until(text.len(), |left| Ok(tee(&source, stdout(), left, flags)?))
        }
        "copy_file_range" => {
            let file = file(&text)?;
            until(text.len(), |left| Ok(copy_file_range(&file, None, stdout(), None, left)?))
        }
        "mmap" => stored(&text),
        _ => Err(io::Error::other(format!("no such call: {call}"))),
    }
}

/// The same from a file, from a place in it that the call names if it says so (`sendfile_from`); the file is open until stdin
/// ends.
pub(crate) fn held(call: &str, bytes: u64) -> io::Result<()> {
    let text = body::text(1, bytes as usize);
    let mut file = file(&[HEAD, &text].concat())?;
    let position = HEAD.len() as u64;
    if let Some(call) = call.strip_suffix("_from") {
        sent(call, &file, Some(position), text.len())?;
    } else {
        file.seek(SeekFrom::Start(position))?;
        sent(call, &file, None, text.len())?;
    }
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// What is in the file before the text.
const HEAD: &[u8] = b"not this\n";

/// So many bytes of `file`, from `position` or from where it is.
fn sent(call: &str, file: &File, mut position: Option<u64>, bytes: usize) -> io::Result<()> {
    until(bytes, |left| {
        Ok(match call {
            "sendfile" => sendfile(stdout(), file, position.as_mut(), left)?,
            _ => splice(file, position.as_mut(), stdout(), None, left, SpliceFlags::empty())?,
        })
    })
}

/// Calls on until `bytes` are moved.
fn until(bytes: usize, mut call: impl FnMut(usize) -> io::Result<usize>) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        match call(left)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            moved => left -= moved,
        }
    }
    Ok(())
}

/// Stdout, a file, gets the text by stores into a mapping of it: no call writes.
fn stored(text: &[u8]) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    ftruncate(stdout(), text.len() as u64)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let (fd, flags) = (stdout().as_fd().as_raw_fd(), libc::MAP_SHARED);
    // SAFETY: a new mapping, as long as the file and the text.
    unsafe {
        let memory = libc::mmap(std::ptr::null_mut(), text.len(), protection, flags, fd, 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        memory.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
    }
    Ok(())
}

/// An unnamed file with this content, from its beginning.
fn file(text: &[u8]) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("moved-{}", std::process::id()));
    let written = File::create_new(&path)?.write_all(text);
    let file = File::open(&path);
    std::fs::remove_file(path)?;
    written.and(file)
}
