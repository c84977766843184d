//! What the tests share, and what each of them says.

use anyhow::{Result, anyhow};
use collector::capture::{Backend, Settings};

use crate::baseline;
use crate::observer::Observer;

/// How a test ended that did not fail, and what it has to say.
pub(crate) enum Outcome {
    /// All is as promised: what was written is captured.
    Passed(String),
    /// The bytes were read where they came from.
    ReadBack(String),
    /// As promised where the bytes cannot be had: they are counted and told.
    Counted(String),
    /// What this backend does not see; that there was something is counted, for the node.
    Noted(String),
    /// What this backend does not see.
    NotSeen(String),
    /// A file was announced.
    Discovered(String),
    /// The kernel refuses such a call, and nothing is seen of it.
    Refused(String),
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

    /// What passed is what was expected of a call that the kernel refuses.
    pub(crate) fn or_refused(self) -> Self {
        if let Self::Passed(said) = self { Self::Refused(said) } else { self }
    }
}

/// The probe that most tests use: it takes a while to load where the CPU is emulated.
pub(crate) struct Stage {
    /// By which backend it sees writes; `None`: the best that works.
    pub(crate) backend: Option<Backend>,
    observer: Option<Result<Observer, String>>,
    /// What that was told.
    told: Settings,
}

impl Stage {
    /// For the tests of one backend.
    pub(crate) fn of(backend: Option<Backend>) -> Self {
        Self { backend, observer: None, told: Settings { backend, ..Settings::default() } }
    }

    /// What its probes are told.
    pub(crate) fn settings(&self) -> Settings {
        Settings { backend: self.backend, ..Settings::default() }
    }

    /// Why this kernel does not have the backend, if that is no mistake: other machines' kernels may refuse any but one, those
    /// of Debian's only what came later.
    pub(crate) fn absence(&mut self) -> Result<Option<String>> {
        let may_be_absent = match self.backend {
            None | Some(Backend::Syscall) => false,
            Some(Backend::Fexit) => std::process::id() != 1,
            Some(Backend::Multi) => {
                std::process::id() != 1 || baseline::release()? < baseline::GRAPH_PROBES
            }
        };
        if !may_be_absent {
            return Ok(None);
        }
        self.load();
        Ok(self.observer.as_ref().and_then(|loaded| loaded.as_ref().err().cloned()))
    }

    /// A probe that is told something else than [`Stage::settings`]; it takes the place of the one before.
    pub(crate) fn observer_told(&mut self, settings: Settings) -> Result<&mut Observer> {
        if self.told != settings {
            (self.told, self.observer) = (settings, None);
        }
        self.loaded()
    }

    /// The probe that is told nothing in particular.
    pub(crate) fn observer(&mut self) -> Result<&mut Observer> {
        self.observer_told(self.settings())
    }

    /// The probe, which is loaded at the first call, or why it is not: the whole reason only once, for it is long.
    fn loaded(&mut self) -> Result<&mut Observer> {
        let is_first = self.load();
        match self.observer.as_mut() {
            Some(Ok(observer)) => Ok(observer),
            Some(Err(reason)) if is_first => Err(anyhow!(reason.clone())),
            _ => Err(anyhow!("the probe is not loaded")),
        }
    }

    /// Loads it; whether for the first time.
    fn load(&mut self) -> bool {
        let is_first = self.observer.is_none();
        if is_first {
            let loaded = Observer::start(&self.told);
            self.observer = Some(loaded.map_err(|error| format!("{error:#}")));
        }
        is_first
    }
}
