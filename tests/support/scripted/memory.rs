//! What a scripted registry keeps, and how it answers when no rule says otherwise (distribution-spec 1.1).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use super::Ability;
use crate::support::content::sha256;
use crate::support::images::{Content, OCI_INDEX};
use crate::support::server::{Request, Response};

pub(super) struct Memory {
    lacks: HashSet<Ability>,
    page: usize,
    repositories: BTreeMap<String, Repository>,
    uploads: HashMap<String, Vec<u8>>,
    begun: usize,
}

#[derive(Default)]
struct Repository {
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, Content>,
    tags: BTreeMap<String, String>,
}

/// The repository that a path is about.
pub(super) fn repository_of(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/v2/")?;
    let ends = ["/manifests/", "/blobs/", "/tags/", "/referrers/"];
    let end = ends.iter().filter_map(|word| rest.rfind(word)).min()?;
    Some(rest[..end].to_owned())
}

impl Memory {
    pub(super) fn new(lacks: HashSet<Ability>, page: usize) -> Self {
        Self { lacks, page, repositories: BTreeMap::new(), uploads: HashMap::new(), begun: 0 }
    }

    fn can(&self, ability: Ability) -> bool {
        !self.lacks.contains(&ability)
    }

    fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub(super) fn put_blob(&mut self, repository: &str, blob: &Content) {
        self.repository(repository).blobs.insert(blob.digest.clone(), blob.bytes.clone());
    }

    pub(super) fn put_manifest(&mut self, repository: &str, manifest: &Content) {
        self.repository(repository).manifests.insert(manifest.digest.clone(), manifest.clone());
    }

    pub(super) fn put_tag(&mut self, repository: &str, tag: &str, digest: &str) {
        self.repository(repository).tags.insert(tag.to_owned(), digest.to_owned());
    }

    pub(super) fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.repositories.get(repository)?.tags.get(tag).cloned()
    }

    pub(super) fn tags(&self, repository: &str) -> Vec<String> {
        self.repositories.get(repository).map(|found| found.tags.keys().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn manifest(&self, repository: &str, digest: &str) -> Option<Content> {
        self.repositories.get(repository)?.manifests.get(digest).cloned()
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.repositories.get(repository)?.blobs.get(digest).cloned()
    }

    pub(super) fn lose_blob(&mut self, repository: &str, digest: &str) {
        self.repository(repository).blobs.remove(digest);
    }

    pub(super) fn wrong_blobs(&self) -> Vec<String> {
        let blobs = self.repositories.values().flat_map(|repository| &repository.blobs);
        blobs.filter(|(digest, bytes)| sha256(bytes) != **digest).map(|(digest, _)| digest.clone()).collect()
    }

    pub(super) fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    pub(super) fn answer(&mut self, request: &Request) -> Response {
        let path = request.path();
        if matches!(path, "/v2/" | "/v2") {
            return Response::json(200, &json!({})).header("Docker-Distribution-API-Version", "registry/2.0");
        }
        if path == "/v2/_catalog" {
            return self.catalog(request);
        }
        let Some(name) = repository_of(path) else { return Response::error(404, "NOT_FOUND") };
        let rest = path["/v2/".len() + name.len()..].to_owned();
        let parts: Vec<&str> = rest[1..].split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET" | "HEAD", ["manifests", reference]) => self.get_manifest(&name, reference),
            ("PUT", ["manifests", reference]) => self.push_manifest(&name, reference, request),
            ("DELETE", ["manifests", reference]) => self.delete_manifest(&name, reference),
            ("POST", ["blobs", "uploads", ""]) => self.start_upload(&name, request),
            (_, ["blobs", "uploads", session]) => self.go_on(&name, session, request),
            ("GET" | "HEAD", ["blobs", digest]) => self.get_blob(&name, digest, request),
            ("GET", ["tags", "list"]) => self.list_tags(&name, request),
            ("GET", ["referrers", subject]) => self.referrers(&name, subject, request),
            _ => Response::error(405, "UNSUPPORTED"),
        }
    }

    fn catalog(&self, request: &Request) -> Response {
        if !self.can(Ability::Catalog) {
            return Response::error(404, "NOT_FOUND");
        }
        let names: Vec<&String> = self.repositories.keys().collect();
        let (page, link) = self.page_of(&names, request);
        link(Response::json(200, &json!({"repositories": page})))
    }

    fn list_tags(&self, name: &str, request: &Request) -> Response {
        let Some(repository) = self.repositories.get(name) else { return Response::error(404, "NAME_UNKNOWN") };
        let tags: Vec<&String> = repository.tags.keys().collect();
        let (page, link) = self.page_of(&tags, request);
        link(Response::json(200, &json!({"name": name, "tags": page})))
    }

    /// One page of a sorted list, and what adds the link to the next one.
    fn page_of(&self, names: &[&String], request: &Request) -> (Vec<String>, impl Fn(Response) -> Response) {
        let asked = request.query("n").and_then(|n| n.parse().ok()).unwrap_or(self.page);
        let size = asked.min(self.page);
        let last = request.query("last").unwrap_or_default();
        let rest: Vec<String> = names.iter().filter(|name| ***name > last).map(ToString::to_string).collect();
        let page: Vec<String> = rest.iter().take(size).cloned().collect();
        let link = (rest.len() > size).then(|| {
            let last = page.last().cloned().unwrap_or_default();
            format!("<{}?n={size}&last={last}>; rel=\"next\"", request.path())
        });
        (page, move |response| match &link {
            Some(link) => response.header("Link", link),
            None => response,
        })
    }

    fn digest_of(&self, name: &str, reference: &str) -> Option<String> {
        if reference.contains(':') { Some(reference.to_owned()) } else { self.tag(name, reference) }
    }

    fn tell_digest(&self, response: Response, digest: &str) -> Response {
        if self.can(Ability::TellDigest) { response.header("Docker-Content-Digest", digest) } else { response }
    }

    fn get_manifest(&self, name: &str, reference: &str) -> Response {
        let found = self.digest_of(name, reference).and_then(|digest| self.manifest(name, &digest));
        let Some(manifest) = found else { return Response::error(404, "MANIFEST_UNKNOWN") };
        let response = Response::new(200).header("Content-Type", &manifest.media_type).body(manifest.bytes);
        self.tell_digest(response, &manifest.digest)
    }

    fn push_manifest(&mut self, name: &str, reference: &str, request: &Request) -> Response {
        let Ok(document) = serde_json::from_slice::<Value>(&request.body) else {
            return Response::error(400, "MANIFEST_INVALID");
        };
        let digest = sha256(&request.body);
        if reference.contains(':') && reference != digest {
            return Response::error(400, "DIGEST_INVALID");
        }
        let missing = self.missing(name, &document);
        if !missing.is_empty() && self.can(Ability::CheckBlobs) {
            let error = |digest: &String| json!({"code": "MANIFEST_BLOB_UNKNOWN", "detail": {"digest": digest}});
            return Response::json(404, &json!({"errors": missing.iter().map(error).collect::<Vec<_>>()}));
        }
        let media_type = request.header("content-type").unwrap_or_default().to_owned();
        let content = Content { media_type, digest: digest.clone(), bytes: request.body.clone() };
        self.put_manifest(name, &content);
        if !reference.contains(':') {
            self.put_tag(name, reference, &digest);
        }
        let response = Response::new(201).header("Location", &format!("/v2/{name}/manifests/{digest}"));
        let response = self.tell_digest(response, &digest);
        match document["subject"]["digest"].as_str() {
            Some(subject) if self.can(Ability::Referrers) => response.header("OCI-Subject", subject),
            _ => response,
        }
    }

    /// What a manifest names and the repository does not have.
    fn missing(&self, name: &str, document: &Value) -> Vec<String> {
        let list = |key: &str| document[key].as_array().cloned().unwrap_or_default();
        let digest = |entry: &Value| entry["digest"].as_str().map(str::to_owned);
        let blobs = list("layers").iter().chain([&document["config"]]).filter_map(digest).collect::<Vec<_>>();
        let children = list("manifests").iter().filter_map(digest).collect::<Vec<_>>();
        let blobs = blobs.into_iter().filter(|blob| self.blob(name, blob).is_none());
        blobs.chain(children.into_iter().filter(|child| self.manifest(name, child).is_none())).collect()
    }

    fn delete_manifest(&mut self, name: &str, reference: &str) -> Response {
        if !self.can(Ability::Delete) {
            return Response::error(405, "UNSUPPORTED");
        }
        let repository = self.repository(name);
        let found = if reference.contains(':') {
            repository.tags.retain(|_, digest| digest != reference);
            repository.manifests.remove(reference).is_some()
        } else {
            repository.tags.remove(reference).is_some()
        };
        if found { Response::new(202) } else { Response::error(404, "MANIFEST_UNKNOWN") }
    }

    fn get_blob(&self, name: &str, digest: &str, request: &Request) -> Response {
        let found = self.repositories.get(name).and_then(|repository| repository.blobs.get(digest));
        let Some(bytes) = found else { return Response::error(404, "BLOB_UNKNOWN") };
        let response = self.tell_digest(Response::new(200), digest).header("Content-Type", "application/octet-stream");
        let range = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="))
            .filter(|_| self.can(Ability::Ranges));
        let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
            return response.body(bytes.clone());
        };
        let first: usize = first.parse().unwrap_or(0);
        let end = last.parse::<usize>().map_or(bytes.len(), |last| bytes.len().min(last + 1));
        if first >= end {
            return Response::new(416).header("Content-Range", &format!("bytes */{}", bytes.len()));
        }
        let range = format!("bytes {first}-{}/{}", end - 1, bytes.len());
        Response { status: 206, ..response.header("Content-Range", &range).body(&bytes[first..end]) }
    }

    fn start_upload(&mut self, name: &str, request: &Request) -> Response {
        if let Some(digest) = request.query("mount").filter(|_| self.can(Ability::Mount)) {
            let found = request.query("from").and_then(|from| self.blob(&from, &digest));
            if let Some(bytes) = found {
                self.repository(name).blobs.insert(digest.clone(), bytes);
                return created(name, &digest);
            }
        }
        if let Some(digest) = request.query("digest").filter(|_| self.can(Ability::WholePost)) {
            return self.keep(name, &digest, request.body.clone());
        }
        self.begun += 1;
        let session = format!("session-{}", self.begun);
        self.uploads.insert(session.clone(), Vec::new());
        under_way(202, name, &session, 0)
    }

    fn go_on(&mut self, name: &str, session: &str, request: &Request) -> Response {
        let Some(arrived) = self.uploads.get_mut(session) else { return Response::error(404, "BLOB_UPLOAD_UNKNOWN") };
        let begins = request.header("content-range").and_then(|range| range.split('-').next()?.parse::<usize>().ok());
        match request.method.as_str() {
            "GET" => under_way(204, name, session, arrived.len()),
            "DELETE" => {
                self.uploads.remove(session);
                Response::new(204)
            }
            "PATCH" | "PUT" if begins.is_some_and(|first| first != arrived.len()) => {
                under_way(416, name, session, arrived.len())
            }
            "PATCH" => {
                arrived.extend_from_slice(&request.body);
                under_way(202, name, session, arrived.len())
            }
            "PUT" => {
                let mut whole = self.uploads.remove(session).unwrap_or_default();
                whole.extend_from_slice(&request.body);
                self.keep(name, &request.query("digest").unwrap_or_default(), whole)
            }
            _ => Response::error(405, "UNSUPPORTED"),
        }
    }

    fn keep(&mut self, name: &str, digest: &str, bytes: Vec<u8>) -> Response {
        if self.can(Ability::CheckDigests) && sha256(&bytes) != digest {
            return Response::error(400, "DIGEST_INVALID");
        }
        self.repository(name).blobs.insert(digest.to_owned(), bytes);
        created(name, digest)
    }

    /// A request whose body was cut: what arrived is kept, or the session is lost.
    pub(super) fn broken(&mut self, request: &Request) {
        let Some((_, session)) = request.path().rsplit_once("/blobs/uploads/") else { return };
        if !self.can(Ability::KeepUploads) {
            self.uploads.remove(session);
        } else if let Some(arrived) = self.uploads.get_mut(session) {
            arrived.extend_from_slice(&request.body);
        }
    }

    fn referrers(&self, name: &str, subject: &str, request: &Request) -> Response {
        if !self.can(Ability::Referrers) {
            return Response::error(404, "NOT_FOUND");
        }
        let wanted = request.query("artifactType");
        let manifests = self.repositories.get(name).into_iter().flat_map(|repository| repository.manifests.values());
        let mut found = Vec::new();
        for manifest in manifests {
            let Ok(document) = serde_json::from_slice::<Value>(&manifest.bytes) else { continue };
            let own_type = [&document["artifactType"], &document["config"]["mediaType"]];
            let own_type = own_type.into_iter().find_map(Value::as_str).unwrap_or_default();
            if document["subject"]["digest"] == subject && wanted.as_ref().is_none_or(|wanted| wanted == own_type) {
                let mut entry = manifest.descriptor();
                entry["artifactType"] = json!(own_type);
                found.push(entry);
            }
        }
        let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found});
        let response = Response::json(200, &list).header("Content-Type", OCI_INDEX);
        if wanted.is_some() { response.header("OCI-Filters-Applied", "artifactType") } else { response }
    }
}

fn created(name: &str, digest: &str) -> Response {
    Response::new(201).header("Location", &format!("/v2/{name}/blobs/{digest}"))
}

fn under_way(status: u16, name: &str, session: &str, arrived: usize) -> Response {
    let location = format!("/v2/{name}/blobs/uploads/{session}?_state={arrived}");
    Response::new(status).header("Location", &location).header("Range", &format!("0-{}", arrived.saturating_sub(1)))
}
