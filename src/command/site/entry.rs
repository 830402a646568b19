//! `site add`, `site list`, `site remove`: the sites of the configuration.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::config::{ConfigError, Site, SiteName};
use crate::image::RegistryPath;
use crate::output::{Page, Report, Table};
use crate::session::Session;

/// Flags of `site add`.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The name of the site: lower-case letters, digits and `-`
    #[arg(value_name = "NAME")]
    name: SiteName,

    /// Its registries, HOST[:PORT][/PATH]
    #[arg(value_name = "REGISTRY", required = true)]
    registries: Vec<RegistryPath>,
}

/// Flags of `site remove`.
#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// The name of the site
    #[arg(value_name = "SITE")]
    name: SiteName,
}

/// Adds a site.
///
/// # Errors
/// It is there already, or the configuration cannot be changed.
pub(super) fn add(args: AddArgs, session: &Session) -> CommandResult {
    let AddArgs { name, registries } = args;
    let doing = format!("add the site `{name}`");
    let site = Site { name, registries };
    match session.config_file().add_site(&site) {
        Err(error @ ConfigError::Exists { .. }) => Err(CommandError::new(format!("cannot {doing}"), error)
            .with_hint(format!("remove it first: `tranship site remove {}`", site.name))),
        other => other.map_err(cannot(doing)),
    }?;
    Ok(Outcome::done(SiteReport::new(vec![Entry::of(&site)], Verb::Added)))
}

/// Lists the sites.
///
/// # Errors
/// The configuration cannot be read.
pub(super) fn list(session: &Session) -> CommandResult {
    let sites = &session.config().map_err(cannot("list the sites"))?.sites;
    Ok(Outcome::done(SiteReport::new(sites.iter().map(Entry::of).collect(), Verb::Listed)))
}

/// Removes a site.
///
/// # Errors
/// There is none of that name, or the configuration cannot be changed.
pub(super) fn remove(args: &RemoveArgs, session: &Session) -> CommandResult {
    let doing = format!("remove the site `{}`", args.name);
    let site = session.config_for_change().map_err(cannot(&doing))?.site(args.name.as_str()).cloned();
    session.config_file().remove_site(&args.name).map_err(cannot(&doing))?;
    Ok(Outcome::done(SiteReport::new(site.iter().map(Entry::of).collect(), Verb::Removed)))
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    registries: Vec<String>,
}

impl Entry {
    fn of(site: &Site) -> Self {
        let registries = site.registries.iter().map(ToString::to_string).collect();
        Self { name: site.name.to_string(), registries }
    }
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Listed,
    Added,
    Removed,
}

#[derive(Debug, Serialize)]
struct SiteReport {
    sites: Vec<Entry>,
    #[serde(skip)]
    verb: Verb,
}

impl SiteReport {
    const fn new(sites: Vec<Entry>, verb: Verb) -> Self {
        Self { sites, verb }
    }
}

impl Report for SiteReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["site", "registries"]);
        for Entry { name, registries } in &self.sites {
            match self.verb {
                Verb::Listed => drop(table.row([name.as_str(), &registries.join(",")])),
                Verb::Added => writeln!(page, "added the site `{name}`: {}", registries.join(", "))?,
                Verb::Removed => writeln!(page, "removed the site `{name}`")?,
            }
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.sites.iter().try_for_each(|site| writeln!(page, "{}", site.name))
    }
}
