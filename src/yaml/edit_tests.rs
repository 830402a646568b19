//! Edits keep what they do not touch: by example, and for documents and edits made at random.

use proptest::prelude::*;

use super::*;

fn document(text: &str) -> Document {
    Document::parse(text).unwrap()
}

fn edited(text: &str, edit: impl FnOnce(&mut Document) -> Result<(), EditError>) -> String {
    let mut document = document(text);
    edit(&mut document).unwrap_or_else(|error| panic!("{error}: {text}"));
    document.text().to_owned()
}

const TEXT: &str = "\
# head
settings:
  a: 1   # one
  # middle
  b: '2'

# between
list:
- address: x # why
  rules:
  - {r: '*', v: q}
# tail
";

#[test]
fn one_place_changes_and_the_rest_stays() {
    let set = edited(TEXT, |document| document.put(&["settings".into(), "b".into()], &Document::of(&"z")?));
    assert_eq!(set, TEXT.replace("'2'", "z"));
    let added = edited(TEXT, |document| document.put(&["settings".into(), "c".into()], &Document::of(&3)?));
    assert_eq!(added, TEXT.replace("  b: '2'\n", "  b: '2'\n  c: 3\n"));
    let pushed = edited(TEXT, |document| document.push(&["list".into()], &Document::parse("address: y # new\n")?));
    assert_eq!(pushed, TEXT.replace("v: q}\n", "v: q}\n- address: y # new\n"));
    let removed = edited(TEXT, |document| document.remove(&["settings".into(), "a".into()]));
    assert_eq!(removed, TEXT.replace("  a: 1   # one\n", ""));
    let flow = ["list".into(), 0.into(), "rules".into(), 0.into(), "v".into()];
    let in_flow = edited(TEXT, |document| document.put(&flow, &Document::of(&"w")?));
    assert_eq!(in_flow, TEXT.replace("v: q", "v: w"));
}

#[test]
fn missing_parents_are_made_in_block_form() {
    let certificate = Document::parse("address: x\nca-cert: |\n  one\n  two\n").unwrap();
    for (text, head) in [("", ""), ("# mine\n", "# mine\n"), ("{}\n", ""), ("# a\n{} # b\n", "# a\n")] {
        let pushed = edited(text, |document| document.push(&["list".into()], &certificate));
        let tail = if text.contains("# b") { "# b\n" } else { "" };
        assert_eq!(pushed, format!("{head}list:\n- address: x\n  ca-cert: |\n    one\n    two\n{tail}"));
    }
    for text in ["list: []\n", "list:\n"] {
        let pushed = edited(text, |document| document.push(&["list".into()], &certificate));
        assert_eq!(pushed, "list:\n  - address: x\n    ca-cert: |\n      one\n      two\n");
    }
    let nested = edited("a: 1\n", |document| document.put(&["b".into(), "c".into()], &Document::of(&true)?));
    assert_eq!(nested, "a: 1\nb:\n  c: true\n");
}

#[test]
fn the_last_key_and_the_last_item_can_go() {
    for (text, path) in [("# c\na: 1\n", vec![Step::from("a")]), ("a:\n- 1\n", vec!["a".into(), 0.into()])] {
        let mut document = document(text);
        document.remove(&path).unwrap();
        assert_eq!(document.text().contains("# c"), text.contains("# c"));
        document.put(&["b".into()], &Document::of(&2).unwrap()).unwrap();
        assert_eq!(at(document.value(), &["b".into()]), Some(&Value::from(2)), "{}", document.text());
    }
}

#[test]
fn a_replacement_touches_no_more_than_differs() {
    let new = Document::parse("- address: x\n  rules: [{r: '*', v: new}, {r: a, v: b}]\n- address: z\n").unwrap();
    let replaced = edited(TEXT, |document| document.replace(&["list".into()], &new));
    let wanted = "  - {r: '*', v: new}\n  - {r: a, v: b}\n- address: z\n";
    assert_eq!(replaced, TEXT.replace("  - {r: '*', v: q}\n", wanted));
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let anchored = "a: &x\n  k: 1\nb: *x\n";
    let cases: [(&str, Vec<Step>); 4] = [
        (TEXT, vec!["nowhere".into()]),
        (TEXT, vec!["settings".into(), 0.into()]),
        (TEXT, vec!["list".into(), 7.into()]),
        (anchored, vec!["a".into(), "k".into()]),
    ];
    for (text, path) in cases {
        let mut document = document(text);
        assert!(document.remove(&path).is_err());
        assert_eq!(document.text(), text);
    }
    // What an alias repeats cannot change in one of its places alone.
    let mut document = document(anchored);
    let error = document.put(&["a".into(), "k".into()], &Document::of(&2).unwrap()).unwrap_err();
    assert!(matches!(error, EditError::Form { .. }), "{error}");
    assert_eq!(document.text(), anchored);
}

/// A document as a person could write it: block and flow mixed, two indentations of lists, comments, blank lines.
#[derive(Clone, Debug)]
enum Tree {
    Scalar(&'static str),
    Items(Vec<Tree>, u8),
    Keys(Vec<(String, Tree)>, u8),
}

fn trees() -> impl Strategy<Value = Tree> {
    let scalars = vec!["word", "'*'", "\"a: # b\"", "12", "host.example:5000/x", "|", "~", "1.10"];
    let leaf = proptest::sample::select(scalars).prop_map(Tree::Scalar);
    leaf.prop_recursive(3, 14, 4, |inner| {
        let items = (proptest::collection::vec(inner.clone(), 0..4), 0..4u8);
        let keys = (proptest::collection::btree_map("[a-f]{1,2}", inner, 0..4), 0..4u8);
        prop_oneof![
            items.prop_map(|(items, style)| Tree::Items(items, style)),
            keys.prop_map(|(keys, style)| Tree::Keys(keys.into_iter().collect(), style)),
        ]
    })
}

#[derive(Default)]
struct Writer {
    text: String,
    count: usize,
}

impl Writer {
    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn own_line(&mut self, margin: usize) {
        self.count += 1;
        if self.count.is_multiple_of(4) {
            self.add(&format!("{:margin$}# own line {}\n", "", self.count));
        }
    }

    fn end_line(&mut self) {
        self.count += 1;
        match self.count % 5 {
            0 => self.add(&format!(" # behind {}\n", self.count)),
            1 => self.text.push_str("\n\n"),
            _ => self.text.push('\n'),
        }
    }

    fn value(&mut self, tree: &Tree, margin: usize) {
        match tree {
            Tree::Scalar("|") => self.add(&format!(" |\n{0:margin$}  one\n{0:margin$}   two\n", "")),
            Tree::Items(items, style) if !items.is_empty() && *style > 0 => {
                self.end_line();
                let inner = if *style == 1 && margin > 0 { margin - 2 } else { margin } + 2;
                for item in items {
                    self.own_line(inner);
                    self.add(&format!("{:inner$}-", ""));
                    self.value(item, inner);
                }
            }
            Tree::Keys(keys, style) if !keys.is_empty() && *style > 0 => {
                self.end_line();
                self.keys(keys, margin + 2);
            }
            other => {
                self.add(&format!(" {}", flow(other)));
                self.end_line();
            }
        }
    }

    fn keys(&mut self, keys: &[(String, Tree)], margin: usize) {
        for (key, value) in keys {
            self.own_line(margin);
            self.add(&format!("{:margin$}{key}:", ""));
            self.value(value, margin);
        }
    }
}

fn flow(tree: &Tree) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match tree {
        Tree::Scalar("|") => "'one two'".to_owned(),
        Tree::Scalar(text) => (*text).to_owned(),
        Tree::Items(items, _) => format!("[{}]", joined(items.iter().map(flow).collect())),
        Tree::Keys(keys, _) => {
            format!("{{{}}}", joined(keys.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect()))
        }
    }
}

fn written(keys: &[(String, Tree)], ending: &str) -> Document {
    let mut writer = Writer::default();
    writer.keys(keys, 0);
    document(&writer.text.replace('\n', ending))
}

fn paths(value: &Value, path: &[Step], found: &mut Vec<Vec<Step>>) {
    let below = |step: Step| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    match value {
        Value::Mapping(keys) => {
            keys.iter().for_each(|(key, value)| paths(value, &below(key.as_str().unwrap().into()), found));
        }
        Value::Sequence(items) => {
            items.iter().enumerate().for_each(|(index, value)| paths(value, &below(index.into()), found));
        }
        _ => {}
    }
    found.push(path.to_vec());
}

fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.find("# own").or(line.find("# behind")).map(|at| line[at..].trim())).collect()
}

fn documents() -> impl Strategy<Value = Document> {
    let keys = proptest::collection::btree_map("[a-f]{1,2}", trees(), 1..4);
    let ending = prop_oneof![Just("\n"), Just("\r\n")];
    (keys, ending).prop_map(|(keys, ending)| written(&keys.into_iter().collect::<Vec<_>>(), ending))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    // `edit` itself checks the meaning, so what is left to ask is that it does not give up, and what it keeps.
    #[test]
    fn additions_lose_no_comment(document in documents(), new in trees(), place in any::<prop::sample::Index>()) {
        let part = written(&[("new".to_owned(), new)], "\n").part(&["new".into()]).unwrap();
        let mut found = Vec::new();
        paths(document.value(), &[], &mut found);
        let path = place.get(&found);
        let mut edited = document.clone();
        match at(document.value(), path) {
            Some(Value::Mapping(_)) => {
                let below: Vec<Step> = path.iter().cloned().chain(["new".into()]).collect();
                edited.put(&below, &part).unwrap();
                prop_assert_eq!(at(edited.value(), &below), Some(part.value()));
            }
            Some(Value::Sequence(items)) => {
                edited.push(path, &part).unwrap();
                let length = items.len();
                let last = path.iter().cloned().chain([length.into()]).collect::<Vec<_>>();
                prop_assert_eq!(at(edited.value(), &last), Some(part.value()));
            }
            _ => return Ok(()),
        }
        let kept = comments(edited.text());
        for comment in comments(document.text()) {
            prop_assert!(kept.contains(&comment), "lost {} of\n{}\nin\n{}", comment, document.text(), edited.text());
        }
        let crlf = |text: &str| text.contains("\r\n");
        prop_assert_eq!(crlf(document.text()), crlf(edited.text()));
    }

    #[test]
    fn removals_take_what_they_name(document in documents(), place in any::<prop::sample::Index>()) {
        let mut found = Vec::new();
        paths(document.value(), &[], &mut found);
        let path = place.get(&found);
        if path.is_empty() {
            return Ok(());
        }
        let mut edited = document.clone();
        edited.remove(path).unwrap();
        let own_lines = |text: &str| text.lines().filter(|line| line.trim_start().starts_with('#')).count();
        if !matches!(at(document.value(), path), Some(Value::Mapping(_) | Value::Sequence(_))) {
            prop_assert_eq!(own_lines(document.text()), own_lines(edited.text()));
        }
    }

    #[test]
    fn a_replacement_means_what_it_should_or_changes_nothing(one in documents(), other in documents()) {
        let mut edited = one.clone();
        match edited.replace(&[], &other) {
            Ok(()) => prop_assert_eq!(edited.value(), other.value()),
            Err(error) => prop_assert!(matches!(error, EditError::Form { .. }), "{}", error),
        }
    }

    // The two parsers may see a text differently; neither may fall over one.
    #[test]
    fn whatever_is_read_can_be_asked_and_edited(text in "([a-c]|[a-c]: |- |\n|\n  |\n- |\r\n|#| #|[\\[\\]{},'\"|>&*!?~:]){0,16}") {
        let Ok(document) = Document::parse(&text) else { return Ok(()) };
        let mut found = Vec::new();
        let all_words = |value: &Value| value.as_mapping().is_none_or(|keys| keys.keys().all(Value::is_string));
        if !all_words(document.value()) {
            return Ok(());
        }
        if let Value::Mapping(keys) = document.value() {
            found.extend(keys.keys().map(|key| vec![Step::from(key.as_str().unwrap())]));
        }
        let positions = document.positions();
        for path in found {
            prop_assert!(positions.line(&path) <= text.lines().count().max(1));
            let mut edited = document.clone();
            if edited.remove(&path).is_ok() {
                prop_assert_eq!(at(edited.value(), &path), None);
            }
            let mut edited = document.clone();
            if edited.put(&path, &Document::of(&"new").unwrap()).is_ok() {
                prop_assert_eq!(at(edited.value(), &path), Some(&Value::from("new")));
            }
        }
    }
}
