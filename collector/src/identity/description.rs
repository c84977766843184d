//! What a runtime says of a container → [`Container`], within a bound: names and labels come from whoever made it.

use std::collections::{BTreeMap, HashMap};

use crate::record::{Container, ContainerId, Kubernetes, Runtime};

/// The labels by which the kubelet and CRI runtimes say whose container it is.
const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_UID: &str = "io.kubernetes.pod.uid";
const CONTAINER_NAME: &str = "io.kubernetes.container.name";

/// A container in a runtime's words.
#[derive(Debug)]
pub(super) struct Description {
    /// Its id.
    pub(super) id: ContainerId,
    /// Its name, perhaps with a leading slash.
    pub(super) name: Option<String>,
    /// Its image, as it was asked for.
    pub(super) image: Option<String>,
    /// Who runs it.
    pub(super) runtime: Runtime,
    /// All its labels.
    pub(super) labels: HashMap<String, String>,
}

impl Description {
    /// The container, of which at most `limit` bytes of text are kept, and how many names and labels were left out.
    pub(super) fn within(self, limit: usize) -> (Container, usize) {
        let Self { id, name, image, runtime, labels } = self;
        let mut room = Room { bytes: limit, left_out: 0 };
        let name = name.map(|name| name.trim_start_matches('/').to_owned());
        let name = room.take(name);
        let image = room.take(image);
        let kubernetes = Kubernetes {
            namespace: room.take(labels.get(POD_NAMESPACE).cloned()),
            pod: room.take(labels.get(POD_NAME).cloned()),
            pod_uid: room.take(labels.get(POD_UID).cloned()),
            container: room.take(labels.get(CONTAINER_NAME).cloned()),
        };
        // In the order of their keys, so that the same ones are kept each time.
        let labels = BTreeMap::from_iter(labels)
            .into_iter()
            .filter(|(key, value)| room.has(key.len() + value.len()))
            .collect();
        let runtime = Some(runtime);
        (Container { id, name, image, runtime, labels, kubernetes }, room.left_out)
    }
}

/// What is left of a limit, and how much did not fit.
struct Room {
    bytes: usize,
    left_out: usize,
}

impl Room {
    /// The text, if it says something and there is room for it.
    fn take(&mut self, text: Option<String>) -> Option<String> {
        text.filter(|text| !text.is_empty() && self.has(text.len()))
    }

    /// Whether there is room for `bytes`, which are then taken. Shorter texts may fit where a longer one did not.
    fn has(&mut self, bytes: usize) -> bool {
        let left = self.bytes.checked_sub(bytes);
        match left {
            Some(left) => self.bytes = left,
            None => self.left_out += 1,
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::Description;
    use crate::record::{Container, Runtime};

    fn description(labels: &[(&str, &str)]) -> Description {
        Description {
            id: "a".repeat(64).parse().unwrap(),
            name: Some("/web".into()),
            image: Some("nginx:1".into()),
            runtime: Runtime::Docker,
            labels: labels.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
        }
    }

    #[test]
    fn reads_names_and_keeps_labels() {
        let labels = [
            ("com.docker.compose.project", "shop"),
            ("com.docker.compose.service", "front"),
            ("io.kubernetes.pod.name", "web-0"),
            ("io.kubernetes.pod.namespace", "prod"),
            ("io.kubernetes.pod.uid", "0d1c"),
            ("io.kubernetes.container.name", ""),
        ];
        let (container, left_out) = description(&labels).within(1000);
        assert_eq!(left_out, 0);
        assert_eq!(container.name.as_deref(), Some("web"));
        assert_eq!(container.image.as_deref(), Some("nginx:1"));
        assert_eq!(container.runtime, Some(Runtime::Docker));
        assert_eq!(container.kubernetes.pod.as_deref(), Some("web-0"));
        assert_eq!(container.kubernetes.namespace.as_deref(), Some("prod"));
        assert_eq!(container.kubernetes.pod_uid.as_deref(), Some("0d1c"));
        assert_eq!(container.kubernetes.container, None);
        assert_eq!(container.labels.len(), labels.len());
        assert_eq!(container.labels["com.docker.compose.service"], "front");
    }

    #[test]
    fn keeps_no_more_than_the_limit() {
        let kept = |limit| {
            let (container, left_out) = description(&[("a", "1"), ("b", "22")]).within(limit);
            let Container { name, image, labels, .. } = container;
            (name.is_some(), image.is_some(), labels.into_keys().collect::<String>(), left_out)
        };
        assert_eq!(kept(0), (false, false, String::new(), 4));
        assert_eq!(kept(1), (false, false, String::new(), 4));
        assert_eq!(kept(2), (false, false, "a".into(), 3));
        assert_eq!(kept(3), (true, false, String::new(), 3));
        assert_eq!(kept(8), (true, false, "ab".into(), 1));
        assert_eq!(kept(14), (true, true, "a".into(), 1));
        assert_eq!(kept(15), (true, true, "ab".into(), 0));
    }

    #[test]
    fn a_container_may_have_no_name() {
        let nameless = Description {
            name: Some("/".into()),
            image: None,
            labels: HashMap::new(),
            ..description(&[])
        };
        assert_eq!(nameless.within(1000).0.name, None);
    }
}
