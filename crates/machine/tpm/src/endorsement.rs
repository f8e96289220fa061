//! Endorsement keys and their certificates (TCG EK Credential Profile).

use avouch_tpm_wire::command::{CreatePrimary, ReadPublic};
use avouch_tpm_wire::{EkTemplate, Handle, response};

use crate::error::Error;
use crate::nv::absent;
use crate::scope::Scope;
use crate::tpm::Tpm;
use crate::transport::Transport;

/// What a node shows of an endorsement key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorsementKey {
    /// The template that it is made from.
    pub template: EkTemplate,
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// The certificate as it stands in NV, padding included; `None` when the manufacturer left none.
    pub certificate: Option<Vec<u8>>,
}

/// Chains have three or four certificates of under 2 KiB.
pub const MAX_CHAIN: usize = 16 * 1024;

/// A persistent endorsement key.
#[derive(Clone, Debug)]
struct Held {
    template: EkTemplate,
    handle: Handle,
    public: Vec<u8>,
}

impl<T: Transport> Tpm<T> {
    /// The endorsement key that names a node: see [`Tpm::endorsement_keys`].
    ///
    /// # Errors
    /// As `endorsement_keys`.
    pub fn endorsement_key(&mut self) -> Result<EndorsementKey, Error> {
        let keys = self.endorsement_keys(None)?;
        keys.into_iter().next().ok_or(Error::NoEndorsementKey { template: None })
    }

    /// Every endorsement key that is present, which is one with a certificate in NV or at a persistent handle. The one
    /// that names the node comes first: `chosen` when it was chosen before, else the first template with a
    /// certificate, else the first that is persistent, else the first that the TPM can make. The others follow in the
    /// fixed order.
    ///
    /// Persistent keys are used where they are; others are made anew from their templates, which for a long RSA key
    /// may take a chip a minute.
    ///
    /// # Errors
    /// [`Error::NoEndorsementKey`] when the chosen one is not there, or the TPM makes none; else [`Error`] as of each
    /// command. A missing certificate is not an error, nor is one whose key this TPM does not make.
    pub fn endorsement_keys(&mut self, chosen: Option<EkTemplate>) -> Result<Vec<EndorsementKey>, Error> {
        let indices = self.handles(EkTemplate::L1.certificate())?;
        let mut scope = Scope::new(self);
        let held = scope.persistent_endorsement_keys()?;
        let mut present = Vec::new();
        for template in EkTemplate::ALL {
            let certificate = match indices.contains(&template.certificate()) {
                true => scope.nv_contents(template.certificate())?,
                false => None,
            };
            let persistent = held.iter().find(|key| key.template == template);
            if certificate.is_none() && persistent.is_none() && chosen != Some(template) {
                continue;
            }
            let public = match persistent {
                Some(key) => Some(key.public.clone()),
                None => scope.made(template)?,
            };
            present.extend(public.map(|public| EndorsementKey { template, public, certificate }));
        }
        if present.is_empty() {
            present.extend(scope.first_made()?);
        }
        let first = match chosen {
            Some(template) => present.iter().position(|key| key.template == template),
            None => present.iter().position(|key| key.certificate.is_some()).or((!present.is_empty()).then_some(0)),
        };
        let first = first.ok_or(Error::NoEndorsementKey { template: chosen })?;
        present[..=first].rotate_right(1);
        Ok(present)
    }
}

impl<T: Transport> Tpm<T> {
    /// CA certificates that a manufacturer left in NV beside those of the endorsement keys (indices 0x01C00100 to
    /// 0x01C001FF, TCG EK Credential Profile section 2.2.1.5): contents in ascending order, one behind the other, at
    /// most [`MAX_CHAIN`] bytes. `None` when there are none.
    ///
    /// # Errors
    /// [`Error`] as of each command.
    pub fn endorsement_chain(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let indices = self.handles(Handle::FIRST_EK_CHAIN)?;
        let mut scope = Scope::new(self);
        let mut chain = Vec::new();
        for index in indices.into_iter().filter(|index| *index <= Handle::LAST_EK_CHAIN) {
            let contents = scope.nv_contents(index)?.unwrap_or_default();
            if chain.len() + contents.len() > MAX_CHAIN {
                break;
            }
            chain.extend(contents);
        }
        Ok((!chain.is_empty()).then_some(chain))
    }
}

impl<T: Transport> Scope<'_, T> {
    /// A handle of the endorsement key of this template.
    pub(crate) fn endorsement_key(&mut self, template: EkTemplate) -> Result<Handle, Error> {
        let held = self.persistent_endorsement_keys()?.into_iter().find(|key| key.template == template);
        match held {
            Some(key) => Ok(key.handle),
            None => self.primary(template.area()).map(|(handle, _)| handle),
        }
    }

    /// The key's public area, made to be looked at; `None` when the TPM does not know its algorithms.
    fn made(&mut self, template: EkTemplate) -> Result<Option<Vec<u8>>, Error> {
        match self.primary(template.area()) {
            Ok((handle, public)) => {
                self.release(handle);
                Ok(Some(public))
            }
            Err(Error::Refused { command: CREATE, code }) if code.is_about_a_parameter() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn first_made(&mut self) -> Result<Option<EndorsementKey>, Error> {
        for template in EkTemplate::ALL {
            if let Some(public) = self.made(template)? {
                return Ok(Some(EndorsementKey { template, public, certificate: None }));
            }
        }
        Ok(None)
    }

    /// Another kind of key in the range, even one that this release cannot read, is not an endorsement key of ours.
    fn persistent_endorsement_keys(&mut self) -> Result<Vec<Held>, Error> {
        let mut found: Vec<Held> = Vec::new();
        for handle in self.handles(Handle::FIRST_EK)? {
            if handle > Handle::LAST_EK {
                break;
            }
            // Somebody may remove it between the two commands.
            let Some(answer) = absent(self.execute(&ReadPublic { object_handle: handle }, &[]))? else { continue };
            let Ok(read) = answer.read::<response::ReadPublic<'_>>() else { continue };
            let area = read.out_public.0;
            if let Some(template) = EkTemplate::of(&area)
                && found.iter().all(|key| key.template != template)
            {
                found.push(Held { template, handle, public: area.encode() });
            }
        }
        Ok(found)
    }
}

const CREATE: &str = <CreatePrimary<'static> as avouch_tpm_wire::command::Command<'static>>::NAME;
