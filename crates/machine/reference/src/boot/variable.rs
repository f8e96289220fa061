//! Secure Boot variables, given as files of efivarfs.

use std::path::{Path, PathBuf};

use avouch_crypto::Hash;
use avouch_pe::efivar::{Variable, VariableName, measured};
use avouch_pe::siglist::{Signature, Value};
use avouch_pe::{Guid, Image};
use avouch_tpm_wire::HashAlg;

use super::{ExpectedEvents, read, refused};
use crate::ArtefactError;

/// What firmware measures into PCR 7 of SecureBoot, PK, KEK, db, dbx, dbt and dbr (EV_EFI_VARIABLE_DRIVER_CONFIG), and
/// shim of SbatLevel (PCR 7) and MokList, MokListX and MokListTrusted (PCR 14).
///
/// `paths` are files of efivarfs: attributes and value, under the name `VARIABLE-GUID`. Shim's variables may be given by
/// the names that they have at run time, e.g. `MokListRT`.
///
/// # Errors
/// [`ArtefactError::Variable`] for a name that is none of these, [`ArtefactError::Image`] for damaged content.
pub fn variables(paths: &[PathBuf]) -> Result<ExpectedEvents, ArtefactError> {
    let mut events = ExpectedEvents::default();
    for path in paths {
        let name = name_of(path)?;
        let (bytes, artefact) = read(path)?;
        let variable = Variable::parse(&bytes).map_err(|error| refused(path, error))?;
        let text = name.name.strip_suffix("RT").unwrap_or(name.name);
        if name.holds_signature_lists() {
            variable.signature_lists().map_err(|error| refused(path, error))?;
        }
        match (name.guid, text) {
            (Guid::GLOBAL_VARIABLE, "SecureBoot" | "PK" | "KEK")
            | (Guid::IMAGE_SECURITY_DATABASE, "db" | "dbx" | "dbt" | "dbr")
            | (Guid::SHIM_LOCK, "SbatLevel") => {
                let data = measured(name.guid, text, variable.value);
                events.measured(&artefact, 7, format!("variable {text}"), &[&data]);
            }
            (Guid::SHIM_LOCK, "MokList" | "MokListX" | "MokListTrusted") => {
                events.measured(&artefact, 14, format!("variable {text}"), &[variable.value]);
            }
            _ => return Err(ArtefactError::Variable { path: path.to_owned() }),
        }
    }
    Ok(events)
}

/// The entry of db by which firmware will start each image, as it measures it into PCR 7 (EV_EFI_VARIABLE_AUTHORITY).
///
/// It is the first certificate of db that is in the image's signature, or the image's digest in db. The signature itself
/// is not checked: firmware does, and the images are judged by their digests. An image that db certifies through
/// certificates that its signature does not carry is named in the gaps. `db` is a file of efivarfs.
///
/// # Errors
/// As [`variables`].
pub fn authorities(images: &[PathBuf], db: &Path) -> Result<ExpectedEvents, ArtefactError> {
    let (bytes, artefact) = read(db)?;
    let variable = Variable::parse(&bytes).map_err(|error| refused(db, error))?;
    let lists = variable.signature_lists().map_err(|error| refused(db, error))?;
    let entries: Vec<_> = lists.iter().flat_map(|list| list.signatures()).collect();
    let mut events = ExpectedEvents::default();
    for path in images {
        let (bytes, image) = read(path)?;
        let parsed = Image::parse(&bytes).map_err(|error| refused(path, error))?;
        match entries.iter().find(|entry| vouches(entry, &parsed)) {
            Some(entry) => {
                let data = measured(Guid::IMAGE_SECURITY_DATABASE, "db", entry.bytes);
                events.measured(&artefact, 7, format!("authority for {}", image.name), &[&data]);
            }
            None => {
                events.gap(&image, "no certificate of db is in its signature, so the authority in PCR 7 is not known")
            }
        }
    }
    events.entries.dedup_by(|one, other| one.digests == other.digests);
    Ok(events)
}

fn vouches(entry: &Signature<'_>, image: &Image<'_>) -> bool {
    match entry.value {
        Value::Certificate(der) if !der.is_empty() => {
            let mut signatures = image.certificates().iter();
            signatures.any(|signature| signature.data.windows(der.len()).any(|window| window == der))
        }
        Value::Digest(digest) => {
            let algs = HashAlg::ALL.into_iter().filter(|alg| alg.size() == digest.len());
            let mut digests = algs.map(|alg| image.authenticode(alg, &Hash));
            digests.any(|computed| computed.as_bytes() == digest)
        }
        _ => false,
    }
}

fn name_of(path: &Path) -> Result<VariableName<'_>, ArtefactError> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(VariableName::parse);
    name.ok_or_else(|| ArtefactError::Variable { path: path.to_owned() })
}
