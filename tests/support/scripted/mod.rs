//! A registry in memory that does what it is told: it speaks the protocol, misbehaves by rules, and keeps a
//! record of every request, so that it counts them too.

mod memory;
mod rules;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::certificates::{Authority, Identity};
use super::images::{Content, Image};
use super::server::{Handler, Reading, Request, Response, Server};
use super::token_server::{Desk, SERVICE, TokenServer, basic};
use memory::Memory;
pub(crate) use rules::{Act, When, when};

/// The longest body that is kept in the record of requests.
const LONGEST_RECORD: usize = 8 * 1024 * 1024;

/// Something that a registry can do. A scripted one can do everything that it is not started without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ability {
    /// The referrers API and `OCI-Subject`; else 404 and no header.
    Referrers,
    /// Removing manifests and tags; else 405.
    Delete,
    /// Ranges of blobs; else the whole comes with 200.
    Ranges,
    /// The whole blob in the POST with `?digest=`; else 202 and the body is passed over, as most do.
    WholePost,
    /// Mounts, also from the same repository; else 202.
    Mount,
    /// `_catalog`; else 404.
    Catalog,
    /// Refusing manifests whose blobs are missing.
    CheckBlobs,
    /// Keeping what arrived of a body that was cut; else the session is gone.
    KeepUploads,
    /// Refusing blobs that are not what their digest says.
    CheckDigests,
    /// Telling digests: `Docker-Content-Digest`.
    TellDigest,
}

/// Who may come in.
#[derive(Clone)]
enum Access {
    Open,
    Basic { user: String, password: String },
    Tokens { desk: Arc<Desk>, realm: String },
}

/// How a scripted registry is to be.
pub(crate) struct Settings {
    ip: &'static str,
    identity: Option<(Identity, Option<Authority>)>,
    access: Access,
    lacks: HashSet<Ability>,
    page: usize,
}

/// A running scripted registry.
pub(crate) struct Scripted {
    server: Server,
    registry: Arc<Registry>,
}

struct Registry {
    access: Mutex<Access>,
    memory: Mutex<Memory>,
    rules: Mutex<Vec<Arc<rules::Rule>>>,
    requests: Mutex<Vec<Request>>,
}

impl Settings {
    /// On another address, such as 127.0.0.2: another origin.
    pub(crate) fn ip(mut self, ip: &'static str) -> Self {
        self.ip = ip;
        self
    }

    /// Over TLS with this certificate.
    pub(crate) fn tls(mut self, identity: Identity) -> Self {
        self.identity = Some((identity, None));
        self
    }

    /// Over TLS, letting in only clients with a certificate of `clients`.
    pub(crate) fn mutual_tls(mut self, identity: Identity, clients: Authority) -> Self {
        self.identity = Some((identity, Some(clients)));
        self
    }

    /// Only for this user.
    pub(crate) fn basic(mut self, user: &str, password: &str) -> Self {
        self.access = Access::Basic { user: user.to_owned(), password: password.to_owned() };
        self
    }

    /// Only with tokens of this server.
    pub(crate) fn tokens(mut self, server: &TokenServer) -> Self {
        self.access = Access::Tokens { desk: server.desk(), realm: server.realm() };
        self
    }

    /// Only with tokens of this server, which challenges say to be at `realm`.
    pub(crate) fn tokens_named(mut self, server: &TokenServer, realm: &str) -> Self {
        self.access = Access::Tokens { desk: server.desk(), realm: realm.to_owned() };
        self
    }

    /// Without an ability.
    pub(crate) fn without(mut self, ability: Ability) -> Self {
        self.lacks.insert(ability);
        self
    }

    /// With an ability that is not usual.
    pub(crate) fn with(mut self, ability: Ability) -> Self {
        self.lacks.remove(&ability);
        self
    }

    /// With at most so many entries on a page of tags or repositories.
    pub(crate) fn page(mut self, entries: usize) -> Self {
        self.page = entries;
        self
    }

    pub(crate) fn start(self) -> Scripted {
        let tls = self.identity.as_ref().map(|(identity, clients)| identity.server_config(clients.as_ref()));
        let registry = Arc::new(Registry {
            access: Mutex::new(self.access),
            memory: Mutex::new(Memory::new(self.lacks, self.page)),
            rules: Mutex::new(Vec::new()),
            requests: Mutex::new(Vec::new()),
        });
        Scripted { server: Server::start(self.ip, tls, Arc::clone(&registry) as Arc<dyn Handler>), registry }
    }
}

impl Scripted {
    /// An open registry over plain HTTP on 127.0.0.1 that does everything right.
    pub(crate) fn start() -> Self {
        Self::settings().start()
    }

    pub(crate) fn settings() -> Settings {
        let lacks = HashSet::from([Ability::WholePost]);
        Settings { ip: "127.0.0.1", identity: None, access: Access::Open, lacks, page: 1000 }
    }

    /// `IP:PORT`.
    pub(crate) fn address(&self) -> String {
        self.server.address()
    }

    /// `http://IP:PORT` or `https://IP:PORT`.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Adds a rule. Of those that apply to a request, the one that was added first acts.
    pub(crate) fn rule(&self, when: When, act: Act) -> &Self {
        self.registry.rules.lock().unwrap().push(Arc::new(rules::Rule::new(when, act)));
        self
    }

    /// Adds a rule that acts before all others.
    pub(crate) fn rule_first(&self, when: When, act: Act) -> &Self {
        self.registry.rules.lock().unwrap().insert(0, Arc::new(rules::Rule::new(when, act)));
        self
    }

    /// Takes all rules away.
    pub(crate) fn behave(&self) {
        self.registry.rules.lock().unwrap().clear();
    }

    /// Every request so far, in order of their heads' arrival.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.registry.requests.lock().unwrap().clone()
    }

    /// Every request so far as `METHOD target`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }

    /// How many requests have this method (`*` for any) and hold `fragment` in their target.
    pub(crate) fn count(&self, method: &str, fragment: &str) -> usize {
        let when = when(method, fragment);
        self.requests().iter().filter(|request| when.fits(request)).count()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget_requests(&self) {
        self.registry.requests.lock().unwrap().clear();
    }

    /// How many connections have come in.
    pub(crate) fn connections(&self) -> usize {
        self.server.connections()
    }

    /// How many bytes of requests' bodies have come in, also of those that are under way.
    pub(crate) fn received(&self) -> u64 {
        self.server.received()
    }

    /// Whether nobody is connected, so that all that came in has been dealt with.
    pub(crate) fn is_idle(&self) -> bool {
        self.server.open_connections() == 0
    }

    /// How many bytes of floods were taken.
    pub(crate) fn flooded(&self) -> u64 {
        self.server.flooded()
    }

    /// How many bytes of bodies were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.server.sent()
    }

    /// How many bodies of at least a mebibyte were on their way at once at most.
    pub(crate) fn most_long_bodies(&self) -> usize {
        self.server.most_long_bodies()
    }

    /// Puts an image there with all that it names, without a request.
    pub(crate) fn put(&self, repository: &str, image: &Image, tags: &[&str]) {
        let mut memory = self.registry.memory.lock().unwrap();
        for blob in image.all_blobs() {
            memory.put_blob(repository, blob);
        }
        for manifest in image.all_manifests() {
            memory.put_manifest(repository, manifest);
        }
        for tag in tags {
            memory.put_tag(repository, tag, image.digest());
        }
    }

    /// Puts a blob there, without a request. Its digest need not be that of its bytes.
    pub(crate) fn put_blob(&self, repository: &str, blob: &Content) {
        self.registry.memory.lock().unwrap().put_blob(repository, blob);
    }

    /// Puts a manifest there and tags it, without a request. Its digest need not be that of its bytes.
    pub(crate) fn put_manifest(&self, repository: &str, manifest: &Content, tags: &[&str]) {
        let mut memory = self.registry.memory.lock().unwrap();
        memory.put_manifest(repository, manifest);
        for tag in tags {
            memory.put_tag(repository, tag, &manifest.digest);
        }
    }

    /// The digest that a tag points at.
    pub(crate) fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.registry.memory.lock().unwrap().tag(repository, tag)
    }

    /// The tags of a repository, sorted.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        self.registry.memory.lock().unwrap().tags(repository)
    }

    /// The manifest under a digest.
    pub(crate) fn manifest(&self, repository: &str, digest: &str) -> Option<Content> {
        self.registry.memory.lock().unwrap().manifest(repository, digest)
    }

    /// The bytes of a blob.
    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.registry.memory.lock().unwrap().blob(repository, digest)
    }

    /// Whether an image is there with all that it names, every byte of it.
    pub(crate) fn holds(&self, repository: &str, image: &Image) -> bool {
        let memory = self.registry.memory.lock().unwrap();
        let blobs = image.all_blobs();
        let manifests = image.all_manifests();
        blobs.iter().all(|blob| memory.blob(repository, &blob.digest).as_deref() == Some(&blob.bytes[..]))
            && manifests.iter().all(|manifest| {
                memory
                    .manifest(repository, &manifest.digest)
                    .is_some_and(|found| found.bytes == manifest.bytes && found.media_type == manifest.media_type)
            })
    }

    /// How many uploads are open.
    pub(crate) fn open_uploads(&self) -> usize {
        self.registry.memory.lock().unwrap().open_uploads()
    }

    /// The digests of blobs whose bytes are others.
    pub(crate) fn wrong_blobs(&self) -> Vec<String> {
        self.registry.memory.lock().unwrap().wrong_blobs()
    }

    /// Loses a blob, as a disk or a careless collection does.
    pub(crate) fn lose_blob(&self, repository: &str, digest: &str) {
        self.registry.memory.lock().unwrap().lose_blob(repository, digest);
    }
}

impl Handler for Registry {
    fn reading(&self, head: &Request) -> Reading {
        let rules = self.rules.lock().unwrap();
        let acting = rules.iter().filter(|rule| rule.applies(head)).find_map(|rule| rule.reading());
        acting.unwrap_or(Reading::Whole)
    }

    fn answer(&self, request: Request) -> Response {
        self.record(&request);
        // Every rule counts every request. What they do may wait for other requests, so the lock is given back.
        let rules = self.rules.lock().unwrap().clone();
        let applying: Vec<_> = rules.into_iter().map(|rule| (rule.count(&request), rule)).collect();
        for (_, rule) in applying.iter().filter(|(applies, _)| *applies) {
            match &rule.act {
                Act::Answer(answer) => return answer(&request),
                Act::AnswerIf(answer) => {
                    if let Some(response) = answer(&request) {
                        return response;
                    }
                }
                Act::Change(change) => return change(&request, self.work(&request)),
                Act::Read(_) => break,
            }
        }
        self.work(&request)
    }

    fn broken(&self, request: Request) {
        self.record(&request);
        for rule in self.rules.lock().unwrap().iter() {
            rule.count(&request);
        }
        self.memory.lock().unwrap().broken(&request);
    }
}

impl Registry {
    /// Records a request; of a very long body only the beginning.
    fn record(&self, request: &Request) {
        let body = request.body[..request.body.len().min(LONGEST_RECORD)].to_vec();
        let Request { method, target, headers, connection, .. } = request;
        let (method, target, headers) = (method.clone(), target.clone(), headers.clone());
        self.requests.lock().unwrap().push(Request { method, target, headers, body, connection: *connection });
    }

    fn work(&self, request: &Request) -> Response {
        match self.refusal(request) {
            Some(refusal) => refusal,
            None => self.memory.lock().unwrap().answer(request),
        }
    }

    /// The 401 that a request deserves.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let shown = request.header("authorization").unwrap_or_default();
        let refusal = Response::error(401, "UNAUTHORIZED");
        match &*self.access.lock().unwrap() {
            Access::Open => None,
            Access::Basic { user, password } => {
                let right = basic(shown).is_some_and(|(u, p)| u == *user && p == *password);
                (!right).then(|| refusal.header("WWW-Authenticate", "Basic realm=\"scripted\""))
            }
            Access::Tokens { desk, realm } => {
                let wanted = wanted_access(request);
                let token = shown.strip_prefix("Bearer ").unwrap_or_default();
                let verdicts: Vec<Option<bool>> =
                    wanted.iter().map(|(resource, name, action)| desk.allows(token, resource, name, action)).collect();
                let known = desk.allows(token, "", "", "").is_some();
                if known && verdicts.iter().all(|verdict| *verdict == Some(true)) {
                    return None;
                }
                let scope =
                    if wanted.is_empty() { String::new() } else { format!(",scope=\"{}\"", scopes_of(&wanted)) };
                let error = match (token.is_empty(), known) {
                    (true, _) => "",
                    (false, true) => ",error=\"insufficient_scope\"",
                    (false, false) => ",error=\"invalid_token\"",
                };
                let challenge = format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"{scope}{error}");
                Some(refusal.header("WWW-Authenticate", &challenge))
            }
        }
    }
}

/// What a token has to allow for a request, as (resource, name, action).
fn wanted_access(request: &Request) -> Vec<(&'static str, String, &'static str)> {
    if request.path() == "/v2/_catalog" {
        return vec![("registry", "catalog".to_owned(), "*")];
    }
    let Some(name) = memory::repository_of(request.path()) else { return Vec::new() };
    let mut wanted = match request.method.as_str() {
        "GET" | "HEAD" => vec![("repository", name, "pull")],
        "DELETE" if !request.path().contains("/blobs/uploads/") => vec![("repository", name, "delete")],
        _ => vec![("repository", name.clone(), "pull"), ("repository", name, "push")],
    };
    wanted.extend(request.query("from").map(|from| ("repository", from, "pull")));
    wanted
}

fn scopes_of(wanted: &[(&str, String, &str)]) -> String {
    let mut scopes: Vec<(String, Vec<&str>)> = Vec::new();
    for (resource, name, action) in wanted {
        let key = format!("{resource}:{name}");
        match scopes.iter_mut().find(|(known, _)| *known == key) {
            Some((_, actions)) => actions.push(action),
            None => scopes.push((key, vec![action])),
        }
    }
    let scopes: Vec<String> = scopes.into_iter().map(|(key, actions)| format!("{key}:{}", actions.join(","))).collect();
    scopes.join(" ")
}
