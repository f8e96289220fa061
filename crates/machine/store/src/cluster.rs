//! The name that keeps two clusters in one store apart.

use core::fmt;

/// A cluster's short name; it is part of every key of every table.
///
/// 1 to 32 characters of `a`–`z`, `0`–`9` and `-`, the first one a letter: a name that needs no quoting in a URL, a
/// file name or a metric label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cluster(String);

/// Why a text is not a cluster's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} cannot name a cluster: 1 to {max} characters of a-z, 0-9 and '-' are taken, the first one a letter; choose a short name such as \"fleet\"",
    max = Cluster::MAX_BYTES
)]
pub struct ClusterNameError {
    /// The text, cut to a printable length.
    pub given: String,
}

// === impl Cluster ===

impl Cluster {
    /// Longest name, in bytes; it is repeated in every row.
    pub const MAX_BYTES: usize = 32;

    /// Takes a name.
    ///
    /// # Errors
    /// [`ClusterNameError`] when it is empty, too long, or has another character.
    pub fn new(name: &str) -> Result<Self, ClusterNameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts_well || name.len() > Self::MAX_BYTES || !name.chars().all(allowed) {
            return Err(ClusterNameError { given: name.chars().take(2 * Self::MAX_BYTES).collect() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        for bad in ["", "-a", "1a", "A", "a b", "a/b", "ä", "a\0", &"a".repeat(33)] {
            assert!(Cluster::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "fleet", "eu-west-1", &"a".repeat(32)] {
            assert_eq!(Cluster::new(good).map(|c| c.as_str().to_owned()).as_deref(), Ok(good));
        }
    }
}
