//! Who vouches for the TPM behind a node, as every verdict says it.

use avouch_protocol::NodeProfile;
use serde::{Deserialize, Serialize};

use crate::verdict::CoverageItem;

/// What enrolment found out about the TPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// How it was vouched for.
    pub profile: NodeProfile,
    /// Who did, for people: the subject of the root certificate, or the label on the operator's list. Empty for `tofu`.
    pub vouched_by: &'a str,
    /// The TPM's manufacturer as its certificate names it, e.g. `id:494E5443`.
    pub manufacturer: Option<&'a str>,
}

/// [`Identity`] in a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityFacts {
    /// Word of the profile.
    pub profile: String,
    /// Who vouched for the TPM; absent when nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched_by: Option<String>,
    /// The whole for people, e.g. `identity=tofu: nobody vouches for this TPM`.
    pub text: String,
}

impl Identity<'_> {
    /// The form in which verdicts and answers of the API carry it.
    pub fn facts(&self) -> IdentityFacts {
        let vouched_by = (self.profile != NodeProfile::Tofu && !self.vouched_by.is_empty())
            .then(|| crate::text::printable(self.vouched_by.as_bytes()));
        let profile = self.profile.word();
        let text = match (self.profile, &vouched_by) {
            (NodeProfile::Tofu, _) => format!("identity={profile}: nobody vouches for this TPM"),
            (_, Some(who)) => format!("identity={profile}: vouched for by {who}"),
            (_, None) => format!("identity={profile}: who vouched is not recorded, enrolled by an earlier release"),
        };
        IdentityFacts { profile: profile.into(), vouched_by, text }
    }
}

impl IdentityFacts {
    /// What a pass says nothing about when nobody vouched for the TPM.
    pub(crate) fn hole(&self) -> Option<CoverageItem> {
        let tofu = self.profile == NodeProfile::Tofu.word();
        tofu.then(|| {
            CoverageItem::new(
                "IDENTITY_TOFU",
                "nobody vouches for this TPM: it may be software in the hands of whoever enrolled it",
            )
        })
    }
}
