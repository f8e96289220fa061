//! First step: evidence whose quote is this node's answer to this challenge.

use avouch_crypto::AttestationKey;
use avouch_protocol::{Challenge, Evidence, Hash, Purpose};
use avouch_tpm_wire::{AttestBody, ClockInfo, Digest, HashAlg, PcrSelection};

use crate::attested::{Attested, Binding, Signer, sha256};
use crate::clock;
use crate::rejection::{RejectCode, Rejection};
use crate::report_key::{self, CertifiedKey};
use crate::session::Session;

/// What the server knows before it looks at the evidence.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The enrolled attestation key, parsed once ([`crate::NodeKeys::ak`]).
    pub ak: &'a AttestationKey,
    /// Its qualified Name ([`crate::NodeKeys::qualified_signer`]).
    pub qualified_signer: &'a [u8],
    /// The challenge that was issued.
    pub challenge: &'a Challenge,
    /// Its bytes exactly as they were sent.
    pub challenge_bytes: &'a [u8],
    /// SHA-256 of the SubjectPublicKeyInfo of the client key that the evidence came over.
    pub client_spki: Hash,
    /// The node's last session; `None` before its first authentic quote.
    pub last: Option<&'a Session>,
}

/// A quote that the node's own TPM made for this challenge, this client key and this report, over exactly the PCRs
/// that were asked for, later than every quote before it. It says nothing yet about what the PCRs mean.
#[derive(Clone, Debug)]
pub struct AuthenticQuote {
    pub(crate) challenge: Challenge,
    pub(crate) selection: PcrSelection,
    pub(crate) pcr_digest: Digest,
    pub(crate) clock: ClockInfo,
    pub(crate) firmware: u64,
    pub(crate) time: TimeProof,
    /// Why another TPM must have made the last quote or this one.
    pub(crate) fork: Option<String>,
    /// SHA-256 of the report that the quote is bound to; zero for none.
    pub(crate) report: Hash,
    /// The report key that came with it, or why its certification does not hold.
    pub(crate) report_key: Option<Result<CertifiedKey, String>>,
}

/// What is known of TPM2_GetTime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeProof {
    /// None came.
    Missing,
    /// Authentic and later than the quote in the same boot session.
    Given,
    /// Authentic, but of another moment.
    Mismatch(String),
}

impl AuthenticQuote {
    /// Checks, in this order: that the evidence answers this challenge; that the attestation structure parses, comes
    /// from inside a TPM and is a quote; scheme and signature; the signer's place in the hierarchy; the qualifying
    /// data; the signed selection; and that the counters go forward. An attested time that comes with it must be as
    /// authentic as the quote.
    ///
    /// # Errors
    /// [`Rejection`] with the first check that failed. The caller leaves the node's last verdict as it is.
    pub fn authenticate(evidence: &Evidence, expected: &Expected<'_>) -> Result<Self, Rejection> {
        let challenge = sha256(&[expected.challenge_bytes]);
        check_answer(evidence, expected, &challenge)?;
        let signer = Signer { ak: expected.ak, qualified_signer: expected.qualified_signer };
        let binding =
            |purpose| Binding { purpose, challenge, client_spki: expected.client_spki, report: evidence.report_digest };
        let quote = Attested::check(&evidence.quote, &evidence.quote_signature, &signer, &binding(Purpose::Quote))?;
        let selection = requested(expected.challenge)?;
        let AttestBody::Quote { selection: signed, pcr_digest } = &quote.attest.body else {
            return Err(Rejection::new(RejectCode::QuoteType, "what came is not a quote"));
        };
        if !signed.is(selection) {
            return Err(wrong_selection(&signed.banks, selection));
        }
        let pcr_digest = digest(quote.hash, pcr_digest)?;
        let clock = quote.attest.clock;
        let fork = order(expected.last, &clock, selection, &pcr_digest)?;
        let time = time_proof(evidence, &signer, &binding(Purpose::GetTime), &clock)?;
        let firmware = quote.attest.firmware_version;
        let report = evidence.report_digest;
        let report_key = evidence.report_key.as_ref().map(|shown| {
            let key = report_key::certified(shown, &signer, challenge, expected.client_spki);
            key.map_err(|rejection| rejection.to_string())
        });
        let challenge = expected.challenge.clone();
        Ok(Self { challenge, selection, pcr_digest, clock, firmware, time, fork, report, report_key })
    }

    /// The counters that the TPM signed.
    pub fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The challenge that it answers.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }
}

fn check_answer(evidence: &Evidence, expected: &Expected<'_>, challenge: &Hash) -> Result<(), Rejection> {
    let code = RejectCode::ChallengeMismatch;
    if evidence.challenge != *challenge {
        let detail = format!("the evidence answers challenge {}, the open one is {challenge}", evidence.challenge);
        return Err(Rejection::new(code, detail));
    }
    if evidence.seq != expected.challenge.seq {
        let detail = format!("the evidence is number {}, the challenge {}", evidence.seq, expected.challenge.seq);
        return Err(Rejection::new(code, detail));
    }
    Ok(())
}

fn requested(challenge: &Challenge) -> Result<PcrSelection, Rejection> {
    let bank = HashAlg::from_id(challenge.pcr_bank).ok_or_else(|| {
        let detail =
            format!("the challenge asked for bank {:#06x}, which this release does not know", challenge.pcr_bank);
        Rejection::new(RejectCode::PcrSelection, detail)
    })?;
    Ok(PcrSelection { bank, mask: challenge.pcr_mask })
}

fn wrong_selection(signed: &[avouch_tpm_wire::BankSelection], wanted: PcrSelection) -> Rejection {
    let signed: Vec<String> = signed.iter().map(|bank| format!("{:#06x}:{:#08x}", bank.alg, bank.mask)).collect();
    let detail = format!(
        "the quote covers [{}] (bank:mask), wanted exactly [{:#06x}:{:#08x}]",
        signed.join(", "),
        wanted.bank.id(),
        wanted.mask
    );
    Rejection::new(RejectCode::PcrSelection, detail)
}

/// Checks that the quote is later than the last one, or tells why it cannot be by the same TPM: one that has the same
/// counters and other PCRs is no old quote, since it answers this challenge.
fn order(
    last: Option<&Session>,
    clock: &ClockInfo,
    selection: PcrSelection,
    pcr_digest: &Digest,
) -> Result<Option<String>, Rejection> {
    let Some(last) = last else { return Ok(None) };
    let refused = match clock::advance(&last.clock, clock) {
        Ok(()) => return Ok(None),
        Err(refused) => refused,
    };
    let counters = |clock: &ClockInfo| (clock.reset_count, clock.restart_count, clock.clock);
    if counters(&last.clock) == counters(clock) && last.track.contradicts(selection, pcr_digest) {
        let at = clock.clock;
        return Ok(Some(format!("two quotes at clock {at} ms of one boot session have different PCRs")));
    }
    Err(refused)
}

fn digest(hash: HashAlg, bytes: &[u8]) -> Result<Digest, Rejection> {
    Digest::new(hash, bytes).ok_or_else(|| {
        let detail = format!("the PCR digest has {} bytes, the scheme's hash {}", bytes.len(), hash.size());
        Rejection::new(RejectCode::QuoteMalformed, detail)
    })
}

fn time_proof(
    evidence: &Evidence,
    signer: &Signer<'_>,
    binding: &Binding,
    quoted: &ClockInfo,
) -> Result<TimeProof, Rejection> {
    let (Some(bytes), Some(signature)) = (&evidence.time, &evidence.time_signature) else {
        return match (&evidence.time, &evidence.time_signature) {
            (None, None) => Ok(TimeProof::Missing),
            _ => {
                Err(Rejection::new(RejectCode::SignatureMalformed, "an attested time and its signature come together"))
            }
        };
    };
    let time = Attested::check(bytes, signature, signer, binding)?;
    let AttestBody::Time { clock, .. } = time.attest.body else {
        return Err(Rejection::new(RejectCode::QuoteType, "what came is not an attested time"));
    };
    let same = (clock.reset_count, clock.restart_count) == (quoted.reset_count, quoted.restart_count);
    if same && clock.clock >= quoted.clock {
        return Ok(TimeProof::Given);
    }
    Ok(TimeProof::Mismatch(format!(
        "quote at reset {}, restart {}, clock {}; time at reset {}, restart {}, clock {}",
        quoted.reset_count, quoted.restart_count, quoted.clock, clock.reset_count, clock.restart_count, clock.clock
    )))
}
