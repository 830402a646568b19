//! Edits of a document: what they touch changes, everything else stays byte for byte.

use yaml_edit::YamlNode;

use super::position::{find, root, tree};
use super::{Document, Mapping, Step, Value, YamlError, at};
use crate::failure::{Failure, FailureKind};

impl Document {
    /// Puts `part` at `path`: in the place of what is there, or as a new key. Mappings on the way are made.
    ///
    /// # Errors
    /// The path leads through something that is no mapping or past the end of a sequence, or the text has a form
    /// in which this cannot be written. Nothing is changed then.
    pub fn put(&mut self, path: &[Step], part: &Self) -> Result<(), EditError> {
        let Some((last, parent)) = path.split_last() else {
            return self.put_all(part);
        };
        if let (true, Step::Key(key)) = (self.is_blank(parent), last) {
            return self.put(parent, &part.below(key)?);
        }
        let mut wanted = self.value().clone();
        set(&mut wanted, path, part.value().clone())?;
        self.edit(&wanted, path, |tree| {
            let node = part_node(part)?;
            match (find(tree, parent)?, last) {
                (YamlNode::Mapping(mapping), Step::Key(key)) => mapping.set(key, &node),
                (YamlNode::Sequence(items), Step::Item(index)) => drop(items.set(*index, &node)),
                _ => return None,
            }
            Some(())
        })
    }

    /// Puts `part` behind the last item of the sequence at `path`, which is made where it is missing.
    ///
    /// # Errors
    /// As [`Document::put`], and where something else than a sequence is there.
    pub fn push(&mut self, path: &[Step], part: &Self) -> Result<(), EditError> {
        let mut wanted = self.value().clone();
        match at(&wanted, path) {
            None | Some(Value::Null) => return self.put(path, &part.as_item()?),
            Some(Value::Sequence(items)) if items.is_empty() => return self.put(path, &part.as_item()?),
            Some(_) => {}
        }
        let Some(Value::Sequence(items)) = at_mut(&mut wanted, path) else {
            return Err(EditError::missing(path));
        };
        items.push(part.value().clone());
        self.edit(&wanted, path, |tree| {
            find(tree, path)?.as_sequence()?.push(&part_node(part)?);
            Some(())
        })
    }

    /// Removes what stands at `path`: the key with its value, or the item. What is on its lines goes with it,
    /// comments on lines of their own stay.
    ///
    /// # Errors
    /// Nothing stands there, or the text has a form in which this cannot be written. Nothing is changed then.
    pub fn remove(&mut self, path: &[Step]) -> Result<(), EditError> {
        let (last, parent) = path.split_last().ok_or_else(|| EditError::missing(path))?;
        at(self.value(), path).ok_or_else(|| EditError::missing(path))?;
        let mut wanted = self.value().clone();
        match (at_mut(&mut wanted, parent), last) {
            (Some(Value::Mapping(mapping)), Step::Key(key)) => drop(mapping.shift_remove(key.as_str())),
            (Some(Value::Sequence(items)), Step::Item(index)) => drop(items.remove(*index)),
            _ => return Err(EditError::missing(path)),
        }
        self.edit(&wanted, path, |tree| {
            match (find(tree, parent)?, last) {
                (YamlNode::Mapping(mapping), Step::Key(key)) => drop(mapping.remove(key)?),
                (YamlNode::Sequence(items), Step::Item(index)) => drop(items.remove(*index)?),
                _ => return None,
            }
            Some(())
        })
    }

    /// Makes what stands at `path` mean what `part` means, touching no more than differs.
    ///
    /// # Errors
    /// As [`Document::put`]. What was written before the error stays: work on a copy.
    pub fn replace(&mut self, path: &[Step], part: &Self) -> Result<(), EditError> {
        match (at(self.value(), path), part.value()) {
            (Some(old), new) if old == new => Ok(()),
            (Some(Value::Mapping(old)), Value::Mapping(new)) if !old.is_empty() && !new.is_empty() => {
                let gone: Vec<Step> = keys(old).filter(|key| !new.contains_key(*key)).map(Step::from).collect();
                for step in gone {
                    self.remove(&below(path, step))?;
                }
                for key in keys(new) {
                    self.replace(&below(path, key.into()), &part.part(&[key.into()])?)?;
                }
                Ok(())
            }
            (Some(Value::Sequence(old)), Value::Sequence(new)) if !old.is_empty() && !new.is_empty() => {
                let (length, kept) = (old.len(), old.len().min(new.len()));
                for index in (kept..length).rev() {
                    self.remove(&below(path, index.into()))?;
                }
                for index in 0..kept {
                    self.replace(&below(path, index.into()), &part.part(&[index.into()])?)?;
                }
                (kept..new.len()).try_for_each(|index| self.push(path, &part.part(&[index.into()])?))
            }
            _ => self.put(path, part),
        }
    }

    /// This document as the value of a key.
    ///
    /// # Errors
    /// The two parsers do not agree on the result, which takes a text that is hardly written by a person.
    pub fn below(&self, key: &str) -> Result<Self, EditError> {
        let value = Value::Mapping(Mapping::from_iter([(Value::from(key), self.value().clone())]));
        let Ok(key) = serde_yaml::to_string(key) else {
            return Self::of(&value).map_err(EditError::from);
        };
        let text = match self.value() {
            Value::Mapping(_) => format!("{}:\n{}", key.trim_end(), indented(self.text())),
            // As most people write a list.
            Value::Sequence(_) => format!("{}:\n{}", key.trim_end(), self.text()),
            _ => String::new(),
        };
        Self::in_words_or_as(&text, &value)
    }

    /// This document as the only item of a sequence.
    ///
    /// # Errors
    /// As [`Document::below`].
    pub fn as_item(&self) -> Result<Self, EditError> {
        let text = format!("-{}", indented(self.text()).strip_prefix(' ').unwrap_or_default());
        Self::in_words_or_as(&text, &Value::Sequence(vec![self.value().clone()]))
    }

    /// `text`, where it means `value`; else the value in plain words.
    fn in_words_or_as(text: &str, value: &Value) -> Result<Self, EditError> {
        match Self::parse(text).ok().filter(|document| document.value() == value) {
            Some(document) => Ok(document),
            None => Self::of(value).map_err(EditError::from),
        }
    }

    fn is_blank(&self, path: &[Step]) -> bool {
        match at(self.value(), path) {
            None | Some(Value::Null) => true,
            Some(Value::Mapping(mapping)) => mapping.is_empty(),
            Some(_) => false,
        }
    }

    /// Replaces the whole meaning, keeping the comments of a document that means nothing yet.
    fn put_all(&mut self, part: &Self) -> Result<(), EditError> {
        if !self.is_blank(&[]) {
            *self = part.clone();
            return Ok(());
        }
        let (before, behind) = self.around();
        let text = [before, part.text(), behind].map(str::trim_end).into_iter().filter(|text| !text.is_empty());
        let edited = Self::parse(&text.flat_map(|text| [text, "\n"]).collect::<String>())?;
        if edited.value != part.value {
            return Err(EditError::Form { place: String::new() });
        }
        *self = edited;
        Ok(())
    }

    /// The text around the `{}` of an empty mapping; all of a text that means nothing.
    fn around(&self) -> (&str, &str) {
        let range = tree(self.text()).and_then(|tree| root(&tree)).map(|node| node.byte_range());
        match (self.value(), range) {
            (Value::Mapping(_), Some(range)) => {
                let part = |range: std::ops::Range<usize>| self.text().get(range).unwrap_or_default();
                (part(0..range.start as usize), part(range.end as usize..self.text().len()).trim_start())
            }
            _ => (self.text(), ""),
        }
    }

    /// Edits the tree and takes its text, where that means what is `wanted`.
    fn edit(
        &mut self,
        wanted: &Value,
        path: &[Step],
        change: impl FnOnce(YamlNode) -> Option<()>,
    ) -> Result<(), EditError> {
        let refused = || EditError::Form { place: shown(path) };
        let tree = tree(self.text()).ok_or_else(refused)?;
        root(&tree).and_then(change).ok_or_else(refused)?;
        let edited = Self::parse(&tree.to_string()).map_err(|_| refused())?;
        if edited.value != *wanted {
            return Err(refused());
        }
        *self = edited;
        Ok(())
    }
}

fn part_node(part: &Document) -> Option<YamlNode> {
    root(&tree(part.text())?)
}

fn keys(mapping: &Mapping) -> impl Iterator<Item = &str> {
    mapping.keys().filter_map(Value::as_str)
}

fn below(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

fn at_mut<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match (value, step) {
        (Value::Mapping(mapping), Step::Key(key)) => mapping.get_mut(key.as_str()),
        (Value::Sequence(items), Step::Item(index)) => items.get_mut(*index),
        _ => None,
    })
}

/// Sets the value at `path`, whose parent is there.
fn set(root: &mut Value, path: &[Step], new: Value) -> Result<(), EditError> {
    let missing = || EditError::missing(path);
    let (last, parent) = path.split_last().ok_or_else(missing)?;
    match (at_mut(root, parent), last) {
        (Some(Value::Mapping(mapping)), Step::Key(key)) => drop(mapping.insert(key.as_str().into(), new)),
        (Some(Value::Sequence(items)), Step::Item(index)) => *items.get_mut(*index).ok_or_else(missing)? = new,
        _ => return Err(missing()),
    }
    Ok(())
}

fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Item(index) => text.extend(["[", &index.to_string(), "]"]),
        }
    }
    text
}

/// Why a document was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The path leads nowhere.
    #[error("there is nothing to change at `{}`", place.escape_debug())]
    Missing {
        /// The path, as text.
        place: String,
    },
    /// The text is written in a form that cannot be changed without touching more than was asked for.
    #[error("the text at `{}` is in a form that cannot be edited in place", place.escape_debug())]
    Form {
        /// The path, as text.
        place: String,
    },
    /// What should be written is not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

impl EditError {
    pub(super) fn missing(path: &[Step]) -> Self {
        Self::Missing { place: shown(path) }
    }
}

impl Failure for EditError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Missing { .. } => FailureKind::NotFound,
            Self::Form { .. } => FailureKind::Failed,
            Self::Yaml(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Form { .. } => vec!["edit the file by hand: an anchor or an unusual layout stands there".to_owned()],
            Self::Missing { .. } | Self::Yaml(_) => Vec::new(),
        }
    }
}
