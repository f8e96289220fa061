//! One attack beside its unaltered twin.

use avouch_appraise::{Appraisal, CauseKind, Finding, Policy, PolicyDraft, Session};
use avouch_protocol::Status;
use serde_json::Value;

use crate::machine::{Machine, codes, file};

/// A program that is bad whatever the attack: what allows the attack must not allow it.
const DECOY: &str = "/opt/decoy";

/// A machine under a policy.
pub(crate) struct Scene {
    pub(crate) machine: Machine,
    pub(crate) policy: Vec<u8>,
}

impl Scene {
    /// The standard machine under a policy that `edit` altered.
    pub(crate) fn new(edit: impl FnOnce(&mut Value)) -> Self {
        let machine = Machine::new();
        let mut policy: Value = serde_json::from_slice(&machine.draft().to_bytes()).unwrap();
        policy["v"] = 2.into();
        edit(&mut policy);
        Self { machine, policy: policy.to_string().into_bytes() }
    }

    pub(crate) fn standard() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::parse(&self.policy).unwrap()
    }

    pub(crate) fn judge(&mut self, session: Option<&Session>) -> Appraisal {
        let policy = self.policy();
        self.machine.judged(&policy, session)
    }

    /// Judges the machine from its boot on with these entries behind the others.
    pub(crate) fn comes_to(mut self, entries: &[Vec<u8>], status: Status, wanted: &[&str]) -> Appraisal {
        self.machine.ima.extend_from_slice(entries);
        let appraisal = self.judge(None);
        assert_eq!((appraisal.verdict.status, codes(&appraisal)), (status, wanted.to_vec()));
        appraisal
    }

    /// The twin without the attack passes. With it, in the next round, it is red with this code and this likeliest
    /// cause. Where there is a fix, applying it turns exactly that finding green in the round after.
    pub(crate) fn red(mut self, attack: Vec<u8>, code: &str, cause: CauseKind, has_fix: bool) -> Finding {
        let twin = self.judge(None);
        assert_eq!((twin.verdict.status, codes(&twin)), (Status::Pass, vec![]), "the unaltered twin");
        self.machine.ima.extend([attack, file(DECOY)]);
        let attacked = self.judge(twin.session.as_ref());
        assert_eq!((attacked.verdict.status, codes(&attacked)), (Status::Fail, vec![code, "IMA_UNKNOWN_DIGEST"]));
        let finding = attacked.verdict.findings().find(|finding| finding.code.as_str() == code).unwrap().clone();
        assert_eq!(finding.causes[0].kind, cause, "{:?}", finding.causes);
        assert_eq!(finding.fix.is_some(), has_fix, "{:?}", finding.fix);
        if let Some(fix) = &finding.fix {
            let mut draft = PolicyDraft::from_bytes(&self.policy).unwrap();
            // As a person would: from the printed command.
            let printed = fix.command();
            let argument = printed.strip_prefix("avouch policy allow POLICY '").unwrap().strip_suffix('\'').unwrap();
            assert!(draft.apply(&argument.parse().unwrap()).unwrap(), "{printed}");
            assert!(!draft.apply(fix).unwrap(), "applied once, it changes nothing more");
            self.policy = draft.to_bytes();
            let stored = Session::from_cbor(&attacked.session.unwrap().to_cbor()).unwrap();
            let fixed = self.judge(Some(&stored));
            let left: Vec<_> = fixed.verdict.findings().filter(|f| f.claim == finding.claim).collect();
            assert_eq!(left.len(), 1, "{left:?}");
            assert_eq!(left[0].place.path.as_deref(), Some(DECOY));
        }
        finding
    }
}

/// True when the coverage names this hole.
pub(crate) fn names_hole(appraisal: &Appraisal, code: &str, what: &str) -> bool {
    appraisal.verdict.coverage.holes.iter().any(|hole| hole.code == code && hole.what.contains(what))
}
