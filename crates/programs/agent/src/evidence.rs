//! What the node answers: the quote first, and only then the logs that explain it.

use crate::hash::sha256;
use avouch_collect::{CollectError, ImaSpelling, Securityfs};
use avouch_protocol::{
    Evidence, Hash, ImaFormat, ImaSegment, MAX_BOOT_LOG_BYTES, MAX_EVIDENCE_BYTES, MAX_USERSPACE_LOG_BYTES, Offsets,
    Purpose, VERSION, qualifying_data,
};
use avouch_tpm::{AttestationSession, Attested, Transport};
use avouch_tpm_wire::Attest;
use minicbor::bytes::ByteVec;

use crate::challenge::CheckedChallenge;
use crate::error::AgentError;
use crate::reporter::Reported;

/// Room in an evidence message for everything but the logs.
const ENVELOPE_BYTES: usize = 16 * 1024;
/// Room for an IMA list and reports in an evidence message, beside a boot log.
const MAX_LIST_BYTES: usize = MAX_EVIDENCE_BYTES - MAX_BOOT_LOG_BYTES - MAX_USERSPACE_LOG_BYTES - ENVELOPE_BYTES;

/// Answers `challenge` without a report; see [`build_reported_evidence`].
///
/// # Errors
/// As there.
pub fn build_evidence<T: Transport>(
    key: &mut AttestationSession<'_, T>,
    challenge: &CheckedChallenge,
    client_spki: &Hash,
    securityfs: &Securityfs,
) -> Result<Evidence, AgentError> {
    build_reported_evidence(key, challenge, client_spki, securityfs, Reported::default())
}

/// Answers `challenge`: TPM2_Quote, TPM2_GetTime when the quote shows a boot session that the server has proven
/// nothing of, and after both the logs from the proven offset to their end.
///
/// A log that the kernel does not have, or that is longer than a message takes, is left out; the server then says that
/// it cannot judge, which is the truth. The reports are chained already; the signature over the newest is made after.
///
/// # Errors
/// [`AgentError::Tpm`], [`AgentError::Attest`], and [`AgentError::Collect`] for a log that exists and cannot be read.
pub fn build_reported_evidence<T: Transport>(
    key: &mut AttestationSession<'_, T>,
    challenge: &CheckedChallenge,
    client_spki: &Hash,
    securityfs: &Securityfs,
    reported: Reported,
) -> Result<Evidence, AgentError> {
    let digest = challenge.digest();
    let qualifying = |purpose| qualifying_data(sha256, purpose, &digest, client_spki, &reported.digest);
    let quote = key.quote(challenge.selection(), &qualifying(Purpose::Quote).0)?;
    let reset_count = Attest::parse(&quote.attest).map_err(AgentError::Attest)?.clock.reset_count;
    let offsets = applicable(challenge.offsets(), reset_count);
    let time = match offsets {
        Some(_) => None,
        None => Some(key.get_time(&qualifying(Purpose::GetTime).0)?),
    };
    let reports_bytes: usize = reported.reports.iter().map(Vec::len).sum();
    let logs = Logs::read(securityfs, offsets, MAX_LIST_BYTES.saturating_sub(reports_bytes))?;
    Ok(Evidence {
        v: VERSION,
        seq: challenge.message().seq,
        challenge: digest,
        quote: quote.attest.into(),
        quote_signature: quote.signature.into(),
        time: time.as_ref().map(|time| time.attest.clone().into()),
        time_signature: time.map(|Attested { signature, .. }| signature.into()),
        boot_log: logs.boot_log,
        ima: logs.ima,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        report_digest: reported.digest,
        userspace_log: logs.userspace_log,
        reports: reported.reports.into_iter().map(ByteVec::from).collect(),
        report_signature: None,
        report_key: None,
    })
}

/// What the server has proven counts only in the boot session that the quote shows.
fn applicable(offsets: &Offsets, reset_count: u32) -> Option<&Offsets> {
    (offsets.reset_count == Some(reset_count)).then_some(offsets)
}

struct Logs {
    boot_log: Option<ByteVec>,
    userspace_log: Option<ByteVec>,
    ima: Option<ImaSegment>,
}

impl Logs {
    fn read(securityfs: &Securityfs, offsets: Option<&Offsets>, max_ima: usize) -> Result<Self, AgentError> {
        let boot_log = match offsets {
            Some(Offsets { boot_log_proven: true, .. }) => None,
            _ => present(securityfs.boot_log(MAX_BOOT_LOG_BYTES))?.map(ByteVec::from),
        };
        // It grows at run time, so it is sent whole in every round in which there is one.
        let userspace_log = present(securityfs.userspace_log(MAX_USERSPACE_LOG_BYTES))?.flatten().map(ByteVec::from);
        let (count, bytes) = offsets.map_or((0, 0), |offsets| (offsets.ima_count, offsets.ima_bytes));
        let ima = present(securityfs.ima_binary(bytes, max_ima))?.map(|list| ImaSegment {
            format: match list.spelling {
                ImaSpelling::Binary => ImaFormat::Binary,
                ImaSpelling::Ascii => ImaFormat::Ascii,
            },
            from_count: if list.from_byte == 0 { 0 } else { count },
            bytes: list.bytes.into(),
        });
        Ok(Self { boot_log, userspace_log, ima })
    }
}

/// `None`, told in the log, for what the kernel does not have or no message holds.
fn present<L>(read: Result<L, CollectError>) -> Result<Option<L>, CollectError> {
    match read {
        Ok(log) => Ok(Some(log)),
        Err(error @ (CollectError::Absent { .. } | CollectError::TooLong { .. })) => {
            tracing::warn!("{error}; the evidence goes without it");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree() -> (tempfile::TempDir, Securityfs) {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in
            [("tpm0/binary_bios_measurements", &b"boot log"[..]), ("ima/binary_runtime_measurements", b"0123456789")]
        {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let securityfs = Securityfs::at(dir.path());
        (dir, securityfs)
    }

    fn proven(ima_bytes: u64) -> Offsets {
        Offsets { reset_count: Some(7), ima_count: 3, ima_bytes, boot_log_proven: true, ..Offsets::default() }
    }

    #[test]
    fn offsets_of_another_boot_session_do_not_apply() {
        assert!(applicable(&proven(4), 7).is_some());
        assert!(applicable(&proven(4), 8).is_none());
        assert!(applicable(&Offsets::default(), 0).is_none());
    }

    #[test]
    fn a_new_boot_session_owes_everything() {
        let (_dir, fs) = tree();
        let logs = Logs::read(&fs, None, MAX_LIST_BYTES).unwrap();
        assert_eq!(logs.boot_log.unwrap().to_vec(), b"boot log");
        let ima = logs.ima.unwrap();
        assert_eq!((ima.from_count, ima.bytes.to_vec()), (0, b"0123456789".to_vec()));
    }

    #[test]
    fn a_known_session_owes_the_entries_behind_the_offset() {
        let (_dir, fs) = tree();
        let logs = Logs::read(&fs, Some(&proven(4)), MAX_LIST_BYTES).unwrap();
        assert!(logs.boot_log.is_none());
        let ima = logs.ima.unwrap();
        assert_eq!((ima.from_count, ima.bytes.to_vec()), (3, b"456789".to_vec()));
    }

    #[test]
    fn a_list_shorter_than_the_proven_offset_is_sent_whole() {
        let (_dir, fs) = tree();
        let ima = Logs::read(&fs, Some(&proven(11)), MAX_LIST_BYTES).unwrap().ima.unwrap();
        assert_eq!((ima.from_count, ima.bytes.len()), (0, 10));
    }

    #[test]
    fn a_userspace_log_is_sent_whole_in_every_round() {
        let (dir, fs) = tree();
        let path = dir.path().join("tpm2-measure.log");
        let fs = fs.with_userspace_log(&path);
        assert_eq!(Logs::read(&fs, None, MAX_LIST_BYTES).unwrap().userspace_log, None);
        std::fs::write(&path, "\x1e{}\n").unwrap();
        for offsets in [None, Some(&proven(4))] {
            let log = Logs::read(&fs, offsets, MAX_LIST_BYTES).unwrap().userspace_log.unwrap();
            assert_eq!(log.to_vec(), b"\x1e{}\n");
        }
        std::fs::write(&path, vec![0; MAX_USERSPACE_LOG_BYTES + 1]).unwrap();
        assert_eq!(Logs::read(&fs, None, MAX_LIST_BYTES).unwrap().userspace_log, None, "no message holds it");
    }

    #[test]
    fn absent_logs_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::read(&Securityfs::at(dir.path()), None, MAX_LIST_BYTES).unwrap();
        assert!(logs.boot_log.is_none() && logs.ima.is_none());
    }
}
