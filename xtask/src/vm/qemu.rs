//! One boot of a kernel in QEMU, from power-on to power-off, and what it says on its serial console.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::command;

/// Lines of a console that wait for their reader.
const LINES: usize = 64;
/// A guest that is still running by then is ended.
const LIMIT: Duration = Duration::from_mins(10);
/// One CPU: two writers compete for it without being told to.
const MACHINE: &str = "-machine pc -nic none -smp 1 -m 1G -nographic -no-reboot";
/// Emulated, because a `/dev/kvm` that can be opened need not run a guest.
const EMULATED: &str = "-accel tcg,thread=single -cpu max";
const KVM: &str = "-accel kvm -cpu host";
/// A panic ends the guest at once, which `-no-reboot` makes the end of QEMU.
const KERNEL: &str = "console=ttyS0 panic=-1 oops=panic quiet";

/// What a guest said, and how it ended.
pub(super) struct Console {
    pub(super) text: String,
    pub(super) elapsed: Duration,
    pub(super) timed_out: bool,
}

/// Boots `image` with `initramfs`: with words for the kernel, and for `/init`. Each line goes to `seen` as it comes.
///
/// QEMU's exit code says nothing: the verdict is in the text.
pub(super) fn boot(
    image: &Path,
    initramfs: &Path,
    [kernel, init]: [&str; 2],
    kvm: bool,
    mut seen: impl FnMut(&str),
) -> Result<Console> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(MACHINE.split(' '))
        .args(if kvm { KVM } else { EMULATED }.split(' '))
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initramfs)
        .arg("-append")
        .arg(format!("{KERNEL} {kernel} -- {init}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    eprintln!("    $ {}", command::text(&qemu));
    let start = Instant::now();
    let mut child = qemu.spawn().with_context(|| command::unstartable(&qemu, ""))?;
    let mut output = BufReader::new(child.stdout.take().context("no pipe from QEMU")?);
    let (sender, lines) = mpsc::sync_channel(LINES);
    let reader = thread::spawn(move || {
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).replace(['\r', '\x1b'], "");
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    let (mut text, mut timed_out) = (String::new(), false);
    loop {
        match lines.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
            Ok(line) => {
                seen(line.trim_end());
                text.push_str(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                timed_out = true;
                child.kill()?;
                break;
            }
        }
    }
    child.wait()?;
    // Its pipe is closed by now. It cannot panic.
    let _ended = reader.join();
    Ok(Console { text, elapsed: start.elapsed(), timed_out })
}
