//! The programs: one function per hook, each a single call.

#![expect(clippy::needless_pass_by_value, reason = "the macro's wrapper passes the context so")]

mod account;
mod arch;
mod copy;
mod file;
mod first_loss;
mod kernel;
mod lifecycle;
mod maps;
mod ring;
mod system_call;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

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
    lifecycle::made(&ctx, ctx.arg(0));
    0
}

/// `(struct cgroup *cgrp, const char *path)`
#[btf_tracepoint(function = "cgroup_rmdir")]
fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    lifecycle::removed(ctx.arg(0));
    0
}
