//! The fourteen verification levels.

use core::fmt;

/// A verification level. V1 to V3 speak of what was built and booted, V4 to V14 of what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Manifest authenticity.
    V1 = 1,
    /// Image integrity.
    V2,
    /// Measured-boot binding.
    V3,
    /// Resource limits.
    V4,
    /// Process security policy.
    V5,
    /// File system view.
    V6,
    /// Namespaces.
    V7,
    /// Capabilities and credentials.
    V8,
    /// Mandatory access control.
    V9,
    /// Listening sockets and network filters.
    V10,
    /// File permissions and mutable state.
    V11,
    /// Kernel posture.
    V12,
    /// Running code and process census.
    V13,
    /// Evidence integrity.
    V14,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 14] = [
        Self::V1,
        Self::V2,
        Self::V3,
        Self::V4,
        Self::V5,
        Self::V6,
        Self::V7,
        Self::V8,
        Self::V9,
        Self::V10,
        Self::V11,
        Self::V12,
        Self::V13,
        Self::V14,
    ];

    /// 1 to 14.
    pub const fn number(self) -> u8 {
        #[expect(clippy::as_conversions, reason = "the discriminant is the number")]
        {
            self as u8
        }
    }

    /// The level of this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// What the level is about, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::V1 => "Manifest authenticity",
            Self::V2 => "Image integrity",
            Self::V3 => "Measured boot",
            Self::V4 => "Resource limits",
            Self::V5 => "Process security policy",
            Self::V6 => "File system view",
            Self::V7 => "Namespaces",
            Self::V8 => "Capabilities and credentials",
            Self::V9 => "Mandatory access control",
            Self::V10 => "Listening sockets and network filters",
            Self::V11 => "File permissions and mutable state",
            Self::V12 => "Kernel posture",
            Self::V13 => "Running code and processes",
            Self::V14 => "Evidence integrity",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}", self.number())
    }
}
