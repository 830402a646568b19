//! How far an upload is, as it is kept in the bucket.

use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::facts::written;
use super::super::objects::Version;
use super::super::sessions::{seconds_now, time_of};
use super::super::{Shared, layout};
use crate::image::{Algorithm, Digest, HashState, Hasher, RepositoryName};
use crate::registry::Result;

/// The longest state that is read: that of an upload with as many parts as there may be.
const MAX_STATE_BYTES: u64 = 4 * 1024 * 1024;

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct State {
    repository: RepositoryName,
    owner: String,
    /// In seconds since 1970, by the clock of the server that began it.
    begun: u64,
    /// Grows with every state, so that no two are alike.
    pub(in super::super) step: u64,
    /// Whose turn it is: a word of the request that is at it.
    pub(in super::super) turn: Option<String>,
    /// Whether a turn was ever taken from a request that was not heard of any more.
    pub(super) doubtful: bool,
    /// What the parts are given under, once there is one.
    pub(super) parts_under: Option<String>,
    /// The parts that have arrived.
    pub(super) parts: Vec<Part>,
    /// What has arrived behind them.
    pub(super) rest: Option<Rest>,
    /// The SHA-256 of all that.
    pub(super) hash: HashState,
    /// The blob that it is becoming: from then on the content may be in use.
    pub(in super::super) becoming: Option<Digest>,
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) id: String,
    pub(super) size: u64,
}

/// Bytes that were too few for a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rest {
    /// The step at which they were staged.
    pub(super) step: u64,
    pub(super) length: u64,
}

impl State {
    /// The state of an upload that begins.
    pub(super) fn new(repository: &RepositoryName, owner: &str) -> Self {
        Self {
            repository: repository.clone(),
            owner: owner.to_owned(),
            begun: seconds_now(),
            step: 0,
            turn: None,
            doubtful: false,
            parts_under: None,
            parts: Vec::new(),
            rest: None,
            hash: Hasher::new(Algorithm::Sha256).state(),
            becoming: None,
        }
    }

    /// The state of an upload; `None` where there is none.
    pub(in super::super) async fn read(shared: &Shared, word: &str) -> Result<Option<(Self, Version)>> {
        let key = layout::upload(word);
        let Some(found) = shared.objects.read(&key, MAX_STATE_BYTES).await? else { return Ok(None) };
        Ok(Some((shared.understood(&key, &found.bytes)?, found.version)))
    }

    /// The state as an object.
    pub(in super::super) fn written(&self) -> Result<Bytes> {
        written(self)
    }

    /// Whether it is an upload to this repository that this owner began.
    pub(super) fn is_of(&self, repository: &RepositoryName, owner: &str) -> bool {
        self.repository == *repository && self.owner == owner
    }

    /// When it began.
    pub(in super::super) fn begun(&self) -> SystemTime {
        time_of(self.begun)
    }

    /// Where it is to belong.
    pub(in super::super) fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The bytes of the parts that have arrived.
    pub(super) fn arrived(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// The bytes that have arrived.
    pub(in super::super) fn length(&self) -> u64 {
        self.arrived() + self.rest.as_ref().map_or(0, |rest| rest.length)
    }
}
