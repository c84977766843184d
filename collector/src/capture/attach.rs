//! Attaching the programs that see writes, by each backend.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::programs::{BtfTracePoint, FExit, KProbe, Program, ProgramError, ProgramFd};
use aya::{Btf, Ebpf};

use super::hooks::{Hook, Hooks};
use super::multi::{self, MultiError, Programs};
use super::probe::{OBJECT, ProbeError};

/// The program of the backend `syscall`.
const SYS_EXIT: &str = "sys_exit";

/// The program of the backend `fexit` that finds what others have missed.
const SYS_EXIT_AGAIN: &str = "sys_exit_again";

/// The program of the backend `multi` that sees every function's return.
const LEAVE: &str = "leave";

/// What was attached.
#[derive(Default)]
pub(super) struct Attached {
    /// The programs that are at work and that another steps in for when they are left out, by name. Not for writes that are
    /// handed over in a queue, but few are.
    pub(super) backed: Vec<(&'static str, OwnedFd)>,
    /// The others.
    pub(super) programs: Vec<(&'static str, OwnedFd)>,
    /// What else has to be kept for them to stay so.
    pub(super) links: Vec<OwnedFd>,
    /// What is not seen, because its function is not there or cannot be followed.
    pub(super) gaps: Vec<&'static str>,
}

impl Attached {
    /// Every system call's return.
    pub(super) fn system_calls(ebpf: &mut Ebpf, btf: &Btf) -> Result<Self, ProbeError> {
        let mut attached = Self::default();
        attached.programs.push(load(ebpf, SYS_EXIT, SYS_EXIT, btf)?);
        tracepoint(ebpf, SYS_EXIT)?;
        Ok(attached)
    }

    /// The functions' return, with their arguments. Where programs may be preempted, those that write are followed from their
    /// entry, and to the return of the system call.
    pub(super) fn exits(
        ebpf: &mut Ebpf,
        hooks: &Hooks,
        btf: &Btf,
        may_preempt: bool,
    ) -> Result<Self, ProbeError> {
        let mut attached = Self::without(hooks);
        let is_guarded = may_preempt && attached.guard(ebpf, hooks, btf);
        for hook in &hooks.present {
            let left = hook.left.filter(|_| is_guarded);
            let result = exit(ebpf, left.unwrap_or(hook.exit), hook.function, btf);
            let programs =
                if left.is_some() { &mut attached.backed } else { &mut attached.programs };
            let result = result.map(|program| programs.push(program));
            attached.settle(hook, result)?;
        }
        Ok(attached)
    }
    /// The functions' entry and return. `loaded` is a program that is in the kernel.
    pub(super) fn calls(ebpf: &Ebpf, hooks: &Hooks, loaded: &str) -> Result<Self, ProbeError> {
        let mut attached = Self::without(hooks);
        let programs = Programs::new(OBJECT, ebpf, loaded)?;
        attached.programs.push((LEAVE, programs.load(LEAVE)?));
        for hook in &hooks.present {
            let result = attached.call(&programs, hook);
            attached.settle(hook, result.map_err(ProbeError::Multi))?;
        }
        Ok(attached)
    }

    /// Nothing yet; it says what will not be seen for want of a function.
    fn without(hooks: &Hooks) -> Self {
        for sees in &hooks.absent {
            tracing::warn!("not seen: {sees}: this kernel has no function for it that is known");
        }
        Self { gaps: hooks.absent.clone(), ..Self::default() }
    }

    /// Attaches what is never left out, for it runs with preemption off: a kprobe at the entry of each function that writes,
    /// and, up to Linux 6.18, the tracepoint of system calls. Whether that is so.
    fn guard(&mut self, ebpf: &mut Ebpf, hooks: &Hooks, btf: &Btf) -> bool {
        match self.try_guard(ebpf, hooks, btf) {
            Ok(()) => {
                tracing::info!("this kernel may preempt programs: each write is looked at twice");
                true
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "this kernel may leave the probe out, which is counted");
                false
            }
        }
    }

    fn try_guard(&mut self, ebpf: &mut Ebpf, hooks: &Hooks, btf: &Btf) -> Result<(), ProbeError> {
        self.programs.push(load(ebpf, SYS_EXIT_AGAIN, SYS_EXIT, btf)?);
        for hook in hooks.present.iter().filter(|hook| hook.left.is_some()) {
            let name = hook.entry;
            let program: &mut KProbe = program(ebpf, name)?;
            let refused = |source| ProbeError::Attach { program: name, source };
            if !self.programs.iter().any(|(loaded, _)| *loaded == name) {
                program.load().map_err(refused)?;
                self.programs.push((name, copy(program.fd().map_err(refused)?)?));
            }
            program.attach(hook.function, 0).map_err(refused)?;
        }
        tracepoint(ebpf, SYS_EXIT_AGAIN)
    }

    /// First the return, which does nothing without an entry.
    fn call(&mut self, programs: &Programs, hook: &Hook) -> Result<(), MultiError> {
        if !self.programs.iter().any(|(name, _)| *name == hook.entry) {
            self.programs.push((hook.entry, programs.load(hook.entry)?));
        }
        for (wanted, at_return) in [(LEAVE, true), (hook.entry, false)] {
            let program = self.programs.iter().find(|(name, _)| *name == wanted);
            let (_, program) = program.ok_or(MultiError::Program(wanted))?;
            self.links.push(multi::attach(program, hook.function, at_return)?);
        }
        Ok(())
    }

    /// Without some hooks there is still capture, with a gap that has a name.
    fn settle(&mut self, hook: &Hook, result: Result<(), ProbeError>) -> Result<(), ProbeError> {
        let Err(error) = result else { return Ok(()) };
        if hook.is_required {
            return Err(error);
        }
        let function = hook.function;
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, function, "not seen: {}", hook.sees);
        self.gaps.push(hook.sees);
        Ok(())
    }
}

/// Loads a program for a function's return, and attaches it.
fn exit(
    ebpf: &mut Ebpf,
    name: &'static str,
    function: &str,
    btf: &Btf,
) -> Result<(&'static str, OwnedFd), ProbeError> {
    let program: &mut FExit = program(ebpf, name)?;
    let refused = |source| ProbeError::Attach { program: name, source };
    program.load(function, btf).map_err(refused)?;
    program.attach().map_err(refused)?;
    Ok((name, copy(program.fd().map_err(refused)?)?))
}

/// Loads a program for a tracepoint.
pub(super) fn load(
    ebpf: &mut Ebpf,
    name: &'static str,
    tracepoint: &str,
    btf: &Btf,
) -> Result<(&'static str, OwnedFd), ProbeError> {
    let program: &mut BtfTracePoint = program(ebpf, name)?;
    let refused = |source| ProbeError::Attach { program: name, source };
    program.load(tracepoint, btf).map_err(refused)?;
    Ok((name, copy(program.fd().map_err(refused)?)?))
}

/// Attaches it.
pub(super) fn tracepoint(ebpf: &mut Ebpf, name: &'static str) -> Result<(), ProbeError> {
    let program: &mut BtfTracePoint = program(ebpf, name)?;
    program.attach().map_err(|source| ProbeError::Attach { program: name, source })?;
    Ok(())
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<P, ProbeError>
where
    P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or(ProbeError::Mismatch { name })?;
    program.try_into().map_err(|source| ProbeError::Attach { program: name, source })
}

fn copy(fd: &ProgramFd) -> Result<OwnedFd, ProbeError> {
    fd.as_fd().try_clone_to_owned().map_err(ProbeError::Descriptor)
}
