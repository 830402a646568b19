//! `settings`: what holds for everything, one key at a time.

use std::io::{self, Write};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CommandError, CommandResult, Outcome, cannot};
use crate::config::{SettingKey, Settings};
use crate::failure::FailureKind;
use crate::output::{Page, Report, Shown, Table};
use crate::session::Session;
use crate::yaml::{Mapping, Value};

/// What can be done with settings.
#[derive(Subcommand, Debug)]
#[command(after_help = keys())]
pub(crate) enum SettingsCommand {
    /// Show all settings, or the value of one
    #[command(after_help = "Examples:\n  $ tranship settings show\n  \
        $ tranship settings show default-remote-registry\n  docker.io")]
    Show(ShowArgs),
    /// Set one of them
    #[command(after_help = "Examples:\n  $ tranship settings set default-remote-registry docker.io\n  \
        $ tranship settings set platforms linux/amd64 linux/arm64")]
    Set(SetArgs),
    /// Set one back to its default
    #[command(after_help = "Example:\n  $ tranship settings unset home-registry")]
    Unset(UnsetArgs),
}

/// Flags of `settings show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Which one
    #[arg(value_name = "KEY", value_parser = key())]
    key: Option<SettingKey>,
}

/// Flags of `settings set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// Which one
    #[arg(value_name = "KEY", value_parser = key())]
    key: SettingKey,

    /// What to set it to; several for a list
    #[arg(value_name = "VALUE", required = true)]
    values: Vec<String>,
}

/// Flags of `settings unset`.
#[derive(Args, Debug)]
pub(crate) struct UnsetArgs {
    /// Which one
    #[arg(value_name = "KEY", value_parser = key())]
    key: SettingKey,
}

/// Reads a key, and offers all of them in help and completion.
fn key() -> impl TypedValueParser<Value = SettingKey> {
    let offered = SettingKey::ALL.map(|key| PossibleValue::new(key.word()).help(key.purpose()));
    PossibleValuesParser::new(offered).try_map(|word| word.parse::<SettingKey>())
}

/// The keys with their purpose, for the help.
fn keys() -> String {
    let lines = SettingKey::ALL.map(|key| format!("  {:<24} {}", key.word(), key.purpose()));
    format!("Keys:\n{}\n\nExample:\n  $ tranship settings set default-remote-registry docker.io", lines.join("\n"))
}

/// Shows or changes settings.
///
/// # Errors
/// The configuration is wrong, or the value is.
pub(super) fn run(command: SettingsCommand, session: &Session) -> CommandResult {
    match command {
        SettingsCommand::Show(ShowArgs { key: None }) => {
            let lines = SettingKey::ALL.map(|key| line(key, session, "show the settings"));
            Ok(Outcome::done(SettingsReport(lines.into_iter().collect::<Result<_, _>>()?)))
        }
        SettingsCommand::Show(ShowArgs { key: Some(key) }) => {
            let line = line(key, session, &format!("show the setting `{key}`"))?;
            match line.from {
                Origin::Nowhere => {
                    let message = format!("the setting `{key}` is not set: {}", key.unset_means());
                    let hint = format!("set it: `tranship settings set {key} VALUE`");
                    return Err(CommandError::plain(FailureKind::NotFound, message).with_hint(hint));
                }
                Origin::Default => session.console().hint(&format!("`{key}` is not set; this is its default")),
                Origin::Configuration | Origin::Environment => {}
            }
            Ok(Outcome::done(line))
        }
        SettingsCommand::Set(SetArgs { key, values }) => {
            let doing = format!("set `{key}`");
            session.config_file().set_setting(key, &values.join(",")).map_err(cannot(&doing))?;
            Ok(Outcome::done(SettingsReport(vec![line(key, session, &doing)?])))
        }
        SettingsCommand::Unset(UnsetArgs { key }) => {
            let doing = format!("unset `{key}`");
            session.config_file().unset_setting(key).map_err(cannot(&doing))?;
            Ok(Outcome::done(SettingsReport(vec![line(key, session, &doing)?])))
        }
    }
}

fn line(key: SettingKey, session: &Session, doing: &str) -> Result<Line, CommandError> {
    let settings = session.settings_in_effect().map_err(cannot(doing))?;
    let config = session.config().map_err(cannot(doing))?;
    Ok(Line::new(key, &config.settings, &settings))
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Configuration,
    /// A variable of the environment, which goes before the configuration.
    Environment,
    Default,
    Nowhere,
}

/// One setting and what holds for it.
struct Line {
    key: SettingKey,
    shown: Option<String>,
    value: Value,
    from: Origin,
}

impl Line {
    /// The setting as it is configured, and as it holds.
    fn new(key: SettingKey, configured: &Settings, in_effect: &Settings) -> Self {
        let is_set = key.shown(configured) != key.shown(&Settings::default());
        let shown = key.shown(in_effect);
        let from = match &shown {
            None => Origin::Nowhere,
            Some(_) if key == SettingKey::Store && std::env::var_os("TRANSHIP_STORE").is_some() => Origin::Environment,
            Some(_) if is_set => Origin::Configuration,
            Some(_) => Origin::Default,
        };
        let value = match (key, &shown) {
            (SettingKey::Platforms, _) => {
                Value::Sequence(in_effect.platforms.iter().map(|platform| platform.to_string().into()).collect())
            }
            (_, Some(text)) => text.parse::<u64>().map_or_else(|_| text.as_str().into(), Value::from),
            (_, None) => Value::Null,
        };
        Self { key, shown, value, from }
    }
}

impl Serialize for Line {
    /// As in the file: the key with its value.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Mapping::from_iter([(self.key.word().into(), self.value.clone())]).serialize(serializer)
    }
}

impl Report for Line {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", Shown(self.shown.as_deref().unwrap_or("-")))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}

/// Several settings.
struct SettingsReport(Vec<Line>);

impl Serialize for SettingsReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.iter().map(|line| (line.key.word().into(), line.value.clone()));
        entries.collect::<Mapping>().serialize(serializer)
    }
}

impl Report for SettingsReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["key", "value", "from"]);
        for line in &self.0 {
            let from = match line.from {
                Origin::Configuration => "configuration",
                Origin::Environment => "TRANSHIP_STORE",
                Origin::Default => "default",
                Origin::Nowhere => line.key.unset_means(),
            };
            table.row([line.key.word(), line.shown.as_deref().unwrap_or_default(), from]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let set = self.0.iter().filter(|line| line.from == Origin::Configuration);
        set.into_iter().try_for_each(|line| writeln!(page, "{}", line.key))
    }
}
