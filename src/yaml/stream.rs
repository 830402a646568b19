//! A text of one or several documents, every scalar of which knows where its words stand.
//!
//! For files that are another's: they are read, and of their text at most some words are replaced. What is behind an
//! alias or a merge key is one node with one place, however often it is used.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{MAX_BYTES, YamlError};

/// How deep collections may lie within each other, aliases followed.
const MAX_DEPTH: usize = 100;

/// A text of documents.
#[derive(Clone, Debug)]
pub struct Stream {
    text: String,
    nodes: Vec<Stored>,
    documents: Vec<usize>,
}

/// One part of a document: a scalar, a sequence or a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    stream: &'a Stream,
    number: usize,
}

#[derive(Clone, Debug)]
struct Stored {
    content: Content,
    line: usize,
    /// How many collections lie within each other below it, itself included.
    depth: usize,
}

#[derive(Clone, Debug)]
enum Content {
    Scalar { text: String, words: Option<Range<usize>> },
    Sequence(Vec<usize>),
    Mapping(Vec<(usize, usize)>),
}

impl Stream {
    /// Reads every document of a text. A byte order mark in front and line ends of any sort are taken as they are.
    ///
    /// # Errors
    /// The text is not YAML, is longer than [`MAX_BYTES`], has a key twice in one mapping, or is nested too deep;
    /// says on which line.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        if text.len() > MAX_BYTES {
            return Err(YamlError { line: None, what: format!("the text is longer than {MAX_BYTES} bytes") });
        }
        let mut reading = Reading::of(text);
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| not_yaml(&error))?;
            reading.take(event, span)?;
        }
        Ok(Self { text: text.to_owned(), nodes: reading.nodes, documents: reading.documents })
    }

    /// The text, byte for byte.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What each document is. One that says nothing is an empty scalar.
    pub fn documents(&self) -> impl Iterator<Item = Node<'_>> {
        self.documents.iter().map(|number| Node { stream: self, number: *number })
    }
}

impl<'a> Node<'a> {
    /// The text of a scalar, whatever type it may have.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        match self.content() {
            Content::Scalar { text, .. } => Some(text),
            Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    /// Where the words of a scalar stand in the text, without quotes, in bytes; `None` for a collection, and where
    /// the words cannot be told from what is around them.
    #[must_use]
    pub fn words(self) -> Option<Range<usize>> {
        match self.content() {
            Content::Scalar { words, .. } => words.clone(),
            Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    /// The line on which it begins, counted from 1.
    #[must_use]
    pub fn line(self) -> usize {
        self.stored().line
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_mapping(self) -> bool {
        matches!(self.content(), Content::Mapping(_))
    }

    /// Whether it is a sequence.
    #[must_use]
    pub fn is_sequence(self) -> bool {
        matches!(self.content(), Content::Sequence(_))
    }

    /// Whether it says nothing: an empty scalar or `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.text().is_some_and(|text| matches!(text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The items of a sequence; nothing else has any.
    #[must_use]
    pub fn items(self) -> Vec<Self> {
        match self.content() {
            Content::Sequence(items) => items.iter().map(|number| self.at(*number)).collect(),
            Content::Scalar { .. } | Content::Mapping(_) => Vec::new(),
        }
    }

    /// The keys and values of a mapping in their order, and behind them those that it merges (`<<`) and has not itself.
    #[must_use]
    pub fn entries(self) -> Vec<(&'a str, Self)> {
        let mut entries: Vec<(&str, Self)> = Vec::new();
        let mut known = HashSet::new();
        for mapping in self.merged() {
            entries.extend(mapping.own_entries().filter(|(key, _)| *key != "<<" && known.insert(*key)));
        }
        entries
    }

    /// The value of a key of a mapping, its own before those that it merges.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Self> {
        let found = |mapping: Self| mapping.own_entries().find(|(own, _)| *own == key).map(|(_, value)| value);
        self.merged().into_iter().find_map(found)
    }

    /// The text of the scalar at a key.
    #[must_use]
    pub fn get_text(self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// What tells it from every other node of the stream.
    #[must_use]
    pub const fn number(self) -> usize {
        self.number
    }

    /// This mapping and all that it merges, each once, the nearest first.
    fn merged(self) -> Vec<Self> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut waiting = vec![self];
        while let Some(node) = waiting.pop() {
            if !node.is_mapping() || !seen.insert(node.number) {
                continue;
            }
            found.push(node);
            for (_, merge) in node.own_entries().filter(|(key, _)| *key == "<<") {
                if merge.is_sequence() { waiting.extend(merge.items().into_iter().rev()) } else { waiting.push(merge) }
            }
        }
        found
    }

    fn own_entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let entries = match self.content() {
            Content::Mapping(entries) => entries.as_slice(),
            Content::Scalar { .. } | Content::Sequence(_) => &[],
        };
        entries.iter().filter_map(move |(key, value)| Some((self.at(*key).text()?, self.at(*value))))
    }

    fn at(self, number: usize) -> Self {
        Self { stream: self.stream, number }
    }

    fn stored(self) -> &'a Stored {
        &self.stream.nodes[self.number]
    }

    fn content(self) -> &'a Content {
        &self.stored().content
    }
}

/// The text with the words at these places replaced, and every other byte as it was. The places are in any order; of
/// those that overlap the first counts.
#[must_use]
pub fn replace_words(text: &str, words: &[(Range<usize>, String)]) -> String {
    let mut places: Vec<&(Range<usize>, String)> = words.iter().collect();
    places.sort_by_key(|(range, _)| range.start);
    let mut written = String::with_capacity(text.len());
    let mut from = 0;
    for (range, new) in places {
        if let Some(before) = text.get(from..range.start) {
            written.push_str(before);
            written.push_str(new);
            from = range.end;
        }
    }
    written.push_str(text.get(from..).unwrap_or_default());
    written
}

/// A text that is being read.
struct Reading<'a> {
    text: &'a str,
    /// Where each character begins; the parser counts characters. Empty where those are bytes.
    characters: Vec<usize>,
    nodes: Vec<Stored>,
    documents: Vec<usize>,
    /// The collections that have not ended.
    open: Vec<Open>,
    /// What aliases can stand for. What has not ended is not among it, so nothing can hold itself.
    anchors: HashMap<usize, usize>,
}

/// A collection that has not ended.
struct Open {
    number: usize,
    anchor: usize,
    /// The key of a mapping that waits for its value.
    key: Option<usize>,
}

impl<'a> Reading<'a> {
    fn of(text: &'a str) -> Self {
        let ends = || text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let characters = if text.is_ascii() { Vec::new() } else { ends() };
        let (nodes, documents, open) = (Vec::new(), Vec::new(), Vec::new());
        Self { text, characters, nodes, documents, open, anchors: HashMap::new() }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let line = span.start.line();
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => Ok(()),
            Event::DocumentEnd => {
                // No alias reaches into another document.
                self.anchors.clear();
                Ok(())
            }
            Event::Alias(anchor) => {
                let number = self.anchors.get(&anchor).copied();
                self.place(number.ok_or_else(|| wrong(line, "an alias stands for what has not ended before it"))?)
            }
            Event::Scalar(text, style, anchor, _) => {
                let words = self.words(&text, style, span);
                let number = self.add(Content::Scalar { text: text.into_owned(), words }, line, 0);
                self.name(anchor, number);
                self.place(number)
            }
            Event::SequenceStart(anchor, _) => self.begin(Content::Sequence(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => self.begin(Content::Mapping(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn add(&mut self, content: Content, line: usize, depth: usize) -> usize {
        self.nodes.push(Stored { content, line, depth });
        self.nodes.len() - 1
    }

    fn name(&mut self, anchor: usize, number: usize) {
        // 0 is no anchor.
        if anchor != 0 {
            self.anchors.insert(anchor, number);
        }
    }

    fn begin(&mut self, content: Content, anchor: usize, line: usize) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(line));
        }
        let number = self.add(content, line, 1);
        self.open.push(Open { number, anchor, key: None });
        Ok(())
    }

    fn end(&mut self) -> Result<(), YamlError> {
        let Some(Open { number, anchor, .. }) = self.open.pop() else { return Ok(()) };
        self.name(anchor, number);
        self.refuse_doubles(number)?;
        self.place(number)
    }

    /// Puts a node that is whole where it belongs: into the collection around it, or at the top.
    fn place(&mut self, number: usize) -> Result<(), YamlError> {
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(number);
            return Ok(());
        };
        let (below, line) = (self.nodes[number].depth, self.nodes[number].line);
        let stored = &mut self.nodes[parent.number];
        stored.depth = stored.depth.max(below + 1);
        if stored.depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        match (&mut stored.content, parent.key.take()) {
            (Content::Sequence(items), _) => items.push(number),
            (Content::Mapping(entries), Some(key)) => entries.push((key, number)),
            (Content::Mapping(_) | Content::Scalar { .. }, _) => parent.key = Some(number),
        }
        Ok(())
    }

    /// Refuses a mapping with a key twice: readers differ in which of the two counts.
    fn refuse_doubles(&self, number: usize) -> Result<(), YamlError> {
        let Content::Mapping(entries) = &self.nodes[number].content else { return Ok(()) };
        let mut seen = HashSet::new();
        for (key, _) in entries {
            let Stored { content: Content::Scalar { text, .. }, line, .. } = &self.nodes[*key] else { continue };
            if text != "<<" && !seen.insert(text) {
                return Err(wrong(*line, format!("the key `{}` stands twice in one mapping", text.escape_debug())));
            }
        }
        Ok(())
    }

    /// Where the words of a scalar stand: without anchor and tag in front, without quotes.
    fn words(&self, text: &str, style: ScalarStyle, span: Span) -> Option<Range<usize>> {
        let (start, end) = (self.byte(span.start.index())?, self.byte(span.end.index())?);
        let raw = self.text.get(start..end)?;
        match style {
            ScalarStyle::Plain => raw.ends_with(text).then(|| end - text.len()..end),
            ScalarStyle::SingleQuoted => quoted(raw, '\'').map(|within| start + within.start..start + within.end),
            ScalarStyle::DoubleQuoted => quoted(raw, '"').map(|within| start + within.start..start + within.end),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let content = text.trim();
                let mut found = raw.match_indices(content).filter(|_| !content.is_empty());
                let (at, _) = found.next()?;
                found.next().is_none().then(|| start + at..start + at + content.len())
            }
        }
    }

    fn byte(&self, character: usize) -> Option<usize> {
        if self.characters.is_empty() { Some(character) } else { self.characters.get(character).copied() }
    }
}

/// What stands between the quotes: behind an anchor or a tag, which hold none, and before a comment, which may.
fn quoted(raw: &str, quote: char) -> Option<Range<usize>> {
    let open = raw.find(quote)? + 1;
    let mut characters = raw[open..].char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let is_escape = match quote {
            '"' => character == '\\',
            _ => character == quote && characters.peek().is_some_and(|(_, next)| *next == quote),
        };
        if is_escape {
            characters.next();
        } else if character == quote {
            return Some(open..open + at);
        }
    }
    None
}

fn wrong(line: usize, what: impl Into<String>) -> YamlError {
    YamlError { line: Some(line), what: what.into() }
}

fn too_deep(line: usize) -> YamlError {
    wrong(line, format!("collections lie more than {MAX_DEPTH} deep within each other"))
}

fn not_yaml(error: &ScanError) -> YamlError {
    wrong(error.marker().line(), format!("this is not YAML: {}", error.info().escape_debug()).replace("\\'", "'"))
}
