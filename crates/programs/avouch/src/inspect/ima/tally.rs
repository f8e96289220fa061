//! What the entries of a list add up to.

use std::collections::BTreeMap;

use avouch_appraise::printable;
use avouch_crypto::Hash;
use avouch_ima::{Body, Entry, IMA_PCR, Replay};
use avouch_tpm_wire::HashAlg;
use data_encoding::HEXLOWER;

use super::super::Options;
use super::super::report::Problem;
use super::details::Details;
use super::{Counts, EntryView, List, Named, Pcrs};

/// Most names that are told of one sort; the counts count all.
const MOST_NAMED: usize = 1000;

pub(super) struct Tally {
    counts: Counts,
    replays: Vec<Replay>,
    padded: Vec<Replay>,
    details: Details,
    width: Option<HashAlg>,
    boot_aggregates: Vec<Named>,
    violations: Vec<Named>,
    wrong: Vec<Named>,
    wrong_count: u64,
    entries: Option<Vec<EntryView>>,
    end: usize,
}

impl Tally {
    pub(super) fn new(options: &Options) -> Self {
        let banks = || HashAlg::ALL.into_iter().filter(|bank| options.bank.is_none_or(|only| only == *bank));
        Self {
            counts: Counts::default(),
            replays: banks().map(Replay::new).collect(),
            padded: banks().filter(|bank| *bank != HashAlg::Sha1).map(Replay::padded).collect(),
            details: Details::default(),
            width: None,
            boot_aggregates: Vec::new(),
            violations: Vec::new(),
            wrong: Vec::new(),
            wrong_count: 0,
            entries: options.entries.then(Vec::new),
            end: 0,
        }
    }

    /// First byte behind the last entry.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.end = entry.end_offset;
        let width = HashAlg::ALL.into_iter().find(|alg| alg.size() == entry.template_hash.len());
        self.width = self.width.or(width);
        self.count(entry);
        for replay in self.replays.iter_mut().chain(&mut self.padded) {
            replay.push(entry, &Hash);
        }
        self.details.push(entry);
        let recomputed = width.map(|alg| entry.template_data.hash(alg, &Hash));
        let wrong = recomputed.is_some_and(|hash| hash.as_bytes() != entry.template_hash) && !entry.is_violation();
        if wrong {
            self.wrong_count += 1;
            note(&mut self.wrong, entry);
        }
        if let Some(entries) = &mut self.entries {
            entries.push(view(entry));
        }
    }

    fn count(&mut self, entry: &Entry<'_>) {
        let counts = &mut self.counts;
        counts.entries += 1;
        *counts.templates.entry(printable(entry.template.as_bytes())).or_default() += 1;
        if let (Some(alg), true) = (named_alg(entry), entry.template != "ima") {
            *counts.digests.entry(alg.into()).or_default() += 1;
        }
        match entry.body {
            Body::File { path, signature, modsig, .. } => {
                counts.signed += u64::from(signature.is_some() || modsig.is_some());
                if path == b"boot_aggregate" {
                    note(&mut self.boot_aggregates, entry);
                }
            }
            Body::Buffer { .. } => counts.buffers += 1,
            _ => counts.unknown += 1,
        }
        counts.unusual_names += u64::from(name(entry).iter().any(|byte| !byte.is_ascii_graphic()));
        if entry.is_violation() {
            counts.violations += 1;
            note(&mut self.violations, entry);
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<_> = self
            .wrong
            .iter()
            .map(|entry| {
                let what = format!("entry {} ({}): the template hash is not that of its data", entry.entry, entry.name);
                Problem::at(entry.offset, what)
            })
            .collect();
        let told = u64::try_from(self.wrong.len()).unwrap_or(u64::MAX);
        if self.wrong_count > told {
            problems.push(Problem::new(format!("{} more entries have a wrong template hash", self.wrong_count - told)));
        }
        problems
    }

    pub(super) fn facts(self, format: &'static str, bytes: usize) -> List {
        let nothing = self.counts.entries == 0;
        let of = |replays: &[Replay]| -> Pcrs {
            let values = replays.iter().filter(|_| !nothing).map(Replay::value);
            values.map(|value| (value.alg().name(), BTreeMap::from([(IMA_PCR, Some(value.to_string()))]))).collect()
        };
        // Of a list with SHA-256 template hashes or wider the kernel had the algorithm.
        let padded =
            self.padded.as_slice().get(..if self.width == Some(HashAlg::Sha1) { self.padded.len() } else { 0 });
        List {
            format,
            template_hash: self.width.map(HashAlg::name),
            counts: Counts {
                bytes,
                other_pcrs: self.replays.first().map_or(0, Replay::others),
                unreadable_signatures: self.details.unreadable_signatures,
                appended_signatures: self.details.appended_signatures,
                ..self.counts
            },
            pcrs: of(&self.replays),
            pcrs_sha1_padded: of(padded.unwrap_or_default()),
            boot_aggregates: self.boot_aggregates,
            violations: self.violations,
            wrong_hashes: self.wrong,
            signers: self.details.signers,
            keys: self.details.keys,
            critical_data: self.details.critical,
            policies: self.details.policies,
            entries: self.entries,
        }
    }
}

fn note(list: &mut Vec<Named>, entry: &Entry<'_>) {
    if list.len() < MOST_NAMED {
        list.push(named(entry));
    }
}

fn named(entry: &Entry<'_>) -> Named {
    let digest = match entry.body {
        Body::File { digest, .. } | Body::Buffer { digest, .. } => Some(HEXLOWER.encode(digest)),
        _ => None,
    };
    let name = printable(name(entry));
    Named { entry: entry.index, offset: entry.offset, name, alg: named_alg(entry), digest }
}

fn name<'a>(entry: &Entry<'a>) -> &'a [u8] {
    match entry.body {
        Body::File { path, .. } => path,
        Body::Buffer { name, .. } => name,
        _ => b"",
    }
}

fn named_alg(entry: &Entry<'_>) -> Option<&'static str> {
    match entry.body {
        Body::File { digest_alg, .. } | Body::Buffer { digest_alg, .. } => Some(digest_alg.name()),
        _ => None,
    }
}

fn view(entry: &Entry<'_>) -> EntryView {
    EntryView {
        named: named(entry),
        template: printable(entry.template.as_bytes()),
        template_hash: HEXLOWER.encode(entry.template_hash),
        violation: entry.is_violation(),
    }
}
