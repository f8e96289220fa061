//! UEFI variables, signature lists and signed updates.

use avouch_crypto::sha256;
use avouch_pe::efivar::{Variable as FileOfEfivarfs, VariableName};
use avouch_pe::siglist::{self, SignatureList, Value};
use avouch_pe::update::Update;
use avouch_pe::{PeError, sbat};
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::page::Page;
use super::report::{Facts, Problem, Read, Reading};

/// Values shorter than this are told in hexadecimal.
const SHORT: usize = 64;

/// A variable, bare signature lists, or a signed update of them.
#[derive(Debug, Default, Serialize)]
pub struct Variable {
    /// `efivarfs`, `signature lists` or `signed update`.
    pub format: &'static str,
    /// Name of the variable, when the file's name tells it.
    pub name: Option<String>,
    /// Vendor GUID of the variable, when the file's name tells it.
    pub guid: Option<String>,
    /// EFI_VARIABLE_* bits, hexadecimal; null in a file without.
    pub attributes: Option<String>,
    /// When an update was signed.
    pub timestamp: Option<String>,
    /// Bytes of an update's signature, which is not checked here.
    pub pkcs7_bytes: Option<usize>,
    /// Bytes of the value.
    pub value_bytes: usize,
    /// The value, when it is short and no signature list.
    pub value: Option<String>,
    /// On or off for the variables that are a switch.
    pub switch: Option<bool>,
    /// SBAT level, when the variable holds one.
    pub sbat: Option<String>,
    /// The lists; null when the value is something else.
    pub lists: Option<Vec<List>>,
}

/// One signature list.
#[derive(Debug, Serialize)]
pub struct List {
    /// Byte where it begins.
    pub offset: usize,
    /// `X509`, `SHA256` and so on; the GUID of another type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes of its header.
    pub header: usize,
    /// Bytes of one signature, owner included.
    pub sig_size: usize,
    /// How many.
    pub count: usize,
    /// Each of them.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Serialize)]
pub struct Signature {
    /// Owner GUID.
    pub owner: String,
    /// Digest of an image or certificate; of a certificate that stands in the list, its SHA-256.
    pub digest: String,
    /// Subject of the certificate, when there is one and it can be read.
    pub subject: Option<String>,
    /// When a revoked certificate's revocation begins.
    pub from: Option<String>,
}

/// Which form the bytes have, and what says so; nothing when that is not sure.
pub(super) fn form(bytes: &[u8]) -> Option<&'static str> {
    if Update::parse(bytes).is_ok() {
        Some("it begins with a time and a PKCS#7 signature header of a signed update")
    } else if starts_with_list(bytes) {
        Some("it begins with a signature list of a known type")
    } else if bytes.get(4..).is_some_and(starts_with_list) && FileOfEfivarfs::parse(bytes).is_ok() {
        Some("it begins with variable attributes and a signature list of a known type")
    } else {
        None
    }
}

fn starts_with_list(bytes: &[u8]) -> bool {
    let guid = bytes.first_chunk::<16>().map(|guid| siglist::SignatureKind::of(avouch_pe::Guid(*guid)));
    guid.is_some_and(|kind| !matches!(kind, siglist::SignatureKind::Other(_)))
}

/// Reads a file of efivarfs, bare lists or an update. `file` is its name, which for efivarfs says which variable.
pub(super) fn read(bytes: &[u8], file: &str) -> Reading {
    if let Ok(update) = Update::parse(bytes) {
        return update_facts(&update);
    }
    let name = file.rsplit('/').next().and_then(VariableName::parse);
    let variable = FileOfEfivarfs::parse(bytes);
    match (variable, name) {
        (Ok(variable), Some(name)) => named(&variable, &name),
        (Ok(variable), None) if !starts_with_list(bytes) => unnamed(&variable, file),
        _ => bare(bytes),
    }
}

fn update_facts(update: &Update<'_>) -> Reading {
    let facts = Variable {
        format: "signed update",
        timestamp: Some(update.time.to_string()),
        pkcs7_bytes: Some(update.pkcs7.len()),
        value_bytes: update.value.len(),
        ..Variable::default()
    };
    with_lists(facts, update.signature_lists())
}

fn bare(bytes: &[u8]) -> Reading {
    let facts = Variable { format: "signature lists", value_bytes: bytes.len(), ..Variable::default() };
    with_lists(facts, siglist::parse(bytes))
}

fn variable_facts(variable: &FileOfEfivarfs<'_>) -> Variable {
    let value = variable.value;
    Variable {
        format: "efivarfs",
        attributes: Some(format!("{:08x}", variable.attributes.0)),
        value_bytes: value.len(),
        value: (value.len() < SHORT).then(|| HEXLOWER.encode(value)),
        ..Variable::default()
    }
}

fn named(variable: &FileOfEfivarfs<'_>, name: &VariableName<'_>) -> Reading {
    let mut facts = variable_facts(variable);
    facts.name = Some(name.name.into());
    facts.guid = Some(name.guid.to_string());
    if name.holds_signature_lists() {
        return with_lists(Variable { value: None, ..facts }, variable.signature_lists());
    }
    let mut problems = Vec::new();
    match name.name {
        "SecureBoot" | "SetupMode" | "AuditMode" | "DeployedMode" | "MokListTrusted" => match variable.switch() {
            Ok(on) => facts.switch = Some(on),
            Err(error) => problems.push(problem(&error)),
        },
        "SbatLevel" | "SbatLevelRT" => match sbat::parse(variable.value) {
            Ok(_) => facts.sbat = Some(String::from_utf8_lossy(variable.value).trim_end().to_owned()),
            Err(error) => problems.push(problem(&error)),
        },
        _ => {}
    }
    Reading::whole(Facts::EfiVar(Box::new(facts)), problems)
}

/// Without a name nothing says whether the value is signature lists, so lists are told where it is nothing but lists.
fn unnamed(variable: &FileOfEfivarfs<'_>, file: &str) -> Reading {
    let facts = variable_facts(variable);
    let named_like_a_list = ["PK", "KEK", "db", "dbx", "MokList"].iter().any(|name| file.ends_with(name));
    let lists = variable.signature_lists();
    if lists.as_ref().is_ok_and(|lists| !lists.is_empty()) || starts_with_list(variable.value) || named_like_a_list {
        return with_lists(Variable { value: None, ..facts }, lists);
    }
    Reading::whole(Facts::EfiVar(Box::new(facts)), Vec::new())
}

fn with_lists(facts: Variable, lists: Result<Vec<SignatureList<'_>>, PeError>) -> Reading {
    match lists {
        Ok(lists) => {
            let lists = Some(lists.iter().map(list).collect());
            Reading::whole(Facts::EfiVar(Box::new(Variable { lists, ..facts })), Vec::new())
        }
        Err(error) => {
            let bare = facts.format == "signature lists";
            let facts = (!bare).then(|| Facts::EfiVar(Box::new(facts)));
            let read = if bare { Read::Not } else { Read::Partly };
            Reading { facts, read, problems: vec![problem(&error)] }
        }
    }
}

fn problem(error: &PeError) -> Problem {
    Problem::at(error.offset(), error)
}

pub(super) fn list(list: &SignatureList<'_>) -> List {
    List {
        offset: list.offset,
        kind: list.kind.to_string(),
        header: list.header.len(),
        sig_size: list.signature_size,
        count: list.len(),
        signatures: list.signatures().map(|signature| signature_facts(&signature)).collect(),
    }
}

fn signature_facts(signature: &siglist::Signature<'_>) -> Signature {
    let (digest, from) = match signature.value {
        Value::Digest(digest) => (HEXLOWER.encode(digest), None),
        Value::CertificateDigest { digest, from } => (HEXLOWER.encode(digest), Some(from.to_string())),
        Value::Certificate(data) | Value::Rsa(data) | Value::Other(data) => (HEXLOWER.encode(&sha256(&[data])), None),
        _ => (HEXLOWER.encode(&sha256(&[signature.bytes])), None),
    };
    Signature { owner: signature.owner.to_string(), digest, subject: None, from }
}

impl Variable {
    pub(super) fn show(&self, page: &mut Page) {
        page.fact("format", self.format);
        if let (Some(name), Some(guid)) = (&self.name, &self.guid) {
            page.fact("variable", format!("{name}, vendor {guid}"));
        }
        if let Some(attributes) = &self.attributes {
            page.fact("attributes", attributes);
        }
        if let (Some(time), Some(bytes)) = (&self.timestamp, self.pkcs7_bytes) {
            page.fact("signed", format!("{time}, PKCS#7 of {bytes} bytes, not checked"));
        }
        page.fact("value", format!("{} bytes", self.value_bytes));
        if let Some(switch) = self.switch {
            page.fact("switch", if switch { "on" } else { "off" });
        }
        self.value.iter().for_each(|value| page.fact("hexadecimal", value));
        self.sbat.iter().flat_map(|sbat| sbat.lines()).for_each(|line| page.fact("SBAT", line));
        for list in self.lists.iter().flatten() {
            page.heading(&format!("{} signatures of type {}", list.count, list.kind));
            page.table(
                &["owner", "sha256 or digest", "subject"],
                list.signatures.iter().map(|signature| {
                    let subject = signature.subject.clone().or_else(|| signature.from.clone()).unwrap_or_default();
                    vec![signature.owner.clone(), signature.digest.clone(), subject]
                }),
            );
        }
    }
}
