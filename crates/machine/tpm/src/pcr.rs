//! Platform configuration registers.

use avouch_tpm_wire::command::{GetCapability, PcrExtend, PcrRead};
use avouch_tpm_wire::{BankSelection, Capability, Digest, Handle, PcrSelection, response};

use crate::attestation::AttestationSession;
use crate::error::Error;
use crate::scope::EMPTY;
use crate::tpm::Tpm;
use crate::transport::Transport;

/// PCRs of a PC Client TPM, 0 to 23, read eight at a time, and some room for a TPM that gives fewer.
const MAX_READS: usize = 24;

impl<T: Transport> AttestationSession<'_, T> {
    /// [`Tpm::pcr_extend`] while the key is loaded.
    ///
    /// # Errors
    /// As there.
    pub fn pcr_extend(&mut self, pcr: u8, digests: &[Digest]) -> Result<(), Error> {
        self.scope.tpm().pcr_extend(pcr, digests)
    }

    /// [`Tpm::pcr_read`] while the key is loaded.
    ///
    /// # Errors
    /// As there.
    pub fn pcr_read(&mut self, selection: PcrSelection) -> Result<Vec<(u32, Digest)>, Error> {
        self.scope.tpm().pcr_read(selection)
    }
}

impl<T: Transport> Tpm<T> {
    /// TPM2_PCR_Extend with one digest for each bank.
    ///
    /// # Errors
    /// [`Error`] as of the command.
    pub fn pcr_extend(&mut self, pcr: u8, digests: &[Digest]) -> Result<(), Error> {
        let extend = PcrExtend { pcr_handle: Handle::pcr(pcr), digests: digests.to_vec() };
        self.execute(&extend, &EMPTY)?.read::<response::Empty>().map(|_| ())
    }

    /// Values of the selected PCRs, ascending. They are read in several commands and prove nothing: only a quote does.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the TPM gives other PCRs than were asked for; else as of the command.
    pub fn pcr_read(&mut self, selection: PcrSelection) -> Result<Vec<(u32, Digest)>, Error> {
        let wrong = |what| Error::Unexpected { command: "TPM2_PCR_Read", what };
        let mut left = selection;
        let mut values = Vec::new();
        for _ in 0..MAX_READS {
            if left.mask == 0 {
                break;
            }
            let answer = self.execute(&PcrRead { pcr_selection_in: left.into() }, &[])?;
            let read: response::PcrRead<'_> = answer.read()?;
            let given = read.pcr_selection_out.only().ok_or(wrong("another bank than asked for"))?;
            let count = given.mask.count_ones() as usize;
            if given.bank != left.bank || given.mask & !left.mask != 0 || count == 0 || count != read.pcr_values.len() {
                return Err(wrong("other PCRs than asked for; the bank may not be active"));
            }
            for (pcr, value) in given.pcrs().zip(read.pcr_values) {
                let digest = Digest::new(given.bank, value).ok_or(wrong("a value of another size"))?;
                values.push((pcr, digest));
            }
            left.mask &= !given.mask;
        }
        values.sort_by_key(|(pcr, _)| *pcr);
        Ok(values)
    }

    /// The banks that are allocated, and their PCRs.
    ///
    /// # Errors
    /// [`Error`] as of the command.
    pub fn pcr_banks(&mut self) -> Result<Vec<BankSelection>, Error> {
        let capability = GetCapability { capability: Capability::PCRS, property: 0, property_count: 1 };
        match self.execute(&capability, &[])?.read::<response::GetCapability>()?.data {
            Capability::Pcrs(list) => Ok(list.banks.into_iter().filter(|bank| bank.mask != 0).collect()),
            _ => Err(Error::Unexpected { command: "TPM2_GetCapability", what: "another capability than asked for" }),
        }
    }
}
