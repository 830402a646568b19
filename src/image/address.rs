//! Registry addresses: `host[:port]`, in one spelling each.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The names of Docker Hub; all mean the one registry that is shown as `docker.io`.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The address of a registry, `host[:port]`, in its one normal spelling.
///
/// Host names are lower case, IPv6 addresses are in brackets and compressed, and Docker Hub's three names
/// are one. Two addresses are the same registry exactly when they are equal, so credentials looked up by
/// address never reach a look-alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryAddress {
    host: Box<str>,
    port: Option<u16>,
}

impl RegistryAddress {
    /// Docker Hub.
    #[must_use]
    pub fn docker_hub() -> Self {
        Self { host: DOCKER_HUB[0].into(), port: None }
    }

    /// Whether this is Docker Hub.
    #[must_use]
    pub fn is_docker_hub(&self) -> bool {
        &*self.host == DOCKER_HUB[0] && self.port.is_none()
    }

    /// The host: a lower-case name, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is named.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The `host[:port]` that is connected to: for Docker Hub its API host, else the address itself.
    #[must_use]
    pub fn contact(&self) -> String {
        if self.is_docker_hub() { DOCKER_HUB[2].to_owned() } else { self.to_string() }
    }

    /// Whether only this computer can answer there (`localhost`, 127.0.0.0/8, `[::1]`).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = &*self.host;
        host == "localhost"
            || host.ends_with(".localhost")
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether the host is an IPv6 address, which no repository path can hold.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.host.starts_with('[')
    }
}

impl FromStr for RegistryAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(AddressError::Scheme { scheme: scheme.to_owned(), rest: rest.to_owned() });
        }
        if text.contains('/') {
            return Err(AddressError::Path(text.to_owned()));
        }
        let (host, port) = split_port(text)?;
        let host = normal_host(host)?;
        let port = port.map(parse_port).transpose()?;
        if DOCKER_HUB.contains(&host.as_str()) && matches!(port, None | Some(443)) {
            return Ok(Self::docker_hub());
        }
        Ok(Self { host: host.into(), port })
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or_else(|| AddressError::Ipv6(text.to_owned()))?;
        let (host, rest) = text.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(AddressError::Ipv6(text.to_owned())),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Err(AddressError::Ipv6(text.to_owned())),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn normal_host(host: &str) -> Result<String, AddressError> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or(inner);
        let ip: Ipv6Addr = inner.parse().map_err(|_| AddressError::Ipv6(host.to_owned()))?;
        return Ok(format!("[{ip}]"));
    }
    if host.is_empty() {
        return Err(AddressError::Empty);
    }
    if let Some(found) = host.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))) {
        return Err(AddressError::Character { host: host.to_owned(), found });
    }
    let label_is_good = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    if host.len() > 253 || !host.split('.').all(|label| label.len() <= 63 && label_is_good(label)) {
        return Err(AddressError::Label(host.to_owned()));
    }
    Ok(host.to_ascii_lowercase())
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse::<u16>().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| AddressError::Port(text.to_owned()))
}

impl fmt::Display for RegistryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl fmt::Debug for RegistryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RegistryAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RegistryAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a registry address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is nothing where the host should be.
    #[error("the registry's host is empty")]
    Empty,
    /// A URL stands where an address should.
    #[error("a registry is written without `{}://`: `{}`", scheme.escape_debug(), rest.escape_debug())]
    Scheme {
        /// What stands before `://`.
        scheme: String,
        /// What stands behind it, which is the right form.
        rest: String,
    },
    /// A path stands behind the host.
    #[error("a registry's address is `host[:port]`, without the path in `{}`", .0.escape_debug())]
    Path(String),
    /// A character that no host name holds.
    #[error(
        "`{}` cannot stand in the registry's host `{}` (letters, digits, `.` and `-`; other scripts in their `xn--` form)",
        found.escape_debug(), host.escape_debug()
    )]
    Character {
        /// The whole host.
        host: String,
        /// The first character that is wrong.
        found: char,
    },
    /// A part between dots is empty, too long, or begins or ends with `-`.
    #[error("the registry's host `{}` has a part that is empty, longer than 63 characters, or begins or ends with `-`", .0.escape_debug())]
    Label(String),
    /// Not an IPv6 address in brackets.
    #[error("`{}` is not an IPv6 address in brackets, as in `[::1]:5000`", .0.escape_debug())]
    Ipv6(String),
    /// Not a port.
    #[error("`{}` is not a port (1 to 65535)", .0.escape_debug())]
    Port(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        text.parse::<RegistryAddress>().map_or_else(|e| format!("error: {e}"), |a| a.to_string())
    }

    #[test]
    fn spellings_of_one_registry_are_one() {
        for text in ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO", "docker.io:443"] {
            assert_eq!(normal(text), "docker.io");
        }
        assert_eq!(normal("REG.Example.COM:5000"), "reg.example.com:5000");
        assert_eq!(normal("[0:0::1]:5000"), "[::1]:5000");
        assert_eq!(normal("docker.io:5000"), "docker.io:5000");
        assert_eq!(RegistryAddress::docker_hub().contact(), "registry-1.docker.io");
    }

    #[test]
    fn look_alikes_are_different_registries() {
        let known: RegistryAddress = "reg.example.com".parse().unwrap();
        for other in ["reg.example.com:5000", "reg.example.com.evil.net", "xreg.example.com", "reg-example.com"] {
            assert_ne!(known, other.parse().unwrap(), "{other}");
        }
        assert!("reg.example.com@evil".parse::<RegistryAddress>().is_err());
        assert!("ręg.example.com".parse::<RegistryAddress>().is_err());
    }

    #[test]
    fn bad_addresses_name_the_part() {
        let cases = [
            ("", "is empty"),
            (":5000", "is empty"),
            ("https://reg.example.com", "without `https://`: `reg.example.com`"),
            ("reg.example.com/team", "without the path"),
            ("reg..example.com", "has a part that is empty"),
            ("-reg.example.com", "begins or ends with `-`"),
            ("reg.example.com:0", "`0` is not a port"),
            ("reg.example.com:65536", "`65536` is not a port"),
            ("reg.example.com:+80", "`+80` is not a port"),
            ("reg.example.com:", "`` is not a port"),
            ("::1", "in brackets"),
            ("[::1", "in brackets"),
            ("[::1]x", "in brackets"),
            ("[zz]:1", "in brackets"),
            ("a\r\nb", "`\\r` cannot stand"),
        ];
        for (text, part) in cases {
            assert!(normal(text).contains(part), "{text}: {}", normal(text));
        }
    }

    #[test]
    fn loopback_is_known() {
        for text in ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000", "a.localhost"] {
            assert!(text.parse::<RegistryAddress>().unwrap().is_loopback(), "{text}");
        }
        for text in ["localhost.example.com", "10.0.0.1", "128.0.0.1", "[::2]"] {
            assert!(!text.parse::<RegistryAddress>().unwrap().is_loopback(), "{text}");
        }
    }
}
