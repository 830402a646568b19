//! A small blob in the request that would open its upload (distribution-spec 1.1, "Single POST").
//!
//! A registry may pass the body over and open the upload all the same, so that asking costs nothing but the bytes.
//! Whether it does is learnt by the first blob that asks; until then the others go the usual way.

use bytes::Bytes;
use http::{HeaderValue, Method, header};

use super::chunks::Chunks;
use super::parcel::Parcel;
use super::session::{Session, is_opened};
use crate::client::exchange::{Call, push};
use crate::image::Digest;
use crate::outbound::{Replay, RequestBody, Response};
use crate::registry::Result;
use crate::wire::{self, Route};

/// The longest blob that is sent so: more would be sent in vain where the body is passed over.
pub(in crate::client) const LONGEST: u64 = 64 * 1024;

/// Sends a blob that is all at hand; where its registry passes the body over, by the upload that it opened.
pub(super) async fn send(parcel: Parcel, pieces: Vec<Bytes>) -> Result<()> {
    let answered = ask(&parcel, &pieces).await;
    let session = match answered {
        Ok(response) if stores(&response, &parcel.blob.digest) => {
            learn(&parcel, true).await;
            return Ok(());
        }
        Ok(response) if is_opened(response.status()) && response.headers().contains_key(header::LOCATION) => {
            learn(&parcel, false).await;
            Session::opened(parcel, &response).await?
        }
        Ok(response) if matches!(response.status().as_u16(), 401 | 403 | 429) => {
            return Err(Session::refused_to_open(&parcel, response).await);
        }
        Err(error) if !error.is_transient() => return Err(error),
        // The answer was lost or says nothing, not necessarily the blob.
        answered if !is_refusal(&answered) && parcel.is_there().await => return Ok(()),
        answered => {
            let session = Session::open(parcel.clone()).await?;
            // What opens uploads, but not with a body, does not know the way.
            if answered.is_ok_and(|response| response.status().is_client_error()) {
                learn(&parcel, false).await;
            }
            session
        }
    };
    by_session(session, pieces).await
}

/// Asks for an upload by the blob itself. Whoever does not like that is asked the usual way, so once is enough.
async fn ask(parcel: &Parcel, pieces: &[Bytes]) -> Result<Response> {
    let (repository, digest) = (parcel.repository.clone(), Some(parcel.blob.digest.clone()));
    let route = Route::StartUpload { repository, mount: None, digest };
    let call = Call::new(Method::POST, &route, push(&parcel.repository))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .body(RequestBody::Whole(pieces.to_vec()))
        .replay(Replay::Never);
    parcel.exchange.call(call).await
}

/// Whether an answer says that the blob is there. Some say 201 of an upload that they opened.
fn stores(response: &Response, digest: &Digest) -> bool {
    let says = wire::docker_content_digest(response.headers()).is_some_and(|stored| stored == *digest);
    let place = response.header(&header::LOCATION).unwrap_or_default();
    let leads_there = place.contains(digest.hex()) && !place.contains("/blobs/uploads/");
    response.status() == http::StatusCode::CREATED && (says || leads_there)
}

fn is_refusal(answered: &Result<Response>) -> bool {
    answered.as_ref().is_ok_and(|response| !response.status().is_success())
}

async fn learn(parcel: &Parcel, takes: bool) {
    parcel.exchange.learnt.learn(|hints| hints.takes_single_post = Some(takes)).await;
}

async fn by_session(mut session: Session, pieces: Vec<Bytes>) -> Result<()> {
    let mut chunks = Chunks::new(LONGEST);
    for piece in pieces {
        session.parcel().pass(piece.len()).await;
        chunks.write(&mut session, piece).await?;
    }
    chunks.finish(&mut session).await
}
