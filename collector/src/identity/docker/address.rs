//! Where an engine listens, in the form of `DOCKER_HOST`.

use std::fmt;
use std::str::FromStr;

use bollard::{API_DEFAULT_VERSION, Docker as Client};

use crate::identity::Error;

/// An address of a form that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::identity) enum Address {
    /// Path of a unix socket.
    Unix(String),
    /// `host:port`, for plain HTTP.
    Http(String),
}

impl Address {
    /// A client for the engine there. Nothing is sent yet.
    pub(super) fn client(&self, timeout_seconds: u64) -> Result<Client, bollard::errors::Error> {
        match self {
            Self::Unix(path) => {
                Client::connect_with_unix(path, timeout_seconds, API_DEFAULT_VERSION)
            }
            Self::Http(host) => {
                Client::connect_with_http(host, timeout_seconds, API_DEFAULT_VERSION)
            }
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let after = |scheme| text.strip_prefix(scheme).map(|rest: &str| rest.trim_end_matches('/'));
        let host = || after("tcp://").or_else(|| after("http://"));
        match (text.strip_prefix("unix://"), host()) {
            (Some(path), _) if path.starts_with('/') => Ok(Self::Unix(path.to_owned())),
            (_, Some(host)) if !host.is_empty() && !host.contains('/') => {
                Ok(Self::Http(host.to_owned()))
            }
            _ => Err(Error::Address { address: text.to_owned() }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Http(host) => write!(f, "tcp://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn takes_sockets_and_plain_http() {
        let address = |text: &str| text.parse::<Address>().ok();
        assert_eq!(address("unix:///run/d.sock"), Some(Address::Unix("/run/d.sock".into())));
        let http = Some(Address::Http("127.0.0.1:2375".into()));
        assert_eq!(address("tcp://127.0.0.1:2375"), http);
        assert_eq!(address("http://127.0.0.1:2375/"), http);
        for bad in ["", "unix://", "unix://run/d.sock", "tcp://", "http:///", "tcp://h:1/path"] {
            assert_eq!(address(bad), None, "{bad}");
        }
        let error = "ssh://host".parse::<Address>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "docker address `ssh://host` is not understood: give unix:///path, tcp://host:port \
             or http://host:port"
        );
    }
}
