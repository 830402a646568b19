//! The client against a scripted registry.

mod authentication;
mod limits;
mod lists;
mod mirrors;
mod reading;
mod writing;

use std::time::Duration;

use super::*;
use crate::credentials::{Credential, Secret};
use crate::image::{Algorithm, Descriptor, Digest, MediaType, RawManifest, RepositoryName, Selector};
use crate::outbound::scripted::{Answer, Asked, Scripted};
use crate::progress::Silent;

fn settings(address: &str) -> ClientSettings {
    let mut registry = RemoteRegistry::unconfigured(address.parse().unwrap());
    registry.tls = crate::config::TlsMode::PlainHttp;
    ClientSettings {
        registry,
        chosen: Chosen::anonymous("nothing is configured"),
        state: None,
        keep_tokens: true,
        certificate_folders: Vec::new(),
        timeouts: Timeouts { connect: Duration::from_secs(2), idle: Duration::from_millis(500) },
        retries: Retries { first_pause: Duration::from_millis(2), ..Retries::default() },
        pace: Arc::default(),
        progress: Arc::new(Silent),
    }
}

fn client(server: &Scripted) -> Client {
    Client::new(settings(&server.address)).unwrap()
}

fn bob() -> Chosen {
    let credential = Credential::of_user("bob".to_owned(), Secret::new("canary".to_owned()));
    Chosen { credential, name: Some("vault/bob".to_owned()), why: "the rule `*`".to_owned() }
}

fn repository() -> RepositoryName {
    "a/b".parse().unwrap()
}

fn tag() -> Selector {
    Selector::Tag("v1".parse().unwrap())
}

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image manifest without layers; `extra` is put into it.
fn manifest_text(extra: &str) -> String {
    let config = Digest::of(b"{}");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",{extra}"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
    )
}

fn raw(text: &str) -> RawManifest {
    RawManifest::parse(text.to_owned().into(), None, Algorithm::Sha256).unwrap()
}

fn blob_of(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::new("application/vnd.oci.image.layer.v1.tar"), bytes)
}

/// What a registry answers when it refuses.
fn refusal(status: u16, code: &str) -> Answer {
    Answer::status(status).body(format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#))
}

/// The manifest, as a registry answers it.
fn found(text: &str) -> Answer {
    Answer::status(200)
        .header("content-type", OCI_MANIFEST)
        .header("docker-content-digest", Digest::of(text.as_bytes()).to_string())
        .body(text)
}
