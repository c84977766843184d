//! What this kernel and these rights allow, as a value. It loads and attaches for real, then lets go.

use super::tries::Tries;
use super::{Backend, Error, Metrics, Settings};

/// The result of one try.
#[derive(Debug)]
pub struct Preflight {
    /// The backend that was tried.
    pub backend: Backend,
    /// Whether it loads, attaches, and sees a write of this process; and what it should see and does not.
    pub outcome: Result<Vec<&'static str>, Error>,
}

/// Tries each backend that is wanted, the best one first, up to one that works.
pub fn preflight(settings: &Settings) -> Result<Vec<Preflight>, Error> {
    let tries = Tries::new(settings)?;
    let mut results = Vec::new();
    for backend in Backend::ALL {
        if settings.backend.is_some_and(|wanted| wanted != backend) {
            continue;
        }
        let outcome = tries.attempt(backend, settings, &Metrics::default());
        let works = outcome.is_ok();
        results.push(Preflight { backend, outcome: outcome.map(|capture| capture.gaps) });
        if works {
            break;
        }
    }
    Ok(results)
}
