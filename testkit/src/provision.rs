//! What manufacturers and clouds do to a TPM before its owner gets it.

use anyhow::{Context, Result, ensure};
use avouch_tpm::{Cloud, Tpm, Transport};
use avouch_tpm_wire::command::{EvictControl, ReadPublic};
use avouch_tpm_wire::{
    Attributes, Authorization, EkTemplate, Handle, HashAlg, Key, PublicArea, Scheme, Symmetric, response,
};

use crate::authority::{Authority, Shape};
use crate::keys::OddKeys;
use crate::machine::Machine;
use crate::raw::{NvDefineSpace, NvUndefineSpace, NvWrite};

/// Bytes that a TPM takes in one write.
const CHUNK: usize = 1024;

impl Machine {
    /// Takes away every EK certificate and every persistent EK: a TPM that nobody vouches for.
    ///
    /// # Errors
    /// When the TPM refuses.
    pub fn without_endorsement(&self) -> Result<()> {
        let mut tpm = self.tpm()?;
        for index in tpm.handles(EkTemplate::L1.certificate())? {
            if EkTemplate::ALL.iter().any(|template| template.certificate() == index) {
                undefine(&mut tpm, index)?;
            }
        }
        for object_handle in tpm.handles(Handle::FIRST_EK)? {
            evict(&mut tpm, object_handle, object_handle)?;
        }
        Ok(())
    }

    /// Has `authority` certify this TPM's endorsement key of `template`; the certificate lies in NV afterwards, with
    /// `padding` behind it.
    ///
    /// # Errors
    /// When the TPM does not make the key, or refuses.
    pub fn endorse(&self, template: EkTemplate, authority: &Authority, shape: Shape, padding: &[u8]) -> Result<()> {
        let mut tpm = self.tpm()?;
        let keys = tpm.endorsement_keys(Some(template))?;
        let public = &keys.first().context("the key that was asked for")?.public;
        let certificate = [authority.certify(public, shape)?.as_slice(), padding].concat();
        write(&mut tpm, template.certificate(), &certificate)
    }

    /// Puts a cloud's attestation key into the TPM, certified by `authority`, where this cloud keeps it.
    ///
    /// # Errors
    /// When the TPM refuses.
    pub fn enter_cloud(&self, cloud: Cloud, authority: &Authority) -> Result<()> {
        let mut tpm = self.tpm()?;
        let template = cloud_template()?;
        let made = tpm.create_loose_primary(template)?;
        let certificate = authority.certify(&made.blob.public, Shape::Ak)?;
        match cloud {
            Cloud::Azure => {
                evict(&mut tpm, made.handle, Handle::AZURE_AK)?;
                write(&mut tpm, Handle::AZURE_AK_CERTIFICATE, &certificate)?;
                tpm.execute(&ReadPublic { object_handle: Handle::AZURE_AK }, &[])?;
            }
            Cloud::Gcp => {
                write(&mut tpm, Handle::GCP_AK_TEMPLATE_RSA, &template.encode())?;
                write(&mut tpm, Handle::GCP_AK_CERTIFICATE_RSA, &certificate)?;
            }
        }
        tpm.flush(made.handle)
    }
}

/// A restricted signing key, RSA-2048 with PKCS#1 v1.5 and SHA-256, as both clouds make it.
fn cloud_template() -> Result<PublicArea<'static>> {
    let attributes = Attributes::FIXED_TPM
        | Attributes::FIXED_PARENT
        | Attributes::SENSITIVE_DATA_ORIGIN
        | Attributes::USER_WITH_AUTH
        | Attributes::NO_DA
        | Attributes::RESTRICTED
        | Attributes::SIGN;
    let scheme = Scheme::RsaSsa(HashAlg::Sha256);
    let key = Key::Rsa { symmetric: Symmetric::Null, scheme, bits: 2048, exponent: 0, modulus: &[0; 256] };
    Ok(PublicArea::new(HashAlg::Sha256, attributes, &[], key)?)
}

fn write<T: Transport>(tpm: &mut Tpm<T>, index: Handle, bytes: &[u8]) -> Result<()> {
    if tpm.handles(index)?.first() == Some(&index) {
        undefine(tpm, index)?;
    }
    let size = u16::try_from(bytes.len())?;
    tpm.execute(&NvDefineSpace { index, size }, &[Authorization::EMPTY])?.read::<response::Empty>()?;
    for (at, chunk) in (0..).step_by(CHUNK).zip(bytes.chunks(CHUNK)) {
        let command = NvWrite { index, data: chunk, offset: at };
        tpm.execute(&command, &[Authorization::EMPTY])?.read::<response::Empty>()?;
    }
    Ok(())
}

fn undefine<T: Transport>(tpm: &mut Tpm<T>, index: Handle) -> Result<()> {
    tpm.execute(&NvUndefineSpace { index }, &[Authorization::EMPTY])?.read::<response::Empty>()?;
    Ok(())
}

fn evict<T: Transport>(tpm: &mut Tpm<T>, object_handle: Handle, persistent_handle: Handle) -> Result<()> {
    ensure!(persistent_handle >= Handle::FIRST_PERSISTENT, "{persistent_handle} is no persistent handle");
    let command = EvictControl { auth: Handle::OWNER, object_handle, persistent_handle };
    tpm.execute(&command, &[Authorization::EMPTY])?.read::<response::Empty>()?;
    Ok(())
}
