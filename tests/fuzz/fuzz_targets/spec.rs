//! Application specs: words that are replaced stand where they were said to, and nothing else changes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tranship::application::{Kind, Spec};

fuzz_target!(|text: &str| {
    for kind in Kind::ALL.map(Some).into_iter().chain([None]) {
        let Ok(spec) = Spec::read("spec", text.as_bytes(), kind) else { continue };
        assert_eq!(spec.rewritten(|_| None).unwrap(), text);
        let new = "registry.example.com/app:1";
        if let Ok(written) = spec.rewritten(|_| Some(new.to_owned())) {
            let again = Spec::read("spec", written.as_bytes(), kind).unwrap();
            assert!(again.mentions().iter().all(|mention| mention.image == new), "{written}");
        }
    }
});
