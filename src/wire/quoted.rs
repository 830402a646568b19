//! Quoted strings (RFC 9110, 5.6.4), which challenges, links and warnings have in common.

/// Reads the quoted string at the start of `text`: its value without quotes and escapes, and what follows it.
///
/// `None` where `text` does not begin with a quote. A string that is not closed ends where the text ends.
pub(super) fn unquote(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            other => value.push(other),
        }
    }
    Some((value, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_are_taken_off() {
        assert_eq!(unquote(r#""a \"b\" \\" rest"#), Some((r#"a "b" \"#.to_owned(), " rest")));
        assert_eq!(unquote(r#""open"#), Some(("open".to_owned(), "")));
        assert_eq!(unquote(r#""ends\"#), Some(("ends".to_owned(), "")));
        assert_eq!(unquote("none"), None);
    }
}
