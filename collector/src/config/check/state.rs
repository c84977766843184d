//! `state`

use crate::config::file::{State, StateDirectory};
use crate::state::Settings;

/// None when nothing is remembered.
pub(super) fn check(file: &State) -> Option<Settings> {
    // How long to wait for it is for the agent.
    let State { directory, hand_over_timeout: _ } = file;
    match directory {
        StateDirectory::At(directory) => {
            Some(Settings { directory: directory.clone(), ..Settings::default() })
        }
        StateDirectory::Off => None,
    }
}
