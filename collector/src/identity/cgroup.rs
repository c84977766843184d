//! Container id and runtime out of the name or path of a cgroup. Pure: no file is touched.
//!
//! The probe judges new cgroups by the same rule, in `cgroup_mkdir`; [`PREFIXES`] and [`SUFFIXES`] are the rule's only
//! list.

use crate::record::{ContainerId, Runtime};

/// What may stand before the 64 digits in the name of a container's cgroup, and who names cgroups so.
///
/// Nothing before the digits: the `cgroupfs` driver of Docker (`/docker/<id>`) and of the kubelet
/// (`/kubepods/…/pod<uid>/<id>`); the parent's name tells which. The processes that look after a container have names
/// that do not fit: `crio-conmon-<id>`, `libpod-conmon-<id>`.
pub const PREFIXES: [(&str, Option<Runtime>); 5] = [
    ("", None),
    ("docker-", Some(Runtime::Docker)),
    ("cri-containerd-", Some(Runtime::Containerd)),
    ("crio-", Some(Runtime::CriO)),
    ("libpod-", Some(Runtime::Podman)),
];

/// What may stand after the digits: nothing, or `.scope` from the `systemd` driver. Podman's health checks run in
/// `<id>.service`, outside the container.
pub const SUFFIXES: [&str; 2] = ["", ".scope"];

/// The container that a cgroup belongs to, as the name alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The container.
    pub container: ContainerId,
    /// Who runs it, where the name tells.
    pub runtime: Option<Runtime>,
}

/// The container named by one component of a cgroup path, below a component `parent` (empty at the root).
pub fn component(parent: &[u8], name: &[u8]) -> Option<Named> {
    PREFIXES.iter().find_map(|&(prefix, runtime)| {
        let (digits, suffix) =
            name.strip_prefix(prefix.as_bytes())?.split_at_checked(ContainerId::LEN)?;
        let container = ContainerId::from_bytes(digits).ok()?;
        let by_parent = || (parent == b"docker").then_some(Runtime::Docker);
        SUFFIXES
            .iter()
            .any(|known| known.as_bytes() == suffix)
            .then(|| Named { container, runtime: runtime.or_else(by_parent) })
    })
}

/// The container that the cgroup at `path` belongs to. The topmost component that names one wins: what a container
/// makes below its own cgroup is still that container, Docker in Docker too.
pub fn path(path: &[u8]) -> Option<Named> {
    let mut parent: &[u8] = b"";
    path.split(|&byte| byte == b'/').find_map(|name| {
        let named = component(parent, name);
        parent = name;
        named
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Named, PREFIXES, component, path};
    use crate::record::{ContainerId, Runtime};

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn named(id: &str, runtime: Option<Runtime>) -> Named {
        Named { container: id.parse().unwrap(), runtime }
    }

    #[test]
    fn knows_the_names_of_every_runtime() {
        use Runtime::{Containerd, CriO, Docker, Podman};
        for (text, runtime) in [
            (format!("/docker/{A}"), Some(Docker)),
            (format!("/system.slice/docker-{A}.scope"), Some(Docker)),
            (format!("/kubepods/burstable/pod0d1c/{A}"), None),
            (
                format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{A}.scope"),
                Some(Containerd),
            ),
            (format!("/kubepods.slice/kubepods-pod1.slice/crio-{A}.scope"), Some(CriO)),
            (format!("/machine.slice/libpod-{A}.scope"), Some(Podman)),
            (format!("/libpod_parent/libpod-{A}"), Some(Podman)),
            (format!("/machine.slice/libpod-{A}.scope/container/init.scope"), Some(Podman)),
        ] {
            assert_eq!(path(text.as_bytes()), Some(named(A, runtime)), "{text}");
        }
    }

    #[test]
    fn the_topmost_container_owns_what_is_below() {
        let text = format!("/docker/{A}/docker/{B}");
        assert_eq!(path(text.as_bytes()), Some(named(A, Some(Runtime::Docker))));
    }

    #[test]
    fn refuses_what_only_looks_alike() {
        for text in [
            String::new(),
            "/".into(),
            "/user.slice/session-1.scope".into(),
            format!("/system.slice/crio-conmon-{A}.scope"),
            format!("/machine.slice/libpod-conmon-{A}.scope"),
            format!("/system.slice/{A}.service"),
            format!("/docker/{}", &A[1..]),
            format!("/docker/{A}a"),
            format!("/docker/{}", A.to_uppercase()),
            format!("/docker/x{A}"),
            format!("/docker/docker-docker-{A}.scope"),
            format!("/docker/docker-{A}.scope.scope"),
        ] {
            assert_eq!(path(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(named) = path(&bytes) {
                let id = named.container.as_str().as_bytes();
                prop_assert!(bytes.windows(ContainerId::LEN).any(|window| window == id));
            }
        }

        #[test]
        fn a_name_is_found_at_any_depth(
            above in proptest::collection::vec("[a-z.]{1,12}", 0..5),
            prefix in 0..PREFIXES.len(),
            digits in "[0-9a-f]{64}",
            below in proptest::collection::vec("[a-f0-9-]{1,80}", 0..5),
        ) {
            let name = format!("{}{digits}", PREFIXES[prefix].0);
            let mut parts = above;
            parts.push(name);
            parts.extend(below);
            let found = path(parts.join("/").as_bytes()).map(|named| named.container);
            prop_assert_eq!(found, Some(digits.parse().unwrap()));
        }

        #[test]
        fn one_digit_more_or_less_is_no_id(digits in "[0-9a-f]{1,63}|[0-9a-f]{65,130}") {
            prop_assert_eq!(component(b"docker", digits.as_bytes()), None);
        }
    }
}
