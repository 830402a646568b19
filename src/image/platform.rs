//! Platforms: which machine an image is for (OCI image-spec image-index.md, `platform`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and an architecture, as an index names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system, in Go's words: `linux`, `windows`, …
    pub os: String,
    /// The architecture, in Go's words: `amd64`, `arm64`, …
    pub architecture: String,
    /// The variant of the architecture, e.g. `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system, where it matters (Windows).
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system that the image needs.
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

impl Platform {
    /// Whether an image for `offered` is what someone means who asks for this platform.
    ///
    /// A variant counts where it was asked for; `arm64` and `arm64/v8` are one, as everywhere in the field.
    #[must_use]
    pub fn accepts(&self, offered: &Self) -> bool {
        let variant = |platform: &Self| match (platform.architecture.as_str(), platform.variant.as_deref()) {
            ("arm64", Some("v8")) | (_, Some("")) => None,
            (_, variant) => variant.map(str::to_owned),
        };
        let same = self.os == offered.os && self.architecture == offered.architecture;
        let variant_fits = variant(self).is_none() && self.architecture != "arm64" || variant(self) == variant(offered);
        let version_fits = self.os_version.is_none() || self.os_version == offered.os_version;
        same && variant_fits && version_fits
    }

    /// What containers on this machine run as; `None` where that has no name.
    #[must_use]
    pub fn of_this_machine() -> Option<Self> {
        let os = if std::env::consts::OS == "windows" { "windows" } else { "linux" };
        format!("{os}/{}", std::env::consts::ARCH).parse().ok()
    }

    /// Whether this stands for "no platform", as attestations in an index are written.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &str| {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            !part.is_empty() && part.len() <= 64 && part.chars().all(good)
        };
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| word(part)) {
            return Err(PlatformError(text.to_owned()));
        }
        let architecture = match parts[1].to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            other => other.to_owned(),
        };
        Ok(Self {
            os: parts[0].to_ascii_lowercase(),
            architecture,
            variant: parts.get(2).map(|part| part.to_ascii_lowercase()),
            os_version: None,
            os_features: Vec::new(),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

/// A text that is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a platform; one is written OS/ARCHITECTURE[/VARIANT], as in linux/arm64/v8", .0.escape_debug())]
pub struct PlatformError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(wanted: &str, offered: &str) -> bool {
        wanted.parse::<Platform>().unwrap().accepts(&offered.parse().unwrap())
    }

    #[test]
    fn what_is_accepted() {
        assert!(accepts("linux/amd64", "linux/amd64"));
        assert!(accepts("Linux/x86_64", "linux/amd64"));
        assert!(accepts("linux/arm64", "linux/arm64/v8"));
        assert!(accepts("linux/arm64/v8", "linux/arm64"));
        assert!(accepts("linux/arm", "linux/arm/v7"));
        assert!(accepts("linux/arm/v7", "linux/arm/v7"));
        assert!(!accepts("linux/arm/v7", "linux/arm/v6"));
        assert!(!accepts("linux/arm/v7", "linux/arm"));
        assert!(!accepts("linux/amd64", "windows/amd64"));
        assert!(!accepts("linux/arm64", "linux/arm64/v9"));
    }

    #[test]
    fn bad_platforms_show_the_form() {
        for text in ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/am d64", "linux/\u{1b}"] {
            let error = text.parse::<Platform>().expect_err(text).to_string();
            assert!(error.contains("OS/ARCHITECTURE"), "{error}");
        }
    }
}
