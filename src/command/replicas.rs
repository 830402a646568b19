//! The registries of the sites that a command is about.

use std::fmt;
use std::sync::Arc;

use super::{CommandError, cannot};
use crate::config::{Site, SiteName};
use crate::failure::{FailureKind, did_you_mean, nearest};
use crate::image::{RegistryPath, RepositoryName};
use crate::registry::Registry;
use crate::session::{Access, Session, SessionError};

/// One registry of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) site: SiteName,
    pub(super) path: RegistryPath,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.site, self.path)
    }
}

impl Replica {
    /// The registry itself.
    ///
    /// # Errors
    /// Its client cannot be made.
    pub(super) async fn open(&self, access: &Access, session: &Session) -> Result<Arc<dyn Registry>, SessionError> {
        let client = session.client(&self.path.registry, self.path.path.as_ref(), access).await?;
        Ok(client)
    }

    /// The registry, with the credential for one of its repositories.
    ///
    /// # Errors
    /// As [`Replica::open`].
    pub(super) async fn open_for(
        &self,
        repository: &RepositoryName,
        access: &Access,
        session: &Session,
    ) -> Result<Arc<dyn Registry>, SessionError> {
        let client = session.client(&self.path.registry, Some(repository), access).await?;
        Ok(client)
    }
}

/// The registries of the sites of these names, or of all sites.
///
/// # Errors
/// There is no site, or none of that name.
pub(super) fn replicas(names: &[String], all: bool, session: &Session) -> Result<Vec<Replica>, CommandError> {
    let config = session.config().map_err(cannot("find the sites"))?;
    let sites: Vec<&Site> = if all {
        config.sites.iter().collect()
    } else {
        let find = |name: &String| config.site(name).ok_or_else(|| unknown(name, &config.sites));
        names.iter().map(find).collect::<Result<_, _>>()?
    };
    if sites.is_empty() {
        let message = if all { "there is no site" } else { "no site is named" };
        let hint = if all { "add one: `tranship site add NAME REGISTRY`" } else { "name sites, or all: `--all`" };
        return Err(CommandError::usage(message).with_hint(hint));
    }
    let mut replicas: Vec<Replica> = Vec::new();
    for site in sites {
        for path in &site.registries {
            let replica = Replica { site: site.name.clone(), path: path.clone() };
            if !replicas.contains(&replica) {
                replicas.push(replica);
            }
        }
    }
    Ok(replicas)
}

fn unknown(name: &str, sites: &[Site]) -> CommandError {
    let nearest = nearest(name, sites.iter().map(|site| site.name.as_str()));
    let message = format!("there is no site `{}`{}", name.escape_debug(), did_you_mean(nearest));
    CommandError::plain(FailureKind::Usage, message).with_hint("see which there are: `tranship site list`")
}
