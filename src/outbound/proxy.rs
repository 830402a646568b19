//! Which proxy stands between us and a place: the environment's and the platform's, by the rules that reqwest keeps.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

/// The proxies of this computer. reqwest uses them by itself; this tells which one a URL meets.
pub(super) struct Proxies(Matcher);

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` and the platform's settings.
    pub(super) fn of_system() -> Self {
        Self(Matcher::from_system())
    }

    /// The proxy through which `url` is reached, as `scheme://host:port`.
    pub(super) fn of(&self, url: &Url) -> Option<String> {
        let uri: Uri = url.as_str().parse().ok()?;
        let proxy = self.0.intercept(&uri)?;
        let authority = proxy.uri().authority()?.as_str();
        let place = authority.rsplit('@').next().unwrap_or(authority);
        Some(format!("{}://{place}", proxy.uri().scheme_str().unwrap_or("http")))
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its parts may hold a password.
        f.write_str("Proxies")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let proxies =
            Proxies(Matcher::builder().all("http://user:canary@proxy.example:3128").no("near.example").build());
        assert_eq!(proxies.of(&"https://far.example/v2/".parse().unwrap()).unwrap(), "http://proxy.example:3128");
        assert_eq!(proxies.of(&"https://near.example/v2/".parse().unwrap()), None);
    }
}
