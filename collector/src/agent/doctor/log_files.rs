//! Whether the runtimes' log files can be read, and what for.

use super::Finding;
use crate::config::Config;
use crate::config::file::Attach;
use crate::tail::{self, Located};

/// Looks for the logs of this node's containers.
pub(super) fn examine(config: &Config) -> Finding {
    let topic = "log files";
    let is_all = config.attach == Attach::Off;
    let lacking = if is_all { Finding::missing } else { Finding::degraded };
    if !config.tail.enabled {
        let lost =
            if is_all { "nothing is captured either" } else { "what the probe misses is lost" };
        let detail = format!("not read (`tail.enabled: false`): {lost}");
        return lacking(topic, detail, "set `tail.enabled: true`".to_owned());
    }
    let settings = &config.tail.settings;
    let containers = match tail::containers(settings) {
        Ok(containers) => containers,
        Err(error) => {
            let remedy = "run as root, or with CAP_DAC_READ_SEARCH; see `tail.docker_root`";
            return lacking(topic, format!("failed to list them: {error}"), remedy.to_owned());
        }
    };
    let is_read = |id: &&_| matches!(tail::locate(settings, id), Located::Log(_));
    let (all, read) = (containers.len(), containers.iter().filter(is_read).count());
    let role = if is_all { "all lines come from them" } else { "they fill the gaps of the probe" };
    Finding::ok(topic, format!("of {read} of {all} containers: {role}"))
}
