//! References and locations: what is read says itself again, and nothing of it leaves a path or a URL.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tranship::image::{ImageReference, Location, Naming, RepositoryName};

fuzz_target!(|text: &str| {
    let default = Some("registry.example.com:5000/team".parse().expect("it is well formed"));
    for naming in [Naming::default(), Naming { default, ..Naming::default() }] {
        if let Ok(reference) = ImageReference::parse(text, &naming) {
            let shown = reference.to_string();
            assert_eq!(ImageReference::parse(&shown, &Naming::default()).as_ref(), Ok(&reference), "{shown}");
            is_harmless(&reference.repository);
            is_harmless(
                &RepositoryName::at_home(&reference.registry, &reference.repository).unwrap_or(reference.repository),
            );
        }
        if let Ok(location) = Location::parse(text, &naming) {
            let shown = location.to_string();
            assert_eq!(Location::parse(&shown, &naming).as_ref(), Ok(&location), "{shown}");
        }
    }
});

fn is_harmless(name: &RepositoryName) {
    assert!(name.as_str().len() <= 255);
    assert!(name.parts().all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric())), "{name}");
    assert!(!name.as_str().contains(['\\', ':', '%', '\0']));
}
