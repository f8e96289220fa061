//! A value, or why there is none.

use std::io::{self, ErrorKind};

use minicbor::{Decode, Encode};
use rustix::io::Errno;

/// What came of reading one thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Found<T> {
    /// It was read.
    #[n(0)]
    Value(#[n(0)] T),
    /// There is no such thing.
    #[n(1)]
    Absent,
    /// This process may not read it; what was refused.
    #[n(2)]
    Denied(#[n(0)] String),
    /// It could not be read, or what was read is not what should stand there; why.
    #[n(3)]
    Failed(#[n(0)] String),
}

// === impl Found ===

impl<T> Found<T> {
    /// The value, where there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Whether there is one.
    pub fn is_value(&self) -> bool {
        self.value().is_some()
    }

    /// The same of what `f` makes of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Value(value) => Found::Value(f(value)),
            Self::Absent => Found::Absent,
            Self::Denied(why) => Found::Denied(why),
            Self::Failed(why) => Found::Failed(why),
        }
    }

    /// Why reading `what` failed.
    pub(super) fn refusal(what: &str, error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Absent,
            ErrorKind::PermissionDenied => Self::Denied(format!("{what} may not be read: {error}")),
            _ => Self::Failed(format!("{what} cannot be read: {error}")),
        }
    }

    pub(super) fn errno(what: &str, error: Errno) -> Self {
        Self::refusal(what, &error.into())
    }
}

impl<T> From<Result<T, Found<T>>> for Found<T> {
    fn from(result: Result<T, Found<T>>) -> Self {
        result.map_or_else(|found| found, Self::Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_refusal_and_failure_are_kept_apart() {
        assert_eq!(Found::<()>::errno("x", Errno::NOENT), Found::Absent);
        assert_eq!(Found::<()>::errno("x", Errno::NOTDIR), Found::Absent);
        for errno in [Errno::ACCESS, Errno::PERM] {
            assert!(
                matches!(Found::<()>::errno("x", errno), Found::Denied(why) if why.starts_with("x may not be read"))
            );
        }
        assert!(
            matches!(Found::<()>::errno("x", Errno::IO), Found::Failed(why) if why.starts_with("x cannot be read"))
        );
    }
}
