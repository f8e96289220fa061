//! The machine codes of findings: for each, the claim it speaks about, what it does to the verdict, and what it means.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The claims of a verdict, in the order in which they are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimName {
    /// The quote is this node's answer to this challenge.
    Quote,
    /// The boot session, its counters and its clock.
    Session,
    /// The logs reproduce the quoted digest.
    Logs,
    /// The machine booted what the policy confirms.
    Boot,
    /// The kernel measures under an approved IMA policy since before the first run-time entry.
    ImaPolicy,
    /// Everything that the kernel measured is known.
    Ima,
    /// The paired reports of the boot session are whole, and signed while the boot state was approved.
    Report,
    /// Every level that the policy demands holds.
    Levels,
    /// The policy's own rule, where it has one, holds.
    Rules,
}

/// What a finding does to the verdict. The worst one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Worth knowing; the verdict stays as it is.
    None,
    /// The claim cannot be judged.
    Unverifiable,
    /// The claim is authentically false.
    Fail,
}

/// How soon a person should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// For information.
    Note,
    /// Worth a look some day.
    Low,
    /// Worth a look soon.
    Medium,
    /// Judgement is missing or weakened.
    High,
    /// Something ran, or booted, that nobody approved.
    Critical,
}

/// Everything that is fixed about a code.
#[derive(Clone, Copy, Debug)]
pub struct CodeFacts {
    /// The claim that the finding belongs to.
    pub claim: ClaimName,
    /// What it does to the verdict.
    pub effect: Effect,
    /// How soon a person should look.
    pub severity: Severity,
    /// The rule that was broken.
    pub rule: &'static str,
    /// What it means.
    pub implication: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident = $text:literal: $claim:ident $effect:ident $severity:ident,
        $rule:literal, $implication:literal, $remedy:literal; )*) => {
        /// The code of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum FindingCode {
            $( $(#[$doc])* #[serde(rename = $text)] $name, )*
        }

        impl FindingCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [FindingCode] = &[$(Self::$name),*];

            /// The code as it stands in JSON, receipts and documents.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What is fixed about this code.
            pub fn facts(self) -> CodeFacts {
                match self {
                    $(Self::$name => CodeFacts {
                        claim: ClaimName::$claim, effect: Effect::$effect, severity: Severity::$severity,
                        rule: $rule, implication: $implication, remedy: $remedy,
                    },)*
                }
            }
        }
    };
}

codes! {
    /// First evidence of a boot session.
    BootSessionNew = "BOOT_SESSION_NEW": Session None Note,
        "A TPM reset begins a new boot session; every log is then owed from its start.",
        "The machine booted since the last evidence.",
        "Nothing to do if the reboot was expected.";
    /// restartCount moved within a boot session.
    SessionResumed = "SESSION_RESUMED": Session None Note,
        "A TPM restart within a boot session keeps the PCRs.",
        "The machine was suspended or hibernated and came back.",
        "Nothing to do if the suspension was expected.";
    /// The TPM marks its clock as not safe.
    ClockUnsafe = "CLOCK_UNSAFE": Session None Note,
        "After a power cut the TPM marks its clock unsafe until the stored value is passed again (TPM 2.0 Part 1, 36.3).",
        "The machine lost power without an orderly TPM shutdown.",
        "Look for a power cut or a hard reset at that time.";
    /// A new boot session began at an earlier clock than the last one had reached.
    ShutdownNotOrderly = "SHUTDOWN_NOT_ORDERLY": Session None Note,
        "An orderly shutdown saves the TPM's clock; without one the clock begins again at the last value that was saved (TPM 2.0 Part 1, 36.3).",
        "The machine lost power without an orderly TPM shutdown. An earlier state of the TPM that was restored, and then reset, would look alike.",
        "Look for a power cut or a hard reset at that time; on a virtual machine, for a restored snapshot.";
    /// The first round of a boot session came without TPM2_GetTime.
    TimeMissing = "TIME_MISSING": Session Unverifiable High,
        "The first round of a boot session owes an attested TPM time.",
        "The time of this boot session is not tied to the quote.",
        "Update the agent; a correct one sends it without being told.";
    /// TPM2_GetTime was made in another reset, another restart, or before the quote.
    TimeMismatch = "TIME_MISMATCH": Session Unverifiable High,
        "Attested time must follow the quote within the same reset and restart.",
        "Quote and time speak of different moments; the machine may have been reset or suspended between them.",
        "Wait one round; look at the agent's journal when it repeats.";
    /// The agent reports that its key no longer loads.
    TpmCleared = "TPM_CLEARED": Session Fail Critical,
        "The attestation key lives as long as the hierarchy seed; a key that no longer loads ends the pass at once.",
        "The TPM was cleared, replaced, or the agent's state belongs to another TPM.",
        "Find out who cleared the TPM, then enrol the node again with a new token.";
    /// A log that is owed did not come.
    LogMissing = "LOG_MISSING": Logs Unverifiable High,
        "Every log that the server has not yet proven in this boot session is owed.",
        "What the machine booted or ran cannot be told from the quote alone.",
        "Check that /sys/kernel/security is mounted and that the agent may read the boot log and the IMA list.";
    /// A log is larger than the protocol takes.
    LogTooLarge = "LOG_TOO_LARGE": Logs Unverifiable High,
        "Logs are bounded.",
        "The log was not looked at.",
        "Reboot the machine to start a new IMA list, or measure less.";
    /// The boot log does not parse.
    BootLogMalformed = "BOOT_LOG_MALFORMED": Logs Unverifiable High,
        "A boot log is taken whole or not at all.",
        "Firmware wrote a damaged log, or somebody altered it.",
        "Compare with the machine's own tpm2_eventlog output; report the firmware version with the offset.";
    /// The boot log has no digests for the quoted bank.
    LogBank = "LOG_BANK": Logs Unverifiable High,
        "Every selected PCR must be replayed in the bank that was quoted.",
        "The firmware did not log digests for the quoted bank, so anything may have been extended there.",
        "Enable the SHA-256 bank in the firmware's TPM settings.";
    /// The IMA segment does not begin where the server's proof ends.
    LogOffset = "LOG_OFFSET": Logs Unverifiable High,
        "An IMA segment begins at the proven entry or at the first one.",
        "Entries between the proof and the segment were not shown.",
        "Wait one round: the next challenge asks for everything again.";
    /// No prefix of the logs reproduces the quoted digest.
    LogMismatch = "LOG_MISMATCH": Logs Unverifiable Critical,
        "Some prefix of the logs must reproduce the quoted digest.",
        "A log was altered, cut or reordered, or a PCR was extended by something that writes no log.",
        "Treat the logs as untrusted; reboot into a known state when it repeats.";
    /// PCR 10 is not in the selection.
    Pcr10NotSelected = "PCR_10_NOT_SELECTED": Logs Unverifiable High,
        "PCR 10 is always quoted: without it the IMA list proves nothing.",
        "Nothing is known about what ran.",
        "Put PCR 10 into the server's selection.";
    /// The node has no policy.
    NoPolicy = "NO_POLICY": Boot Unverifiable High,
        "Without reference values nothing can be judged.",
        "The quote is authentic, but nobody has said what is good.",
        "Build and apply a policy: avouch policy build, confirm, apply.";
    /// Another policy than the challenge names.
    PolicyChanged = "POLICY_CHANGED": Boot Unverifiable Note,
        "Evidence is judged by the policy that its challenge names.",
        "The policy changed between challenge and evidence.",
        "Wait one round: everything is owed again under the new policy.";
    /// The policy confirms no boot.
    NoBootReference = "NO_BOOT_REFERENCE": Boot Unverifiable High,
        "An empty set of confirmed boots approves nothing.",
        "What the machine booted is recorded, not judged.",
        "Boot a reference machine with another TPM and run avouch policy confirm.";
    /// Every confirmed boot was recorded on this node.
    ReferenceFromSelf = "REFERENCE_FROM_SELF": Boot Unverifiable High,
        "Reference values never come from the node under test.",
        "A machine that was bad when it was recorded would look good for ever.",
        "Confirm the boot from a machine with another TPM.";
    /// A boot event that no confirmed boot has in that PCR.
    BootEventUnknown = "BOOT_EVENT_UNKNOWN": Boot Fail Critical,
        "Every event of a selected PCR must be in a confirmed boot.",
        "Firmware, loader, kernel, command line or a Secure Boot variable is not the approved one.",
        "If the change is intended, confirm a boot of the new image on a reference machine and apply the new policy.";
    /// The events are known, their order or number is not.
    BootSequence = "BOOT_SEQUENCE": Boot Fail Critical,
        "The events of a selected PCR must be those of one confirmed boot, in order.",
        "Known components were measured in another order or number.",
        "If the change is intended, confirm a boot on a reference machine and apply the new policy.";
    /// An event whose digest the policy denies, whoever confirmed it.
    BootEventDenied = "BOOT_EVENT_DENIED": Boot Fail Critical,
        "No event may have a digest, or match a rule, that the policy calls bad.",
        "Something with a known fault was part of the boot.",
        "Update what the finding names, then confirm a boot of the new image.";
    /// A selected boot PCR without exactly one separator in the quoted bank.
    BootSeparator = "BOOT_SEPARATOR": Boot Fail Critical,
        "Firmware ends the pre-boot phase with one separator in each of the PCRs 0-7 and in every active bank (PFP section 3.3.2.2).",
        "The firmware did not extend the quoted bank, so anyone could have filled it with the values of a good boot.",
        "Quote a bank that the firmware extends, or update the firmware; compare all banks with tpm2_pcrread.";
    /// An event that has no place where it stands.
    BootGrammar = "BOOT_GRAMMAR": Boot Fail Critical,
        "The events of PCRs 0-7 come in the classes and the order that the PC Client profile gives them.",
        "Events were added or renamed after the fact, or the firmware does not follow the profile.",
        "Compare with a machine of the same model; report the firmware version with the event's number.";
    /// Firmware measured an error in place of a separator.
    BootError = "BOOT_ERROR": Boot Fail High,
        "A separator of an error says that the firmware could not measure something (PFP section 2.3.4).",
        "A part of the boot is not measured.",
        "Look at the firmware's own log; reset and boot again.";
    /// An image that the measured dbx revokes was loaded all the same.
    BootImageRevoked = "BOOT_IMAGE_REVOKED": Boot Fail Critical,
        "An image whose digest is in the forbidden signature database (dbx) must not be loaded.",
        "The firmware does not enforce its own revocation list, or Secure Boot was off.",
        "Remove the image and update the loader; then look for what else it started.";
    /// Secure Boot is required and was off.
    SecureBootOff = "SECURE_BOOT_OFF": Boot Fail Critical,
        "The policy requires Secure Boot.",
        "The firmware started whatever it found, signed or not.",
        "Switch Secure Boot on in the firmware's settings and reboot.";
    /// Secure Boot is required and nothing proves that it was on.
    SecureBootUnproven = "SECURE_BOOT_UNPROVEN": Boot Fail Critical,
        "The policy requires Secure Boot, which the variable SecureBoot in PCR 7 proves.",
        "The event is missing, not in a quoted PCR, or its digest is not that of its data.",
        "Quote PCR 7; when the event is missing, update the firmware.";
    /// A word of the kernel's command line that the policy denies.
    CommandLineDenied = "COMMAND_LINE_DENIED": Boot Fail Critical,
        "The kernel's command line must not hold a word that the policy denies.",
        "The kernel was told to protect or to measure less than it should.",
        "Find out who edited the command line; boot the approved one.";
    /// A word that the kernel's command line must hold is not there.
    CommandLineMissing = "COMMAND_LINE_MISSING": Boot Fail Critical,
        "The kernel's command line must hold every word that the policy requires.",
        "A protection that the policy counts on was not asked for.",
        "Add the word to the boot loader's configuration, or to the UKI, and reboot.";
    /// The policy judges the command line, and none is proven.
    CommandLineUnproven = "COMMAND_LINE_UNPROVEN": Boot Unverifiable High,
        "The policy judges the words of the command line, so an event whose digest covers them is needed.",
        "The kernel may have been told anything that its confirmed digests allow.",
        "Quote PCRs 8, 9 and 12, and boot with GRUB, systemd-stub or a kernel whose EFI stub measures its command line.";
    /// The measured revocation level is lower than the policy wants.
    SbatTooOld = "SBAT_TOO_OLD": Boot Fail Critical,
        "The measured SBAT level must revoke every generation that the policy no longer takes.",
        "The machine would still start a loader with known faults.",
        "Update shim and the boot loader, and apply the newer SBAT level (mokutil --set-sbat-policy latest).";
    /// The policy wants an SBAT level, and none is proven.
    SbatUnproven = "SBAT_UNPROVEN": Boot Unverifiable High,
        "The SBAT level is proven by the variable SbatLevel that shim measures into PCR 7.",
        "Nothing shows which generations of the loader are revoked.",
        "Boot through a shim that measures its SBAT level, or take the section out of the policy.";
    /// The quoted bank is weaker than the policy allows.
    BankTooWeak = "BANK_TOO_WEAK": Boot Fail High,
        "The quoted bank must be at least as strong as the policy's minimum; SHA-1 never is.",
        "Events can be forged to a digest of a weak hash.",
        "Enable a stronger bank in the firmware's TPM settings and select it on the server.";
    /// TPM firmware with known faults.
    TpmFirmwareDenied = "TPM_FIRMWARE_DENIED": Session Fail Critical,
        "The TPM's firmware version must not be one that the policy denies.",
        "The TPM's keys may be weak or known, so nothing that it signs is proof.",
        "Update the TPM's firmware, then enrol the node again.";
    /// Two TPMs answer with one key.
    VtpmFork = "VTPM_FORK": Session Fail Critical,
        "One TPM has one clock, and at one moment one set of PCRs.",
        "The TPM's state was copied: two machines answer as this node, and neither can be told from the other.",
        "Stop both, find the copy, clear the TPM of the machine that stays and enrol it again.";
    /// The TPM's clock went faster than time.
    ClockForwarded = "CLOCK_FORWARDED": Session Unverifiable High,
        "A TPM's clock runs at most 18 % fast, so it cannot gain on the server's time by more (TPM 2.0 Part 1, 36.3).",
        "Somebody set the TPM's clock forward: what it says about the time since the last quote is worth nothing.",
        "Find out who can use the owner authorisation of the TPM; reboot to start a new boot session.";
    /// The PCRs stand at their start values after a resume.
    PcrsReset = "PCRS_RESET": Session Fail Critical,
        "A resume keeps the PCRs (TPM 2.0 Part 1, 11.4); at their start values they can be filled anew with any history.",
        "The TPM was restarted without its saved state, by a faulty firmware or by somebody who wanted to replay a good boot.",
        "Reboot at once; forbid suspension (systemctl mask sleep.target) until the firmware is updated.";
    /// The userspace log does not parse.
    UserspaceLogMalformed = "USERSPACE_LOG_MALFORMED": Logs Unverifiable High,
        "A userspace log that is sent is taken whole or not at all.",
        "What systemd measured cannot be told.",
        "Look at /run/log/systemd/tpm2-measure.log on the node; report the offset.";
    /// The policy has a rule of its own, and it did not run.
    RulesNotRun = "RULES_NOT_RUN": Rules Unverifiable High,
        "A policy's own rule must run before anything is a pass.",
        "The rule might have found something.",
        "Look at the server's journal; a rule that costs too much or has an error must be rewritten.";
    /// A finding of the policy's own rule.
    Rule = "RULE": Rules None Note,
        "The policy's own rule.",
        "The rule's author says what it means; see the evidence.",
        "See the rule.";
    /// No approved IMA policy was measured.
    ImaPolicyMissing = "IMA_POLICY_MISSING": ImaPolicy Unverifiable High,
        "An approved IMA policy must be measured before the first run-time entry.",
        "The kernel may measure nothing at run time; anyone with root could still load a policy unseen.",
        "Install the approved policy at /etc/ima/ima-policy and reboot.";
    /// Something ran before the approved policy that is not part of the confirmed early boot.
    ImaPolicyNotFirst = "IMA_POLICY_NOT_FIRST": ImaPolicy Unverifiable High,
        "Only the early boot that a reference boot confirmed may come before the approved IMA policy.",
        "Something ran while the IMA policy was still open, so later silence proves nothing.",
        "Reboot; if the early boot changed on purpose, confirm it on a reference machine.";
    /// A policy was loaded that nobody approved.
    ImaPolicyUnapproved = "IMA_POLICY_UNAPPROVED": ImaPolicy Fail Critical,
        "Only approved IMA policies may be loaded.",
        "The kernel now measures by rules that nobody approved, and may have stopped measuring.",
        "Find out who changed the policy file; reinstall the image and reboot, or approve the text in a new policy.";
    /// The first entry is not the boot_aggregate of this boot, or there is a second one.
    BootAggregate = "BOOT_AGGREGATE": Ima Fail Critical,
        "The first IMA entry is boot_aggregate, the digest of PCRs 0-9 in the quoted bank, and there is only one.",
        "The IMA list does not belong to this boot.",
        "Treat the node as compromised until a reboot under observation explains it.";
    /// The policy knows no file.
    NoImaReference = "NO_IMA_REFERENCE": Ima Unverifiable High,
        "An empty set of files approves nothing.",
        "What the machine ran is recorded, not judged.",
        "Build the policy from the image: avouch policy build --root DIR.";
    /// A file that no policy knows was executed, mapped or loaded.
    ImaUnknownDigest = "IMA_UNKNOWN_DIGEST": Ima Fail Critical,
        "Every measured file must have a digest that the policy lists.",
        "A program, library, module or firmware ran that nobody approved.",
        "Find out where the file came from. If it belongs there, rebuild the policy from an image that has it (avouch policy build, apply) and reboot the node.";
    /// A digest algorithm that is too weak.
    ImaDigestAlgorithm = "IMA_DIGEST_ALGORITHM": Ima Fail High,
        "IMA digests are SHA-256, SHA-384 or SHA-512.",
        "A file can be forged to a given MD5 or SHA-1 digest, so this entry identifies nothing.",
        "Boot with ima_hash=sha256.";
    /// A violation of the measurement.
    ImaViolation = "IMA_VIOLATION": Ima Fail Critical,
        "A file must not be written while it is measured.",
        "What ran from this file is not what was measured, or cannot be known.",
        "Find the writer; if the file is a log, list its directory under tolerated_violations.";
    /// A buffer that no policy knows.
    ImaUnknownBuffer = "IMA_UNKNOWN_BUFFER": Ima Fail Critical,
        "Every measured buffer (keys, command lines, critical data) must be listed with its name.",
        "A key, a kexec command line or critical kernel data is not the approved one.",
        "If it is intended, confirm a boot on a reference machine and apply the new policy.";
    /// A template that this release does not read.
    ImaTemplate = "IMA_TEMPLATE": Ima Unverifiable High,
        "Entries are judged in the templates ima, ima-ng, ima-ngv2, ima-sig, ima-sigv2 and ima-buf.",
        "The entry is authentic, but what it says cannot be read.",
        "Boot with ima_template=ima-sig or ima_template=ima-ng.";
    /// A digest whose update window is over.
    ImaSuperseded = "IMA_SUPERSEDED": Ima Fail High,
        "After the end of an update window, superseded versions of a package no longer run.",
        "An old version of a program, library or module was used again after its update.",
        "Finish the update on the node and restart what still runs the old version; the verdict turns with the next boot session.";
    /// A known file in a place where the policy does not have it.
    ImaWrongPath = "IMA_WRONG_PATH": Ima Fail Critical,
        "Under a bound directory, and for programs without a file, digest and path must be listed together.",
        "A known file ran under a name that is not its own; what answers to that name is not what should be there.",
        "Find out who put the file there; reinstall the package that owns the path.";
    /// A signature by a key of the policy that is not over this file.
    ImaSignatureInvalid = "IMA_SIGNATURE_INVALID": Ima Fail Critical,
        "A file signature must be over the digest that the entry carries.",
        "The file was altered after it was signed, or bears the signature of another file.",
        "Reinstall the file from its package; find out who wrote it.";
    /// A key that no policy pins for its keyring.
    ImaKeyUnpinned = "IMA_KEY_UNPINNED": Ima Fail Critical,
        "Only the certificates that the policy pins for a keyring may be loaded into it.",
        "Whoever holds the key can sign files that this kernel takes for good.",
        "Find out who loaded the key; if it belongs there, pin its certificate in the policy and reboot the node.";
    /// A second kernel without a TPM reset.
    ImaKernelReplaced = "IMA_KERNEL_REPLACED": Ima Fail Critical,
        "One boot session has one kernel: kernel_version is measured with one value.",
        "Another kernel took over without a TPM reset (kexec), so the boot PCRs no longer speak of the kernel that runs.",
        "Reboot the node; forbid kexec by lockdown if nobody meant it.";
    /// An fs-verity digest without a signature that counts.
    ImaVerityUnsigned = "IMA_VERITY_UNSIGNED": Ima Fail Critical,
        "An fs-verity digest counts only with a signature by a signer of the policy: no list of contents has it.",
        "A program, library or module ran that nobody approved.",
        "Sign the file with a key of the policy, or let the IMA policy measure content instead of fs-verity digests.";
    /// The kernel measures less than the policy asks for.
    CoverageBelowMinimum = "COVERAGE_BELOW_MINIMUM": ImaPolicy Unverifiable High,
        "The loaded IMA policy must measure every hook of minimum.coverage without a hole.",
        "Programs, libraries, modules or other input may have passed unmeasured, so silence about them proves nothing.",
        "Install an IMA policy that measures these hooks and reboot, or ask for less in minimum.coverage.";
    /// The policy demands levels, and no report came.
    ReportMissing = "REPORT_MISSING": Report Unverifiable High,
        "A policy that demands levels needs the node's paired report in every round.",
        "What systemd says and what the kernel does was not shown, so no level can be judged.",
        "Look at the agent's journal: its collector may not run, or the agent is older than reports.";
    /// The chain PCR holds more than the reports that were shown.
    ReportWithheld = "REPORT_WITHHELD": Report Fail Critical,
        "The chain PCR holds the digests of all reports of the boot session, and all of them are shown.",
        "A report was made and is not shown, or the logs were altered: what it would have told is hidden, or lost with the node's state.",
        "Find out what happened on the node since the last report that is proven; only a reboot begins a new chain.";
    /// A report that the chain PCR does not hold.
    ReportUnchained = "REPORT_UNCHAINED": Report Unverifiable High,
        "A report counts once the chain PCR holds its digest and the quote is bound to the newest.",
        "A report that is not chained could be denied later, so it proves nothing.",
        "Update the agent; a correct one extends the chain PCR before it quotes.";
    /// A chained report that cannot be read, or is not the one that the chain says it is.
    ReportMalformed = "REPORT_MALFORMED": Report Unverifiable High,
        "A chained report parses, has the number and predecessor that the chain gives it, and does not contradict itself.",
        "What the node observed cannot be told.",
        "Update agent and server to the same release; report the evidence's detail if it stays.";
    /// The newest report is a difference to one that is not at hand.
    ReportBaseMissing = "REPORT_BASE_MISSING": Report Unverifiable High,
        "A report that tells differences needs the report that it begins from.",
        "What the node observed cannot be told in this round.",
        "Nothing to do if a later round heals it: a whole report comes at least every 32 reports; else restart the agent.";
    /// The boot uses the PCR that the chain would need.
    ChainPcrTaken = "CHAIN_PCR_TAKEN": Report Unverifiable High,
        "The chain of reports needs a PCR that the boot leaves alone and the quote covers: 13, 14, 8 or 15 of bank sha256.",
        "Reports cannot be told from what the boot put there.",
        "Nothing to do if the next round is good: another PCR is then used; else select a PCR that is free on this machine.";
    /// Nobody showed a report key.
    ReportKeyMissing = "REPORT_KEY_MISSING": Report Unverifiable High,
        "In each boot session the agent shows a report key that its attestation key certified.",
        "Nothing shows that the report was made in an approved boot.",
        "Restart the agent, which then shows its key again.";
    /// A report key that signs in states that nobody approved.
    ReportKeyAttributes = "REPORT_KEY_ATTRIBUTES": Report Fail Critical,
        "The report key is made from the one template: bound to PCRs 0, 2, 4, 7 and 12, without userWithAuth, and cannot leave its TPM.",
        "The key would sign whatever was booted: its signature says nothing, and no correct agent makes such a key.",
        "Find out who made the key; remove it from the agent's state and restart the agent.";
    /// A report key of another boot state.
    ReportKeyPolicy = "REPORT_KEY_POLICY": Report Unverifiable High,
        "The report key's policy is the boot state that the proven boot log tells of.",
        "The key belongs to another boot state, so it cannot sign in this one.",
        "Restart the agent, which makes a key for the state that is booted.";
    /// A report key that the attestation key did not certify.
    ReportKeyCertification = "REPORT_KEY_CERTIFICATION": Report Fail Critical,
        "The attestation key certifies the report key for the message that shows it.",
        "The key may be outside this TPM.",
        "Restart the agent; treat the node as compromised when it repeats.";
    /// A report key that is bound to a boot nobody approved.
    ReportKeyUnapproved = "REPORT_KEY_UNAPPROVED": Report Unverifiable High,
        "A report key is taken only while the claim boot holds.",
        "The report was signed in a boot state that is not approved.",
        "See the findings of the claim boot.";
    /// The newest report has no signature.
    ReportUnsigned = "REPORT_UNSIGNED": Report Unverifiable High,
        "The newest report is signed by the report key.",
        "The TPM refused to sign, as it does once a PCR of the boot state moved, or the agent did not ask.",
        "Look at the agent's journal; when the TPM refuses, find out what extended PCR 12 and reboot.";
    /// The newest report is signed by something else.
    ReportSignature = "REPORT_SIGNATURE": Report Fail Critical,
        "The newest report is signed by the report key.",
        "Somebody without the key made the report, or changed it.",
        "Treat the node as compromised until a reboot under observation explains it.";
    /// The node capped itself.
    NodeCapped = "NODE_CAPPED": Report Fail Critical,
        "A node whose cap PCR is extended passes no more until its next boot session.",
        "The node itself found what the policy caps for, twice in a row.",
        "See the node's earlier findings; put right what they tell of and reboot.";
    /// The policy names a cap that no quote can show.
    CapNotQuoted = "CAP_NOT_QUOTED": Report Unverifiable High,
        "The PCR that the policy names for the cap is among the quoted ones.",
        "The policy and the verifier's selection of PCRs do not fit: a capped node would look like any other.",
        "Name another PCR in the policy's observation.cap, or add this one to `pcrs` of the verifier.";
    /// Something else is in the PCR that the policy names for the cap.
    CapPcrTaken = "CAP_PCR_TAKEN": Report Unverifiable High,
        "The cap needs a PCR that the boot leaves alone and that does not hold the chain of reports.",
        "The cap cannot be told from what is there: a capped node would look like any other.",
        "Name a PCR in the policy's observation.cap that is free on this machine; where the chain holds it, reboot.";
    /// A finding of a pair, with a code of its own.
    Pair = "PAIR": Levels None Note,
        "What systemd says, what the kernel shows and what the signed intent wants must be the same.",
        "The two witnesses of one fact do not agree.",
        "Find out which of the two is right.";
    /// What the witnesses were read from was covered by something else.
    ViewObstructed = "VIEW_OBSTRUCTED": Levels None Critical,
        "Witnesses are read from the file systems of the kernel itself, without anything mounted over them.",
        "Somebody put other files where the kernel's own are read: nothing in this report counts.",
        "Find out who mounted over /proc, /sys or the cgroup tree; treat the node as compromised until then.";
    /// A demanded level does not hold.
    LevelFailed = "LEVEL_FAILED": Levels Fail Critical,
        "Every level that the policy demands must hold.",
        "See the findings of the level.",
        "See the findings of the level.";
    /// A demanded level could not be told.
    LevelInconclusive = "LEVEL_INCONCLUSIVE": Levels Unverifiable High,
        "A level holds only when all of its pairs could be read and compared.",
        "What could not be read might be anything.",
        "See the pairs of the level for what could not be read: avouch node pairs NODE --level LEVEL.";
    /// A demanded level was not evaluated.
    LevelNotEvaluated = "LEVEL_NOT_EVALUATED": Levels Unverifiable High,
        "A demanded level needs something that can be compared, or the statement that it does not apply.",
        "Nothing was seen that could speak for or against the level.",
        "Demand less in observation.required, or list the level in observation.not_applicable.";
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FindingCode {
    /// The code that is written `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl ClaimName {
    /// Every claim that is judged under every policy, in order.
    pub const ALL: [ClaimName; 6] = [Self::Quote, Self::Session, Self::Logs, Self::Boot, Self::ImaPolicy, Self::Ima];
    /// The claims that findings are counted by: those of [`ClaimName::ALL`], and those of the paired report.
    pub(crate) const COUNTED: [ClaimName; 8] =
        [Self::Quote, Self::Session, Self::Logs, Self::Boot, Self::ImaPolicy, Self::Ima, Self::Report, Self::Levels];

    /// The word used in JSON and in the tree.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Session => "session",
            Self::Logs => "logs",
            Self::Boot => "boot",
            Self::ImaPolicy => "ima-policy",
            Self::Ima => "ima",
            Self::Report => "report",
            Self::Levels => "levels",
            Self::Rules => "rules",
        }
    }

    /// What is claimed.
    pub fn statement(self) -> &'static str {
        match self {
            Self::Quote => "The quote is this TPM's answer to this challenge.",
            Self::Session => "The boot session is known and its clock moves forward.",
            Self::Logs => "The logs reproduce the quoted PCRs.",
            Self::Boot => "The machine booted what the policy confirms.",
            Self::ImaPolicy => "The kernel measures by an approved policy since before the first run-time program.",
            Self::Ima => "Everything that the kernel measured is known to the policy.",
            Self::Report => "The paired reports of this boot session are whole and signed by the approved boot.",
            Self::Levels => "Every level that the policy demands holds.",
            Self::Rules => "The policy's own rule holds.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name() {
        for code in FindingCode::ALL {
            assert_eq!(FindingCode::from_name(code.as_str()), Some(*code));
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
        assert_eq!(FindingCode::from_name("NOTHING"), None);
    }
}
