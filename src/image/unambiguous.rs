//! Refuses JSON that two readers can understand in two ways (CVE-2021-41190 and its kin).
//!
//! Readers differ in which of two equal keys counts, and Go's compares keys without regard to case. A manifest
//! must mean the same to whoever checks it and whoever runs it. `manifest` alone uses this.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// The keys of manifests, indexes and descriptors, of the OCI's and of Docker's documents.
const KNOWN: [&str; 22] = [
    "annotations",
    "architecture",
    "artifactType",
    "blobs",
    "config",
    "data",
    "digest",
    "fsLayers",
    "layers",
    "history",
    "manifests",
    "mediaType",
    "os",
    "os.features",
    "os.version",
    "platform",
    "schemaVersion",
    "signatures",
    "size",
    "subject",
    "urls",
    "variant",
];

/// Reads a document to its end and refuses keys that stand twice, or that differ from a known one in case alone.
///
/// # Errors
/// Says which key; also where the bytes are no JSON, nest deeper than 128 levels, or go on behind the document.
pub(super) fn check(bytes: &[u8]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    OneReading { notes: false }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// A key as Go's reader compares it: without case, where `ſ` is an `s` and the Kelvin sign a `k`.
fn fold(key: &str) -> String {
    let letter = |c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    key.chars().map(letter).collect()
}

/// Walks a JSON document and refuses keys that some readers would take for one another.
#[derive(Clone, Copy)]
struct OneReading {
    /// Inside `annotations`, where keys that differ in case are different.
    notes: bool,
}

impl<'de> DeserializeSeed<'de> for OneReading {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneReading {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let notes = key == "annotations";
            let folded = if self.notes { key.clone() } else { fold(&key) };
            if !self.notes
                && let Some(known) = KNOWN.iter().find(|known| fold(known) == folded && **known != key)
            {
                let found = key.escape_debug();
                return Err(A::Error::custom(format_args!("the key `{found}` would be `{known}` to some readers")));
            }
            if !seen.insert(folded) {
                return Err(A::Error::custom(format_args!("the key `{}` stands twice", key.escape_debug())));
            }
            entries.next_value_seed(Self { notes })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        check(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn a_key_stands_once() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"A":1}"#, r#"{"x":[{"b":{"\u0061":1,"a":2}}]}"#] {
            assert!(refused(text).contains("stands twice"), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn a_known_key_has_one_spelling() {
        let cases = [
            (r#"{"Manifests":[]}"#, "`Manifests` would be `manifests`"),
            (r#"{"layer\u017f":[]}"#, "would be `layers`"),
            (r#"{"schemaversion":2}"#, "would be `schemaVersion`"),
            (r#"{"config":{"MediaType":""}}"#, "would be `mediaType`"),
            (r#"{"manifests":[{"platform":{"OS":"linux"}}]}"#, "would be `os`"),
        ];
        for (text, part) in cases {
            assert!(refused(text).contains(part), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn notes_may_differ_in_case_but_stand_once() {
        assert!(check(br#"{"annotations":{"a":"1","A":"2","Digest":"3"}}"#).is_ok());
        assert!(refused(r#"{"annotations":{"a":"1","a":"2"}}"#).contains("stands twice"));
        assert!(refused(r#"{"Annotations":{"a":"1","A":"2"}}"#).contains("would be `annotations`"));
    }

    #[test]
    fn what_is_unknown_is_left_alone() {
        assert!(check(br#"{"x-tra":{"Y":[1,-1,1.5,true,null,"z"]},"mediaType":"a"}"#).is_ok());
    }

    proptest! {
        #[test]
        fn no_input_breaks_the_walk(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = check(&bytes);
        }

        #[test]
        fn any_spelling_of_a_known_key_but_the_right_one_is_refused(
            which in 0..KNOWN.len(), upper in proptest::collection::vec(any::<bool>(), 20),
        ) {
            let known = KNOWN[which];
            let change = |(c, upper): (char, &bool)| if *upper { c.to_ascii_uppercase() } else { c };
            let spelled: String = known.chars().zip(upper.iter()).map(change).collect();
            let text = format!(r#"{{"{spelled}":0}}"#);
            prop_assert_eq!(check(text.as_bytes()).is_ok(), spelled == known);
        }
    }
}
