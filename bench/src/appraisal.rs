//! Appraisals, from bytes to verdict, without a network or a store.

use std::sync::Arc;

use anyhow::{Result, ensure};
use avouch_appraise::{
    Appraisal, AuthenticQuote, Context, Expected, Identity, NodeKeys, Policy, ReplayedLogs, Session,
};
use avouch_protocol::{Challenge, Evidence, Hash, Message, NodeProfile, Status};
use avouch_tpm_wire::Signature;

use crate::logs::{
    FIRST_ENTRIES, LARGE_BOOT_LOG, ROUND_ENTRIES, blocks, boot_log, entries, files, hash_blocks, ima_list, policy,
};
use crate::measure::{Effort, Subject, cpu_micros};
use crate::node::{Machine, challenge};
use crate::page::Section;
use crate::tpm::Attester;

const SPKI: Hash = Hash([5; 32]);
const CONTEXT: Context<'static> = Context {
    now: 1_700_000_000,
    expires: 2_000_000_000,
    ek: Hash([6; 32]),
    tpm: None,
    identity: Identity { profile: NodeProfile::EkCert, vouched_by: "CN=maker", manufacturer: None },
};
/// Files in the policy that judges, as many as a server installation has.
pub(crate) const POLICY_FILES: u32 = 50_000;

/// One node before one appraisal.
pub(crate) struct Appraiser {
    keys: NodeKeys,
    policy: Policy,
    machine: Machine,
    session: Option<Session>,
    seq: u64,
}

/// A message with what it answers.
pub(crate) struct Posed {
    challenge: Challenge,
    challenge_bytes: Vec<u8>,
    pub(crate) evidence: Evidence,
    evidence_bytes: Vec<u8>,
}

pub(crate) fn measure(effort: Effort) -> Result<Section> {
    let boot_log = Arc::new(boot_log(LARGE_BOOT_LOG)?);
    let list = ima_list(&boot_log, FIRST_ENTRIES)?;
    let policy = policy(&boot_log, &list, POLICY_FILES)?;
    let mut bench = Appraiser::new(&boot_log, &policy)?;
    bench.machine.measure(&entries(&list)?);
    let first = bench.pose()?;
    let whole = bench.appraise(&first)?;
    ensure!(whole.verdict.status == Status::Pass, "the first appraisal came to {:?}", whole.verdict);
    let mut later = Appraiser::new(&boot_log, &policy)?;
    later.machine.measure(&entries(&list)?);
    later.prove()?;
    later.machine.measure(&files(u32::try_from(ROUND_ENTRIES)?)?);
    let next = later.pose()?;
    let increment = later.appraise(&next)?;
    ensure!(increment.verdict.status == Status::Pass, "the later appraisal came to {:?}", increment.verdict);
    let whole_list = blocks(&list)?;
    let delta: Vec<u8> = files(u32::try_from(ROUND_ENTRIES)?)?.into_iter().flat_map(|entry| entry.bytes).collect();
    let delta = blocks(&delta)?;
    let subjects = vec![
        Subject::new(
            format!("first of a boot session: {FIRST_ENTRIES} IMA entries, boot log of {} KiB", boot_log.len() / 1024),
            || bench.appraise_bytes(&first),
        ),
        Subject::new("*its two signatures and the hashing of its IMA entries alone*", || {
            first.verify(&bench.keys, true)?;
            Ok(hash_blocks(&whole_list))
        }),
        Subject::new(format!("later in it: {ROUND_ENTRIES} new IMA entries"), || later.appraise_bytes(&next)),
        Subject::new("*its signature and the hashing of its IMA entries alone*", || {
            next.verify(&later.keys, false)?;
            Ok(hash_blocks(&delta))
        }),
    ];
    let mut section = Section::new("One appraisal");
    for (name, micros) in cpu_micros(effort, subjects)? {
        section.row(name, "µs CPU", micros);
    }
    section.note(format!(
        "From the message's bytes to verdict and next session: decode, authenticate, replay, judge under a policy of \
         {POLICY_FILES} files. Evidence of the first has {} KiB, of the later {:.1} KiB. No network and no store.",
        first.evidence_bytes.len() / 1024,
        f64::from(u32::try_from(next.evidence_bytes.len())?) / 1024.0,
    ));
    Ok(section)
}

impl Appraiser {
    pub(crate) fn new(boot_log: &Arc<Vec<u8>>, policy: &[u8]) -> Result<Self> {
        let attester = Attester::p256()?;
        let keys = NodeKeys::check(&attester.ak_public, &attester.parent_public)?;
        let machine = Machine::new(attester, boot_log)?;
        Ok(Self { keys, policy: Policy::parse(policy)?, machine, session: None, seq: 0 })
    }

    pub(crate) fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// A challenge to this node, and its answer.
    pub(crate) fn pose(&mut self) -> Result<Posed> {
        self.seq += 1;
        let reference = self.policy.reference();
        let offsets = self.session.as_ref().map(|session| session.offsets(&reference)).unwrap_or_default();
        let challenge = challenge(self.seq, reference, offsets);
        let challenge_bytes = challenge.to_cbor();
        let evidence = self.machine.answer(&challenge_bytes, &SPKI)?;
        Ok(Posed { challenge, challenge_bytes, evidence_bytes: evidence.to_cbor(), evidence })
    }

    /// A whole round, so that what was measured is proven.
    fn prove(&mut self) -> Result<()> {
        let posed = self.pose()?;
        self.session = self.appraise(&posed)?.session;
        self.machine.proven();
        Ok(())
    }

    pub(crate) fn authenticate(&self, posed: &Posed) -> Result<AuthenticQuote> {
        self.authenticate_message(posed, &posed.evidence)
    }

    fn authenticate_message(&self, posed: &Posed, evidence: &Evidence) -> Result<AuthenticQuote> {
        let expected = Expected {
            ak: self.keys.ak(),
            qualified_signer: self.keys.qualified_signer(),
            challenge: &posed.challenge,
            challenge_bytes: &posed.challenge_bytes,
            client_spki: SPKI,
            last: self.session.as_ref(),
        };
        Ok(AuthenticQuote::authenticate(evidence, &expected)?)
    }

    /// The second and third step.
    pub(crate) fn replay_and_judge(&self, quote: AuthenticQuote, evidence: &Evidence) -> Appraisal {
        let session = self.session.as_ref();
        let logs = ReplayedLogs::replay(quote, evidence, session);
        Appraisal::judge(logs, Some(&self.policy), session, &CONTEXT)
    }

    pub(crate) fn appraise(&self, posed: &Posed) -> Result<Appraisal> {
        Ok(self.replay_and_judge(self.authenticate(posed)?, &posed.evidence))
    }

    fn appraise_bytes(&self, posed: &Posed) -> Result<Appraisal> {
        let evidence = Evidence::from_cbor(&posed.evidence_bytes)?;
        Ok(self.replay_and_judge(self.authenticate_message(posed, &evidence)?, &evidence))
    }
}

impl Posed {
    fn verify(&self, keys: &NodeKeys, time: bool) -> Result<()> {
        let evidence = &self.evidence;
        keys.ak().verify(&evidence.quote, &Signature::parse(&evidence.quote_signature)?)?;
        if let (true, Some(attest), Some(signature)) = (time, &evidence.time, &evidence.time_signature) {
            keys.ak().verify(attest, &Signature::parse(signature)?)?;
        }
        Ok(())
    }
}
