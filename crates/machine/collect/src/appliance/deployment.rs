//! From which image the machine runs, by files that stay the same as long as it does.
//!
//! | kind | how it is known | what stands for it |
//! | --- | --- | --- |
//! | ostree, rpm-ostree | `ostree=` on the command line, whose link names the deployment | stateroot and commit |
//! | bootc | the same, and the origin names a container image; or `composefs=` on the command line | stateroot and commit; digest |
//! | image | `IMAGE_ID=` in os-release (os-release(5)); `roothash=` or `usrhash=` on the command line | these and `IMAGE_VERSION=` |
//!
//! No program is asked: `rpm-ostree status` prints times and the state of a running transaction, so a digest over it
//! changes without a change of the machine. A commit and a root hash cover the content; a name in os-release is only
//! what the image says of itself.

use std::io::Read;

use avouch_crypto::sha256;
use avouch_protocol::Hash;
use minicbor::{Decode, Encode};
use rustix::fs::OFlags;

use super::{Appliance, Found};

/// Longest os-release or origin file.
const MAX_BYTES: usize = 64 * 1024;
/// What is hashed begins with it.
const CONTEXT: &str = "avouch/deployment/v1";
/// What a tree that rpm-ostree composed carries.
const OF_RPM_OSTREE: &str = "/usr/share/rpm-ostree";

/// The running deployment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Deployment {
    /// What deployed it.
    #[n(0)]
    pub kind: DeploymentKind,
    /// For people: the commit, the digest of the image, or its name and version.
    #[n(1)]
    pub id: String,
    /// SHA-256 over `avouch/deployment/v1`, the kind's word and what stands for it, each followed by a zero byte.
    #[n(2)]
    pub digest: Hash,
}

/// What deployed a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum DeploymentKind {
    /// rpm-ostree.
    #[n(0)]
    RpmOstree,
    /// ostree alone.
    #[n(1)]
    Ostree,
    /// bootc: a container image, through ostree or composefs.
    #[n(2)]
    Bootc,
    /// An image that names itself in os-release, or is sealed by dm-verity.
    #[n(3)]
    Image,
}

// === impl Appliance ===

impl Appliance {
    /// The running deployment; [`Found::Absent`] on a machine that is none of these.
    pub fn deployment(&self) -> Found<Deployment> {
        let line = match self.command_line() {
            Found::Value(line) => line,
            Found::Absent => String::new(),
            Found::Denied(why) => return Found::Denied(why),
            Found::Failed(why) => return Found::Failed(why),
        };
        if let Some(link) = parameter(&line, "ostree") {
            return self.by_ostree(link).into();
        }
        if let Some(digest) = parameter(&line, "composefs") {
            // A question mark in front lets the boot go on where the digest cannot be enforced.
            let digest = digest.trim_start_matches('?');
            return Found::Value(Deployment::of(DeploymentKind::Bootc, digest.to_owned(), &[digest]));
        }
        self.by_image(&line)
    }

    fn by_ostree(&self, link: &str) -> Result<Deployment, Found<Deployment>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let what = format!("the ostree deployment {link}");
        let opened = self.open(link, flags).map_err(|error| missing(&what, Found::refusal(&what, &error)))?;
        let target = rustix::fs::readlinkat(&opened, c"", Vec::new())
            .map_err(|error| missing(&what, Found::errno(&what, error)))?
            .into_bytes();
        let target = String::from_utf8_lossy(&target).into_owned();
        let (stateroot, name) = deployed(&target)
            .ok_or_else(|| Found::Failed(format!("{what} leads to {target:?}, which names no deployment")))?;
        let commit = name.split('.').next().unwrap_or_default();
        let kind = match self.text_below(&format!("/ostree/deploy/{stateroot}/deploy/{name}.origin")) {
            Found::Value(origin) if names_container(&origin) => DeploymentKind::Bootc,
            Found::Value(_) | Found::Absent if self.open(OF_RPM_OSTREE, OFlags::PATH).is_ok() => {
                DeploymentKind::RpmOstree
            }
            Found::Value(_) | Found::Absent => DeploymentKind::Ostree,
            Found::Denied(why) => return Err(Found::Denied(why)),
            Found::Failed(why) => return Err(Found::Failed(why)),
        };
        Ok(Deployment::of(kind, commit.to_owned(), &[stateroot, commit]))
    }

    fn by_image(&self, line: &str) -> Found<Deployment> {
        let release = match self.text_below("/etc/os-release") {
            Found::Absent => self.text_below("/usr/lib/os-release"),
            found => found,
        };
        let release = match release {
            Found::Value(text) => text,
            Found::Absent => String::new(),
            Found::Denied(why) => return Found::Denied(why),
            Found::Failed(why) => return Found::Failed(why),
        };
        let of_release = |key| assigned(&release, key).unwrap_or_default();
        let fields = [
            of_release("IMAGE_ID"),
            of_release("IMAGE_VERSION"),
            parameter(line, "roothash").unwrap_or_default().to_owned(),
            parameter(line, "usrhash").unwrap_or_default().to_owned(),
        ];
        let [name, version, root, usr] = &fields;
        if name.is_empty() && root.is_empty() && usr.is_empty() {
            return Found::Absent;
        }
        let named: Vec<&str> = fields.iter().map(String::as_str).filter(|field| !field.is_empty()).collect();
        Found::Value(Deployment::of(DeploymentKind::Image, named.join(" "), &[name, version, root, usr]))
    }

    /// A small file of the root's file system, as text.
    fn text_below(&self, path: &str) -> Found<String> {
        let file = match self.open(path, OFlags::RDONLY) {
            Ok(file) => std::fs::File::from(file),
            Err(error) => return Found::refusal(path, &error),
        };
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        match file.take(most).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() <= MAX_BYTES => Found::Value(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(_) => Found::Failed(format!("{path} has more than {MAX_BYTES} bytes, the most that is taken")),
            Err(error) => Found::refusal(path, &error),
        }
    }
}

/// On a machine that ostree booted a deployment that is not there is no absence.
fn missing(what: &str, found: Found<Deployment>) -> Found<Deployment> {
    match found {
        Found::Absent => Found::Failed(format!("{what}, which the command line names, is not there")),
        found => found,
    }
}

/// Stateroot and name (`COMMIT.SERIAL`) of the deployment that a boot link leads to:
/// `../../../deploy/STATEROOT/deploy/NAME`.
fn deployed(target: &str) -> Option<(&str, &str)> {
    let mut words = target.trim_end_matches('/').rsplit('/');
    let (name, deploy, stateroot, above) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (commit, serial) = name.split_once('.')?;
    let hexadecimal = commit.len() == 64 && commit.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let numbered = !serial.is_empty() && serial.bytes().all(|byte| byte.is_ascii_digit());
    let whole = deploy == "deploy" && above == "deploy" && !stateroot.is_empty();
    (hexadecimal && numbered && whole).then_some((stateroot, name))
}

/// Whether an origin (a key file of GLib) follows a container image.
fn names_container(origin: &str) -> bool {
    origin.lines().any(|line| line.trim_start().starts_with("container-image-reference"))
}

/// The last value of a parameter, as the kernel's and systemd's readers of the command line take it.
fn parameter<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let values = line.split_ascii_whitespace().filter_map(|word| word.split_once('='));
    values
        .filter(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.trim_matches('"'))
        .next_back()
}

/// The value of `KEY=` in an os-release file, without its quotes (os-release(5)).
fn assigned(text: &str, key: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.trim().split_once('='));
    let value = values.filter(|(name, _)| *name == key).map(|(_, value)| value).next_back()?;
    let quoted = [b'"', b'\''].iter().any(|quote| value.as_bytes().first() == Some(quote));
    let inner = if quoted { value.get(1..value.len().saturating_sub(1)).unwrap_or_default() } else { value };
    Some(inner.replace("\\\"", "\"").replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\"))
}

// === impl Deployment ===

impl Deployment {
    fn of(kind: DeploymentKind, id: String, fields: &[&str]) -> Self {
        let mut parts: Vec<&[u8]> = Vec::new();
        for field in [CONTEXT, kind.word()].iter().chain(fields) {
            parts.extend([field.as_bytes(), &[0]]);
        }
        Self { kind, id, digest: Hash(sha256(&parts)) }
    }
}

// === impl DeploymentKind ===

impl DeploymentKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::RpmOstree => "rpm-ostree",
            Self::Ostree => "ostree",
            Self::Bootc => "bootc",
            Self::Image => "image",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "9a3fdb0ac1dd7a1ac8f3a05ae0f4dcb52a3e0a4a5f9c1c0a9c0c4f1f6a7b8c9d";

    #[test]
    fn boot_links_name_stateroot_and_deployment() {
        let target = format!("../../../deploy/fedora-iot/deploy/{COMMIT}.0");
        assert_eq!(deployed(&target), Some(("fedora-iot", target.rsplit('/').next().unwrap())));
        for wrong in ["", "deploy/x", "../deploy/os/deploy/abc.0", &format!("../deploy/os/other/{COMMIT}.0")] {
            assert_eq!(deployed(wrong), None, "{wrong}");
        }
        assert_eq!(deployed(&format!("../../../deploy/os/deploy/{COMMIT}")), None);
    }

    #[test]
    fn the_last_parameter_counts_and_quotes_go() {
        assert_eq!(parameter("a roothash=1 ro roothash=2", "roothash"), Some("2"));
        assert_eq!(parameter("xroothash=1 roothash=", "roothash"), None);
        let release = "NAME=x\nIMAGE_ID=\"my \\\"os\\\"\"\nIMAGE_VERSION='7'\n";
        assert_eq!(assigned(release, "IMAGE_ID").unwrap(), "my \"os\"");
        assert_eq!(assigned(release, "IMAGE_VERSION").unwrap(), "7");
        assert_eq!(assigned("IMAGE_ID=\"", "IMAGE_ID").unwrap(), "");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let of = |fields: &[&str]| Deployment::of(DeploymentKind::Image, String::new(), fields).digest;
        assert_ne!(of(&["a", "b"]), of(&["ab", ""]));
        assert_ne!(of(&["a", ""]), Deployment::of(DeploymentKind::Ostree, String::new(), &["a", ""]).digest);
    }
}
