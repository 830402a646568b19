//! `diff`: what differs between two images.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::flags::RegistryFlags;
use super::picked::Picked;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::filesystem::Filesystem;
use crate::image::{Digest, Manifest, Platform};
use crate::layer::{Change, Listing, compare};
use crate::output::{Page, Report, Shown, size};
use crate::session::Session;

/// Flags of `diff`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship diff registry.example.com/app:1.4 registry.example.com/app:1.5\n  \
    $ tranship diff alpine:3.19 alpine:3.20 --files")]
pub(crate) struct DiffArgs {
    /// One image
    #[arg(value_name = "A")]
    first: String,

    /// The other
    #[arg(value_name = "B")]
    second: String,

    /// Compare the file systems too: reads the layers of both
    #[arg(long)]
    files: bool,

    /// Which image of an index (default: this machine's, else the first)
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Looks at both.
///
/// # Errors
/// One is not there, or a layer is refused.
pub(super) async fn run(args: DiffArgs, session: &Session) -> CommandResult {
    let doing = format!("compare `{}` with `{}`", args.first.escape_debug(), args.second.escape_debug());
    let access = args.registry.access();
    let first = Picked::find(&args.first, args.platform.as_ref(), &access, session, &doing).await?;
    let second = Picked::find(&args.second, args.platform.as_ref(), &access, session, &doing).await?;
    let equal = first.root.digest() == second.root.digest();
    let files = if args.files && first.one.digest() != second.one.digest() {
        let (one, other) = (listing(&first, session, &doing).await?, listing(&second, session, &doing).await?);
        compare(&one, &other).into_iter().map(|(path, change)| FileLine::new(path.to_string(), change)).collect()
    } else {
        Vec::new()
    };
    Ok(Outcome::done(DiffReport {
        first: side(&first),
        second: side(&second),
        equal,
        platforms: platforms(&first, &second),
        config: config(&first, &second, &doing).await?,
        layers: layers(&first, &second, &doing)?,
        files: args.files.then_some(files),
    }))
}

async fn listing(picked: &Picked, session: &Session, doing: &str) -> Result<Listing, CommandError> {
    let progress = session.console().progress();
    let filesystem = Filesystem::new(&picked.source, picked.image(doing)?, session.spool(), progress);
    filesystem.map_err(cannot(doing))?.list().await.map_err(cannot(doing))
}

fn side(picked: &Picked) -> Side {
    Side { image: picked.source.shown.clone(), digest: picked.root.digest().clone() }
}

fn platforms(first: &Picked, second: &Picked) -> Vec<Difference> {
    let of = |picked: &Picked| -> BTreeMap<String, String> {
        let Manifest::Index(index) = picked.root.manifest() else { return BTreeMap::new() };
        let named = index.manifests.iter().filter_map(|entry| Some((entry.platform.as_ref()?, &entry.digest)));
        named
            .filter(|(platform, _)| !platform.is_unknown())
            .map(|(platform, digest)| (platform.to_string(), digest.to_string()))
            .collect()
    };
    differences(&of(first), &of(second))
}

async fn config(first: &Picked, second: &Picked, doing: &str) -> Result<Vec<Difference>, CommandError> {
    let of = async |picked: &Picked| -> Result<BTreeMap<String, String>, CommandError> {
        let mut fields = BTreeMap::new();
        if picked.config(doing).await?.is_some() {
            let bytes = picked.config_bytes(doing).await?;
            gather(&serde_json::from_slice(&bytes).unwrap_or_default(), &mut fields);
        }
        Ok(fields)
    };
    Ok(differences(&of(first).await?, &of(second).await?))
}

/// The fields of a config, each on its own: variables and labels by name.
fn gather(config: &Value, fields: &mut BTreeMap<String, String>) {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for key in ["architecture", "os", "variant", "created", "author"] {
        if let Some(value) = config.get(key).filter(|value| !value.is_null()) {
            fields.insert(key.to_owned(), shown(value));
        }
    }
    for (key, value) in config.get("config").and_then(Value::as_object).into_iter().flatten() {
        match (key.as_str(), value) {
            ("Env", Value::Array(variables)) => {
                for (name, value) in variables.iter().filter_map(Value::as_str).filter_map(|line| line.split_once('='))
                {
                    fields.insert(format!("Env {name}"), value.to_owned());
                }
            }
            ("Labels", Value::Object(labels)) => {
                fields.extend(labels.iter().map(|(name, value)| (format!("Label {name}"), shown(value))));
            }
            (_, Value::Null) => {}
            (key, value) => drop(fields.insert(key.to_owned(), shown(value))),
        }
    }
}

fn differences(first: &BTreeMap<String, String>, second: &BTreeMap<String, String>) -> Vec<Difference> {
    let mut keys: Vec<&String> = first.keys().chain(second.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let changed = keys.into_iter().filter(|key| first.get(*key) != second.get(*key));
    let line = |key: &String| Difference {
        key: key.clone(),
        first: first.get(key).cloned(),
        second: second.get(key).cloned(),
    };
    changed.map(line).collect()
}

fn layers(first: &Picked, second: &Picked, doing: &str) -> Result<Layers, CommandError> {
    let (one, other) = (&first.image(doing)?.layers, &second.image(doing)?.layers);
    let mut layers = Layers { shared: Vec::new(), first: Vec::new(), second: Vec::new() };
    for layer in one {
        let line = LayerLine { digest: layer.digest.clone(), size: layer.size };
        let shared = other.iter().any(|theirs| theirs.digest == layer.digest);
        if shared { layers.shared.push(line) } else { layers.first.push(line) }
    }
    let own = other.iter().filter(|layer| one.iter().all(|theirs| theirs.digest != layer.digest));
    layers.second = own.map(|layer| LayerLine { digest: layer.digest.clone(), size: layer.size }).collect();
    Ok(layers)
}

#[derive(Debug, Serialize)]
struct DiffReport {
    first: Side,
    second: Side,
    /// Whether both are the same, to the byte.
    equal: bool,
    platforms: Vec<Difference>,
    config: Vec<Difference>,
    layers: Layers,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileLine>>,
}

#[derive(Debug, Serialize)]
struct Side {
    image: String,
    digest: Digest,
}

#[derive(Debug, Serialize)]
struct Difference {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<String>,
}

#[derive(Debug, Serialize)]
struct Layers {
    shared: Vec<LayerLine>,
    first: Vec<LayerLine>,
    second: Vec<LayerLine>,
}

#[derive(Debug, Serialize)]
struct LayerLine {
    digest: Digest,
    size: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileLine {
    path: String,
    change: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    what: Vec<&'static str>,
}

impl FileLine {
    fn new(path: String, change: Change) -> Self {
        match change {
            Change::Added { .. } => Self { path, change: "added", what: Vec::new() },
            Change::Removed { .. } => Self { path, change: "removed", what: Vec::new() },
            Change::Changed(what) => Self { path, change: "changed", what },
        }
    }
}

impl Report for DiffReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.equal {
            return writeln!(page, "both are {}", self.first.digest);
        }
        writeln!(page, "- {}@{}", Shown(&self.first.image), self.first.digest)?;
        writeln!(page, "+ {}@{}", Shown(&self.second.image), self.second.digest)?;
        for (title, lines) in [("Platforms", &self.platforms), ("Config", &self.config)] {
            if !lines.is_empty() {
                writeln!(page, "\n{title}:")?;
            }
            for line in lines {
                for (sign, value) in [("-", &line.first), ("+", &line.second)] {
                    if let Some(value) = value {
                        writeln!(page, "  {sign} {}: {}", Shown(&line.key), Shown(value))?;
                    }
                }
            }
        }
        writeln!(page, "\nLayers:")?;
        for (sign, layers) in [(" ", &self.layers.shared), ("-", &self.layers.first), ("+", &self.layers.second)] {
            for layer in layers {
                writeln!(page, "  {sign} {}  {}", layer.digest, size(layer.size))?;
            }
        }
        if let Some(files) = self.files.as_ref().filter(|files| !files.is_empty()) {
            writeln!(page, "\nFiles:")?;
            for file in files {
                let sign = match file.change {
                    "added" => "+",
                    "removed" => "-",
                    _ => "~",
                };
                let what = if file.what.is_empty() { String::new() } else { format!("  ({})", file.what.join(", ")) };
                writeln!(page, "  {sign} {}{what}", Shown(&file.path))?;
            }
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let files = self.files.iter().flatten();
        files.into_iter().try_for_each(|file| writeln!(page, "{}", Shown(&file.path)))
    }
}
