//! Whether the kernel may preempt a task while that runs one of the probe's programs. It leaves the program out then for
//! every other task on that CPU, and says so only in the program's own count (see [`super::skips`]).
//!
//! Nothing tells it for sure everywhere. Where it is unknown it may: to look twice costs a little, to lose costs a line.

use std::fs;

/// What the kernel says of itself, where it can be read.
#[derive(Default)]
struct Signs {
    /// `/sys/kernel/debug/sched/preempt`: the mode in force in brackets, among those that there are.
    modes: Option<String>,
    /// `/proc/cmdline`
    command_line: Option<String>,
    /// `/proc/sys/kernel/version`, which has `PREEMPT…` if the kernel is built for it.
    version: Option<String>,
    /// What it was built with, where distributions put that.
    configuration: Option<String>,
}

/// Whether tasks may be preempted in a program, as far as anything tells.
pub(super) fn may_preempt() -> bool {
    let read = |path: &str| fs::read_to_string(path).ok();
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let signs = Signs {
        modes: read("/sys/kernel/debug/sched/preempt"),
        command_line: read("/proc/cmdline"),
        version: read("/proc/sys/kernel/version"),
        configuration: read(&format!("/boot/config-{release}"))
            .or_else(|| read(&format!("/usr/lib/modules/{release}/config"))),
    };
    signs.may_preempt()
}

impl Signs {
    /// From the surest sign to the least.
    fn may_preempt(&self) -> bool {
        let is_mild = |mode: &str| matches!(mode, "none" | "voluntary");
        let in_force = |modes: &String| Some(is_mild(modes.split_once('(')?.1.split_once(')')?.0));
        if let Some(is_mild) = self.modes.as_ref().and_then(in_force) {
            return !is_mild;
        }
        if self.version.as_ref().is_some_and(|version| !version.contains("PREEMPT")) {
            return false;
        }
        let mut words = self.command_line.as_deref().unwrap_or_default().split_whitespace().rev();
        // The last one counts.
        if let Some(mode) = words.find_map(|word| word.strip_prefix("preempt=")) {
            return !is_mild(mode);
        }
        // With `PREEMPT_DYNAMIC`, what it was built with is only the default.
        let configuration = self.configuration.as_deref().unwrap_or_default();
        let mild = ["CONFIG_PREEMPT_NONE=y", "CONFIG_PREEMPT_VOLUNTARY=y"];
        !configuration.lines().any(|line| mild.contains(&line))
    }
}

#[cfg(test)]
mod tests {
    use super::Signs;

    fn signs([modes, command_line, version, configuration]: [&str; 4]) -> Signs {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Signs {
            modes: given(modes),
            command_line: given(command_line),
            version: given(version),
            configuration: given(configuration),
        }
    }

    const DYNAMIC: &str = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1\n";
    const MILD: &str = "CONFIG_X=y\nCONFIG_PREEMPT_VOLUNTARY=y\n";

    #[test]
    fn the_mode_in_force_is_surest() {
        assert!(!signs(["none (voluntary) full\n", "preempt=full", DYNAMIC, ""]).may_preempt());
        assert!(signs(["none voluntary (full)\n", "", "#1 SMP", MILD]).may_preempt());
        assert!(signs(["full (lazy)\n", "", DYNAMIC, MILD]).may_preempt());
    }

    #[test]
    fn a_kernel_that_is_not_built_for_it_does_not() {
        assert!(!signs(["", "quiet", "#1 SMP Debian 5.10.262-1\n", ""]).may_preempt());
        assert!(
            signs(["", "", "#1 SMP PREEMPT Thu\n", "# CONFIG_PREEMPT_NONE is not set"])
                .may_preempt()
        );
    }

    #[test]
    fn words_for_the_kernel_come_before_its_default() {
        assert!(signs(["", "preempt=none preempt=full", DYNAMIC, MILD]).may_preempt());
        assert!(!signs(["", "preempt=full preempt=none", DYNAMIC, ""]).may_preempt());
        assert!(!signs(["", "quiet", DYNAMIC, MILD]).may_preempt());
    }

    #[test]
    fn what_is_unknown_may() {
        assert!(Signs::default().may_preempt());
        assert!(signs(["gibberish", "", DYNAMIC, ""]).may_preempt());
    }
}
