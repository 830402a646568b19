//! What a registry of tranship's own does beyond the distribution API, for the commands that work on the home.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};

use super::Client;
use super::exchange::Call;
use crate::outbound::{RequestBody, Response};
use crate::registry::{Collected, Collection, Error, ErrorKind, KeptImage, Result, Untagged};
use crate::wire::{Route, Scope};

/// The longest list that is read.
const MAX_LIST: usize = 64 * 1024 * 1024;

impl Client {
    /// Has the registry remove what nothing names; `None` where it is no registry of tranship's.
    ///
    /// # Errors
    /// `Denied` for whoever may not remove everything there; `Unreachable` and its like.
    pub async fn collect(&self, collection: &Collection) -> Result<Option<Collected>> {
        let unwritable = |error| Error::new(ErrorKind::Rejected, "the rules cannot be sent").caused_by(error);
        let body = serde_json::to_vec(collection).map_err(unwritable)?;
        let call = Call::new(Method::POST, &Route::Prune, vec![Scope::upkeep()])
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(RequestBody::Whole(vec![Bytes::from(body)]));
        self.ask("to prune", call).await
    }

    /// The images that the registry keeps; `None` where it is no registry of tranship's.
    ///
    /// # Errors
    /// `Denied` for whoever may not list what is there; `Unreachable` and its like.
    pub async fn kept_images(&self, untagged: Untagged) -> Result<Option<Vec<KeptImage>>> {
        let call = Call::new(
            Method::GET,
            &Route::KeptImages { untagged: untagged == Untagged::Shown },
            vec![Scope::catalog()],
        );
        self.ask("to list images", call).await
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, what: &str, call: Call) -> Result<Option<T>> {
        let response: Response = self.exchange.call(call.collected(MAX_LIST)).await?;
        match response.status() {
            StatusCode::OK => {}
            // Others read these paths as names of repositories that cannot be, or do not know them.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => return Ok(None),
            _ => return Err(self.exchange.refused(what, response).await),
        }
        let bytes = response.whole(MAX_LIST).await.map_err(|error| self.exchange.unanswered(&error))?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| {
            self.exchange
                .error(ErrorKind::Nonsense, format!("{what} was answered with something else"))
                .caused_by(error)
        })
    }
}
