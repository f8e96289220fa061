//! The least that a policy must measure.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Coverage, Extent, Hole, Hook};

/// What each hook must be measured to, at least.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minimum {
    wanted: Vec<(Hook, Extent)>,
}

/// A hook that is measured less than it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The hook.
    pub hook: Hook,
    /// What it must be.
    pub wanted: Extent,
    /// What it is.
    pub got: Extent,
    /// What passes it unmeasured, by the policy's own rules.
    pub holes: Vec<Hole>,
}

/// A name that is no hook whose coverage is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAHook(pub String);

impl Minimum {
    /// Every one of these hooks, measured without a hole, by the kernel's names, e.g. `BPRM_CHECK`.
    ///
    /// # Errors
    /// [`NotAHook`] for the first name that is none of [`Hook::COVERED`].
    pub fn all<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, NotAHook> {
        let hook = |name: &str| {
            let hook = Hook::from_name(name);
            Hook::COVERED.contains(&hook).then_some((hook, Extent::All)).ok_or_else(|| NotAHook(String::from(name)))
        };
        Ok(Self { wanted: names.into_iter().map(hook).collect::<Result<_, _>>()? })
    }

    /// Wants the hook to be measured to this extent.
    pub fn with(mut self, hook: Hook, extent: Extent) -> Self {
        self.wanted.push((hook, extent));
        self
    }

    /// True when nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Where the coverage falls short, in the order of what is wanted; empty when it suffices.
    ///
    /// A hook that is wanted in full also falls short when a rule leaves out something that passes it.
    pub fn shortfalls(&self, coverage: &Coverage) -> Vec<Shortfall> {
        let shortfall = |(hook, wanted): &(Hook, Extent)| {
            let got = coverage.extent(hook);
            let holes: Vec<Hole> = coverage.holes.iter().filter(|hole| hole.hook() == Some(hook)).cloned().collect();
            let enough = got >= *wanted && (*wanted < Extent::All || holes.is_empty());
            (!enough).then_some(Shortfall { hook: hook.clone(), wanted: *wanted, got, holes })
        };
        self.wanted.iter().filter_map(shortfall).collect()
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is measured {}, wanted {}", self.hook, self.got, self.wanted)?;
        self.holes.iter().try_for_each(|hole| write!(f, "; {hole}"))
    }
}

impl fmt::Display for NotAHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no IMA hook whose coverage is known", self.0)
    }
}

impl core::error::Error for NotAHook {}
