//! An upload session: where it goes on, how far it is, and the requests that move it.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header};
use url::Url;

use super::parcel::Parcel;
use crate::client::exchange::{Call, Exchange, push};
use crate::image::{Descriptor, RepositoryName};
use crate::outbound::{Handed, Permit, Replay, RequestBody, Response, Standing};
use crate::registry::{Error, ErrorKind, Remedy, Result, UploadState};
use crate::wire::{self, ContentRange, Route};

/// The longest chunk that a registry may insist on.
const MAX_CHUNK: u64 = 64 * 1024 * 1024;

/// How much longer than usual the answer to the whole may take: some hash and copy all of it only then.
const CLOSING: u32 = 5;

/// How long is waited before each look for a blob whose end was merely accepted.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(500), Duration::from_secs(2)];

/// A session that the registry opened.
#[derive(Clone)]
pub(in crate::client) struct Session {
    parcel: Parcel,
    place: Permit,
    offset: u64,
    shortest_chunk: u64,
}

/// What became of a body that was sent.
pub(super) enum Sent {
    /// The registry has it.
    Taken,
    /// It was too long for one request.
    TooLong,
    /// The registry is elsewhere than we thought: it has to be asked.
    OutOfStep,
    /// The registry does not take bytes by this method.
    NotThisWay,
}

impl Session {
    /// Opens a session.
    pub(in crate::client) async fn open(parcel: Parcel) -> Result<Self> {
        let response = start(&parcel.exchange, &parcel.repository).await?;
        if !is_opened(response.status()) {
            return Err(Self::refused_to_open(&parcel, response).await);
        }
        Self::opened(parcel, &response).await
    }

    /// The session that an answer opened.
    pub(in crate::client) async fn opened(parcel: Parcel, response: &Response) -> Result<Self> {
        let place = place_of(&parcel.exchange, response).await?;
        let shortest_chunk = wire::chunk_min_length(response.headers()).unwrap_or_default().min(MAX_CHUNK);
        Ok(Self { parcel, place, offset: 0, shortest_chunk })
    }

    /// The error for an answer that opens none.
    pub(super) async fn refused_to_open(parcel: &Parcel, response: Response) -> Error {
        let what = format!("an upload to {}", parcel.exchange.shown(&parcel.repository));
        let error = parcel.exchange.refused(&what, response).await;
        let unknown = error.kind() == ErrorKind::NotFound
            || error.code().is_some_and(|code| matches!(code.as_str(), "NAME_UNKNOWN" | "NAME_INVALID"));
        if unknown { error.with_remedy(create_first(&parcel.repository)) } else { error }
    }

    /// Asks for a session of earlier; `None` where it is gone, or was never to be trusted.
    pub(in crate::client) async fn resume(parcel: Parcel, state: &UploadState) -> Result<Option<Self>> {
        let outbound = parcel.exchange.outbound();
        let (Ok(url), Ok(home)) = (state.session.parse::<Url>(), outbound.at_home("/v2/")) else { return Ok(None) };
        let Ok(place) = outbound.permit(Handed::Upload, home.url(), url).await else { return Ok(None) };
        // No other was ever handed out to be remembered.
        if place.standing() != Standing::Home {
            return Ok(None);
        }
        let mut session = Self { parcel, place, offset: state.offset, shortest_chunk: 0 };
        let goes_on = match session.ask().await {
            // Some say so of a session that they do not know; who may not push hears it when one is opened.
            Err(error) if error.kind() == ErrorKind::Denied => false,
            asked => asked?,
        };
        Ok((goes_on && session.offset <= session.blob().size).then_some(session))
    }

    /// What is uploaded, and where to.
    pub(super) const fn parcel(&self) -> &Parcel {
        &self.parcel
    }

    pub(super) const fn blob(&self) -> &Descriptor {
        &self.parcel.blob
    }

    /// How many bytes the registry has.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn shortest_chunk(&self) -> u64 {
        self.shortest_chunk
    }

    /// The most bytes that one request may carry, where that is known.
    pub(super) fn longest_body(&self) -> Option<u64> {
        self.parcel.exchange.longest_body()
    }

    /// Takes note of whether a body of any length was taken whole. Twice not, one after the other, and bodies are
    /// kept short in this run: something on the way may not let long ones pass, without saying so.
    pub(super) fn streamed(&self, well: bool) {
        self.parcel.exchange.note_stream(well);
    }

    /// Takes note of the most bytes that one request may carry; `None` where all go in one.
    pub(super) async fn learn_longest_body(&self, longest: Option<u64>) {
        self.parcel.exchange.learnt.learn(|hints| hints.longest_body = longest).await;
    }

    /// What is uploaded, for messages.
    pub(super) fn what(&self) -> String {
        self.parcel.what()
    }

    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        self.parcel.error(kind, message)
    }

    /// What another process needs to go on. Places of others are signed for the moment and not remembered.
    pub(super) fn state(&self) -> Option<UploadState> {
        let ours = self.place.standing() == Standing::Home;
        ours.then(|| UploadState { session: self.place.url().to_string(), offset: self.offset })
    }

    /// Asks how far the session is; `false` where it is gone.
    pub(super) async fn ask(&mut self) -> Result<bool> {
        let call = Call::at(Method::GET, self.place.clone(), push(&self.parcel.repository));
        let response = self.parcel.exchange.call(call).await?;
        match response.status().as_u16() {
            200 | 202 | 204 => {
                let Some(received) = wire::received(response.headers()) else { return Ok(false) };
                self.offset = received;
                self.moved(&response).await?;
                Ok(true)
            }
            401 | 403 => Err(self.refused(response).await),
            _ => Ok(false),
        }
    }

    /// Sends the next bytes.
    pub(super) async fn patch(&mut self, body: RequestBody, length: u64) -> Result<Sent> {
        let call = self.carrying(Method::PATCH, self.place.clone(), body, length, Replay::UnlessHeard);
        let response = self.parcel.exchange.call(call).await?;
        let sent = judge(response.status());
        if let Some(Sent::Taken) = sent {
            self.offset += length;
            self.moved(&response).await?;
        }
        match sent {
            Some(sent) => Ok(sent),
            None => Err(self.refused(response).await),
        }
    }

    /// Sends the last bytes and has the whole compared with its digest.
    pub(super) async fn close(&self, body: RequestBody, length: u64) -> Result<Sent> {
        let mut url = self.place.url().clone();
        url.query_pairs_mut().append_pair("digest", &self.parcel.blob.digest.to_string());
        let place = self.place.clone().with_query(url.query());
        let call = self.carrying(Method::PUT, place, body, length, Replay::UnlessHeard).patience(CLOSING);
        let response = self.parcel.exchange.call(call).await?;
        match judge(response.status()) {
            // "Accepted" is what a chunk is answered, and says nothing of the whole.
            Some(Sent::Taken) if response.status() == StatusCode::ACCEPTED => self.wait_for_blob().await,
            Some(sent) => Ok(sent),
            None => Err(self.refused(response).await),
        }
    }

    /// Looks for a blob whose end was merely accepted, until it is there.
    async fn wait_for_blob(&self) -> Result<Sent> {
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            if !self.parcel.is_missing().await? {
                return Ok(Sent::Taken);
            }
        }
        let message = format!("the end of {} was accepted, but the blob is not there", self.what());
        Err(self.error(ErrorKind::Unavailable, message).after_all_tries())
    }

    /// Gives the session up, as far as the registry allows.
    pub(in crate::client) async fn cancel(self) {
        let call = Call::at(Method::DELETE, self.place.clone(), push(&self.parcel.repository)).replay(Replay::Never);
        if let Err(error) = self.parcel.exchange.call(call).await {
            tracing::debug!(%error, "an upload that is given up stays");
        }
    }

    fn carrying(&self, method: Method, place: Permit, body: RequestBody, length: u64, replay: Replay) -> Call {
        let is_whole = self.offset == 0 && method == Method::PUT;
        let range = ContentRange::of(self.offset, length).filter(|_| !is_whole);
        let mut call = Call::at(method, place, push(&self.parcel.repository))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .body(body)
            .replay(replay)
            .bulk();
        if let Some(value) = range.and_then(|range| HeaderValue::from_str(&range.chunk_value()).ok()) {
            call = call.header(header::CONTENT_RANGE, value);
        }
        call
    }

    /// Follows the session to where it goes on.
    async fn moved(&mut self, response: &Response) -> Result<()> {
        if response.headers().contains_key(header::LOCATION) {
            self.place = place_of(&self.parcel.exchange, response).await?;
        }
        Ok(())
    }

    async fn refused(&self, response: Response) -> Error {
        let (status, gone) = (response.status().as_u16(), response.status() == StatusCode::NOT_FOUND);
        let error = self.parcel.exchange.refused(&self.what(), response).await;
        if gone && error.kind() != ErrorKind::Gone {
            let message = format!("the upload of {} is gone (HTTP {status})", self.what());
            return self.error(ErrorKind::Gone, message).with_status(status).caused_by(error);
        }
        error
    }
}

/// Asks for an upload. Some registries want a repository to be made first, and hang up where it is not.
async fn start(exchange: &Exchange, repository: &RepositoryName) -> Result<Response> {
    let route = Route::StartUpload { repository: repository.clone(), mount: None, digest: None };
    let start = |replay| exchange.call(Call::new(Method::POST, &route, push(repository)).replay(replay));
    for _ in 0..2 {
        match start(Replay::UnlessHeard).await {
            Err(error) if error.is_transient() => {}
            answered => return answered,
        }
        if !exchange.knows_not(repository).await {
            return start(Replay::Freely).await;
        }
    }
    let message = format!("the registry hangs up on uploads to {}, which it does not know", exchange.shown(repository));
    Err(exchange.error(ErrorKind::NotFound, message).with_remedy(create_first(repository)))
}

/// Whether a status says that an upload was opened: some say it otherwise than by 202.
pub(super) const fn is_opened(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=204)
}

/// What a status says about the bytes; `None` where it refuses more than them.
fn judge(status: StatusCode) -> Option<Sent> {
    match status.as_u16() {
        200..=204 => Some(Sent::Taken),
        413 => Some(Sent::TooLong),
        416 => Some(Sent::OutOfStep),
        405 | 501 => Some(Sent::NotThisWay),
        _ => None,
    }
}

/// Not every registry makes repositories when they are pushed to.
fn create_first(repository: &RepositoryName) -> Remedy {
    Remedy::Other(format!("create the repository {repository} there first, if this registry makes none by itself"))
}

/// Where an upload goes on, if that is allowed.
async fn place_of(exchange: &Exchange, response: &Response) -> Result<Permit> {
    let location =
        wire::upload_location(response.headers(), response.url()).map_err(|error| exchange.misled(&error))?;
    if location.corrected {
        let registry = exchange.address();
        exchange.warn(format!("{registry} does not know that it stands behind a proxy: its upload addresses lack TLS or the port, and are put right"));
    }
    let permit = exchange.outbound().permit(Handed::Upload, response.url(), location.url).await;
    permit.map_err(|error| exchange.unanswered(&error))
}
