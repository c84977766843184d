//! The programs: one function per hook, each a single call. Which of them are loaded is user space's choice.

#![expect(clippy::needless_pass_by_value, reason = "the macro's wrapper passes the context so")]

mod account;
mod arch;
mod call;
mod copy;
mod daemon;
mod file;
mod file_range;
mod first_loss;
mod function;
mod iterator;
mod kernel;
mod lifecycle;
mod maps;
mod ring;
mod session;
mod stream;
mod system_call;

use aya_ebpf::macros::{btf_tracepoint, fexit, kprobe, kretprobe};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext, ProbeContext, RetProbeContext};

use self::copy::Slot;
use self::file::File;
use self::file_range::FileRange;

/// Every system call's return: `(struct pt_regs *regs, long ret)`. Calls of no interest leave after two comparisons.
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    system_call::returned(ctx.arg(0), ctx.arg(1));
    0
}

/// `(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[btf_tracepoint(function = "sched_process_exec")]
fn sched_process_exec(_ctx: BtfTracePointContext) -> i32 {
    lifecycle::executed();
    0
}

/// `(struct cgroup *cgrp, const char *path)`
#[btf_tracepoint(function = "cgroup_mkdir")]
fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    lifecycle::made(&ctx, ctx.arg(0), Slot::First);
    0
}

/// `(struct cgroup *cgrp, const char *path)`
#[btf_tracepoint(function = "cgroup_rmdir")]
fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    lifecycle::removed(ctx.arg(0));
    0
}

/// Once more: from Linux 7.2 on the kernel leaves a program out while it is preempted on that CPU. A container that began
/// then would be missed as a whole. It does nothing if the first has run.
#[btf_tracepoint(function = "sched_process_exec")]
fn exec_again(_ctx: BtfTracePointContext) -> i32 {
    lifecycle::executed();
    0
}

/// As [`exec_again`].
#[btf_tracepoint(function = "cgroup_mkdir")]
fn mkdir_again(ctx: BtfTracePointContext) -> i32 {
    lifecycle::made(&ctx, ctx.arg(0), Slot::Second);
    0
}

/// As [`exec_again`].
#[btf_tracepoint(function = "cgroup_rmdir")]
fn rmdir_again(ctx: BtfTracePointContext) -> i32 {
    lifecycle::removed(ctx.arg(0));
    0
}

/// `ssize_t pipe_write(struct kiocb *iocb, struct iov_iter *from)`, or `anon_pipe_write` (on newer kernels), which writes to
/// FIFOs too.
#[fexit]
fn pipe_write(ctx: FExitContext) -> i32 {
    function::wrote(Slot::First, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// `ssize_t tty_write(struct kiocb *iocb, struct iov_iter *from)`
#[fexit]
fn tty_write(ctx: FExitContext) -> i32 {
    function::wrote(Slot::Second, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// `ssize_t write_null(struct file *file, const char __user *buf, size_t count, loff_t *ppos)`
#[fexit]
fn write_null(ctx: FExitContext) -> i32 {
    function::discarded(Slot::Fourth, ctx.arg(0), ctx.arg(1), ctx.arg(4));
    0
}

/// `ssize_t write_iter_null(struct kiocb *iocb, struct iov_iter *from)`
#[fexit]
fn write_iter_null(ctx: FExitContext) -> i32 {
    function::wrote(Slot::Fifth, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// `ssize_t do_splice(struct file *in, loff_t *off_in, struct file *out, loff_t *off_out, size_t len, unsigned flags)`
#[fexit]
fn do_splice(ctx: FExitContext) -> i32 {
    let range = |bytes| match function::address(&ctx, 1) {
        Some(position) => FileRange::of(File::at(ctx.arg(0)), None, position, bytes),
        None => FileRange::NONE,
    };
    function::moved(|| File::at(ctx.arg(2)), range, ctx.arg(6));
    0
}

/// `ssize_t do_tee(struct file *in, struct file *out, size_t len, unsigned flags)`
#[fexit]
fn do_tee(ctx: FExitContext) -> i32 {
    function::moved(|| File::at(ctx.arg(1)), |_| FileRange::NONE, ctx.arg(4));
    0
}

/// `ssize_t do_sendfile(int out_fd, int in_fd, loff_t *ppos, size_t count, loff_t max)`
#[fexit]
fn do_sendfile(ctx: FExitContext) -> i32 {
    let range = |bytes| {
        let from = ctx.arg::<u64>(1) & 0xffff_ffff;
        match function::address(&ctx, 2) {
            Some(position) => FileRange::of(File::of_current(from), Some(from), position, bytes),
            None => FileRange::NONE,
        }
    };
    function::moved(|| File::of_current(ctx.arg::<u64>(0) & 0xffff_ffff), range, ctx.arg(5));
    0
}

/// `long __x64_sys_vmsplice(const struct pt_regs *regs)`: no function below it can be hooked.
#[fexit]
fn vmsplice(ctx: FExitContext) -> i32 {
    function::moved(|| system_call::first_file(ctx.arg(0)), |_| FileRange::NONE, ctx.arg(1));
    0
}

/// Entry of what `write_null` sees the return of.
#[kprobe]
fn enter_null(ctx: ProbeContext) -> u32 {
    if let (Some(address), Some(bytes)) = (ctx.arg(1), ctx.arg(2)) {
        call::discards(|| File::at(ctx.arg(0)?), address, bytes);
    }
    0
}

/// Entry of what `pipe_write`, `tty_write` and `write_iter_null` see the return of; so do `pipe_left` and `tty_left`.
#[kprobe]
fn enter_write(ctx: ProbeContext) -> u32 {
    if let (Some(kiocb), Some(iterator)) = (ctx.arg(0), ctx.arg(1)) {
        call::writes(|| function::file_of(kiocb), iterator);
    }
    0
}

/// Entry of what `do_splice` sees the return of.
#[kprobe]
fn enter_splice(ctx: ProbeContext) -> u32 {
    let range = || match (ctx.arg(0), ctx.arg(1)) {
        (Some(from), Some(position)) => FileRange::of(File::at(from), None, position, 0),
        _ => FileRange::NONE,
    };
    call::moves(|| File::at(ctx.arg(2)?), range);
    0
}

/// Entry of what `do_tee` sees the return of.
#[kprobe]
fn enter_tee(ctx: ProbeContext) -> u32 {
    call::moves(|| File::at(ctx.arg(1)?), || FileRange::NONE);
    0
}

/// Entry of what `do_sendfile` sees the return of.
#[kprobe]
fn enter_sendfile(ctx: ProbeContext) -> u32 {
    let range = || match (ctx.arg::<u64>(1), ctx.arg(2)) {
        (Some(from), Some(position)) => {
            let from = from & 0xffff_ffff;
            FileRange::of(File::of_current(from), Some(from), position, 0)
        }
        _ => FileRange::NONE,
    };
    call::moves(|| File::of_current(ctx.arg::<u64>(0)? & 0xffff_ffff), range);
    0
}

/// Entry of what `vmsplice` sees the return of.
#[kprobe]
fn enter_vmsplice(ctx: ProbeContext) -> u32 {
    call::moves(|| system_call::first_file(ctx.arg(0)?), || FileRange::NONE);
    0
}

/// Return of all of these.
#[kretprobe]
fn leave(ctx: RetProbeContext) -> u32 {
    call::left(Slot::First, ctx.ret());
    0
}

/// Return of what `pipe_write` sees, where programs may be preempted: the kernel leaves one out then for who writes meanwhile
/// on that CPU. `enter_write` is never left out, and keeps what is to be found at the return.
#[fexit]
fn pipe_left(ctx: FExitContext) -> i32 {
    call::left(Slot::First, ctx.arg(2));
    0
}

/// As [`pipe_left`], for `tty_write`.
#[fexit]
fn tty_left(ctx: FExitContext) -> i32 {
    call::left(Slot::Second, ctx.arg(2));
    0
}

/// Every system call's return, there: up to Linux 6.18 it is not left out, and finds what those have left.
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit_again(ctx: BtfTracePointContext) -> i32 {
    system_call::returned_again(ctx.arg(0), ctx.arg(1));
    0
}
