//! Where repositories of `serve` come from: the reverse of what images are called at home.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Access, Session, SessionError};
use crate::failure::Failure as _;
use crate::image::{ImageReference, Location, RegistryAddress, RegistryPath, RepositoryName, Selector, Tag};
use crate::registry::{Error, ErrorKind, Follower, Result};
use crate::server::{AutomaticPull, Upstream, Upstreams};

/// The remote registries of the configuration as places that `serve` pulls from.
struct RemoteRegistries(Session);

impl Session {
    /// Automatic pull from the remote registries into `host`; a tag that came so is compared with its registry
    /// once it is older than `fresh`.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub fn automatic_pull(
        &self,
        host: Arc<dyn Follower>,
        fresh: Duration,
    ) -> std::result::Result<AutomaticPull, SessionError> {
        // A session of its own, which lives as long as the server: the same configuration.
        let own = Self::open(self.options.clone(), self.console.clone())?;
        own.config()?;
        let spool = self.spool().to_owned();
        Ok(AutomaticPull::new(host, Box::new(RemoteRegistries(own)), fresh, spool))
    }
}

#[async_trait]
impl Upstreams for RemoteRegistries {
    async fn origin(&self, repository: &RepositoryName) -> Result<Option<Upstream>> {
        let Some(reference) = self.reference(repository).map_err(unusable)? else { return Ok(None) };
        let source = self.0.source(&Location::Registry(reference), &Access::default()).await.map_err(unusable)?;
        Ok(Some(Upstream { source: source.registry, repository: source.repository }))
    }
}

impl RemoteRegistries {
    /// `HOST/REPOSITORY` in a remote registry that is configured, else the whole in the default remote registry.
    /// Whoever asks here chooses the name, so no other registry is asked because a name looks like its address.
    fn reference(&self, repository: &RepositoryName) -> std::result::Result<Option<ImageReference>, SessionError> {
        let config = self.0.config()?;
        let latest = || Selector::Tag(Tag::latest());
        if let Some((host, rest)) = repository.as_str().split_once('/')
            && let (Some(address), Ok(rest)) = (address(host), rest.parse::<RepositoryName>())
            && config.registry(&address).is_some()
        {
            let rest = RegistryPath { registry: address.clone(), path: None }.repository(&rest)?;
            return Ok(Some(ImageReference::new(address, rest, latest())));
        }
        let Some(default) = &config.settings.default_remote_registry else { return Ok(None) };
        let name = default.repository(repository)?;
        Ok(Some(ImageReference::new(default.registry.clone(), name, latest())))
    }
}

/// The registry that the first part of a name at home stands for.
fn address(host: &str) -> Option<RegistryAddress> {
    let text = match host.rsplit_once('_') {
        Some((host, port)) if port.parse::<u16>().is_ok() => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    text.parse().ok()
}

fn unusable(error: SessionError) -> Error {
    let hints = error.hints();
    tracing::error!(%error, ?hints, "an upstream cannot be used");
    Error::new(ErrorKind::Settings, "the upstream cannot be used as it is configured").caused_by(error)
}
