//! Runs external commands, and explains the ones that fail: the full text, the end of the output, the remedy.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{IsTerminal as _, stderr},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How many of the last lines of a quiet command are shown when it fails.
const TAIL_LINES: usize = 25;

/// A named stretch of work: says its name when it starts and its duration when it ends.
pub(crate) struct Step {
    name: String,
    start: Instant,
}

impl Step {
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        let name = name.into();
        eprintln!("==> {name}");
        Self { name, start: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn end(self) {
        eprintln!("    {}: done in {:.1} s", self.name, self.start.elapsed().as_secs_f64());
    }
}

/// Runs `command` with its output on the terminal.
pub(crate) fn show(command: &mut Command, remedy: &str) -> Result<()> {
    eprintln!("    $ {}", text(command));
    let status = command.status().with_context(|| unstartable(command, remedy))?;
    if status.success() {
        return Ok(());
    }
    bail!("`{}` failed ({status}){}", text(command), hint(remedy))
}

/// Runs `command` as a step of its own with its output in the file `log`, of which only a failure shows the end.
pub(crate) fn quiet(name: &str, command: &mut Command, log: &Path, remedy: &str) -> Result<()> {
    let step = Step::begin(name);
    eprintln!("    $ {}", text(command));
    let output =
        File::create(log).with_context(|| format!("failed to create `{}`", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| unstartable(command, remedy))?;
    let status = watch(&mut child, step.start)?;
    if status.success() {
        step.end();
        return Ok(());
    }
    let written = fs::read(log).with_context(|| format!("failed to read `{}`", log.display()))?;
    bail!(
        "`{}` failed ({status}); the end of `{}`:\n{}{}",
        text(command),
        log.display(),
        tail(&String::from_utf8_lossy(&written)),
        hint(remedy)
    )
}

/// Runs `command` and returns what it printed on stdout, or on stderr where that is empty.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| unstartable(command, ""))?;
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (stdout, stderr) = (printed(&output.stdout), printed(&output.stderr));
    if !output.status.success() {
        bail!("`{}` failed ({}): {}", text(command), output.status, tail(&stderr));
    }
    Ok(if stdout.is_empty() { stderr } else { stdout })
}

/// The command as one would type it.
pub(crate) fn text(command: &Command) -> String {
    let mut line = quoted(&command.get_program().to_string_lossy());
    for argument in command.get_args() {
        let _infallible = write!(line, " {}", quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Waits for `child` and says how long it has been at work: on a terminal in one line that counts.
fn watch(child: &mut Child, start: Instant) -> Result<ExitStatus> {
    let terminal = stderr().is_terminal();
    let pause = Duration::from_secs(if terminal { 1 } else { 30 });
    let mut said = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if said.elapsed() >= pause {
            said = Instant::now();
            let seconds = start.elapsed().as_secs();
            if terminal {
                eprint!("\r    … {seconds} s");
            } else {
                eprintln!("    … {seconds} s");
            }
        }
        thread::sleep(Duration::from_millis(100));
    };
    if terminal {
        eprint!("\r\x1b[K");
    }
    Ok(status)
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Says that `command` cannot be started, and the remedy.
pub(crate) fn unstartable(command: &Command, remedy: &str) -> String {
    format!("`{}` cannot be started{}", text(command), hint(remedy))
}

fn hint(remedy: &str) -> String {
    if remedy.is_empty() { String::new() } else { format!("\nremedy: {remedy}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_be_pasted_into_a_shell() {
        let mut command = Command::new("printf");
        command.args(["%s", "", "it's", "a b", "x=1"]);
        assert_eq!(text(&command), r"printf %s '' 'it'\''s' 'a b' x=1");
    }

    #[test]
    fn tail_keeps_the_last_lines() {
        let lines: Vec<String> = (0..=TAIL_LINES).map(|n| n.to_string()).collect();
        assert_eq!(tail(&lines.join("\n")), lines[1..].join("\n"));
        assert_eq!(tail(""), "");
    }

    #[test]
    fn a_failure_names_command_status_and_remedy() {
        let error = show(&mut Command::new("false"), "do better").unwrap_err().to_string();
        assert_eq!(error, "`false` failed (exit status: 1)\nremedy: do better");
        let error = read(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c 'echo why >&2; exit 3'` failed (exit status: 3): why"
        );
        let error = show(&mut Command::new("/nonexistent/x"), "").unwrap_err().to_string();
        assert_eq!(error, "`/nonexistent/x` cannot be started");
    }
}
