//! How a node's TPM is vouched for, and which way of vouching is the stronger one.

use core::fmt;

use minicbor::{Decode, Encode};

/// Who vouches for the TPM behind a node at first contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum NodeProfile {
    /// Its maker: the EK certificate chains to a root that the operator trusts.
    #[n(0)]
    EkCert,
    /// The operator: the EK's Name is on a list.
    #[n(1)]
    EkAllowlist,
    /// Nobody: the first key that came with a token is believed.
    #[n(2)]
    Tofu,
    /// Microsoft Azure: a key certified for this virtual TPM certified the node's own key.
    #[n(3)]
    AzureAkCert,
    /// Google Cloud: the same with Google's certificate.
    #[n(4)]
    Gcp,
}

impl NodeProfile {
    /// Every profile, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::EkCert, Self::EkAllowlist, Self::Tofu, Self::AzureAkCert, Self::Gcp];

    /// The word used in configuration, tokens' descriptions, JSON and verdicts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::EkCert => "ek-cert",
            Self::EkAllowlist => "ek-allowlist",
            Self::Tofu => "tofu",
            Self::AzureAkCert => "azure-ak-cert",
            Self::Gcp => "gcp",
        }
    }

    /// The profile that is written `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.word() == word)
    }

    /// The profile with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.number() == number)
    }

    /// Its number in messages and in the database.
    pub const fn number(self) -> u8 {
        match self {
            Self::EkCert => 0,
            Self::EkAllowlist => 1,
            Self::Tofu => 2,
            Self::AzureAkCert => 3,
            Self::Gcp => 4,
        }
    }

    /// The one order of profiles, weakest first: nobody vouches; the operator says that this key is theirs; a cloud
    /// says that this is its virtual TPM; a maker says that this is its TPM.
    pub const fn strength(self) -> u8 {
        match self {
            Self::Tofu => 0,
            Self::EkAllowlist => 1,
            Self::AzureAkCert | Self::Gcp => 2,
            Self::EkCert => 3,
        }
    }

    /// Whether a TPM that was known by `known` may be known by this profile from now on: never by a weaker one.
    pub const fn may_follow(self, known: Self) -> bool {
        self.strength() >= known.strength()
    }

    /// True for the profiles in which a cloud's key certifies the node's.
    pub const fn is_cloud(self) -> bool {
        matches!(self, Self::AzureAkCert | Self::Gcp)
    }
}

impl fmt::Display for NodeProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_name_one_profile_each() {
        for profile in NodeProfile::ALL {
            assert_eq!(NodeProfile::from_word(profile.word()), Some(profile));
            assert_eq!(NodeProfile::from_number(profile.number()), Some(profile));
            assert_eq!(minicbor::to_vec(profile).unwrap(), [profile.number()]);
        }
        assert_eq!((NodeProfile::from_word("none"), NodeProfile::from_number(5)), (None, None));
    }

    #[test]
    fn a_profile_is_followed_by_an_equal_or_a_stronger_one_only() {
        use NodeProfile::{AzureAkCert, EkAllowlist, EkCert, Gcp, Tofu};
        for (known, next, may) in [
            (EkCert, Tofu, false),
            (EkCert, EkAllowlist, false),
            (EkCert, AzureAkCert, false),
            (EkCert, EkCert, true),
            (Gcp, EkAllowlist, false),
            (AzureAkCert, EkCert, true),
            (EkAllowlist, Tofu, false),
            (Tofu, Tofu, true),
            (Tofu, EkAllowlist, true),
        ] {
            assert_eq!(next.may_follow(known), may, "{known} then {next}");
        }
    }
}
