//! Every bound of the protocol, with its reason. A message beyond a bound is refused before it is decoded.

/// Version that every message of this release carries under key 0.
pub const VERSION: u64 = 1;
/// Largest enrolment request: public areas, a certificate of 2 KiB on average for each endorsement key, and a label.
pub const MAX_ENROL_BYTES: usize = 64 * 1024;
/// Most endorsement keys beside the one that names the node: one for each further template.
pub const MAX_FURTHER_EKS: usize = 7;
/// Largest log of systemd's userspace measurements: a record has some 500 bytes, and a boot writes a few dozen.
pub const MAX_USERSPACE_LOG_BYTES: usize = 1024 * 1024;
/// Largest challenge request: a version, a receipt position and a few counters.
pub const MAX_CHALLENGE_REQUEST_BYTES: usize = 4 * 1024;
/// Largest evidence message: a whole IMA list of about 200,000 entries and a vendor boot log.
pub const MAX_EVIDENCE_BYTES: usize = 32 * 1024 * 1024;
/// Largest report: 150 units take some 50 KB whole and under 1 KB when nothing changed.
pub const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;
/// Most subjects in a report: a systemd that starts units without end must not make a node unable to report.
pub const MAX_REPORT_SUBJECTS: usize = 65_536;
/// Most distinct lines in a report.
pub const MAX_REPORT_LINES: usize = 262_144;
/// Most distinct values of several lines in a report.
pub const MAX_REPORT_LISTS: usize = 65_536;
/// Most bytes of memory that the facts of a report may unfold to: 1,000 units of 150 facts take some 30 MiB.
pub const MAX_REPORT_UNFOLDED: usize = 128 * 1024 * 1024;
/// What a fact counts there beside its texts.
pub const REPORT_FACT_BYTES: usize = 160;
/// Largest intent: every attribute of 1,000 units.
pub const MAX_INTENT_BYTES: usize = 8 * 1024 * 1024;
/// Largest boot log taken: TCG logs are 10–250 KB, and firmware reserves 64 KiB to 1 MiB for them.
pub const MAX_BOOT_LOG_BYTES: usize = 2 * 1024 * 1024;
/// Largest quote or attestation structure: TPMS_ATTEST is under 300 bytes with every name at SHA-512 width.
pub const MAX_ATTEST_BYTES: usize = 1024;
/// Largest TPMT_SIGNATURE: RSA-4096 and its header.
pub const MAX_SIGNATURE_BYTES: usize = 1024;
/// Longest label a person may give to a node, in bytes of UTF-8.
pub const MAX_LABEL_BYTES: usize = 64;
/// Seconds a round stays open for late answers after its end (protocol rule on rounds).
pub const ROUND_GRACE_SECONDS: u64 = 30;
/// Shortest and longest interval between rounds, in seconds.
pub const INTERVAL_RANGE: core::ops::RangeInclusive<u64> = 5..=86_400;
