//! The document as it is written: which keys there are, and how each becomes a value of the model.

use std::collections::BTreeSet;
use std::path::Path;

use url::Url;

use super::model::{
    AccessRule, Group, LogForm, Permission, Rights, Scheme, Serving, ServingLimits, WebhookEntry, Who, is_name,
};
use super::upkeep::{upkeep, upstream};
use crate::config::schema::{path, read_entries, timeout};
use crate::credentials::RepositoryPattern;
use crate::image::Storage;
use crate::yaml::{Fields, Kind, Place, Read, Reader, from_text};

/// The most connections and uploads that a limit can name.
const MAX_COUNT: usize = 1_000_000;

pub(super) const SERVING: Kind = Kind {
    shown: "what `serve` is told",
    known: &[
        "listen",
        "tls-cert",
        "tls-key",
        "plain-http",
        "users",
        "anonymous",
        "auth",
        "url",
        "storage",
        "storage-endpoint",
        "storage-region",
        "storage-secret",
        "groups",
        "access",
        "immutable-tags",
        "deletes",
        "web",
        "access-log",
        "webhooks",
        "limits",
        "upkeep",
        "upstream",
    ],
    ignored: &[],
};

const GROUP: Kind = Kind { shown: "a group", known: &["name", "users"], ignored: &[] };

const RULE: Kind = Kind { shown: "a rule of access", known: &["repository", "to", "allow"], ignored: &[] };

const WEBHOOK: Kind = Kind { shown: "a webhook", known: &["url", "secret", "secret-file"], ignored: &[] };

const LIMITS: Kind =
    Kind { shown: "the limits", known: &["connections", "uploads", "blob-size", "idle"], ignored: &[] };

/// Reads the whole document. `base` is the directory at which relative paths start.
pub(super) fn serving(reader: &mut Reader, place: Place<'_>, base: &Path) -> Serving {
    let Some(mut fields) = reader.fields(place, &SERVING) else { return Serving::default() };
    let groups = read_entries(&mut fields, "groups", "name", group);
    let rules = fields.items("access");
    let serving = Serving {
        listen: fields.optional("listen", address),
        tls_cert: fields.optional("tls-cert", |text| path(text, base)),
        tls_key: fields.optional("tls-key", |text| path(text, base)),
        plain_http: fields.switch("plain-http"),
        users: fields.optional("users", |text| path(text, base)),
        anonymous: fields.optional("anonymous", rights),
        auth: fields.optional("auth", scheme),
        url: fields.optional("url", url),
        storage: fields.optional("storage", |text| storage(text, base)),
        storage_endpoint: fields.optional("storage-endpoint", url),
        storage_region: fields.optional("storage-region", name),
        storage_secret: fields.optional("storage-secret", from_text),
        access: rules.into_iter().filter_map(|place| rule(fields.reader, place, &groups)).collect(),
        groups,
        immutable_tags: fields.list("immutable-tags", from_text),
        deletes: fields.switch("deletes"),
        web: fields.switch("web"),
        access_log: fields.optional("access-log", log_form),
        webhooks: webhooks(&mut fields, base),
        limits: limits(&mut fields),
        upkeep: upkeep(&mut fields),
        upstream: upstream(&mut fields),
    };
    if fields.place("tls-cert").is_some() != fields.place("tls-key").is_some() {
        fields.problem("`tls-cert` and `tls-key` go together");
    }
    serving
}

fn group(reader: &mut Reader, place: Place<'_>) -> Option<Group> {
    let mut fields = reader.fields(place, &GROUP)?;
    let name = fields.required("name", name);
    let users = fields.list("users", self::name);
    Some(Group { name: name?, users })
}

fn rule(reader: &mut Reader, place: Place<'_>, groups: &[Group]) -> Option<AccessRule> {
    let mut fields = reader.fields(place, &RULE)?;
    let repository = fields.optional("repository", from_text).unwrap_or(RepositoryPattern::All);
    let known = |text: &str| match from_text::<Who>(text)? {
        Who::Group(name) if groups.iter().all(|group| group.name != name) => {
            Err(format!("there is no group `{}` under `groups`", name.escape_debug()))
        }
        who => Ok(who),
    };
    let named = [fields.items("to").len(), fields.items("allow").len()];
    let to: Vec<Who> = fields.list("to", known);
    let allow: BTreeSet<Permission> = fields.list("allow", from_text).into_iter().collect();
    if named.contains(&0) {
        fields.problem("a rule of access needs `to` and `allow`, with something in each");
    }
    Some(AccessRule { repository, to, allow })
}

fn webhooks(fields: &mut Fields<'_, '_>, base: &Path) -> Vec<WebhookEntry> {
    let places = fields.items("webhooks");
    places.into_iter().filter_map(|place| webhook(fields.reader, place, base)).collect()
}

fn webhook(reader: &mut Reader, place: Place<'_>, base: &Path) -> Option<WebhookEntry> {
    let mut fields = reader.fields(place, &WEBHOOK)?;
    let url = fields.required("url", url);
    let secret = fields.optional("secret", from_text);
    let secret_file = fields.optional("secret-file", |text| path(text, base));
    if secret.is_some() && secret_file.is_some() {
        fields.problem("a webhook has `secret` or `secret-file`, not both");
    }
    Some(WebhookEntry { url: url?, secret, secret_file })
}

fn limits(fields: &mut Fields<'_, '_>) -> ServingLimits {
    let place = fields.place("limits");
    let Some(mut fields) = place.and_then(|place| fields.reader.fields(place, &LIMITS)) else {
        return ServingLimits::default();
    };
    ServingLimits {
        connections: fields.amount("connections", count),
        uploads: fields.amount("uploads", count),
        blob_size: fields.amount("blob-size", size),
        idle: fields.amount("idle", timeout),
    }
}

fn address(text: &str) -> Read<std::net::SocketAddr> {
    text.parse().map_err(|_| format!("`{}` is not IP:PORT, as in 127.0.0.1:5000", text.escape_debug()))
}

fn url(text: &str) -> Read<Url> {
    let url = text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    // The text is not shown: the URL of a webhook often is its own password.
    url.ok_or_else(|| "it is not an http or https URL without a user".to_owned())
}

/// A directory starts, as every path here, at the file's own.
fn storage(text: &str, base: &Path) -> Read<Storage> {
    match from_text(text)? {
        Storage::Local(Some(directory)) => Ok(Storage::Local(Some(base.join(directory)))),
        storage => Ok(storage),
    }
}

fn name(text: &str) -> Read<String> {
    let name = is_name(text).then(|| text.to_owned());
    name.ok_or_else(|| format!("`{}` is no name: it is not empty and holds no `:`", text.escape_debug()))
}

fn rights(text: &str) -> Read<Rights> {
    match text {
        "none" => Ok(Rights::None),
        "pull" => Ok(Rights::Pull),
        "push" => Ok(Rights::Push),
        _ => Err(format!("`{}` is not one of none, pull, push", text.escape_debug())),
    }
}

fn scheme(text: &str) -> Read<Scheme> {
    match text {
        "basic" => Ok(Scheme::Basic),
        "token" => Ok(Scheme::Token),
        _ => Err(format!("`{}` is not one of basic, token", text.escape_debug())),
    }
}

fn log_form(text: &str) -> Read<LogForm> {
    match text {
        "logfmt" => Ok(LogForm::Logfmt),
        "json" => Ok(LogForm::Json),
        _ => Err(format!("`{}` is not one of logfmt, json", text.escape_debug())),
    }
}

fn count(text: &str) -> Read<usize> {
    let number = text.parse().ok().filter(|number| (1..=MAX_COUNT).contains(number));
    number.ok_or_else(|| format!("`{}` is not a number from 1 to {MAX_COUNT}", text.escape_debug()))
}

pub(super) fn size(text: &str) -> Read<u64> {
    let size = text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64()).filter(|bytes| *bytes > 0);
    size.ok_or_else(|| format!("`{}` is not a size; one is written as in 50GiB", text.escape_debug()))
}
