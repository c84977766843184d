//! Calls that bring bytes onto stdout without a buffer of the caller's.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use rustix::fs::sendfile;
use rustix::pipe::{IoSliceRaw, SpliceFlags, pipe, splice, tee, vmsplice};
use rustix::stdio::stdout;

use super::body;
use super::ways::write_once;

/// Text of `bytes` by `call`; by one that does not come from a file no more than a pipe holds. The file is open until stdin
/// ends.
pub(crate) fn moved(call: &str, bytes: u64) -> io::Result<()> {
    let text = body::text(1, bytes as usize);
    let flags = SpliceFlags::empty();
    let source = file(&text)?;
    let mut position = HEAD.len() as u64;
    let moved = match call {
        "sendfile" => all(text.len(), |left| sendfile(stdout(), &source, None, left))?,
        "sendfile-from" => {
            all(text.len(), |left| sendfile(stdout(), &source, Some(&mut position), left))?
        }
        "splice" => all(text.len(), |left| splice(&source, None, stdout(), None, left, flags))?,
        "splice-from" => all(text.len(), |left| {
            splice(&source, Some(&mut position), stdout(), None, left, flags)
        })?,
        "vmsplice" => {
            // The pages become the pipe's as well.
            let part = [IoSliceRaw::from_slice(text.clone().leak())];
            // SAFETY: nothing changes the text from here on.
            unsafe { vmsplice(stdout(), &part, flags)? }
        }
        "tee" => {
            let (read_end, write_end) = pipe()?;
            write_once(write_end, &text)?;
            tee(read_end, stdout(), text.len(), flags)?
        }
        _ => return Err(io::Error::other(format!("no such call: {call}"))),
    };
    if moved != text.len() {
        return Err(io::Error::other(format!("short {call}")));
    }
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Moves `length` bytes by as many calls as it takes: each moves what the pipe has room for.
fn all(
    length: usize,
    mut moved: impl FnMut(usize) -> rustix::io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while done < length {
        match moved(length - done)? {
            0 => break,
            bytes => done += bytes,
        }
    }
    Ok(done)
}

/// What is in the file before the text.
const HEAD: &[u8] = b"not this\n";

/// An unnamed file with this content after a head, at the content's beginning.
fn file(text: &[u8]) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("moved-{}", std::process::id()));
    let written = File::create_new(&path)?.write_all(&[HEAD, text].concat());
    let file = File::open(&path);
    std::fs::remove_file(path)?;
    let mut file = written.and(file)?;
    file.seek(SeekFrom::Start(HEAD.len() as u64))?;
    Ok(file)
}
