//! The one place that decides what may be contacted on a registry's word, and with what.
//!
//! A registry hands over five kinds of URL: where to get a token, where to upload, the next page, a redirect,
//! and the `urls` of a foreign layer. Each is judged here, against the origin that the user configured; what is
//! sent can only be addressed by the [`Permit`] that comes out.

use url::Url;

use super::{Origin, Reach};

/// Registries whose token service lies in another domain, as their operators document it:
/// the end of the registry's host, and the token service's host.
const KNOWN_REALMS: [(&str, &str); 3] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.redhat.io", "sso.redhat.com"),
    ("scw.cloud", "api.scaleway.com"),
];

/// Which of the URLs that a registry hands over this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// A token realm that would see the credential.
    Realm,
    /// A token realm that is asked without a credential.
    AnonymousRealm,
    /// The `Location` of a redirect.
    Redirect,
    /// The `Location` of an upload: a body goes there.
    Upload,
    /// The `Link` to the next page.
    NextPage,
    /// One of the `urls` of a foreign layer.
    ForeignLayer,
}

/// As what a place is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The configured origin: credential, custom headers and client certificate may be sent.
    Home,
    /// A token realm that may see the credential; nothing else that is ours.
    Realm,
    /// Anyone else: nothing that is ours but the body of an upload.
    Stranger,
}

/// A URL that may be contacted, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    url: Url,
    standing: Standing,
}

impl Permit {
    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// As what it may be spoken to.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// The same place with other query parameters, which change nothing of who is contacted.
    #[must_use]
    pub fn with_query(mut self, query: Option<&str>) -> Self {
        self.url.set_query(query);
        self
    }
}

/// Why a URL is not contacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an absolute `http` or `https` URL without user information.
    #[error("`{}` is not a URL that can be followed", .0.escape_debug())]
    Malformed(String),
    /// A credential would go to a place that is not known to belong to the registry.
    #[error("{registry} asks for its credential to be sent to {realm}, which is not known to belong to it")]
    ForeignRealm {
        /// The registry's origin.
        registry: Origin,
        /// The token realm's.
        realm: Origin,
    },
    /// From TLS to plain HTTP.
    #[error("{from} leads to {to}, which is not protected by TLS")]
    Downgrade {
        /// Who led there.
        from: Origin,
        /// Where to.
        to: Origin,
    },
    /// Towards this computer or a private network, from outside.
    #[error("{from} leads to {to}, an address inside this computer or its networks")]
    Inward {
        /// Who led there.
        from: Origin,
        /// Where to.
        to: Origin,
    },
    /// To another origin, where only the same one makes sense.
    #[error("{from} leads to {to} for {what}, which has to be on the registry itself")]
    Elsewhere {
        /// Who led there.
        from: Origin,
        /// Where to.
        to: Origin,
        /// What for.
        what: &'static str,
    },
    /// Foreign layers are not fetched from where the manifest says.
    #[error("the layer is to be fetched from {0}, outside the registry; such places are never contacted")]
    Foreign(Origin),
}

/// What one registry's word is worth.
#[derive(Clone, Debug)]
pub struct Policy {
    home: Origin,
    realms: Vec<Origin>,
}

impl Policy {
    /// A policy around the origin that the user configured, with further realms that may see the credential.
    #[must_use]
    pub fn new(home: Origin, realms: impl IntoIterator<Item = Origin>) -> Self {
        Self { home, realms: realms.into_iter().collect() }
    }

    /// The configured origin.
    #[must_use]
    pub const fn home(&self) -> &Origin {
        &self.home
    }

    /// A permit for a URL on the configured origin that we made ourselves; `None` where it is not on it.
    #[must_use]
    pub fn own(&self, url: Url) -> Option<Permit> {
        (Origin::of(&url).as_ref() == Some(&self.home)).then_some(Permit { url, standing: Standing::Home })
    }

    /// Judges `url`, which came with the answer to `base`. `reach` says where the configured host lies.
    ///
    /// # Errors
    /// Why it is not contacted.
    pub fn judge(&self, handed: Handed, base: &Url, mut url: Url, reach: Reach) -> Result<Permit, Refusal> {
        let malformed = |url: &Url| Refusal::Malformed(super::redact::text_of_url(url.as_str()));
        url.set_fragment(None);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed(&url));
        }
        let from = Origin::of(base).ok_or_else(|| malformed(base))?;
        let to = Origin::of(&url).ok_or_else(|| malformed(&url))?;
        let standing = self.standing(handed, &from, &to)?;
        if to != self.home && to != from && standing != Standing::Realm {
            self.check_stranger(handed, &from, &to, reach)?;
        }
        Ok(Permit { url, standing })
    }

    /// As what `to` may be spoken to, if at all.
    fn standing(&self, handed: Handed, from: &Origin, to: &Origin) -> Result<Standing, Refusal> {
        match handed {
            Handed::ForeignLayer => Err(Refusal::Foreign(to.clone())),
            Handed::NextPage if *to != self.home => {
                Err(Refusal::Elsewhere { from: from.clone(), to: to.clone(), what: "the next page" })
            }
            Handed::Realm | Handed::AnonymousRealm if *to == self.home => Ok(Standing::Home),
            Handed::Realm if self.may_see_credential(to) => Ok(Standing::Realm),
            Handed::Realm if self.home.is_tls() && !to.is_tls() => {
                Err(Refusal::Downgrade { from: self.home.clone(), to: to.clone() })
            }
            Handed::Realm => Err(Refusal::ForeignRealm { registry: self.home.clone(), realm: to.clone() }),
            // Who has left home does not come back with what belongs there: the stranger chose the way.
            Handed::Redirect | Handed::Upload | Handed::NextPage if *to == self.home && *from == self.home => {
                Ok(Standing::Home)
            }
            Handed::AnonymousRealm | Handed::Redirect | Handed::Upload | Handed::NextPage => Ok(Standing::Stranger),
        }
    }

    /// Whether the realm belongs to the registry, or is configured to.
    fn may_see_credential(&self, realm: &Origin) -> bool {
        if self.realms.contains(realm) {
            return true;
        }
        if !realm.is_tls() {
            // A registry that is plain itself has shown us the credential's worth already.
            return !self.home.is_tls() && realm.host() == self.home.host();
        }
        if realm.host() == self.home.host() {
            return true;
        }
        let (Some(registry), Some(realm)) = (self.home.domain(), realm.domain()) else { return false };
        let known = |(end, host): &(&str, &str)| {
            *host == realm && registry.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        same_registrable_domain(registry, realm) || KNOWN_REALMS.iter().any(known)
    }

    /// What holds for everyone who is neither the registry nor its realm.
    fn check_stranger(&self, handed: Handed, from: &Origin, to: &Origin, reach: Reach) -> Result<(), Refusal> {
        if !to.is_tls() {
            let downgrade = || Refusal::Downgrade { from: from.clone(), to: to.clone() };
            if from.is_tls() || self.home.is_tls() {
                return Err(downgrade());
            }
            if handed == Handed::Upload {
                return Err(Refusal::Elsewhere { from: from.clone(), to: to.clone(), what: "an upload" });
            }
            if to.reach() == Reach::Public && reach != Reach::Public {
                return Err(downgrade());
            }
        }
        if reach.may_lead_to(to.reach()) {
            return Ok(());
        }
        Err(Refusal::Inward { from: from.clone(), to: to.clone() })
    }
}

/// Whether two host names belong to the same owner, by the public suffix list.
fn same_registrable_domain(one: &str, other: &str) -> bool {
    match (psl::domain_str(one), psl::domain_str(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
