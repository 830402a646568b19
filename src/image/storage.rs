//! Where what is served is kept, as it is written: `file:DIR`, `s3://BUCKET/PREFIX`, `gs://…`, `az://…`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where what is served is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In the store of the settings, or in this directory.
    Local(Option<PathBuf>),
    /// In a bucket.
    Bucket(BucketAddress),
}

/// Why a text names no storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of file:DIR, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX and az://CONTAINER/PREFIX: {0}")]
pub struct StorageWordError(#[from] BucketAddressError);

impl FromStr for Storage {
    type Err = StorageWordError;

    fn from_str(text: &str) -> Result<Self, StorageWordError> {
        match text.strip_prefix("file:") {
            Some("") => Ok(Self::Local(None)),
            Some(directory) => Ok(Self::Local(Some(directory.into()))),
            None => Ok(Self::Bucket(text.parse()?)),
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(None) => f.write_str("the store"),
            Self::Local(Some(directory)) => write!(f, "{}", directory.display()),
            Self::Bucket(address) => address.fmt(f),
        }
    }
}

/// Whose protocol a bucket is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon's S3, and what speaks as it does.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage, where a bucket is called a container.
    Azure,
}

impl Provider {
    const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    /// The scheme of its addresses.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

/// A bucket, and the prefix that everything in it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAddress {
    /// Whose protocol.
    pub provider: Provider,
    /// The bucket's name.
    pub bucket: String,
    /// The prefix, without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
}

/// Why a text names no bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketAddressError {
    /// Another scheme.
    #[error("it begins with none of s3://, gs:// and az://")]
    Scheme,
    /// What no bucket can be called.
    #[error("a bucket's name has 3 to 63 lower-case letters, digits, `-`, `_` and `.`")]
    Bucket,
    /// What no prefix can be.
    #[error("a prefix has letters, digits, `-`, `_` and `.` between its slashes")]
    Prefix,
}

impl FromStr for BucketAddress {
    type Err = BucketAddressError;

    fn from_str(text: &str) -> Result<Self, BucketAddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(BucketAddressError::Scheme)?;
        let provider = Provider::ALL.into_iter().find(|provider| provider.scheme() == scheme);
        let provider = provider.ok_or(BucketAddressError::Scheme)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let in_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(in_bucket) {
            return Err(BucketAddressError::Bucket);
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let in_prefix = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(in_prefix);
        if prefix.len() > 200 || !(prefix.is_empty() || prefix.split('/').all(is_part)) {
            return Err(BucketAddressError::Prefix);
        }
        Ok(Self { provider, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.provider.scheme(), self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("s3://images", "s3://images"),
            ("s3://images/", "s3://images"),
            ("gs://my.images/site/one/", "gs://my.images/site/one"),
            ("az://images/Site_1", "az://images/Site_1"),
        ] {
            assert_eq!(text.parse::<BucketAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_none_says_which_rule_it_breaks() {
        use BucketAddressError::{Bucket, Prefix, Scheme};
        for (text, expected) in [
            ("images", Scheme),
            ("http://images", Scheme),
            ("s3://", Bucket),
            ("s3://AB", Bucket),
            ("s3://Images", Bucket),
            ("s3://images//x", Prefix),
            ("s3://images/../x", Prefix),
            ("s3://images/a b", Prefix),
        ] {
            assert_eq!(text.parse::<BucketAddress>().unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn storage_is_a_directory_or_a_bucket() {
        assert_eq!("file:".parse(), Ok(Storage::Local(None)));
        assert_eq!("file:/srv/images".parse(), Ok(Storage::Local(Some("/srv/images".into()))));
        assert!(matches!("s3://images/site".parse(), Ok(Storage::Bucket(_))));
        let error = "/srv/images".parse::<Storage>().unwrap_err();
        assert!(error.to_string().contains("file:DIR"), "{error}");
    }
}
