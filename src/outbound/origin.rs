//! Origins, and how near to this computer an address lies.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Scheme, host and port: what a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    tls: bool,
    host: Host,
    port: u16,
}

impl Origin {
    /// The origin of a URL; `None` where it is neither `http` nor `https`.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = match url.host()?.to_owned() {
            Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
            address => address,
        };
        Some(Self { tls, host, port: url.port_or_known_default()? })
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, also where the scheme implies it.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the port is the one that the scheme implies.
    #[must_use]
    pub const fn has_usual_port(&self) -> bool {
        self.port == if self.tls { 443 } else { 80 }
    }

    /// Its host, and its port where that is not the usual one: for limits and messages.
    pub(super) fn place(&self) -> String {
        if self.has_usual_port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }

    /// How near it lies, as far as its name tells; a name that has to be looked up counts as public.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match &self.host {
            Host::Ipv4(address) => Reach::of(IpAddr::V4(*address)),
            Host::Ipv6(address) => Reach::of(IpAddr::V6(*address)),
            Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => Reach::Loopback,
            Host::Domain(_) => Reach::Public,
        }
    }

    /// The domain name, where the host is one.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.host)?;
        if self.has_usual_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// How near to this computer an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This computer.
    Loopback,
    /// A private network (RFC 1918, RFC 6598, RFC 4193).
    Private,
    /// The link, the unspecified address, multicast and reserved ranges: cloud metadata services live here.
    Special,
    /// Anywhere.
    Public,
}

impl Reach {
    /// Where an IP address lies.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [a, b, ..] = address.octets();
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_private() || (a == 100 && (64..128).contains(&b)) {
            Self::Private
        } else if a == 0 || a >= 224 || address.is_link_local() {
            Self::Special
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let segments = address.segments();
        // An IPv4 address inside (mapped, or behind NAT64) is what really answers.
        let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
        if let Some(inner) = address.to_ipv4_mapped() {
            return Self::of_v4(inner);
        }
        if nat64 {
            let [.., a, b, c, d] = address.octets();
            return Self::of_v4(Ipv4Addr::new(a, b, c, d));
        }
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_unique_local() {
            Self::Private
        } else if address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local() {
            Self::Special
        } else {
            Self::Public
        }
    }

    /// Whether a registry that lies at `self` may send us to `target`: never further inward than itself.
    #[must_use]
    pub const fn may_lead_to(self, target: Self) -> bool {
        match target {
            Self::Public => true,
            Self::Private => matches!(self, Self::Private | Self::Loopback),
            Self::Loopback => matches!(self, Self::Loopback),
            Self::Special => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn origins_are_equal_when_scheme_host_and_port_are() {
        assert_eq!(origin("https://A.example/x?y"), origin("https://a.example:443"));
        assert_eq!(origin("https://a.example./"), origin("https://a.example"));
        assert_ne!(origin("https://a.example"), origin("http://a.example"));
        assert_ne!(origin("https://a.example"), origin("https://a.example:444"));
        assert!(Origin::of(&"file:///etc/passwd".parse().unwrap()).is_none());
        assert_eq!(origin("http://[::1]:5000/v2/").to_string(), "http://[::1]:5000");
    }

    #[test]
    fn addresses_in_every_spelling_are_recognised() {
        let cases = [
            ("http://127.9.9.9", Reach::Loopback),
            ("http://2130706433", Reach::Loopback),
            ("http://0x7f.1", Reach::Loopback),
            ("http://[::ffff:127.0.0.1]", Reach::Loopback),
            ("http://localhost.", Reach::Loopback),
            ("http://x.localhost", Reach::Loopback),
            ("http://10.1.2.3", Reach::Private),
            ("http://172.31.0.1", Reach::Private),
            ("http://100.64.0.1", Reach::Private),
            ("http://[fd00::1]", Reach::Private),
            ("http://[64:ff9b::a00:1]", Reach::Private),
            ("http://169.254.169.254", Reach::Special),
            ("http://0.0.0.0", Reach::Special),
            ("http://[::]", Reach::Special),
            ("http://[fe80::1]", Reach::Special),
            ("http://8.8.8.8", Reach::Public),
            ("http://example.com", Reach::Public),
        ];
        for (text, reach) in cases {
            assert_eq!(origin(text).reach(), reach, "{text}");
        }
    }

    #[test]
    fn nobody_leads_further_inward_than_they_are() {
        assert!(Reach::Loopback.may_lead_to(Reach::Loopback));
        assert!(Reach::Private.may_lead_to(Reach::Private));
        assert!(!Reach::Private.may_lead_to(Reach::Loopback));
        assert!(!Reach::Public.may_lead_to(Reach::Private));
        assert!(!Reach::Loopback.may_lead_to(Reach::Special));
    }
}
