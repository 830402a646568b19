//! `serve`: the store as a registry.

mod args;
mod log;
mod upkeep;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde::Serialize;

pub(crate) use args::ServeArgs;

use super::{CommandError, CommandResult, Outcome, cannot};
use crate::config::{Rights, Serving, load_serving};
use crate::image::Storage;
use crate::output::{Page, Report};
use crate::server::{Access, AccessLog, Certificate, Deletes, Listener, Server, ServerSettings, Web};
use crate::session::{Hosted, Session, StorageOptions};
use log::ConsoleLog;

/// Where it listens where nothing is said.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

/// Serves until it is interrupted.
///
/// # Errors
/// What is asked for would not be safe, a file cannot be used, the store cannot be opened, or the address is not to be had.
pub(super) async fn run(mut args: ServeArgs, session: &Session) -> CommandResult {
    let file = args.serve_config.take().map(|path| load_serving(&path)).transpose().map_err(cannot("serve"))?;
    let said = args.said().over(file.unwrap_or_default());
    let listen = said.listen.unwrap_or(LISTEN);
    let doing = format!("serve at {listen}");
    check(&said, listen, &doing)?;
    let hosted = hosted(&said, session, &doing).await?;
    let server = Server::new(settings(&said, &hosted, session, &doing).await?);
    let certificate = said.tls_cert.zip(said.tls_key).map(|(certificate, key)| Certificate { certificate, key });
    let listener = Listener::bind(listen).map_err(cannot(&doing))?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let storage = said.storage.as_ref().map(ToString::to_string);
    let serving = ServingReport { url: format!("{scheme}://{}", listener.address()), storage };
    session.console().report(&serving).map_err(cannot(&doing))?;
    listener.serve(server, certificate).await.map_err(cannot(&doing))?;
    Ok(Outcome::printed())
}

/// Sees to it that nothing is handed to the network which nobody said should be.
fn check(said: &Serving, listen: SocketAddr, doing: &str) -> Result<(), CommandError> {
    if said.tls_cert.is_some() != said.tls_key.is_some() {
        let message = format!("cannot {doing}: a certificate and its key go together");
        return Err(CommandError::usage(message).with_hint("give `--tls-cert FILE --tls-key FILE`"));
    }
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if said.users.is_none() && said.anonymous.is_none() && said.access.is_empty() {
        let message = format!("cannot {doing}: whoever reaches it could write to the store");
        return Err(CommandError::usage(message)
            .with_hint("say who may: `--users FILE`, `--anonymous pull` or `--anonymous push`"));
    }
    if said.tls_cert.is_none() && said.plain_http != Some(true) {
        let message = format!("cannot {doing}: passwords and images would pass in the clear");
        return Err(CommandError::usage(message)
            .with_hint("give `--tls-cert FILE --tls-key FILE`, or `--plain-http` where something before it has TLS"));
    }
    Ok(())
}

async fn hosted(said: &Serving, session: &Session, doing: &str) -> Result<Hosted, CommandError> {
    let storage = StorageOptions {
        storage: said.storage.clone().unwrap_or(Storage::Local(None)),
        endpoint: said.storage_endpoint.clone(),
        region: said.storage_region.clone(),
        secret: said.storage_secret.clone(),
    };
    session.host(&storage).await.map_err(cannot(doing))
}

async fn settings(
    said: &Serving,
    hosted: &Hosted,
    session: &Session,
    doing: &str,
) -> Result<ServerSettings, CommandError> {
    let mut webhooks = Vec::new();
    for entry in &said.webhooks {
        webhooks.push(session.webhook(entry).await.map_err(cannot(doing))?);
    }
    let upkeep = upkeep::settings(&said.upkeep)
        .map_err(|error| CommandError::usage(format!("cannot {doing}: a rule of retention is wrong: {error}")))?;
    let pull = match (upkeep::fresh(said.upstream), &hosted.follower) {
        (Some(fresh), Some(follower)) => {
            Some(session.automatic_pull(Arc::clone(follower), fresh).map_err(cannot(doing))?)
        }
        (Some(_), None) => {
            let message = format!("cannot {doing}: a bucket does not keep what automatic pull brings");
            return Err(CommandError::usage(message)
                .with_hint("leave out `--upstream`, or serve a directory: `--storage file:DIR`"));
        }
        (None, _) => None,
    };
    let log = |form| Arc::new(ConsoleLog { console: session.console().clone(), form }) as Arc<dyn AccessLog>;
    Ok(ServerSettings {
        access: access(said, session, doing)?,
        host: Arc::clone(&hosted.host),
        immutable_tags: said.immutable_tags.clone(),
        deletes: if said.deletes == Some(false) { Deletes::Off } else { Deletes::Allowed },
        web: if said.web == Some(false) { Web::Off } else { Web::On },
        log: said.access_log.map(log),
        webhooks,
        limits: said.limits,
        upkeep,
        automatic_pull: pull,
    })
}

fn access(said: &Serving, session: &Session, doing: &str) -> Result<Access, CommandError> {
    // Whoever says who may do something does not mean that everybody may do everything.
    let is_open = said.users.is_none() && said.access.is_empty();
    let anonymous = said.anonymous.unwrap_or(if is_open { Rights::Push } else { Rights::None });
    let signer = session.signer().map_err(cannot(doing))?;
    let url = said.url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let access = Access::new(anonymous, said.groups.clone(), said.access.clone(), signer);
    let access = access.asking(said.auth.unwrap_or_default(), url);
    match &said.users {
        Some(file) => access.with_users(file).map_err(cannot(doing)),
        None => Ok(access),
    }
}

/// What is served from now on.
#[derive(Debug, Serialize)]
struct ServingReport {
    url: String,
    /// What is served, where that is not the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<String>,
}

impl Report for ServingReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let what = self.storage.as_deref().unwrap_or("the store");
        writeln!(page, "serving {what} at {}", self.url)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.url)
    }
}
