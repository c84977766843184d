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
//! | `vast BYTES` | text in one `writev` of 1024 segments of BYTES each |
//! | `big N` | N MiB of text in writes of exactly 1 MiB |
//! | `nonblocking BYTES` | text through an `O_NONBLOCK` stdout, short writes and `EAGAIN` included |
//! | `binary` | bytes that are no UTF-8, NULs, carriage returns |
//! | `threads T N` | N lines of each of T threads at once (seeds 1 to T) |
//! | `workers W N` | N lines of each of W processes (seeds 1 to W), in blocks of 4096 bytes that cut lines |
//! | `rivals W N` | N lines of each of W processes (seeds 1 to W), all on one CPU |
//! | `beside W N` | N lines, while each of W processes waits for room in a full pipe of its own |
//! | `by CALL N` | N lines by CALL: `write`, `pwritev2`, `aio_write`, `io_uring_sqpoll` …, see [`calls`] |
//! | `refused CALL` | CALL, which has to fail, then a line |
//! | `moved CALL BYTES` | text by a call without a buffer: `sendfile`, `splice`, `vmsplice`, `tee` …, see [`moved`] |
//! | `held CALL BYTES` | the same from a file, which is open until stdin ends: `sendfile`, `splice`, `sendfile_from`, `splice_from` |
//! | `into PATH …`, `appending PATH …` | a command with the file PATH as its stdout |
//! | `vanishing BYTES` | text in one write, of which the first page is unmapped while the pipe is full; then says so on stderr |
//! | `interrupted BYTES`, `filled`, `unreadable`, `absent PAGES` | see [`edges`] |
//! | `copied N`, `fetched N`, `reused N`, `closed BYTES`, `replaced BYTES` | see [`descriptors`] |
//! | `started WAY N`, `unshared N`, `pid-namespace N`, `moving CGROUP N` | see [`starts`] |
//! | `unmapped` | a `write` and a `writev` whose third page is not there, then a line |
//! | `flood BYTES` | lines of 100 bytes as fast as it can |
//! | `stream GATE N RATE` | when GATE, a FIFO, is opened for writing: N lines of 200 bytes that begin with their time, RATE a second |
//! | `timed` | lines that it reads itself, to see how long they take |
//! | `nowhere PLACE COMMAND…` | COMMAND with another fd 1: `null` is `/dev/null`, `terminal` one that this program reads |
//! | `unread N` | N lines into a pipe without a reader, the odd by `write`, the even by `writev` |
//! | `killed` | a line of a child into such a pipe, which kills it |
//! | `elsewhere N` | N lines to each of what looks like nowhere and is not |
//! | `untouched BYTES` | BYTES of memory that was never there, in one write, then a line |
//! | `beside-flood BYTES N` | lines of 100 bytes to `/dev/null`, and N lines to its own stdout meanwhile |
//! | `identify` | `pid tid uid comm` of the main thread and of one called `second` |

mod aio;
mod blocked;
pub(crate) mod body;
mod calls;
mod compat;
mod descriptors;
mod edges;
mod moved;
mod nowhere;
mod process;
mod ring;
mod scm_rights;
mod starts;
mod stream;
mod timed;
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
        ["vast", bytes] => ways::vast(number(bytes)?),
        ["big", mebibytes] => ways::big(number(mebibytes)?),
        ["nonblocking", bytes] => ways::nonblocking(number(bytes)?),
        ["binary"] => ways::binary(),
        ["threads", threads, count] => ways::threads(number(threads)?, number(count)?),
        ["workers", workers, count] => ways::workers(number(workers)?, number(count)?),
        ["rivals", workers, count] => ways::rivals(number(workers)?, number(count)?),
        ["beside", workers, count] => blocked::beside(number(workers)?, number(count)?),
        ["by", call, count] => calls::by(call, number(count)?),
        ["refused", call] => calls::refused(call),
        ["into", path, ref command @ ..] => ways::into(path, false).and_then(|()| run(command)),
        ["appending", path, ref command @ ..] => ways::into(path, true).and_then(|()| run(command)),
        ["interrupted", bytes] => edges::interrupted(number(bytes)?),
        ["filled"] => edges::filled(),
        ["unreadable"] => edges::unreadable(),
        ["absent", pages] => edges::absent(number(pages)?),
        ["copied", count] => descriptors::copied(number(count)?),
        ["fetched", count] => descriptors::fetched(number(count)?),
        ["reused", count] => descriptors::reused(number(count)?),
        ["closed", bytes] => descriptors::lost(number(bytes)?, false),
        ["replaced", bytes] => descriptors::lost(number(bytes)?, true),
        ["started", way, count] => starts::started(way, number(count)?),
        ["unshared", count] => starts::unshared(number(count)?),
        ["pid-namespace", count] => starts::first_of_a_pid_namespace(number(count)?),
        ["moving", cgroup, count] => starts::moving(cgroup, number(count)?),
        ["moved", call, bytes] => moved::moved(call, number(bytes)?),
        ["held", call, bytes] => moved::held(call, number(bytes)?),
        ["vanishing", bytes] => vanishing::vanishing(number(bytes)?),
        ["unmapped"] => vanishing::unmapped(),
        ["flood", bytes] => ways::flood(number(bytes)?),
        ["stream", gate, count, rate] => stream::stream(gate, number(count)?, number(rate)?),
        ["timed"] => timed::timed(),
        ["nowhere", place, ref command @ ..] => nowhere::nowhere(place, command),
        ["unread", count] => nowhere::unread(number(count)?),
        ["killed"] => nowhere::killed(),
        ["elsewhere", count] => nowhere::elsewhere(number(count)?),
        ["untouched", bytes] => nowhere::untouched(number(bytes)?),
        ["beside-flood", bytes, count] => nowhere::beside_flood(number(bytes)?, number(count)?),
        ["identify"] => ways::identify(),
        _ => Err(io::Error::other(format!("no such command: {arguments:?}"))),
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|error| io::Error::other(format!("`{text}`: {error}")))
}

/// The result of a system call.
fn call(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
