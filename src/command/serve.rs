//! `serve`: the store as a registry.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{CommandError, CommandResult, Outcome, cannot};
use crate::output::{Page, Report};
use crate::server::{Access, Certificate, Listener, Rights, Scheme, Server};
use crate::session::Session;

/// Flags of `serve`.
#[derive(Args, Debug)]
#[command(after_help = "What was pulled is served, and what is pushed is in `tranship images`.\n\
    At 127.0.0.1 and [::1] everybody may do everything, unless `--users` or `--anonymous` say\n\
    otherwise. Elsewhere one of them has to be said, and a certificate, or `--plain-http`.\n\n\
    Examples:\n  $ tranship serve\n  \
    $ tranship htpasswd add users alice\n  \
    $ tranship serve --listen 0.0.0.0:5000 --tls-cert cert.pem --tls-key key.pem --users users\n  \
    $ tranship copy docker.io/library/alpine:3.20 127.0.0.1:5000/os/alpine:3.20")]
pub(crate) struct ServeArgs {
    /// The address to listen at; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,

    /// The server's certificate, with those between it and an authority; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Serve other computers without TLS
    #[arg(long, conflicts_with = "tls_cert")]
    plain_http: bool,

    /// Let the users of this htpasswd file do everything; read again when it changes
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// What those may who show no name [default: none with --users]
    #[arg(long, value_name = "WHAT")]
    anonymous: Option<AnonymousWord>,

    /// How clients show who they are: by their password each time, or by a token that they get for it here
    #[arg(long, value_name = "HOW", default_value = "basic")]
    auth: AuthWord,

    /// Where clients reach it, where that is not what they say
    #[arg(long, value_name = "URL")]
    url: Option<url::Url>,
}

/// The words of `--auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuthWord {
    Basic,
    Token,
}

/// The words of `--anonymous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnonymousWord {
    None,
    Pull,
    Push,
}

impl From<AnonymousWord> for Rights {
    fn from(word: AnonymousWord) -> Self {
        match word {
            AnonymousWord::None => Self::None,
            AnonymousWord::Pull => Self::Pull,
            AnonymousWord::Push => Self::Push,
        }
    }
}

/// Serves until it is interrupted.
///
/// # Errors
/// What is asked for would not be safe, a file cannot be used, the store cannot be opened, or the address is not to be had.
pub(super) async fn run(args: ServeArgs, session: &Session) -> CommandResult {
    let doing = format!("serve at {}", args.listen);
    check(&args, &doing)?;
    let access = access(&args, session, &doing)?;
    let host = session.host().map_err(cannot(&doing))?;
    let certificate = args.tls_cert.zip(args.tls_key).map(|(certificate, key)| Certificate { certificate, key });
    let listener = Listener::bind(args.listen).map_err(cannot(&doing))?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let serving = ServingReport { url: format!("{scheme}://{}", listener.address()) };
    session.console().report(&serving).map_err(cannot(&doing))?;
    listener.serve(Server::new(host, access), certificate).await.map_err(cannot(&doing))?;
    Ok(Outcome::printed())
}

/// Sees to it that nothing is handed to the network which nobody said should be.
fn check(args: &ServeArgs, doing: &str) -> Result<(), CommandError> {
    if args.listen.ip().is_loopback() {
        return Ok(());
    }
    if args.users.is_none() && args.anonymous.is_none() {
        let message = format!("cannot {doing}: whoever reaches it could write to the store");
        return Err(CommandError::usage(message)
            .with_hint("say who may: `--users FILE`, `--anonymous pull` or `--anonymous push`"));
    }
    if args.tls_cert.is_none() && !args.plain_http {
        let message = format!("cannot {doing}: passwords and images would pass in the clear");
        return Err(CommandError::usage(message)
            .with_hint("give `--tls-cert FILE --tls-key FILE`, or `--plain-http` where something before it has TLS"));
    }
    Ok(())
}

fn access(args: &ServeArgs, session: &Session, doing: &str) -> Result<Access, CommandError> {
    let anonymous = args.anonymous.map(Rights::from);
    let signer = session.signer().map_err(cannot(doing))?;
    let scheme = match args.auth {
        AuthWord::Basic => Scheme::Basic,
        AuthWord::Token => Scheme::Token,
    };
    let url = args.url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    match &args.users {
        Some(file) => {
            let access = Access::new(anonymous.unwrap_or(Rights::None), signer).asking(scheme, url);
            access.with_users(file).map_err(cannot(doing))
        }
        None => Ok(Access::new(anonymous.unwrap_or(Rights::Push), signer).asking(scheme, url)),
    }
}

/// What is served from now on.
#[derive(Debug, Serialize)]
struct ServingReport {
    url: String,
}

impl Report for ServingReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "serving the store at {}", self.url)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.url)
    }
}
