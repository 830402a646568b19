//! Edits of a YAML document: the text means what the edit was to make of it, or nothing is changed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tranship::yaml::{Document, Step, at};

// The input is `document NUL part NUL step NUL step …`, where a step of digits alone is an item.
fuzz_target!(|text: &str| {
    let mut words = text.split('\0');
    let mut next = || words.next().unwrap_or_default();
    let (Ok(document), Ok(part)) = (Document::parse(next()), Document::parse(next())) else { return };
    let step = |word: &str| word.parse::<usize>().map_or_else(|_| Step::from(word), Step::from);
    let path: Vec<Step> = words.take(4).map(step).collect();
    let _ = (document.positions().line(&path), document.part(&path));
    type Edit = fn(&mut Document, &[Step], &Document) -> bool;
    let edits: [Edit; 3] = [
        |document, path, part| document.put(path, part).is_ok(),
        |document, path, part| document.push(path, part).is_ok(),
        |document, path, _| document.remove(path).is_ok(),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut edited = document.clone();
        if edit(&mut edited, &path, &part) {
            assert_eq!(Document::parse(edited.text()).as_ref().map(Document::value), Ok(edited.value()));
            assert!(number != 0 || at(edited.value(), &path) == Some(part.value()), "what was put is not there");
        } else {
            assert!(edited == document, "a failed edit changed something");
        }
    }
});
