//! One quote.

use std::sync::Arc;

use anyhow::Result;
use avouch_appraise::{AuthenticQuote, Expected, NodeKeys};
use avouch_protocol::{Evidence, Hash, Message, Offsets};
use avouch_tpm_wire::Signature;

use crate::logs::{LARGE_BOOT_LOG, ROUND_ENTRIES, boot_log, files};
use crate::measure::{Effort, Subject, cpu_micros};
use crate::node::{Machine, challenge};
use crate::page::Section;
use crate::tpm::Attester;

const SPKI: Hash = Hash([5; 32]);

/// What the server holds of a node, and what came from it.
struct Case {
    name: &'static str,
    keys: NodeKeys,
    challenge: avouch_protocol::Challenge,
    challenge_bytes: Vec<u8>,
    evidence: Evidence,
    evidence_bytes: Vec<u8>,
}

pub(crate) fn measure(effort: Effort) -> Result<Section> {
    let mut section = Section::new("One quote");
    let cases = [Case::new("P-256", Attester::p256()?)?, Case::new("RSA-2048", Attester::rsa2048()?)?];
    let subjects = cases.iter().flat_map(|case| [case.authenticate(), case.with_decoding(), case.bare()]).collect();
    for (name, micros) in cpu_micros(effort, subjects)? {
        match name.starts_with('*') {
            true => section.row(name, "µs CPU", micros),
            false => section.goal(name, "µs CPU", micros, "< 100 µs"),
        }
    }
    section.note(format!(
        "Authenticating is everything that makes a quote believable: the answer to this challenge, the attestation \
         structure, its signature, the key's place in the TPM's hierarchy, the qualifying data, the selection, the \
         counters. The server parses a node's key once and keeps it. The evidence holds {ROUND_ENTRIES} IMA entries."
    ));
    Ok(section)
}

impl Case {
    fn new(name: &'static str, attester: Attester) -> Result<Self> {
        let keys = NodeKeys::check(&attester.ak_public, &attester.parent_public)?;
        let challenge = challenge(1, Hash::ZERO, Offsets::default());
        let challenge_bytes = challenge.to_cbor();
        let mut machine = Machine::new(attester, &Arc::new(boot_log(LARGE_BOOT_LOG)?))?;
        machine.measure(&files(u32::try_from(ROUND_ENTRIES)?)?);
        let evidence = machine.answer(&challenge_bytes, &SPKI)?;
        // As in every round but the first of a boot session.
        let evidence = Evidence { boot_log: None, time: None, time_signature: None, ..evidence };
        Ok(Self { name, keys, challenge, challenge_bytes, evidence_bytes: evidence.to_cbor(), evidence })
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            ak: self.keys.ak(),
            qualified_signer: self.keys.qualified_signer(),
            challenge: &self.challenge,
            challenge_bytes: &self.challenge_bytes,
            client_spki: SPKI,
            last: None,
        }
    }

    fn authenticate(&self) -> Subject<'_> {
        let name = format!("parse and authenticate, {}", self.name);
        Subject::new(name, || Ok(AuthenticQuote::authenticate(&self.evidence, &self.expected())?))
    }

    fn with_decoding(&self) -> Subject<'_> {
        let name = format!("the same from the message's bytes, {}", self.name);
        Subject::new(name, || {
            let evidence = Evidence::from_cbor(&self.evidence_bytes)?;
            Ok(AuthenticQuote::authenticate(&evidence, &self.expected())?)
        })
    }

    fn bare(&self) -> Subject<'_> {
        let name = format!("*the signature alone, {}*", self.name);
        Subject::new(name, || {
            let signature = Signature::parse(&self.evidence.quote_signature)?;
            Ok(self.keys.ak().verify(&self.evidence.quote, &signature)?)
        })
    }
}
