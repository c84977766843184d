//! Paths of cgroups, which a container may name below its own: the id stands in the path, at the topmost match.
#![no_main]

use collector::identity::cgroup;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &[u8]| {
    let Some(named) = cgroup::path(path) else { return };
    let id = named.container.as_str().as_bytes();
    assert!(path.windows(id.len()).any(|part| part == id), "the id stands in the path");
    let nested = [path, b"/below"].concat();
    assert_eq!(cgroup::path(&nested), Some(named), "a nested cgroup belongs to its container");
});
