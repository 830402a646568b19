//! One stream as a document: OpenShift's `ImageStream` in YAML or JSON, with everything in it that nobody here knows.
//!
//! It is read into a [`View`] and changed through a [`Draft`]. What a change does not touch keeps its words and
//! comments; the `status`, which programs write, is written anew as a whole.

use jiff::Timestamp;

use super::draft::Draft;
use super::model::View;
use crate::failure::{Failure, FailureKind};
use crate::image::StreamName;
use crate::yaml::{Document, Mapping, Step, Value, YamlError, at};

/// The version of the form, as it is written.
const API_VERSION: &str = "image.openshift.io/v1";
/// The version that OpenShift wrote in its first years; the fields are the same.
const OLD_API_VERSION: &str = "v1";
/// What the document is.
const KIND: &str = "ImageStream";
/// What a document of several is.
const LISTS: [&str; 2] = ["List", "ImageStreamList"];
/// How many tags may change before the tags are written anew as a whole. Each change of its own reads all the text.
const SINGLE_EDITS: usize = 64;

/// A stream, and its text.
#[derive(Clone, Debug)]
pub struct ImageStream {
    document: Document,
    view: View,
}

impl ImageStream {
    /// A stream without tags.
    ///
    /// # Errors
    /// None that its callers could meet: the document is well-formed.
    pub fn new(name: &StreamName, now: Timestamp, uid: &str) -> Result<Self, DocumentError> {
        let text = format!(
            "apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata:\n  name: {}\n  uid: {uid}\n  creationTimestamp: \"{}\"\n  \
             generation: 1\nspec:\n  lookupPolicy:\n    local: false\n",
            serde_yaml::to_string(name.as_str()).unwrap_or_default().trim_end(),
            seconds(now),
        );
        Self::parse(Document::parse(&text)?)
    }

    /// Reads one stream.
    ///
    /// # Errors
    /// It is no `ImageStream`, or a field holds what it cannot.
    pub fn parse(document: Document) -> Result<Self, DocumentError> {
        let view = view(document.value())?;
        Ok(Self { document, view })
    }

    /// Reads every stream of a text: one, several documents, or a list as `oc get imagestreams -o yaml` prints it.
    ///
    /// # Errors
    /// As [`ImageStream::parse`], and where there is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, DocumentError> {
        let mut streams = Vec::new();
        for text in documents(text) {
            let document = Document::parse(&text)?;
            let kind = document.value().get("kind").and_then(Value::as_str).unwrap_or_default();
            match document.value().get("items") {
                Some(Value::Sequence(items)) if LISTS.contains(&kind) => {
                    for item in items {
                        streams.push(Self::parse(Document::of(item)?)?);
                    }
                }
                _ if document.value().is_null() => {}
                _ => streams.push(Self::parse(document)?),
            }
        }
        if streams.is_empty() { Err(DocumentError::Nothing) } else { Ok(streams) }
    }

    /// What it says.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// A draft to change it by.
    #[must_use]
    pub fn draft(&self) -> Draft {
        // What was read as a stream is a mapping.
        let root = self.document.value().as_mapping().cloned().unwrap_or_default();
        Draft::new(self.view.metadata.name.clone(), root)
    }

    /// The stream as a draft has it, in the words of this one.
    ///
    /// # Errors
    /// The draft says something that cannot be.
    pub fn changed(&self, draft: Draft) -> Result<Self, DocumentError> {
        let wanted = draft.into_value();
        let view = view(&wanted)?;
        // An anchor or an unusual layout may stand in the way: what it says counts for more than how it looks.
        let document = match edited(&self.document, &wanted) {
            Some(document) if *document.value() == wanted => document,
            _ => Document::of(&wanted)?,
        };
        Ok(Self { document, view })
    }
}

/// A time to the second, as Kubernetes writes it.
pub(super) fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn view(value: &Value) -> Result<View, DocumentError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    if kind != KIND {
        return Err(DocumentError::Kind(kind));
    }
    if version != API_VERSION && version != OLD_API_VERSION {
        return Err(DocumentError::Version(version));
    }
    serde_yaml::from_value(value.clone()).map_err(|error| DocumentError::Field(error.to_string()))
}

/// The documents of a text: a line that begins with `---` parts them, and nothing else can begin so (YAML 1.2, 9.2).
fn documents(text: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut document = String::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("---").filter(|rest| rest.trim_start().len() < rest.len() || rest.is_empty()) {
            Some(rest) => {
                documents.push(std::mem::take(&mut document));
                if !rest.trim().is_empty() {
                    document.push_str(rest);
                }
            }
            None => document.push_str(line),
        }
    }
    documents.push(document);
    documents
}

/// The document with its parts changed one by one, where its text allows.
fn edited(document: &Document, wanted: &Value) -> Option<Document> {
    let mut edited = document.clone();
    edit_keys(&mut edited, &["metadata".into()], wanted)?;
    edit_spec(&mut edited, wanted)?;
    if edited.value().get("status") != wanted.get("status") {
        put(&mut edited, &["status".into()], wanted)?;
    }
    Some(edited)
}

/// Changes, adds and removes the keys of a mapping.
fn edit_keys(document: &mut Document, path: &[Step], wanted: &Value) -> Option<()> {
    let empty = Mapping::new();
    let new = at(wanted, path).and_then(Value::as_mapping).unwrap_or(&empty);
    let old = at(document.value(), path).and_then(Value::as_mapping).cloned().unwrap_or_default();
    for key in old.keys().filter(|key| !new.contains_key(*key)).filter_map(Value::as_str) {
        document.remove(&below(path, key.into())).ok()?;
    }
    for (key, _) in new.iter().filter(|(key, value)| old.get(*key) != Some(value)) {
        let key = key.as_str()?;
        document.replace(&below(path, key.into()), &Document::of(at(wanted, &below(path, key.into()))?).ok()?).ok()?;
    }
    Some(())
}

fn edit_spec(document: &mut Document, wanted: &Value) -> Option<()> {
    let path = [Step::from("spec"), Step::from("tags")];
    let tags = |value: &Value| at(value, &path).and_then(Value::as_sequence).cloned().unwrap_or_default();
    let (old, new) = (tags(document.value()), tags(wanted));
    let name = |tag: &Value| tag.get("name").cloned();
    let kept = |tag: &Value| new.iter().any(|other| name(other) == name(tag));
    for index in (0..old.len()).rev().filter(|index| !kept(&old[*index])) {
        document.remove(&below(&path, index.into())).ok()?;
    }
    let left: Vec<Value> = old.into_iter().filter(|tag| kept(tag)).collect();
    let differing = new.iter().enumerate().filter(|(index, tag)| left.get(*index) != Some(tag)).count();
    if differing <= SINGLE_EDITS {
        for (index, tag) in new.iter().enumerate() {
            match left.get(index) {
                Some(old) if old == tag => {}
                Some(_) => edit_keys(document, &below(&path, index.into()), wanted)?,
                None => document.push(&path, &Document::of(tag).ok()?).ok()?,
            }
        }
    }
    // What is right already stays as it is, and whatever was not done one by one is done now.
    edit_keys(document, &["spec".into()], wanted)
}

fn put(document: &mut Document, path: &[Step], wanted: &Value) -> Option<()> {
    match at(wanted, path) {
        Some(part) => document.put(path, &Document::of(part).ok()?).ok(),
        None => document.remove(path).ok(),
    }
}

fn below(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}

/// Why a text is not a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is no YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// It is something else.
    #[error("its `kind` is `{}`, and not `{KIND}`", .0.escape_debug())]
    Kind(String),
    /// It is of another version.
    #[error("its `apiVersion` is `{}`, and not `{API_VERSION}`", .0.escape_debug())]
    Version(String),
    /// A field is missing, or holds what it cannot.
    #[error("it is no `{KIND}`: {}", .0.escape_debug())]
    Field(String),
    /// It holds no stream.
    #[error("it holds no `{KIND}`")]
    Nothing,
}

impl Failure for DocumentError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }
}
