//! One manifest: what it is, how to pull it, what it consists of, what it says of itself.

use maud::{Markup, html};

use super::frame::{Wrong, bytes, commands, page, short, word};
use super::place::{of_image, of_repository};
use super::{Shown, Visitor};
use crate::image::{
    Annotations, Descriptor, Digest, ImageConfig, ImageManifest, Manifest, RawManifest, RepositoryName, Selector,
};
use crate::registry::{ByteRange, read_verified};
use crate::server::Server;

/// The longest config that is read for a page.
const MAX_CONFIG: u64 = 1 << 20;
/// As many entries of a list are shown.
const MOST: usize = 200;

impl Server {
    /// What a tag or digest of a repository means.
    pub(super) async fn image_page(&self, visitor: &Visitor<'_>, name: &RepositoryName, selector: &Selector) -> Shown {
        if !visitor.principal.may_see(name) {
            return Err(Wrong::Missing);
        }
        let manifest = self.host.manifest(name, selector).await?;
        let config = match manifest.manifest() {
            Manifest::Image(image) => self.config_of(name, &image.config).await,
            Manifest::Index(_) => None,
        };
        let referrers = self.host.referrers(name, manifest.digest(), None).await?.manifests;
        let content = html! {
            h1 { (name) span.selector { (selector.suffix()) } }
            (commands(&pulls(visitor, name, selector, manifest.digest())))
            (facts(&manifest, config.as_ref()))
            @match manifest.manifest() {
                Manifest::Image(image) => (layers(image)),
                Manifest::Index(_) => (children(name, manifest.manifest().children())),
            }
            @if let Some(config) = &config { (said(config)) }
            (pairs("Annotations", manifest.manifest().annotations()))
            @if !referrers.is_empty() { (attached(name, &referrers)) }
        };
        let title = format!("{name}{}", selector.suffix());
        let way = [(name.to_string(), of_repository(name)), (shown(selector), of_image(name, selector))];
        Ok(page(visitor, &title, &way, &content))
    }

    /// What an image says of itself; nothing where it says that in another way, or what it says is damaged.
    async fn config_of(&self, name: &RepositoryName, config: &Descriptor) -> Option<ImageConfig> {
        if !config.media_type.is_image_config() {
            return None;
        }
        let reader = self.host.blob(name, config, ByteRange::ALL).await.ok()?;
        ImageConfig::parse(&read_verified(reader, config, MAX_CONFIG).await.ok()?).ok()
    }
}

/// The commands that fetch it, by what it is called and by what it is.
fn pulls(visitor: &Visitor<'_>, name: &RepositoryName, selector: &Selector, digest: &Digest) -> Vec<String> {
    let image = format!("{}/{name}{}", visitor.host, selector.suffix());
    let fixed = match selector {
        Selector::Tag(_) => format!("{image}@{digest}"),
        Selector::Digest(_) => image.clone(),
    };
    vec![format!("docker pull {image}"), format!("tranship pull {fixed}")]
}

fn shown(selector: &Selector) -> String {
    match selector {
        Selector::Tag(tag) => tag.to_string(),
        Selector::Digest(digest) => digest.short().to_owned(),
    }
}

fn facts(manifest: &RawManifest, config: Option<&ImageConfig>) -> Markup {
    let parts = manifest.manifest().blobs().map(|blob| blob.size).fold(0, u64::saturating_add);
    html! {
        dl {
            dt { "Digest" } dd { code { (manifest.digest()) } }
            dt { "Type" } dd { (manifest.media_type().as_str()) }
            @if let Some(kind) = manifest.manifest().artifact_type() { dt { "Artifact" } dd { (word(kind)) } }
            @if let Some(subject) = manifest.manifest().subject() { dt { "Refers to" } dd { (short(&subject.digest)) } }
            @if let Some(config) = config {
                dt { "Platform" } dd { (word(&config.platform().to_string())) }
                @if let Some(created) = config.document().created() { dt { "Created" } dd { (word(created)) } }
            }
            @if matches!(manifest.manifest(), Manifest::Image(_)) { dt { "Size" } dd { (bytes(parts)) } }
        }
    }
}

fn layers(image: &ImageManifest) -> Markup {
    html! {
        h2 { "Layers" span.count { (image.layers.len()) } }
        table {
            thead { tr { th { "Digest" } th { "Type" } th.number { "Size" } } }
            tbody {
                @for layer in image.layers.iter().take(MOST) {
                    tr {
                        td { (short(&layer.digest)) }
                        td { (word(layer.media_type.as_str())) }
                        td.number { (bytes(layer.size)) }
                    }
                }
            }
        }
        (rest(image.layers.len()))
    }
}

fn children(name: &RepositoryName, children: &[Descriptor]) -> Markup {
    html! {
        h2 { "Platforms" span.count { (children.len()) } }
        table {
            thead { tr { th { "Platform" } th { "Digest" } th { "Type" } } }
            tbody {
                @for child in children.iter().take(MOST) {
                    @let platform = child.platform.as_ref().filter(|platform| !platform.is_unknown());
                    tr {
                        td { @match platform { Some(platform) => (word(&platform.to_string())), None => "–" } }
                        td { a href=(of_image(name, &Selector::Digest(child.digest.clone()))) { (short(&child.digest)) } }
                        td { (word(child.media_type.as_str())) }
                    }
                }
            }
        }
        (rest(children.len()))
    }
}

/// What the config says: what runs, and labels.
fn said(config: &ImageConfig) -> Markup {
    let document = config.document();
    let Some(run) = document.config() else { return html! {} };
    let line =
        |words: &Option<Vec<String>>| words.as_ref().filter(|words| !words.is_empty()).map(|words| words.join(" "));
    let rows = [
        ("Entry point", line(run.entrypoint())),
        ("Command", line(run.cmd())),
        ("Directory", run.working_dir().clone().filter(|text| !text.is_empty())),
        ("User", run.user().clone().filter(|text| !text.is_empty())),
        ("Ports", line(run.exposed_ports())),
    ];
    let labels = run.labels().clone().unwrap_or_default().into_iter().collect();
    html! {
        @if rows.iter().any(|(_, text)| text.is_some()) {
            h2 { "Runs" }
            dl {
                @for (name, text) in &rows {
                    @if let Some(text) = text { dt { (name) } dd { code { (word(text)) } } }
                }
            }
        }
        (pairs("Labels", &labels))
    }
}

fn attached(name: &RepositoryName, referrers: &[Descriptor]) -> Markup {
    html! {
        h2 { "Attached" span.count { (referrers.len()) } }
        table {
            thead { tr { th { "Kind" } th { "Digest" } th.number { "Size" } } }
            tbody {
                @for referrer in referrers.iter().take(MOST) {
                    @let kind = referrer.artifact_type.as_deref().unwrap_or(referrer.media_type.as_str());
                    tr {
                        td { (word(kind)) }
                        td {
                            a href=(of_image(name, &Selector::Digest(referrer.digest.clone()))) {
                                (short(&referrer.digest))
                            }
                        }
                        td.number { (bytes(referrer.size)) }
                    }
                }
            }
        }
        (rest(referrers.len()))
    }
}

fn pairs(title: &str, pairs: &Annotations) -> Markup {
    html! {
        @if !pairs.is_empty() {
            h2 { (title) span.count { (pairs.len()) } }
            table {
                tbody {
                    @for (key, value) in pairs.iter().take(MOST) {
                        tr { td.key { (word(key)) } td { (word(value)) } }
                    }
                }
            }
            (rest(pairs.len()))
        }
    }
}

fn rest(count: usize) -> Markup {
    html! { @if count > MOST { p.empty { "… and " (count - MOST) " more" } } }
}
