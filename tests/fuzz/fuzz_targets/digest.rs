//! Digests and their beginnings: nothing but the known algorithms and lower-case hex.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tranship::image::{Digest, DigestPrefix, Tag};

fuzz_target!(|text: &str| {
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        assert!(digest.hex().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        assert!(matches!(digest.hex().len(), 64 | 128));
    }
    if let Ok(prefix) = text.parse::<DigestPrefix>() {
        assert!((7..=128).contains(&prefix.hex().len()));
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert!(tag.as_str() == text && text.len() <= 128 && !text.starts_with(['.', '-']));
    }
});
