//! `serve`: the store as a registry.

use std::net::SocketAddr;

use clap::Args;

use super::{CommandError, CommandResult, Outcome, cannot};
use crate::failure::FailureKind;
use crate::server::{Listener, Server};
use crate::session::Session;

/// Flags of `serve`.
#[derive(Args, Debug)]
#[command(after_help = "What was pulled is served, and what is pushed is in `tranship images`.\n\n\
    Examples:\n  $ tranship serve\n  $ tranship serve --listen 127.0.0.1:5005\n  \
    $ tranship copy docker.io/library/alpine:3.20 127.0.0.1:5000/os/alpine:3.20")]
pub(crate) struct ServeArgs {
    /// The address to listen at; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
}

/// Serves until it is interrupted.
///
/// # Errors
/// The store cannot be opened, or the address is not to be had.
pub(super) async fn run(args: ServeArgs, session: &Session) -> CommandResult {
    let doing = format!("serve at {}", args.listen);
    if !args.listen.ip().is_loopback() {
        let message = format!("cannot {doing}: whoever reaches it could write to the store");
        return Err(CommandError::plain(FailureKind::Usage, message).with_hint("listen at 127.0.0.1 or [::1]"));
    }
    let host = session.host().map_err(cannot(&doing))?;
    let listener = Listener::bind(args.listen).map_err(cannot(&doing))?;
    session.console().note(&format!("serving the store at http://{}", listener.address()));
    listener.serve(Server::new(host)).await.map_err(cannot(&doing))?;
    Ok(Outcome::printed())
}
