//! How a stranger's words are made fit to be shown: every character that could move a cursor, hide text or
//! break a line is written out as its code.
//!
//! Tags, labels, messages of registries and file names go through here on their way to a terminal, a pipe or a
//! log. Everything that `output` writes passes [`Escaping`]; reports use [`Shown`] for words that
//! must stay on one line.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

/// Shows a value on one line: line breaks and all hidden or active characters become visible.
///
/// What is shown once is not changed by being shown again.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(OneLine(f), "{}", self.0)
    }
}

struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&escape(text))
    }
}

/// The text on one line, with every hidden or active character written out, e.g. `\n`, `\u{1b}`, `\u{202e}`.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is not what it looks like: controls (C0, DEL, C1), line separators, what turns the
/// direction of text, what has no width, fillers, and the invisible tag characters.
#[must_use]
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// How a character is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// For people: `\u{1b}`.
    Text,
    /// Within a JSON string: `\u001b`, beyond the first plane as two halves.
    Json,
    /// Within a double-quoted YAML string: `\u001b`, `\U000E0001`.
    Yaml,
}

/// A writer that lets nothing hidden through but the line feed, whoever forgot to escape it.
///
/// In JSON and YAML a hidden character can only stand within a quoted string (the serialisers write no other
/// control than the line feed between strings), so its code in that notation means the same character.
#[derive(Debug)]
pub(super) struct Escaping<W> {
    inner: W,
    notation: Notation,
}

impl<W: Write> Escaping<W> {
    pub(super) fn new(inner: W, notation: Notation) -> Self {
        Self { inner, notation }
    }

    fn code(&self, c: char) -> String {
        let mut code = String::with_capacity(10);
        // Writing to a string cannot fail.
        let _ = match (self.notation, u32::from(c)) {
            (Notation::Text, _) => write!(code, "{}", c.escape_default()),
            (Notation::Yaml, point @ 0x1_0000..) => write!(code, "\\U{point:08X}"),
            (Notation::Json | Notation::Yaml, _) => {
                c.encode_utf16(&mut [0; 2]).iter().try_for_each(|half| write!(code, "\\u{half:04x}"))
            }
        };
        code
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| c != '\n' && is_hidden(c)) {
            self.inner.write_all(&rest.as_bytes()[..at])?;
            self.inner.write_all(self.code(c).as_bytes())?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.inner.write_all(rest.as_bytes())
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for chunk in bytes.utf8_chunks() {
            self.text(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(self.inner, "\\x{byte:02x}")?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(notation: Notation, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        Escaping::new(&mut out, notation).write_all(bytes).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn active_characters_become_visible() {
        let cases = [
            ("plain ünï 漢字 🐳", "plain ünï 漢字 🐳"),
            ("\u{1b}]52;c;ZXZpbA==\u{7}", r"\u{1b}]52;c;ZXZpbA==\u{7}"),
            ("a\r\nb\tc\0", r"a\r\nb\tc\u{0}"),
            ("\u{7f}\u{9b}31m\u{85}", r"\u{7f}\u{9b}31m\u{85}"),
            ("v1\u{202e}0.2v", r"v1\u{202e}0.2v"),
            ("\u{2066}x\u{2069}", r"\u{2066}x\u{2069}"),
            ("\u{feff}a\u{200b}b\u{200d}c\u{2060}", r"\u{feff}a\u{200b}b\u{200d}c\u{2060}"),
            ("\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
            ("\u{e0041}", r"\u{e0041}"),
        ];
        for (text, shown) in cases {
            assert_eq!(escape(text), shown);
            assert_eq!(Shown(text).to_string(), shown);
        }
    }

    #[test]
    fn the_writer_keeps_line_feeds_and_nothing_else() {
        assert_eq!(written(Notation::Text, b"a\nb\rc\x1b[0m"), "a\nb\\rc\\u{1b}[0m");
        assert_eq!(written(Notation::Text, b"\xff\xfeok\xe2\x80"), r"\xff\xfeok\xe2\x80");
    }

    #[test]
    fn json_and_yaml_notation_mean_the_same_character() {
        let hidden = "\u{7f}\u{9b}\u{202e}\u{feff}\u{e0041}";
        let json = written(Notation::Json, serde_json::to_string(hidden).unwrap().as_bytes());
        assert_eq!(json, r#""\u007f\u009b\u202e\ufeff\udb40\udc41""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hidden);
        let yaml = written(Notation::Yaml, serde_json::to_string(hidden).unwrap().as_bytes());
        assert_eq!(serde_yaml::from_str::<String>(&yaml).unwrap(), hidden);
    }

    proptest! {
        #[test]
        fn nothing_hidden_comes_through(text in any::<String>()) {
            let shown = escape(&text).into_owned();
            prop_assert!(!shown.contains(is_hidden), "{:?}", shown);
            prop_assert_eq!(&escape(&shown), &shown);
        }

        #[test]
        fn nothing_hidden_comes_through_the_writer(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text = written(Notation::Text, &bytes);
            prop_assert!(!text.contains(|c| c != '\n' && is_hidden(c)), "{:?}", text);
        }

        #[test]
        fn json_keeps_its_meaning(text in any::<String>()) {
            let json = written(Notation::Json, serde_json::to_string(&text).unwrap().as_bytes());
            prop_assert!(!json.contains(is_hidden), "{:?}", json);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
