//! What the tests share, and what each of them says.

use anyhow::{Result, anyhow};
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

impl Outcome {
    /// Both: a gap, if one of them is.
    pub(crate) fn and(self, other: Self) -> Self {
        if matches!(self, Self::Passed(_)) { other } else { self }
    }
}

/// The probe that most tests use: it takes a while to load where the CPU is emulated.
#[derive(Default)]
pub(crate) struct Stage {
    observer: Option<Result<Observer, String>>,
}

impl Stage {
    /// The probe, which is loaded at the first call, or why it is not: the whole reason only once, for it is long.
    pub(crate) fn observer(&mut self) -> Result<&mut Observer> {
        let is_first = self.observer.is_none();
        let load = || Observer::start(&Settings::default()).map_err(|error| format!("{error:#}"));
        match self.observer.get_or_insert_with(load) {
            Ok(observer) => Ok(observer),
            Err(reason) if is_first => Err(anyhow!(reason.clone())),
            Err(_) => Err(anyhow!("the probe is not loaded")),
        }
    }
}
