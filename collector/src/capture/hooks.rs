//! The kernel functions that the backends `fexit` and `multi` follow: between them they see each write to a pipe or a
//! terminal once.
//!
//! Bytes that come into a pipe without a buffer pass none of the functions that write. They are counted where the call as a
//! whole returns: a hook there costs other system calls nothing, whereas a tracepoint of a system call, even of a single
//! one, sends every system call of the node the slow way. `vmsplice` of a 32-bit process has another entry, and is not seen.

use super::btf::Btf;

/// Newer kernels (6.1, not 5.10) have a function that moves a file's pages into a pipe; before, `sendfile` made the pipe's own
/// function write them.
const FILE_TO_PIPE: &str = "splice_file_to_pipe";

/// A function of the running kernel to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    /// The program of `fexit`.
    pub(super) exit: &'static str,
    /// The program that sees it entered: of `multi`, and of `fexit` where programs may be preempted.
    pub(super) entry: &'static str,
    /// The program of `fexit` that sees it left there.
    pub(super) left: Option<&'static str>,
    /// The function.
    pub(super) function: &'static str,
    /// What only this hook sees; without it, that is a gap.
    pub(super) sees: &'static str,
    /// Whether there is no capture without it.
    pub(super) is_required: bool,
    /// Whether only the class `daemon` needs it.
    is_daemon: bool,
}

/// What the functions are called, the first name that this kernel has; and the structs that their parameters point to,
/// where it matters: one that takes something else is none of them.
const FUNCTIONS: [(&[&str], &[&str], Hook); 8] = [
    (
        // Where FIFOs have a function of their own (6.18, not 6.12), it calls that of pipes.
        &["anon_pipe_write", "pipe_write"],
        &["kiocb", "iov_iter"],
        Hook::writes("pipe_write", "pipe_left", "writes to pipes"),
    ),
    // Once it took the file and the buffer: hence the look at the parameters.
    (
        &["tty_write"],
        &["kiocb", "iov_iter"],
        Hook::writes("tty_write", "tty_left", "writes to terminals"),
    ),
    (
        &["do_splice"],
        &["file", "", "file", "", "", ""],
        Hook::moves("do_splice", "enter_splice", "splice"),
    ),
    (&["do_tee"], &["file", "file", "", ""], Hook::moves("do_tee", "enter_tee", "tee")),
    (&["do_sendfile"], &[""; 5], Hook::moves("do_sendfile", "enter_sendfile", SENDFILE)),
    (&["__x64_sys_vmsplice"], &["pt_regs"], Hook::moves("vmsplice", "enter_vmsplice", "vmsplice")),
    (
        &["write_null"],
        &["file", "", "", ""],
        Hook::discards("write_null", "enter_null", "writes to /dev/null"),
    ),
    (
        &["write_iter_null"],
        &["kiocb", "iov_iter"],
        Hook::discards("write_iter_null", "enter_write", "writes of several buffers to /dev/null"),
    ),
];

const SENDFILE: &str = "sendfile";

impl Hook {
    const fn writes(exit: &'static str, left: &'static str, sees: &'static str) -> Self {
        Self { left: Some(left), is_required: true, ..Self::moves(exit, "enter_write", sees) }
    }

    const fn moves(exit: &'static str, entry: &'static str, sees: &'static str) -> Self {
        let (left, function) = (None, "");
        Self { exit, entry, left, function, sees, is_required: false, is_daemon: false }
    }

    const fn discards(exit: &'static str, entry: &'static str, sees: &'static str) -> Self {
        Self { is_daemon: true, ..Self::moves(exit, entry, sees) }
    }
}

/// What this kernel has of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hooks {
    /// The hooks to attach.
    pub(super) present: Vec<Hook>,
    /// What is not seen for want of a function.
    pub(super) absent: Vec<&'static str>,
    /// The first of it without which there is no capture.
    pub(super) refusal: Option<&'static str>,
}

impl Hooks {
    /// Looks the functions up. `has_daemon`: those of the class `daemon` too.
    pub(super) fn find(btf: &Btf<'_>, has_daemon: bool) -> Self {
        let mut hooks = Self::default();
        for (names, parameters, hook) in FUNCTIONS {
            let is_superfluous = hook.sees == SENDFILE && !btf.has_function(FILE_TO_PIPE);
            if is_superfluous || (hook.is_daemon && !has_daemon) {
                continue;
            }
            if let Some(function) = names.iter().find(|name| btf.takes(name, parameters)) {
                hooks.present.push(Hook { function, ..hook });
            } else {
                hooks.absent.push(hook.sees);
                let refusal = hook.is_required.then_some(hook.sees);
                hooks.refusal = hooks.refusal.or(refusal);
            }
        }
        hooks
    }
}

#[cfg(test)]
mod tests {
    use super::{Btf, FUNCTIONS, Hooks};

    /// Type information of a kernel that has nothing but these functions, with the parameters that they should have.
    fn functions(names: &[&str]) -> Vec<u8> {
        let (mut strings, mut words, mut types) = (vec![0], Vec::new(), 0);
        let mut name = |name: &str| {
            let at = strings.len() as u32;
            strings.extend([name.as_bytes(), b"\0"].concat());
            at
        };
        for function in names {
            let known = FUNCTIONS.iter().find(|(names, ..)| names.contains(function));
            let parameters = known.map_or(&[][..], |(_, parameters, _)| parameters);
            let mut prototype = vec![0, 13 << 24 | parameters.len() as u32, 0];
            for parameter in parameters {
                words.extend([name(parameter), 4 << 24, 0, 0, 2 << 24, types + 1]);
                types += 2;
                prototype.extend([0, types]);
            }
            words.extend(prototype);
            words.extend([name(function), 12 << 24, types + 1]);
            types += 2;
        }
        let types = words.len() as u32 * 4;
        let mut data = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, types, types, strings.len() as u32].into_iter().chain(words) {
            data.extend(word.to_ne_bytes());
        }
        data.extend(strings);
        data
    }

    /// With the functions of class `daemon`, or without them.
    fn found_with(has_daemon: bool, names: &[&str]) -> (Vec<&'static str>, Vec<&'static str>) {
        let data = functions(names);
        let Hooks { present, absent, refusal } =
            Hooks::find(&Btf::parse(&data).unwrap(), has_daemon);
        let required = absent.iter().find(|sees| sees.starts_with("writes to"));
        let required = required.filter(|sees| !sees.contains("/dev/null"));
        assert_eq!(refusal.as_ref(), required);
        (present.iter().map(|hook| hook.function).collect(), absent)
    }

    fn found(names: &[&str]) -> (Vec<&'static str>, Vec<&'static str>) {
        found_with(false, names)
    }

    #[test]
    fn what_nobody_reads_is_followed_only_if_it_is_wanted() {
        let null = ["anon_pipe_write", "tty_write", "write_null", "write_iter_null"];
        assert_eq!(found(&null).0, null[..2]);
        assert_eq!(found_with(true, &null).0, null);
        let (_, absent) = found_with(true, &null[..3]);
        assert!(absent.contains(&"writes of several buffers to /dev/null"), "{absent:?}");
    }

    #[test]
    fn each_kernel_has_its_own_functions() {
        let old = ["pipe_write", "tty_write", "do_splice", "do_tee", "do_sendfile"];
        let (present, absent) = found(&[&old[..], &["__x64_sys_vmsplice"]].concat());
        // Its sendfile writes by the function of pipes, and would be counted twice.
        assert_eq!(
            present,
            ["pipe_write", "tty_write", "do_splice", "do_tee", "__x64_sys_vmsplice"]
        );
        assert_eq!(absent, [""; 0]);
        let (present, absent) =
            found(&[&old[1..], &["pipe_write", "anon_pipe_write", "splice_file_to_pipe"]].concat());
        let expected = ["anon_pipe_write", "tty_write", "do_splice", "do_tee", "do_sendfile"];
        assert_eq!((&present[..], &absent[..]), (&expected[..], &["vmsplice"][..]));
    }

    #[test]
    fn what_is_absent_has_a_name() {
        let (present, absent) = found(&["splice_file_to_pipe"]);
        assert_eq!(present, [""; 0]);
        let all =
            ["writes to pipes", "writes to terminals", "splice", "tee", "sendfile", "vmsplice"];
        assert_eq!(absent, all);
    }
}
