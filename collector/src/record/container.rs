//! What is known of a container.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A container's full id: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId([u8; Self::LEN]);

/// Why a text is no container id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("container id `{text}` is not 64 lower-case hexadecimal digits")]
pub struct InvalidContainerId {
    text: String,
}

impl ContainerId {
    /// Digits of an id.
    pub const LEN: usize = 64;

    /// The id of raw digits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidContainerId> {
        let invalid = || InvalidContainerId { text: String::from_utf8_lossy(bytes).into_owned() };
        let digits: [u8; Self::LEN] = bytes.try_into().map_err(|_length| invalid())?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.iter().all(is_digit) { Ok(Self(digits)) } else { Err(invalid()) }
    }

    /// All 64 digits, as they are.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The first 12 digits, as `docker ps` shows them.
    pub fn short(&self) -> &str {
        &self.as_str()[..12]
    }
}

impl Hash for ContainerId {
    /// By 64 of its bits: runtimes draw all of them at random.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[..16]);
    }
}

impl FromStr for ContainerId {
    type Err = InvalidContainerId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(text.as_bytes())
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As text.
impl Serialize for ContainerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ContainerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// Who runs the container; the value of `container.runtime.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// containerd by way of CRI.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
}

impl Runtime {
    /// The value of `container.runtime.name`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
        }
    }
}

/// A container's place in Kubernetes, as far as its labels tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubernetes {
    /// `k8s.namespace.name`
    pub namespace: Option<String>,
    /// `k8s.pod.name`
    pub pod: Option<String>,
    /// `k8s.pod.uid`
    pub pod_uid: Option<String>,
    /// `k8s.container.name`
    pub container: Option<String>,
}

/// A container as its runtime describes it. What no runtime explains has its id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// `container.id`
    pub id: ContainerId,
    /// `container.name`, without a leading slash.
    pub name: Option<String>,
    /// `container.image.name`, as it was asked for.
    pub image: Option<String>,
    /// `container.runtime.name`
    pub runtime: Option<Runtime>,
    /// Labels; the records carry those of Docker Compose as `container.label.<key>`.
    pub labels: BTreeMap<String, String>,
    /// `k8s.*`
    pub kubernetes: Kubernetes,
}

impl Container {
    /// A container of which only the id is known.
    pub fn unexplained(id: ContainerId) -> Self {
        Self {
            id,
            name: None,
            image: None,
            runtime: None,
            labels: BTreeMap::new(),
            kubernetes: Kubernetes::default(),
        }
    }

    /// The name, or the short id of a container without one.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.id.short())
    }
}

#[cfg(test)]
mod tests {
    use super::ContainerId;

    #[test]
    fn takes_64_lower_case_hex_digits_only() {
        let digits = "0123456789abcdef".repeat(4);
        let id: ContainerId = digits.parse().unwrap();
        assert_eq!(id.as_str(), digits);
        assert_eq!(id.short(), "0123456789ab");
        for bad in ["", "0", &digits[1..], &format!("{digits}0"), &digits.to_uppercase()] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad}");
        }
        assert!(ContainerId::from_bytes(&[0xff; 64]).is_err());
    }
}
