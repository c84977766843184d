//! What the tests share, and what each of them says.

use anyhow::Result;
use collector::capture::Settings;

use crate::observer::Observer;

/// How a test ended that did not fail, and what it has to say.
pub(crate) enum Outcome {
    /// All is as promised.
    Passed(String),
    /// A gap that is known on this kernel, and is reported as it should be.
    Gap(String),
    /// This kernel does not have what it takes.
    Skipped(String),
}

/// The probe that most tests use: it takes a while to load where the CPU is emulated.
#[derive(Default)]
pub(crate) struct Stage {
    observer: Option<Observer>,
}

impl Stage {
    /// The probe, which is loaded at the first call.
    pub(crate) fn observer(&mut self) -> Result<&mut Observer> {
        match &mut self.observer {
            Some(observer) => Ok(observer),
            none => Ok(none.insert(Observer::start(&Settings::default())?)),
        }
    }
}
