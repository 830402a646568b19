//! Where words stand, by example; and texts made at random keep every byte but the words.

use proptest::prelude::*;

use super::*;

fn stream(text: &str) -> Stream {
    Stream::parse(text).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

/// The words of the scalar at a key of the first document, as they stand in the text.
fn words(text: &str, key: &str) -> String {
    let stream = stream(text);
    let node = stream.documents().next().unwrap().get(key).unwrap();
    text[node.words().unwrap()].to_owned()
}

#[test]
fn words_stand_where_they_are_written() {
    for (text, found) in [
        ("a: nginx:1\n", "nginx:1"),
        ("a:   nginx:1   # why\n", "nginx:1"),
        ("a: 'nginx:1'\n", "nginx:1"),
        ("a: \"nginx:1\" # \"x\"\n", "nginx:1"),
        ("a: \"nginx\\x3a1\"\n", "nginx\\x3a1"),
        ("a: \"n\\\"\\\\\" # \"\n", "n\\\"\\\\"),
        ("a: 'it''s' # it's\n", "it''s"),
        ("{a: nginx:1, b: 2}\n", "nginx:1"),
        ("{\"a\":\"nginx:1\"}", "nginx:1"),
        ("a: &nginx nginx\n", "nginx"),
        ("a: !!str &x 'nginx:1'\n", "nginx:1"),
        ("a: >-\n  nginx:1\nb: 2\n", "nginx:1"),
        ("a: |\r\n    nginx:1\r\n", "nginx:1"),
        ("\u{feff}# é\r\na: nginx:1\r\n", "nginx:1"),
        ("é: ü\na: nginx:1", "nginx:1"),
        ("? a\n: nginx:1\n", "nginx:1"),
        ("a:\n  nginx:1\n", "nginx:1"),
    ] {
        assert_eq!(words(text, "a"), found, "{text:?}");
    }
    let folded = stream("a: one\n  two\n");
    let node = folded.documents().next().unwrap().get("a").unwrap();
    assert_eq!((node.text(), node.words()), (Some("one two"), None));
}

#[test]
fn what_an_alias_stands_for_stands_in_one_place() {
    let text =
        "a: &x nginx:1\nb: *x\nc: &m {image: redis:7, k: v}\nd:\n  <<: *m\n  k: own\ne:\n  <<: [{k: first}, *m]\n";
    let stream = stream(text);
    let root = stream.documents().next().unwrap();
    let [a, b] = ["a", "b"].map(|key| root.get(key).unwrap());
    assert_eq!((a.number(), a.line()), (b.number(), 1));
    let [d, e] = ["d", "e"].map(|key| root.get(key).unwrap());
    assert_eq!((d.get_text("image"), d.get_text("k")), (Some("redis:7"), Some("own")));
    assert_eq!((e.get_text("image"), e.get_text("k")), (Some("redis:7"), Some("first")));
    let entries: Vec<&str> = d.entries().into_iter().map(|(key, _)| key).collect();
    assert_eq!(entries, ["k", "image"]);
    assert_eq!(d.get("image").unwrap().line(), 3);
}

#[test]
fn documents_are_apart() {
    let text = "# head\n%YAML 1.2\n---\na: 1\n---\n# nothing\n---\r\n- a: 2\n...\n---\n'x'\n";
    let stream = stream(text.trim_start_matches("# head\n"));
    let documents: Vec<Node<'_>> = stream.documents().collect();
    assert_eq!(documents.len(), 4);
    assert!(documents[0].is_mapping() && documents[1].is_null() && documents[2].is_sequence());
    assert_eq!(documents[2].items()[0].get_text("a"), Some("2"));
    assert_eq!(documents[3].text(), Some("x"));
    assert_eq!(Stream::parse("").unwrap().documents().count(), 0);
}

#[test]
fn what_is_refused_names_its_line() {
    let deep = "[".repeat(200);
    let chained: Vec<String> = (1..200).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    let chained = format!("a0: &a0 [x]\n{}", chained.concat());
    for (text, line, what) in [
        ("a: [\n", 2, "not YAML"),
        ("a: 1\na: 2\n", 2, "`a` stands twice"),
        ("a: &x [*x]\n", 1, "has not ended"),
        ("a: &x 1\n---\nb: *x\n", 3, "an"),
        (&deep, 1, "100 deep"),
        (&chained, 99, "100 deep"),
    ] {
        let error = Stream::parse(text).expect_err(text);
        assert!(error.line.is_some_and(|found| found >= line), "{text:?}: {error:?}");
        assert!(error.to_string().contains(what), "{text:?}: {error}");
    }
    assert!(Stream::parse(&" ".repeat(MAX_BYTES + 1)).is_err());
}

#[test]
fn a_text_that_means_a_great_deal_is_read_in_passing() {
    // Each list has the last nine times over: 9^90 items, were they counted.
    let nine = |n: usize| format!("*a{},", n - 1).repeat(9);
    let lists: Vec<String> = (1..90).map(|n| format!("a{n}: &a{n} [{}]\n", nine(n))).collect();
    assert!(Stream::parse(&format!("a0: &a0 x\n{}", lists.concat())).is_ok());
    let merges: Vec<String> = (1..45).map(|n| format!("a{n}: &a{n}\n  <<: [{}]\n", nine(n))).collect();
    let text = format!("a0: &a0 {{k: v}}\n{}", merges.concat());
    let stream = stream(&text);
    let last = stream.documents().next().unwrap().get("a44").unwrap();
    assert_eq!((last.get_text("k"), last.get_text("none"), last.entries().len()), (Some("v"), None, 1));
}

#[test]
fn words_are_replaced_and_nothing_else() {
    let new = |range, text: &str| (range, text.to_owned());
    assert_eq!(replace_words("a: x, b: y", &[new(9..10, "why"), new(3..4, "")]), "a: , b: why");
    assert_eq!(replace_words("abc", &[new(0..2, "x"), new(1..3, "y")]), "xc");
}

proptest! {
    #[test]
    fn reading_never_panics(text in "[ a-c:#&*<>|'\"{}\\[\\],\r\n?!%-]{0,60}") {
        if let Ok(stream) = Stream::parse(&text) {
            for node in stream.documents() {
                let _ = (node.entries(), node.items(), node.words());
            }
        }
    }

    #[test]
    fn a_value_is_found_in_its_words(
        value in "[a-z0-9]{1,8}(:[a-z0-9.]{1,5})?",
        quote in "['\"]?",
        space in " {1,3}",
        comment in "( #[ -~é]{0,9})?",
        end in "(\n|\r\n)",
    ) {
        let text = format!("\u{feff}x: é{end}k:{space}{quote}{value}{quote}{comment}{end}y: 1{end}");
        prop_assert_eq!(words(&text, "k"), value);
    }
}
