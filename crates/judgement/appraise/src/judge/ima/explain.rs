//! Why an entry is bad, as far as the policy can tell, and the smallest addition that would allow it.

use super::content::{SignatureStanding, signature};
use super::{Measured, Rules};
use crate::cause::{Cause, CauseKind};
use crate::code::FindingCode;
use crate::fix::Fix;
use crate::policy::{Directory, KnownFile, MEMFD, is_plain};
use crate::session::ImaJudged;
use crate::text::{day, hex, printable};

/// Seconds by which a fix makes an update window longer.
const MORE_TIME: u64 = 24 * 60 * 60;

/// Causes of an entry that cannot be read.
pub(super) fn unreadable() -> Vec<Cause> {
    vec![Cause::new(CauseKind::Setting, "the kernel was told to use a template or a digest that is not read here")]
}

/// Likeliest first.
pub(super) fn causes(code: FindingCode, file: &Measured<'_>, rules: &Rules<'_>) -> Vec<Cause> {
    let one = |kind, what: &str| vec![Cause::new(kind, what)];
    match code {
        FindingCode::ImaUnknownDigest | FindingCode::ImaVerityUnsigned => unknown(file, rules),
        FindingCode::ImaSignatureInvalid => {
            let mut causes = one(CauseKind::SignatureOfOther, "the signature is over other content");
            causes.extend(changed(file, rules));
            causes
        }
        FindingCode::ImaWrongPath => moved(file, rules),
        FindingCode::ImaSuperseded => superseded(file, rules),
        FindingCode::ImaViolation => {
            one(CauseKind::Writer, "a process had the file open for writing while it was used")
        }
        FindingCode::ImaKeyUnpinned => {
            one(CauseKind::KeyAdded, "somebody with the rights of root, or an update of the machine, loaded this key")
        }
        FindingCode::ImaKernelReplaced => one(CauseKind::KernelReplaced, "kexec started another kernel"),
        FindingCode::BootAggregate => vec![if file.entry.index == 0 {
            Cause::new(CauseKind::OtherBoot, "the list began under other boot PCRs")
        } else {
            Cause::new(CauseKind::KernelReplaced, "kexec started another kernel, which began its list anew")
        }],
        FindingCode::ImaPolicyUnapproved | FindingCode::ImaPolicyNotFirst => {
            one(CauseKind::ImaPolicyReplaced, "the IMA policy was changed, or loaded later than in the confirmed boot")
        }
        FindingCode::ImaDigestAlgorithm => one(CauseKind::Setting, "the kernel runs with another ima_hash"),
        FindingCode::ImaUnknownBuffer => buffer(file, rules),
        _ => one(CauseKind::Unknown, "nothing in the policy explains it"),
    }
}

fn unknown(file: &Measured<'_>, rules: &Rules<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if file.name.starts_with(MEMFD.as_bytes()) {
        causes.push(Cause::new(CauseKind::FromMemory, "a program that was made in memory and has no file"));
    }
    causes.extend(changed(file, rules));
    if let Some((_, ended)) = rules.tables.exclusion(file.name) {
        let what = format!(
            "the exclusion of {} ({}) ended on {}",
            printable(ended.directory.as_str().as_bytes()),
            printable(ended.owner.as_bytes()),
            day(ended.until)
        );
        causes.push(Cause::new(CauseKind::ExclusionEnded, what));
    }
    causes.extend(signing(file, rules));
    if causes.is_empty() && is_plain(file.name) {
        causes.push(Cause::new(
            CauseKind::DropIn,
            "the policy has no file of this name: a drop-in or an unpackaged program",
        ));
    }
    if causes.is_empty() {
        causes.push(Cause::new(
            CauseKind::Unknown,
            "the name is no plain path, so it says nothing of where the file came from",
        ));
    }
    causes
}

/// The policy has the path with another digest.
fn changed(file: &Measured<'_>, rules: &Rules<'_>) -> Option<Cause> {
    let path = str::from_utf8(file.name).ok()?;
    let files = &rules.tables.files;
    let known: Vec<&KnownFile> = files.at_path(path).collect();
    let newest = known.iter().max_by_key(|known| known.until)?;
    let what = match files.package(newest.package) {
        Some(package) => format!(
            "the file belongs to {} {}, which has it with another digest: the package was updated, or the file altered",
            printable(package.name.as_bytes()),
            printable(package.version.as_bytes())
        ),
        None => "the policy has this path with another digest: the file was updated, or altered".into(),
    };
    Some(Cause::new(CauseKind::PackageChanged, what))
}

/// The file lies where a signer of the policy signs.
fn signing(file: &Measured<'_>, rules: &Rules<'_>) -> Option<Cause> {
    // Whether the key was loaded in time is told by the key's own entry; here it only matters who signed.
    let keys = rules.tables.signers.iter().map(|signer| avouch_protocol::Hash(signer.certificate)).collect();
    let all_loaded = ImaJudged { keys, ..ImaJudged::default() };
    let signer = rules.tables.signers.iter().find(|signer| signer.covers(file.name));
    match (signature(file, rules, &all_loaded), signer) {
        (SignatureStanding::Absent, Some(signer)) => {
            let name = printable(signer.name.as_bytes());
            Some(Cause::new(
                CauseKind::Unsigned,
                format!("files here are signed by {name}, and this one is not signed"),
            ))
        }
        (SignatureStanding::UnknownSigner, _) => {
            Some(Cause::new(CauseKind::UnknownSigner, "it is signed by a key that the policy has no signer for here"))
        }
        (SignatureStanding::Good, _) => {
            Some(Cause::new(CauseKind::UnknownSigner, "its signer's key was not measured into a keyring before it ran"))
        }
        _ => None,
    }
}

fn moved(file: &Measured<'_>, rules: &Rules<'_>) -> Vec<Cause> {
    let known = rules.tables.files.known(file.digest);
    let home = known.and_then(|known| known.paths.first()).map(|path| printable(path.as_bytes()));
    let what = match home {
        Some(home) => format!("it is {home}, copied or moved"),
        None => "its content is known, and no path is listed for it".into(),
    };
    let mut causes = vec![Cause::new(CauseKind::Moved, what)];
    if file.name.starts_with(MEMFD.as_bytes()) {
        causes.insert(
            0,
            Cause::new(CauseKind::FromMemory, "a known program that was copied into memory and run from there"),
        );
    }
    causes.extend(changed(file, rules));
    causes
}

fn superseded(file: &Measured<'_>, rules: &Rules<'_>) -> Vec<Cause> {
    let files = &rules.tables.files;
    let known = files.known(file.digest);
    let what = match known.and_then(|known| Some((files.package(known.package)?, known.until))) {
        Some((package, until)) => format!(
            "{} {} was superseded, and its update window ended on {}",
            printable(package.name.as_bytes()),
            printable(package.version.as_bytes()),
            day(until)
        ),
        None => "its package was superseded".into(),
    };
    vec![Cause::new(CauseKind::WindowOver, what)]
}

fn buffer(file: &Measured<'_>, rules: &Rules<'_>) -> Vec<Cause> {
    use avouch_ima::critical::{self, CriticalData};
    let said = critical::of(&file.entry.body).and_then(Result::ok);
    let (kind, what) = match said {
        Some(CriticalData::KernelVersion(release)) => {
            (CauseKind::PackageChanged, format!("the kernel is {}", printable(release.as_bytes())))
        }
        Some(CriticalData::KexecCmdline(line)) => {
            (CauseKind::KernelReplaced, format!("kexec was given the command line {}", shortened(line)))
        }
        Some(CriticalData::KexecList(_)) => (CauseKind::KernelReplaced, "kexec is under way".into()),
        Some(CriticalData::Key { .. }) => (CauseKind::KeyAdded, "a certificate was put into this keyring".into()),
        Some(CriticalData::DeviceMapper(_)) => (
            CauseKind::PackageChanged,
            "a device-mapper table is another one: another image, or another root hash".into(),
        ),
        Some(CriticalData::SelinuxState(_) | CriticalData::SelinuxPolicyHash(_)) => {
            (CauseKind::Setting, "SELinux was switched, or its policy changed".into())
        }
        _ if rules.tables.names_buffer(file.name) => {
            (CauseKind::PackageChanged, "the policy knows another value of this name".into())
        }
        _ => (CauseKind::Unknown, "the policy knows no buffer of this name".into()),
    };
    vec![Cause::new(kind, what)]
}

fn shortened(bytes: &[u8]) -> String {
    printable(bytes.get(..120).unwrap_or(bytes))
}

/// `None` for what no policy may allow, and for names that a policy cannot hold.
pub(super) fn fix(code: FindingCode, file: &Measured<'_>, rules: &Rules<'_>) -> Option<Fix> {
    let name = plain_name(file.name)?;
    let digest = hex(file.digest);
    let is_file = is_plain(file.name) || name.starts_with(MEMFD);
    match code {
        FindingCode::ImaUnknownDigest | FindingCode::ImaWrongPath if is_file => Some(Fix::File { digest, path: name }),
        FindingCode::ImaUnknownBuffer if file.sha256().is_some() => Some(Fix::Buffer { name, sha256: digest }),
        FindingCode::ImaKeyUnpinned => match file.entry.body {
            avouch_ima::Body::Buffer { data, .. } => {
                Some(Fix::Key { keyring: name, sha256: hex(&avouch_crypto::sha256(&[data])) })
            }
            _ => None,
        },
        FindingCode::ImaSuperseded => {
            let files = &rules.tables.files;
            let package = files.package(files.known(file.digest)?.package)?;
            let (package, version) = (package.name.clone(), package.version.clone());
            let short = package.len() <= Fix::MAX_NAME && version.len() <= Fix::MAX_NAME && !package.contains(':');
            short.then_some(Fix::Window { until: rules.now.saturating_add(MORE_TIME), package, version })
        }
        FindingCode::ImaViolation if is_plain(file.name) => {
            let (parent, _) = name.rsplit_once('/')?;
            let directory = Directory::parse(parent).filter(|parent| !parent.is_root() && !parent.has_star())?;
            // What is written while it is executed is never a matter of policy.
            (!rules.tables.holds_programs(&directory)).then(|| Fix::Tolerate { directory: parent.into() })
        }
        _ => None,
    }
}

/// The name when it can stand in a policy and in a command as it is.
fn plain_name(name: &[u8]) -> Option<String> {
    let shown = printable(name);
    (shown.as_bytes() == name && !name.is_empty() && name.len() <= Fix::MAX_NAME).then_some(shown)
}
