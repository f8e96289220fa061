//! The chain of reports: which PCR holds it, how far it is proven, and what of it a quote can show.
//!
//! The value of the chain PCR comes from the boot log, which leaves it at zero, and from the digests of all reports of
//! the boot session. A report that was extended and is not shown leaves a value that nothing reproduces.

mod judge;
mod proven;

use avouch_protocol::{Evidence, Hash, Message, Report, WireError, cap_value, chain_value};
use avouch_tpm_wire::{Digest, HashAlg, PcrSelection};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

pub(crate) use self::judge::judge;
pub use self::proven::ProvenReports;
use crate::attested::sha256;
use crate::quote::AuthenticQuote;
use crate::replay::boot_value;
use crate::session::{BootProof, Session};

/// PCRs that a chain may use, in the order in which they are picked: static ones that few platforms extend.
const CHAIN_PCRS: [u8; 4] = [13, 14, 8, 15];
/// How many of the newest reports may stand behind the quote before the search for what it shows ends.
const UNCHAINED: usize = 8;

/// The chain of a boot session, as far as it is proven.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Chain {
    #[n(0)]
    pub(crate) pcr: u8,
    /// The boot session.
    #[n(1)]
    pub(crate) reset_count: u32,
    /// Reports so far.
    #[n(2)]
    pub(crate) count: u64,
    /// The PCR after them.
    #[n(3)]
    value: Hash,
    /// SHA-256 of the newest report; zero for none.
    #[n(4)]
    pub(crate) head: Hash,
    /// TPMT_PUBLIC of the report key that the attestation key certified in this boot session.
    #[n(5)]
    pub(crate) key: Option<ByteVec>,
    /// PCRs that earlier chains of this boot session were in.
    #[n(6)]
    left: Vec<Left>,
    /// The PCR that the node was capped in.
    #[n(7)]
    capped: Option<u8>,
}

/// A PCR that keeps what an earlier chain left in it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Left {
    #[n(0)]
    pcr: u8,
    #[n(1)]
    value: Hash,
}

/// The reports of an evidence that are not proven yet, and the chains that they may continue.
#[derive(Debug)]
pub(crate) struct Sent {
    reports: Vec<SentReport>,
    starts: Vec<Chain>,
    cap: Option<u8>,
    /// True when the node owes its chain: the challenge names a PCR, or an earlier round proved one.
    due: bool,
}

#[derive(Debug)]
struct SentReport {
    digest: Hash,
    read: Result<Report, WireError>,
}

/// One state that the quote may show: a chain after some of the reports, with or without the cap.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    chain: Option<Chain>,
    /// How many of the reports it holds.
    reports: usize,
    capped: Option<u8>,
}

/// What the quote proves of the reports.
#[derive(Debug)]
pub(crate) struct Chained<'a> {
    sent: Sent,
    shown: Shown,
    signature: Option<&'a [u8]>,
}

// === impl Chain ===

impl Chain {
    /// A chain without a report; `None` where the boot log does not say what the PCR holds.
    fn begin(pcr: u8, reset_count: u32, boot: &BootProof) -> Option<Self> {
        let value = hash_of(boot_value(boot, pcr.into())?)?;
        Some(Self { pcr, reset_count, count: 0, value, head: Hash::ZERO, key: None, left: Vec::new(), capped: None })
    }

    /// The chain that goes on in another PCR.
    fn moved(self, mut to: Self) -> Self {
        to.left = self.left;
        to.left.retain(|left| left.pcr != to.pcr);
        to.left.push(Left { pcr: self.pcr, value: self.value });
        Self { key: self.key, capped: self.capped, ..to }
    }

    fn push(&mut self, digest: Hash) {
        self.value = chain_value(sha256, &self.value, &digest);
        self.head = digest;
        self.count = self.count.saturating_add(1);
    }

    /// True while a quote of this selection shows the chain.
    pub(crate) fn is_shown_by(&self, bank: HashAlg, mask: u32) -> bool {
        shows(PcrSelection { bank, mask }, self.pcr)
    }
}

/// The first PCR that is good for a chain: selected, and left alone by whoever extends PCRs during the boot.
fn free(selection: PcrSelection, boot: &BootProof, cap: Option<u8>) -> impl Iterator<Item = u8> {
    let zero = Digest::zero(selection.bank);
    let free =
        move |pcr: &u8| shows(selection, *pcr) && Some(*pcr) != cap && boot_value(boot, (*pcr).into()) == Some(zero);
    CHAIN_PCRS.into_iter().filter(free)
}

fn shows(selection: PcrSelection, pcr: u8) -> bool {
    selection.bank == HashAlg::Sha256 && selection.pcrs().any(|selected| selected == u32::from(pcr))
}

fn hash_of(digest: Digest) -> Option<Hash> {
    (digest.alg() == HashAlg::Sha256).then(|| digest.as_bytes().try_into().ok().map(Hash)).flatten()
}

// === impl Sent ===

impl Sent {
    pub(crate) fn of(
        quote: &AuthenticQuote,
        evidence: &Evidence,
        previous: Option<&Session>,
        boot: &BootProof,
    ) -> Self {
        let (selection, reset_count) = (quote.selection, quote.clock.reset_count);
        let named = quote.challenge.chain_pcr.filter(|pcr| shows(selection, *pcr));
        let cap = quote.challenge.cap_pcr.filter(|pcr| shows(selection, *pcr) && Some(*pcr) != named);
        let held = previous.and_then(|session| session.chain.as_ref()).filter(|held| held.reset_count == reset_count);
        let begin = |pcr| Chain::begin(pcr, reset_count, boot);
        let starts: Vec<Chain> = match (named, held) {
            (Some(pcr), Some(held)) if held.pcr != pcr => {
                begin(pcr).map(|new| held.clone().moved(new)).into_iter().collect()
            }
            (_, Some(held)) => vec![held.clone()],
            (Some(pcr), None) => begin(pcr).into_iter().collect(),
            (None, None) if evidence.reports.is_empty() => Vec::new(),
            // A node that was a member elsewhere in this boot session: its reports tell which PCR they are in.
            (None, None) => free(selection, boot, cap).filter_map(begin).collect(),
        };
        let due = named.is_some() || held.is_some();
        let known = starts.iter().map(|start| start.count).min().unwrap_or(0);
        let reports = evidence.reports.iter().map(|bytes| SentReport::of(bytes));
        // What is proven already is sent again where everything is owed.
        let reports = reports.skip_while(|sent| sent.read.as_ref().is_ok_and(|report| report.seq <= known)).collect();
        Self { reports, starts, cap, due }
    }

    /// Every state that the quote may show, likeliest first.
    pub(crate) fn states(&self, boot: &BootProof) -> Vec<Shown> {
        let all = self.reports.len();
        let mut states = Vec::new();
        for count in (0..=all).rev().take(UNCHAINED.saturating_add(1)) {
            let chains = self.starts.iter().map(|start| Some(self.after(start, count)));
            let chains: Vec<Option<Chain>> = if self.starts.is_empty() { vec![None] } else { chains.collect() };
            for chain in chains {
                let capped = chain.as_ref().and_then(|chain| chain.capped);
                states.push(Shown { chain: chain.clone(), reports: count, capped });
                let zero = Digest::zero(HashAlg::Sha256);
                let cap = self.cap.filter(|cap| capped.is_none() && boot_value(boot, (*cap).into()) == Some(zero));
                states.extend(cap.map(|cap| Shown { chain, reports: count, capped: Some(cap) }));
            }
            if self.starts.is_empty() {
                break;
            }
        }
        states
    }

    fn after(&self, start: &Chain, count: usize) -> Chain {
        let mut chain = start.clone();
        self.reports.iter().take(count).for_each(|sent| chain.push(sent.digest));
        chain
    }

    /// True when a quote that nothing explains may be one whose reports are withheld.
    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// What was tried, for people.
    pub(crate) fn tried(&self) -> String {
        match self.starts.first() {
            Some(start) => format!(
                "PCR {} does not hold the {} reports that are proven and the {} that came",
                start.pcr,
                start.count,
                self.reports.len()
            ),
            None => "no report came".into(),
        }
    }

    pub(crate) fn chained(self, shown: Shown, evidence: &Evidence) -> Chained<'_> {
        Chained { sent: self, shown, signature: evidence.report_signature.as_ref().map(|bytes| bytes.as_slice()) }
    }
}

impl SentReport {
    fn of(bytes: &[u8]) -> Self {
        Self { digest: sha256(&[bytes]), read: Report::from_cbor(bytes) }
    }
}

// === impl Shown ===

impl Shown {
    /// `values` with what the chain and the cap made of their PCRs.
    pub(crate) fn over(&self, mut values: [Option<Digest>; 24]) -> [Option<Digest>; 24] {
        let chain = self.chain.iter().flat_map(|chain| {
            let left = chain.left.iter().map(|left| (left.pcr, left.value));
            left.chain([(chain.pcr, chain.value)])
        });
        for (pcr, value) in chain.chain(self.capped.map(|pcr| (pcr, cap_value(sha256)))) {
            if let Some(slot) = values.get_mut(usize::from(pcr)) {
                *slot = Digest::new(HashAlg::Sha256, &value.0);
            }
        }
        values
    }
}
