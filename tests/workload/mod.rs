//! Writes to stdout and stderr in each way that containers do. Runs inside the containers of the end-to-end and kernel
//! tests; what it writes is in [`body`], which they include too. N counts lines; each is one write unless said otherwise.
//!
//! | command | writes |
//! | --- | --- |
//! | `lines N [SEED]` | line 1 to N, the odd to stdout, the even to stderr |
//! | `paced N MILLIS` | N lines to stdout, one every MILLIS |
//! | `rated N RATE SEED` | N lines to stdout, RATE a second |
//! | `noted PATH RATE SEED` | lines to stdout without end, RATE a second; after each its number into PATH |
//! | `odd N SEED` | N lines that break readers, the last without its newline |
//! | `once TEXT` | TEXT and a newline |
//! | `partial TEXT` | TEXT without a newline |
//! | `idle TEXT` | TEXT without a newline, then waits for a signal |
//! | `fork N` | N lines (seed 1), and N of a forked child (seed 2) |
//! | `daemonise N` | N lines of a twice forked process in a session of its own |
//! | `dup7 N` | N lines through fd 7, a copy of fd 1, which is closed |
//! | `scm-rights N` | N lines of a child that got fd 1 over a socket and has none of its own |
//! | `reopen PATH N` | N lines through PATH, opened for writing (`/proc/1/fd/1`, `/dev/stdout`) |
//! | `writev N` | N lines (seed 1), one `writev` each with every byte a segment (1 to 1024), then 1024 in one (seed 2) |
//! | `pwritev2 N` | N lines by `pwritev2` at the current position, as terminals and pipes allow it |
//! | `vast BYTES` | text in one `writev` of 1024 segments of BYTES each |
//! | `big N` | N MiB of text in writes of exactly 1 MiB |
//! | `nonblocking BYTES` | text through an `O_NONBLOCK` stdout, short writes and `EAGAIN` included |
//! | `binary` | bytes that are no UTF-8, NULs, carriage returns |
//! | `threads T N` | N lines of each of T threads at once (seeds 1 to T) |
//! | `workers W N` | N lines of each of W processes (seeds 1 to W), in blocks of 4096 bytes that cut lines |
//! | `rivals W N` | N lines of each of W processes (seeds 1 to W), all on one CPU |
//! | `beside W N` | N lines, while each of W processes waits for room in a full pipe of its own |
//! | `aio N`, `uring N` | N lines by AIO, by `io_uring` |
//! | `uring-registered N` | N lines by `io_uring` from a registered buffer |
//! | `moved CALL BYTES` | text by a call without a buffer: `sendfile`, `splice`, `vmsplice`, `tee` |
//! | `vanishing BYTES` | text in one write, of which the first page is unmapped while the pipe is full; then says so on stderr |
//! | `unmapped` | a `write` and a `writev` whose third page is not there, then a line |
//! | `flood BYTES` | lines of 100 bytes as fast as it can |
//! | `stream GATE N RATE` | when GATE, a FIFO, is opened for writing: N lines of 200 bytes that begin with their time, RATE a second |
//! | `identify` | `pid tid uid comm` of the main thread and of one called `second` |

mod blocked;
pub(crate) mod body;
mod moved;
mod process;
mod queued;
mod scm_rights;
mod stream;
mod vanishing;
mod ways;

use std::io;

/// Runs the command of `arguments`.
pub(crate) fn run(arguments: &[&str]) -> io::Result<()> {
    match *arguments {
        ["lines", count] => ways::lines(number(count)?, 1),
        ["lines", count, seed] => ways::lines(number(count)?, number(seed)?),
        ["paced", count, millis] => ways::paced(number(count)?, number(millis)?),
        ["rated", count, rate, seed] => stream::rated(number(count)?, number(rate)?, number(seed)?),
        ["noted", path, rate, seed] => stream::noted(path, number(rate)?, number(seed)?),
        ["odd", count, seed] => ways::odd(number(count)?, number(seed)?),
        ["once", text] => ways::once(text, "\n"),
        ["partial", text] => ways::once(text, ""),
        ["idle", text] => ways::idle(text),
        ["fork", count] => ways::forked(number(count)?),
        ["daemonise", count] => ways::daemonised(number(count)?),
        ["dup7", count] => ways::duplicated(number(count)?),
        ["scm-rights", count] => ways::passed(number(count)?),
        ["reopen", path, count] => ways::reopened(path, number(count)?),
        ["writev", count] => ways::gathered(number(count)?),
        ["pwritev2", count] => ways::positioned(number(count)?),
        ["vast", bytes] => ways::vast(number(bytes)?),
        ["big", mebibytes] => ways::big(number(mebibytes)?),
        ["nonblocking", bytes] => ways::nonblocking(number(bytes)?),
        ["binary"] => ways::binary(),
        ["threads", threads, count] => ways::threads(number(threads)?, number(count)?),
        ["workers", workers, count] => ways::workers(number(workers)?, number(count)?),
        ["rivals", workers, count] => ways::rivals(number(workers)?, number(count)?),
        ["beside", workers, count] => blocked::beside(number(workers)?, number(count)?),
        ["aio", count] => queued::aio(number(count)?),
        ["uring", count] => queued::uring(number(count)?, false),
        ["uring-registered", count] => queued::uring(number(count)?, true),
        ["moved", call, bytes] => moved::moved(call, number(bytes)?),
        ["vanishing", bytes] => vanishing::vanishing(number(bytes)?),
        ["unmapped"] => vanishing::unmapped(),
        ["flood", bytes] => ways::flood(number(bytes)?),
        ["stream", gate, count, rate] => stream::stream(gate, number(count)?, number(rate)?),
        ["identify"] => ways::identify(),
        _ => Err(io::Error::other(format!("no such command: {arguments:?}"))),
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|error| io::Error::other(format!("`{text}`: {error}")))
}
