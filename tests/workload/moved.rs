//! Calls that bring bytes onto stdout without a buffer of the caller's.

use std::fs::File;
use std::io::{self, Write as _};

use rustix::fs::sendfile;
use rustix::pipe::{IoSliceRaw, SpliceFlags, pipe, splice, tee, vmsplice};
use rustix::stdio::stdout;

use super::body;
use super::ways::write_once;

/// Text of `bytes` by `call`, at once; no more than a pipe holds.
pub(crate) fn moved(call: &str, bytes: u64) -> io::Result<()> {
    let text = body::text(1, bytes as usize);
    let flags = SpliceFlags::empty();
    let moved = match call {
        "sendfile" => sendfile(stdout(), file(&text)?, None, text.len())?,
        "splice" => splice(file(&text)?, None, stdout(), None, text.len(), flags)?,
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
    if moved == text.len() { Ok(()) } else { Err(io::Error::other(format!("short {call}"))) }
}

/// An unnamed file with this content, from its beginning.
fn file(text: &[u8]) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("moved-{}", std::process::id()));
    let written = File::create_new(&path)?.write_all(text);
    let file = File::open(&path);
    std::fs::remove_file(path)?;
    written.and(file)
}
