//! A config that is being changed. What is not known here stays as it is.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Change;
use crate::failure::{Failure, FailureKind};
use crate::image::{Digest, Platform};

/// A config that is being changed.
#[derive(Clone, Debug)]
pub struct ConfigDraft {
    document: Map<String, Value>,
}

/// A step of an image's history.
#[derive(Clone, Debug)]
pub struct Step {
    /// When it was taken.
    pub created: Timestamp,
    /// What took it.
    pub by: String,
    /// What its user says of it.
    pub comment: Option<String>,
    /// Whether it made a layer.
    pub made_layer: bool,
}

/// A config that cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image's config cannot be changed: {0}")]
pub struct ConfigDraftError(String);

impl Failure for ConfigDraftError {
    fn kind(&self) -> FailureKind {
        FailureKind::Corrupt
    }
}

impl ConfigDraft {
    /// The config of an image without layers.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let mut document = Map::new();
        document.insert("architecture".to_owned(), json!(platform.architecture));
        document.insert("os".to_owned(), json!(platform.os));
        if let Some(variant) = &platform.variant {
            document.insert("variant".to_owned(), json!(variant));
        }
        document.insert("config".to_owned(), json!({}));
        document.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": []}));
        document.insert("history".to_owned(), json!([]));
        Self { document }
    }

    /// Reads a config from its bytes.
    ///
    /// # Errors
    /// It is none of an image.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigDraftError> {
        let mut document: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| ConfigDraftError(error.to_string()))?;
        let wrong = |what: &str| ConfigDraftError(what.to_owned());
        if document.get("config").is_none_or(Value::is_null) {
            document.insert("config".to_owned(), json!({}));
        }
        if document.get("history").is_none_or(Value::is_null) {
            document.insert("history".to_owned(), json!([]));
        }
        if !document["config"].is_object() || !document["history"].is_array() {
            return Err(wrong("its fields have other forms than those of an image"));
        }
        let diff_ids = document.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids"));
        if !diff_ids.is_some_and(Value::is_array) {
            return Err(wrong("it names no layers"));
        }
        Ok(Self { document })
    }

    /// The digests of the layers' archives, lowest first.
    ///
    /// # Errors
    /// One is no digest.
    pub fn diff_ids(&self) -> Result<Vec<Digest>, ConfigDraftError> {
        serde_json::from_value(self.document["rootfs"]["diff_ids"].clone())
            .map_err(|error| ConfigDraftError(error.to_string()))
    }

    /// The history, as it is written.
    #[must_use]
    pub fn history(&self) -> &[Value] {
        self.document["history"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Replaces layers and history.
    pub fn set_layers(&mut self, diff_ids: &[Digest], history: Vec<Value>) {
        self.document["rootfs"]["diff_ids"] = json!(diff_ids);
        self.document["history"] = Value::Array(history);
    }

    /// Adds a layer above the others.
    pub fn push_layer(&mut self, diff_id: &Digest) {
        if let Some(list) = self.document["rootfs"]["diff_ids"].as_array_mut() {
            list.push(json!(diff_id));
        }
    }

    /// Adds a step to the history.
    pub fn push_step(&mut self, step: &Step) {
        if let Some(history) = self.document["history"].as_array_mut() {
            history.push(step.value());
        }
    }

    /// Says when the image was made.
    pub fn set_created(&mut self, created: Timestamp) {
        self.document.insert("created".to_owned(), json!(created.to_string()));
    }

    /// Says what the image runs on.
    pub fn set_platform(&mut self, platform: &Platform) {
        self.document.insert("architecture".to_owned(), json!(platform.architecture));
        self.document.insert("os".to_owned(), json!(platform.os));
        match &platform.variant {
            Some(variant) => drop(self.document.insert("variant".to_owned(), json!(variant))),
            None => drop(self.document.remove("variant")),
        }
    }

    /// Makes a change to what a container of the image runs.
    pub fn change(&mut self, change: &Change) {
        if let Some(config) = self.document["config"].as_object_mut() {
            change.apply(config);
        }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        Value::Object(self.document.clone()).to_string().into_bytes()
    }
}

impl Step {
    /// The step as a history has it.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut value = json!({"created": self.created.to_string(), "created_by": self.by});
        if let Some(comment) = &self.comment {
            value["comment"] = json!(comment);
        }
        if !self.made_layer {
            value["empty_layer"] = json!(true);
        }
        value
    }
}
