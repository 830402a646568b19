//! The verbs that change, show and list what a path names.

use std::io::{self, Write};

use serde::Serialize;

use super::{ChangeArgs, PathArgs, secrets};
use crate::command::document::DocumentReport;
use crate::command::vault::{Consent, remove, warn_of_missing};
use crate::command::{CommandError, CommandResult, Outcome, cannot, input};
use crate::config::{Body, Change, DocumentPath, Mode, Verb};
use crate::output::{Page, Report, Shown};
use crate::session::Session;

/// Says for an error what was to be done.
fn doing(verb: Verb, words: &[String]) -> String {
    format!("{verb} `{}`", words.join(" ").escape_debug())
}

/// Makes a change, in the document or in a vault.
///
/// # Errors
/// The path, the body or the document is wrong, or cannot be written.
pub(super) async fn change(verb: Verb, args: &ChangeArgs, session: &Session) -> CommandResult {
    let doing = doing(verb, &args.path);
    let path = DocumentPath::parse(&args.path).map_err(cannot(&doing))?;
    let mode = args.mode();
    match &path {
        DocumentPath::Secrets(vault) => secrets::change(verb, vault, None, mode, session).await?,
        DocumentPath::Secret(secret) => {
            secrets::change(verb, &secret.vault, Some(&secret.secret), mode, session).await?;
        }
        // What is in the vault would be out of everybody's sight.
        DocumentPath::Vault(name) if verb == Verb::Delete && mode == Mode::Apply => {
            remove(name, Consent::Asked, session).await?;
        }
        _ => document(verb, path.clone(), mode, session, &doing)?,
    }
    Ok(Outcome::done(ChangeReport { verb: verb.to_string(), path: path.to_string(), changed: mode == Mode::Apply }))
}

fn document(verb: Verb, path: DocumentPath, mode: Mode, session: &Session, doing: &str) -> Result<(), CommandError> {
    let registries = match &path {
        DocumentPath::RemoteRegistries => Some(None),
        DocumentPath::RemoteRegistry(address) => Some(Some(address.clone())),
        _ => None,
    };
    let change = if verb == Verb::Delete { Change::Delete(path) } else { with_body(verb, path, doing)? };
    let warnings = session.config_file().change(&change, mode).map_err(cannot(doing))?;
    for warning in &warnings {
        session.console().warn(&warning.to_string());
    }
    match (mode, &registries) {
        (Mode::Validate, _) | (_, None) => Ok(()),
        (Mode::Apply, Some(one)) => warn_of_missing(one.as_ref(), session).map_err(cannot(doing)),
    }
}

fn with_body(verb: Verb, path: DocumentPath, doing: &str) -> Result<Change, CommandError> {
    let body = Body::parse(&input::text().map_err(cannot(doing))?).map_err(cannot(doing))?;
    let entry = matches!(path, DocumentPath::RemoteRegistry(_) | DocumentPath::Site(_) | DocumentPath::Vault(_));
    if body.is_empty() && !entry {
        return Err(CommandError::usage(format!("cannot {doing}: standard input holds nothing"))
            .with_hint(format!("give it as YAML: `tranship config {verb} {path} < FILE`")));
    }
    Ok(match verb {
        Verb::Replace => Change::Replace(path, body),
        Verb::Merge => Change::Merge(path, body),
        _ => Change::Create(path, body),
    })
}

/// Shows what a path names.
///
/// # Errors
/// It is not there, or the document is wrong.
pub(super) async fn show(args: &PathArgs, session: &Session) -> CommandResult {
    let doing = doing(Verb::Show, &args.path);
    let path = DocumentPath::parse(&args.path).map_err(cannot(&doing))?;
    let report = match &path {
        DocumentPath::Secrets(vault) => secrets::show(vault, session).await?,
        DocumentPath::Secret(secret) => secrets::show_one(secret, session).await?,
        _ => {
            let file = session.config_file();
            let value = file.show(&path).map_err(cannot(&doing))?;
            let names = file.list(&path).map_err(cannot(&doing))?;
            DocumentReport::new(&value, names).map_err(cannot(&doing))?
        }
    };
    Ok(Outcome::done(report))
}

/// Lists the keys of what a path names.
///
/// # Errors
/// As [`show`].
pub(super) async fn list(args: &PathArgs, session: &Session) -> CommandResult {
    let doing = doing(Verb::List, &args.path);
    let path = DocumentPath::parse(&args.path).map_err(cannot(&doing))?;
    let keys = match &path {
        DocumentPath::Whole => DocumentPath::following(&[]).iter().map(ToString::to_string).collect(),
        DocumentPath::Secrets(vault) => secrets::names(vault, session).await?,
        DocumentPath::Secret(secret) => secrets::keys(secret, session).await?.iter().map(ToString::to_string).collect(),
        _ => session.config_file().list(&path).map_err(cannot(&doing))?,
    };
    Ok(Outcome::done(KeysReport(keys)))
}

/// What was changed, or would be.
#[derive(Serialize)]
struct ChangeReport {
    verb: String,
    path: String,
    changed: bool,
}

impl Report for ChangeReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let end = if self.changed { "done" } else { "valid, nothing was changed" };
        writeln!(page, "{} {}: {end}", self.verb, self.path)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.path)
    }
}

#[derive(Serialize)]
struct KeysReport(Vec<String>);

impl Report for KeysReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.0.iter().try_for_each(|key| writeln!(page, "{}", Shown(key)))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}
