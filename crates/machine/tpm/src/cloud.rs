//! The attestation key that a cloud puts into its virtual TPMs. It certifies the node's own key at enrolment and is
//! used for nothing else.

use avouch_tpm_wire::command::{Certify, ReadPublic};
use avouch_tpm_wire::{Authorization, Handle, PublicArea, Scheme, response};

use crate::attestation::{AkBlob, Attested, attested};
use crate::error::Error;
use crate::nv::absent;
use crate::scope::Scope;
use crate::tpm::Tpm;
use crate::transport::Transport;

/// Whose virtual TPM it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Azure: the key is persistent at 0x81000003, its certificate at NV index 0x01C101D0.
    Azure,
    /// Google Cloud: templates at NV indices 0x01C10001 (RSA-2048) and 0x01C10003 (P-256), certificates at 0x01C10000
    /// and 0x01C10002; the first that has both.
    Gcp,
}

/// What a node shows of a cloud's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudKey {
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// The certificate as it stands in NV, padding included.
    pub certificate: Vec<u8>,
}

const GCP: [(Handle, Handle); 2] = [
    (Handle::GCP_AK_TEMPLATE_RSA, Handle::GCP_AK_CERTIFICATE_RSA),
    (Handle::GCP_AK_TEMPLATE_ECC, Handle::GCP_AK_CERTIFICATE_ECC),
];

impl<T: Transport> Tpm<T> {
    /// The cloud's key and certificate; `None` when this TPM has none of that cloud.
    ///
    /// # Errors
    /// [`Error`] as of each command; [`Error::Input`] for a template in NV that cannot be read.
    pub fn cloud_key(&mut self, cloud: Cloud) -> Result<Option<CloudKey>, Error> {
        Ok(Scope::new(self).cloud_key(cloud)?.map(|(_, key)| key))
    }

    /// TPM2_Certify of the attestation key `blob`, signed by the cloud's key.
    ///
    /// # Errors
    /// [`Error::NoCloudKey`]; else as for [`Tpm::load_attestation_key`] and [`Tpm::cloud_key`].
    pub fn certify_by_cloud_key(
        &mut self,
        cloud: Cloud,
        blob: &AkBlob,
        qualifying_data: &[u8],
    ) -> Result<Attested, Error> {
        let mut scope = Scope::new(self);
        let object_handle = scope.attestation_key(blob)?;
        let (sign_handle, _) = scope.cloud_key(cloud)?.ok_or(Error::NoCloudKey)?;
        let certify = Certify { object_handle, sign_handle, qualifying_data, in_scheme: Scheme::Null };
        attested(scope.execute(&certify, &[Authorization::EMPTY; 2]))
    }
}

impl<T: Transport> Scope<'_, T> {
    fn cloud_key(&mut self, cloud: Cloud) -> Result<Option<(Handle, CloudKey)>, Error> {
        match cloud {
            Cloud::Azure => self.azure_key(),
            Cloud::Gcp => self.gcp_key(),
        }
    }

    fn azure_key(&mut self) -> Result<Option<(Handle, CloudKey)>, Error> {
        let read = ReadPublic { object_handle: Handle::AZURE_AK };
        let Some(answer) = absent(self.execute(&read, &[]))? else { return Ok(None) };
        let public = answer.read::<response::ReadPublic<'_>>()?.out_public.0.encode();
        let certificate = self.nv_contents(Handle::AZURE_AK_CERTIFICATE)?;
        Ok(certificate.map(|certificate| (Handle::AZURE_AK, CloudKey { public, certificate })))
    }

    fn gcp_key(&mut self) -> Result<Option<(Handle, CloudKey)>, Error> {
        for (template, certificate) in GCP {
            let Some(certificate) = self.nv_contents(certificate)? else { continue };
            let Some(template) = self.nv_contents(template)? else { continue };
            let template = PublicArea::parse(&template)
                .map_err(|source| Error::Input { what: "the cloud's key template in NV", source })?;
            let (handle, public) = self.primary(template)?;
            return Ok(Some((handle, CloudKey { public, certificate })));
        }
        Ok(None)
    }
}
