//! Amounts in words for people: sizes, ages and lengths of time. Structured output has the plain numbers.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::Timestamp;

/// A number of bytes, e.g. `12.3 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// How long ago something was, in its largest unit, e.g. `3 days ago`; what is yet to come is `just now`.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> String {
    const UNITS: [(u64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ];
    let seconds = u64::try_from(now.as_second() - then.as_second()).unwrap_or(0);
    match UNITS.iter().find(|(length, _)| seconds >= *length) {
        Some((length, unit)) if seconds / length == 1 => format!("1 {unit} ago"),
        Some((length, unit)) => format!("{} {unit}s ago", seconds / length),
        None => "just now".to_owned(),
    }
}

/// A length of time in its two largest units, e.g. `1 h 5 min`, `12 s`, `0.4 s`.
#[must_use]
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", length.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(12_897_485), "12.3 MiB");
        assert_eq!(size(3 << 40), "3.0 TiB");
    }

    #[test]
    fn ages() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let cases = [
            ("2026-11-20T11:59:31Z", "just now"),
            ("2026-11-21T12:00:00Z", "just now"),
            ("2026-11-20T11:59:00Z", "1 minute ago"),
            ("2026-11-20T02:00:00Z", "10 hours ago"),
            ("2026-11-17T11:00:00Z", "3 days ago"),
            ("2026-11-06T11:00:00Z", "2 weeks ago"),
            ("2026-09-01T00:00:00Z", "2 months ago"),
            ("1970-01-01T00:00:00Z", "56 years ago"),
        ];
        for (then, text) in cases {
            assert_eq!(age(then.parse().unwrap(), now), text, "{then}");
        }
    }

    #[test]
    fn durations() {
        let cases = [
            (400, "0.4 s"),
            (12_000, "12 s"),
            (65_000, "1 min 5 s"),
            (3_900_000, "1 h 5 min"),
            (90_000_000, "1 d 1 h"),
        ];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
