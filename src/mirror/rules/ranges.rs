//! Ranges of versions as other programs write them.

use semver::VersionReq;

/// Reads a range of this program's form: `>=3.18, <4`.
///
/// # Errors
/// Says how a range is written.
pub(super) fn range(text: &str) -> Result<VersionReq, String> {
    text.parse()
        .map_err(|error| format!("`{}` is not a range of versions such as `>=3.18, <4`: {error}", text.escape_debug()))
}

/// Reads a range as programs written in Go do: comparisons behind each other all hold, of those around `||` one does,
/// and a bare version means itself alone.
///
/// # Errors
/// As [`range`].
pub(super) fn foreign(text: &str) -> Result<Vec<VersionReq>, String> {
    text.split("||").map(|part| range(&commas(part)).map_err(|_| range(text).err().unwrap_or_default())).collect()
}

/// The comparisons of a range with commas between them.
fn commas(text: &str) -> String {
    let mut comparisons: Vec<String> = Vec::new();
    let mut operator = String::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        if word.chars().all(|c| "<>=^~!".contains(c)) {
            operator.push_str(word);
            continue;
        }
        let version = word.trim_start_matches(|c| "<>=^~!".contains(c));
        operator.push_str(&word[..word.len() - version.len()]);
        let bare = operator.is_empty() && version.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
        let sign = if bare { "=" } else { operator.as_str() };
        comparisons.push(format!("{sign}{}", version.trim_start_matches('v')));
        operator.clear();
    }
    comparisons.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_others() {
        let read = |text: &str| foreign(text).map(|ranges| ranges.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read(">= 3.12.0"), Ok(vec![">=3.12.0".to_owned()]));
        assert_eq!(read(">=1.2 <2.0.0"), Ok(vec![">=1.2, <2.0.0".to_owned()]));
        assert_eq!(read("1.2.3 || ^v2"), Ok(vec!["=1.2.3".to_owned(), "^2".to_owned()]));
        assert!(foreign("1.2.x").unwrap()[0].matches(&"1.2.9".parse().unwrap()));
        assert!(read("soon").unwrap_err().contains("not a range"));
    }
}
