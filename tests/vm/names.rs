//! Which new cgroups are containers: by the names that runtimes give them.

use anyhow::{Context as _, Result, ensure};
use collector::identity::cgroup;

use crate::container::{Container, new_id};
use crate::stage::{Outcome, Stage};

/// Paths of containers' cgroups; `ID` stands for 64 hexadecimal digits.
const CONTAINERS: [&str; 8] = [
    // The cgroupfs drivers.
    "docker/ID",
    "kubepods/burstable/pod0d1c/ID",
    "kubepods/besteffort/pod0d1c/crio-ID",
    "libpod_parent/libpod-ID",
    // The systemd drivers.
    "system.slice/docker-ID.scope",
    "kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope",
    "kubepods.slice/kubepods-pod1.slice/crio-ID.scope",
    "machine.slice/libpod-ID.scope",
];

/// What stands beside them.
const OTHERS: [&str; 5] = [
    "kubepods.slice/kubepods-pod1.slice/crio-conmon-ID.scope",
    "machine.slice/libpod-conmon-ID.scope",
    "system.slice/ID.service",
    "system.slice/ssh.service",
    "docker/xID",
];

pub(crate) fn of_every_runtime(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let mut outcome = Outcome::Passed(String::new());
    for name in CONTAINERS {
        let id = new_id();
        let path = name.replace("ID", &id);
        // User space judges by the same rule.
        let named = cgroup::path(path.as_bytes()).map(|named| named.container.as_str().to_owned());
        ensure!(named.as_deref() == Some(&id), "`{path}` is no container to user space");
        let container = Container::named(&path)?;
        ensure!(observer.knows(container.cgroup()), "`{path}` is no container to the probe");
        let output = container.run(&["lines", "20"])?;
        let seen = observer.collect(&container)?;
        ensure!(seen.id == id, "the probe took `{}` out of `{path}`", seen.id);
        ensure!(seen.told == [true; 2], "`{path}`: begin and end told: {:?}", seen.told);
        for (stream, written) in [output.stdout, output.stderr].iter().enumerate() {
            outcome = outcome.and(seen.exactly(stream, written, 10).with_context(|| path.clone())?);
        }
    }
    Ok(outcome.and(Outcome::Passed(format!("{} names", CONTAINERS.len()))))
}

pub(crate) fn of_others_are_left_alone(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    for name in OTHERS {
        let path = name.replace("ID", &new_id());
        let other = Container::named(&path)?;
        other.run(&["lines", "2"])?;
        ensure!(!observer.knows(other.cgroup()), "`{path}` is a container to the probe");
    }
    Ok(Outcome::Passed(format!("{} names", OTHERS.len())))
}
