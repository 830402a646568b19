//! Where things stand in a text.

use std::str::FromStr as _;

use yaml_edit::{TextPosition, YamlNode};

use super::Step;

/// Where the parts of one text stand. Made once for many questions.
pub struct Positions {
    root: Option<YamlNode>,
    /// Where each line begins, in bytes.
    lines: Vec<u32>,
}

impl Positions {
    pub(super) fn of(text: &str) -> Self {
        let breaks = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, behind)| behind);
        Self { root: tree(text).and_then(|tree| root(&tree)), lines: std::iter::once(0).chain(breaks).collect() }
    }

    /// The line on which the thing at `path` begins, counted from 1: for the value of a key, the line of the key.
    /// Where it cannot be told (behind an alias), the line of the nearest thing around it.
    #[must_use]
    pub fn line(&self, path: &[Step]) -> usize {
        let known = (0..=path.len()).rev().find_map(|length| self.start(&path[..length]));
        self.lines.partition_point(|begin| *begin <= known.unwrap_or_default()).max(1)
    }

    /// The text of the scalar at `path`, as it is written there, without quotes.
    #[must_use]
    pub fn scalar(&self, path: &[Step]) -> Option<String> {
        Some(self.find(path)?.as_scalar()?.as_string())
    }

    fn find(&self, path: &[Step]) -> Option<YamlNode> {
        find(self.root.clone()?, path)
    }

    fn start(&self, path: &[Step]) -> Option<u32> {
        let Some((Step::Key(key), parent)) = path.split_last() else {
            return Some(self.find(path)?.byte_range().start);
        };
        let entry = self.find(parent)?.as_mapping()?.find_entry_by_key(key)?;
        Some(entry.key_node()?.byte_range().start)
    }

    /// The text of what stands at `path`, moved to the left margin.
    pub(super) fn part(&self, text: &str, path: &[Step]) -> Option<String> {
        let TextPosition { start, end } = self.find(path)?.byte_range();
        let line = self.lines.get(self.lines.partition_point(|begin| *begin <= start).checked_sub(1)?)?;
        let column = text.get(*line as usize..start as usize)?.chars().count();
        let mut part = String::new();
        for (number, line) in text.get(start as usize..end as usize)?.lines().enumerate() {
            // Less than `column` before a later line is a continuation, whose white space means nothing.
            let margin = line.bytes().take(column).take_while(|byte| *byte == b' ').count();
            part.push_str(if number == 0 { line } else { &line[margin..] });
            part.push('\n');
        }
        Some(part)
    }
}

/// The lossless tree of a text.
pub(super) fn tree(text: &str) -> Option<yaml_edit::Document> {
    yaml_edit::Document::from_str(text).ok()
}

/// What the whole tree is.
pub(super) fn root(tree: &yaml_edit::Document) -> Option<YamlNode> {
    let mapping = tree.as_mapping().map(YamlNode::Mapping);
    let sequence = || tree.as_sequence().map(YamlNode::Sequence);
    mapping.or_else(sequence).or_else(|| tree.as_scalar().map(YamlNode::Scalar))
}

/// What stands at `path` below `node`; nothing behind an alias.
pub(super) fn find(node: YamlNode, path: &[Step]) -> Option<YamlNode> {
    path.iter().try_fold(node, |node, step| match step {
        Step::Key(key) => node.as_mapping()?.get(key),
        Step::Item(index) => node.as_sequence()?.get(*index),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_keys() {
        let text = "# head\r\na:\r\n  b: 1\r\n\r\n  c: # why\r\n  - x\r\n  - y: 2\r\nd: {e: 1,\r\n    f: 010}\r\n";
        let positions = Positions::of(text);
        let line = |path: &[Step]| positions.line(path);
        assert_eq!(line(&["a".into()]), 2);
        assert_eq!(line(&["a".into(), "b".into()]), 3);
        assert_eq!(line(&["a".into(), "c".into()]), 5);
        assert_eq!(line(&["a".into(), "c".into(), 0.into()]), 6);
        assert_eq!(line(&["a".into(), "c".into(), 1.into(), "y".into()]), 7);
        assert_eq!(line(&["d".into(), "f".into()]), 9);
        assert_eq!(line(&["d".into(), "nowhere".into()]), 8);
        assert_eq!(positions.scalar(&["d".into(), "f".into()]).as_deref(), Some("010"));
        assert_eq!(Positions::of("").line(&["x".into()]), 1);
    }

    #[test]
    fn behind_an_alias_it_is_the_line_of_the_alias() {
        let positions = Positions::of("a: &x\n  k: 1\nb: *x\n");
        assert_eq!(positions.line(&["b".into(), "k".into()]), 3);
    }
}
