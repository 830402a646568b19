//! One request and its answer: with the proof that it needs, asked again where the proof was not taken.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::ClientSettings;
use super::answer;
use super::auth::{Auth, Effort, Proof};
use super::kept::Kept;
use super::learnt::Learnt;
use super::limits::Limits;
use super::reach::{self, Reach};
use super::vanguard::Vanguard;
use crate::config::TlsMode;
use crate::credentials::Chosen;
use crate::image::{RegistryAddress, RepositoryName};
use crate::outbound::{Outbound, OutboundError, Permit, Replay, Request, RequestBody, Response, Standing, Traffic};
use crate::progress::{Event, Progress};
use crate::registry::{Error, ErrorKind, Result};
use crate::wire::{self, Action, Route, Scope};

/// The first limit that is tried where a registry takes no body of any length: just under 4 MiB.
pub(super) const FIRST_LIMIT: u64 = 4_000_000;
/// How many different warnings of one registry are shown.
const MAX_WARNINGS: usize = 20;
/// How many long bodies may break off before they are kept short.
const STREAM_PATIENCE: u32 = 2;

/// Everything that requests to one registry under one credential share.
pub(super) struct Exchange {
    address: RegistryAddress,
    reach: Reach,
    vanguard: Vanguard,
    auth: Auth,
    tls: TlsMode,
    pub(super) limits: Limits,
    pub(super) learnt: Learnt,
    progress: Arc<dyn Progress>,
    /// What the registry warned of already.
    warned: Mutex<HashSet<String>>,
    /// Whether it was said that little is left of what the registry allows.
    warned_of_quota: AtomicBool,
    /// How many long bodies broke off, one after the other.
    broken_streams: AtomicU32,
}

/// Where a request goes.
#[derive(Clone, Debug)]
enum Target {
    /// A path of the registry's.
    Path(String),
    /// A place that the registry handed over.
    Place(Permit),
}

/// A request before it is known how to prove who we are.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    target: Target,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: RequestBody,
    scopes: Vec<Scope>,
    replay: Replay,
    traffic: Traffic,
    patience: u32,
    collect: Option<usize>,
}

impl Call {
    /// A request for a route.
    pub(super) fn new(method: Method, route: &Route, scopes: Vec<Scope>) -> Self {
        Self::to(method, Target::Path(route.path_and_query()), scopes)
    }

    /// A request to a place that the registry handed over.
    pub(super) fn at(method: Method, place: Permit, scopes: Vec<Scope>) -> Self {
        Self::to(method, Target::Place(place), scopes)
    }

    fn to(method: Method, target: Target, scopes: Vec<Scope>) -> Self {
        Self {
            method,
            target,
            headers: Vec::new(),
            body: RequestBody::Empty,
            scopes,
            replay: Replay::Freely,
            traffic: Traffic::Small,
            patience: 1,
            collect: None,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn accept(self, types: &'static str) -> Self {
        self.header(header::ACCEPT, HeaderValue::from_static(types))
    }

    pub(super) fn body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    pub(super) const fn replay(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    pub(super) const fn patience(mut self, times: u32) -> Self {
        self.patience = times;
        self
    }

    /// Has the body of a good answer read at once, so that one that breaks off is asked for again.
    pub(super) const fn collected(mut self, at_most: usize) -> Self {
        self.collect = Some(at_most);
        self
    }

    pub(super) const fn bulk(mut self) -> Self {
        self.traffic = Traffic::Bulk;
        self
    }

    /// Whether the place is one that our credential is for.
    fn is_ours(&self) -> bool {
        match &self.target {
            Target::Path(_) => true,
            Target::Place(permit) => permit.standing() == Standing::Home,
        }
    }

    /// The request for one try. A body that comes once is in the first.
    fn request(&mut self, outbound: &Outbound, proof: &Proof) -> std::result::Result<Request, OutboundError> {
        let permit = match &self.target {
            Target::Path(path) => outbound.at_home(path)?,
            Target::Place(permit) => permit.clone(),
        };
        let body = match self.body.again() {
            Some(body) => body,
            None => std::mem::replace(&mut self.body, RequestBody::Empty),
        };
        let mut request = Request::new(self.method.clone(), permit)
            .body(body)
            .replay(self.replay)
            .traffic(self.traffic)
            .patience(self.patience);
        for (name, value) in &self.headers {
            request = request.header(name.clone(), value.clone());
        }
        if let Some(at_most) = self.collect {
            request = request.collected(at_most);
        }
        Ok(match proof.header() {
            Some(value) => request.authorization(value),
            None => request,
        })
    }
}

impl Exchange {
    pub(super) fn new(settings: ClientSettings) -> Result<Self> {
        let registry = &settings.registry;
        let address = registry.address.clone();
        let contact = reach::contact(registry).to_string();
        let learnt = Learnt::recall(contact, settings.state.as_deref());
        let hints = learnt.hints();
        let failed = |error: OutboundError| {
            Error::new(answer::of_outbound(&address, &error), error.to_string()).at(address.to_string())
        };
        let reach = Reach::new(&settings, hints.tls).map_err(failed)?;
        let too_many = reach.outbound().too_many();
        let kept = settings.state.as_deref().filter(|_| settings.keep_tokens);
        let kept = kept.map(|state| Kept::new(state, &address, &settings.chosen));
        Ok(Self {
            limits: Limits::new(registry.limits, Arc::new(move || too_many.count())),
            tls: registry.tls,
            vanguard: Vanguard::new(hints.scheme.is_some()),
            auth: Auth::new(settings.chosen, hints.scheme, kept),
            reach,
            learnt,
            progress: settings.progress,
            warned: Mutex::default(),
            warned_of_quota: AtomicBool::new(false),
            broken_streams: AtomicU32::new(0),
            address,
        })
    }

    /// The registry as the user knows it.
    pub(super) const fn address(&self) -> &RegistryAddress {
        &self.address
    }

    pub(super) const fn chosen(&self) -> &Chosen {
        self.auth.chosen()
    }

    /// How its connection is configured to be secured.
    pub(super) const fn tls_mode(&self) -> TlsMode {
        self.tls
    }

    pub(super) const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Who judges what the registry hands over.
    pub(super) fn outbound(&self) -> &Outbound {
        self.reach.outbound()
    }

    /// A repository of this registry, for messages.
    pub(super) fn shown(&self, repository: &RepositoryName) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Tells the user something, though the work goes on.
    pub(super) fn warn(&self, text: String) {
        self.progress.observe(&Event::Warning(text));
    }

    /// Takes note of how a body of any length fared.
    pub(super) fn note_stream(&self, well: bool) {
        if well {
            self.broken_streams.store(0, Ordering::Relaxed);
        } else {
            self.broken_streams.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The most bytes that one request should carry, where that is known or feared.
    pub(super) fn longest_body(&self) -> Option<u64> {
        let feared = self.broken_streams.load(Ordering::Relaxed) >= STREAM_PATIENCE;
        self.learnt.hints().longest_body.or(feared.then_some(FIRST_LIMIT))
    }

    /// Sends a request and has it answered, whatever the status. A 401 that comes back is final.
    ///
    /// # Errors
    /// No answer; no token; a body that could only be sent once was sent in vain (`Cut`).
    pub(super) async fn call(&self, mut call: Call) -> Result<Response> {
        let (ours, once, scopes) = (call.is_ours(), call.body.is_stream(), call.scopes.clone());
        let replay = call.replay;
        let mut effort = Effort::Usual;
        let mut ahead = self.vanguard.follow().await;
        loop {
            let proof = self.proof(ours, &scopes, effort).await?;
            let reached = self.reach.send(|outbound| call.request(outbound, &proof)).await;
            let reached = reached.map_err(|error| {
                let was_repeated = !once && replay.allows(&error);
                let error = self.unanswered(&error);
                if was_repeated { error.after_all_tries() } else { error }
            })?;
            if let Some(tls) = reached.found_tls.filter(|_| reach_matters(&self.address)) {
                self.learnt.learn(|hints| hints.tls = Some(tls)).await;
            }
            let response = reached.response;
            self.pass_warnings_on(&response);
            self.watch_quota(&response);
            if response.status() != StatusCode::UNAUTHORIZED || !response.is_home() {
                return Ok(response);
            }
            let Some(next) = self.challenged(&response, &proof, &scopes, effort).await? else {
                return self.in_full(call, &proof, response).await;
            };
            drop(ahead.take());
            if once {
                return Err(self.error(ErrorKind::Cut, "the registry wants a new token in the middle of an upload"));
            }
            effort = next;
        }
    }

    /// A refusal with its reason: that of a HEAD has no body, so the same is asked by GET, once.
    async fn in_full(&self, mut call: Call, proof: &Proof, refusal: Response) -> Result<Response> {
        if call.method != Method::HEAD {
            return Ok(refusal);
        }
        call.method = Method::GET;
        let reached = self.reach.send(|outbound| call.request(outbound, proof)).await;
        Ok(reached.map_or(refusal, |reached| reached.response))
    }

    /// Tells the user what the registry warns of, each once (distribution-spec 1.1, "Warnings").
    fn pass_warnings_on(&self, response: &Response) {
        for warning in wire::warnings(response.headers()) {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.len() < MAX_WARNINGS && warned.insert(warning.clone()) {
                self.warn(format!("{} says: {}", self.address, warning.escape_debug()));
            }
        }
    }

    /// Says, once, that little is left of what the registry allows.
    fn watch_quota(&self, response: &Response) {
        let limits = wire::rate_limit(response.headers());
        let Some((limit, left)) = limits.limit.zip(limits.remaining).filter(|_| limits.is_nearly_used_up()) else {
            return;
        };
        if response.is_home() && !self.warned_of_quota.swap(true, Ordering::Relaxed) {
            self.warn(format!("{} allows {limit} of these requests, and {} are left", self.address, left.requests));
        }
    }

    async fn proof(&self, ours: bool, scopes: &[Scope], effort: Effort) -> Result<Proof> {
        // Before it is known who answers there, nothing is shown.
        if !ours || !self.reach.is_known() {
            return Ok(Proof::None);
        }
        self.auth.proof(self.outbound(), &self.address, scopes, effort).await
    }

    async fn challenged(
        &self,
        response: &Response,
        proof: &Proof,
        scopes: &[Scope],
        effort: Effort,
    ) -> Result<Option<Effort>> {
        let next = if response.headers().contains_key(header::WWW_AUTHENTICATE) {
            self.auth.challenged(response, proof, scopes, effort).await
        } else if effort == Effort::Usual {
            // Some say only at the front door what they want.
            let mut door = Call::new(Method::GET, &Route::Base, Vec::new());
            let request = |outbound: &Outbound| door.request(outbound, &Proof::None);
            let reached = self.reach.send(request).await.map_err(|error| self.unanswered(&error))?;
            self.auth.challenged(&reached.response, proof, scopes, effort).await
        } else {
            None
        };
        let scheme = self.auth.scheme();
        self.learnt.learn(|hints| hints.scheme = scheme).await;
        Ok(next)
    }
}

/// Only of registries on this computer it is not known beforehand whether they speak TLS.
fn reach_matters(address: &RegistryAddress) -> bool {
    address.is_loopback()
}

/// What reading a repository needs.
pub(super) fn pull(repository: &RepositoryName) -> Vec<Scope> {
    vec![Scope::repository(repository, [Action::Pull])]
}

/// What writing to a repository needs; looking at what is there included, so that one token does for both.
pub(super) fn push(repository: &RepositoryName) -> Vec<Scope> {
    vec![Scope::repository(repository, [Action::Pull, Action::Push])]
}
