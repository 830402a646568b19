//! What this registry does beyond the distribution API, for `tranship prune` and `tranship images`.

use axum::body::Body;
use http::StatusCode;

use super::access::Principal;
use super::answer::{Code, Refusal, json, refused};
use super::{Answer, Server};
use crate::registry::{Collection, KeptImage, Untagged};

/// The longest rules that are read.
const MAX_RULES: usize = 4 * 1024 * 1024;

impl Server {
    /// Removes what nothing names, by the rules of the body.
    pub(super) async fn prune(&self, body: Body) -> Answer {
        let Ok(bytes) = axum::body::to_bytes(body, MAX_RULES).await else {
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, "the rules are too long"));
        };
        let collection: Collection = serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, Code::Unsupported, error.to_string()))?;
        let collected = self.upkeep.collect(collection).await.map_err(refused(Code::NameUnknown))?;
        Ok(json(&collected))
    }

    /// The images that whoever asks may read.
    pub(super) async fn kept_images(&self, principal: &Principal, untagged: bool) -> Answer {
        let untagged = if untagged { Untagged::Shown } else { Untagged::Hidden };
        let mut images = self.host.images(untagged).await.map_err(refused(Code::NameUnknown))?;
        images.retain(|image: &KeptImage| principal.may_pull(&image.repository));
        Ok(json(&images))
    }
}
