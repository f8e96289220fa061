//! What successful responses carry (TPM 2.0 Part 3), in both directions.

use alloc::vec::Vec;

use crate::frame::{ReplyError, encode_reply, open_reply, read_header};
use crate::parts::{Capability, NvPublic, Ticket};
use crate::public::SizedPublic;
use crate::wire::Wire;
use crate::{ClockInfo, Handle, SelectionList, Signature, WireError};

pub use crate::frame::encode_refusal;

/// The parts of a successful response.
pub trait Reply<'r>: Sized {
    /// Reads a response that fills `bytes`, to a command with `sessions` authorisations.
    ///
    /// # Errors
    /// [`ReplyError::Refused`] with the TPM's own code; [`ReplyError::Malformed`] when this is not the response.
    fn parse(bytes: &'r [u8], sessions: usize) -> Result<Self, ReplyError>;

    /// The whole response to a command with `sessions` password authorisations; how tests play a TPM.
    ///
    /// # Errors
    /// [`WireError`] when a field is too long.
    fn encode(&self, sessions: usize) -> Result<Vec<u8>, WireError>;
}

/// Reads only the header of a response: success, or the TPM's own code.
///
/// # Errors
/// As [`Reply::parse`]; the body is not looked at.
pub fn outcome(bytes: &[u8]) -> Result<(), ReplyError> {
    read_header(bytes).map(|_| ())
}

macro_rules! replies {
    ($(
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? {
            handles { $($(#[$handle_doc:meta])* $handle:ident,)* }
            parameters { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$handle_doc])* pub $handle: Handle,)*
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl<'r> Reply<'r> for $name $(<$life>)? {
            fn parse(bytes: &'r [u8], sessions: usize) -> Result<Self, ReplyError> {
                #[allow(unused_mut)]
                let mut open = open_reply(bytes, sessions)?;
                $(let $handle = Handle::read(&mut open.reader)?;)*
                open.parameters(|_reader| Ok(Self { $($handle,)* $($field: Wire::read(_reader)?,)* }))
            }

            fn encode(&self, sessions: usize) -> Result<Vec<u8>, WireError> {
                encode_reply(
                    sessions,
                    |_writer| { $(self.$handle.write(_writer);)* },
                    |_writer| { $(self.$field.write(_writer);)* },
                )
            }
        }
    )*};
}

replies! {
    /// Nothing but success.
    Empty {
        handles {}
        parameters {}
    }

    /// Answer to TPM2_GetCapability.
    GetCapability {
        handles {}
        parameters {
            /// True when there is more than was asked for.
            more_data: bool,
            /// The items.
            data: Capability,
        }
    }

    /// Answer to TPM2_CreatePrimary.
    CreatePrimary<'r> {
        handles {
            /// The loaded object.
            object_handle,
        }
        parameters {
            /// Its public area.
            out_public: SizedPublic<'r>,
            /// Content of the TPM2B_CREATION_DATA.
            creation_data: &'r [u8],
            /// Digest of it.
            creation_hash: &'r [u8],
            /// Ticket over it.
            creation_ticket: Ticket<'r>,
            /// Name of the object.
            name: &'r [u8],
        }
    }

    /// Answer to TPM2_Create.
    Create<'r> {
        handles {}
        parameters {
            /// Content of the TPM2B_PRIVATE, wrapped by the parent.
            out_private: &'r [u8],
            /// Public area.
            out_public: SizedPublic<'r>,
            /// Content of the TPM2B_CREATION_DATA.
            creation_data: &'r [u8],
            /// Digest of it.
            creation_hash: &'r [u8],
            /// Ticket over it.
            creation_ticket: Ticket<'r>,
        }
    }

    /// Answer to TPM2_Load.
    Load<'r> {
        handles {
            /// The loaded object.
            object_handle,
        }
        parameters {
            /// Its Name.
            name: &'r [u8],
        }
    }

    /// Answer to TPM2_ReadPublic.
    ReadPublic<'r> {
        handles {}
        parameters {
            /// Public area.
            out_public: SizedPublic<'r>,
            /// Name.
            name: &'r [u8],
            /// Qualified Name.
            qualified_name: &'r [u8],
        }
    }

    /// Answer to TPM2_NV_ReadPublic.
    NvReadPublic<'r> {
        handles {}
        parameters {
            /// Public area of the index.
            nv_public: NvPublic<'r>,
            /// Its Name.
            nv_name: &'r [u8],
        }
    }

    /// Answer to TPM2_NV_Read.
    NvRead<'r> {
        handles {}
        parameters {
            /// Data.
            data: &'r [u8],
        }
    }

    /// Answer to TPM2_StartAuthSession.
    StartAuthSession<'r> {
        handles {
            /// The session.
            session_handle,
        }
        parameters {
            /// nonceTPM.
            nonce_tpm: &'r [u8],
        }
    }

    /// Answer to TPM2_PolicySecret.
    PolicySecret<'r> {
        handles {}
        parameters {
            /// Content of the TPM2B_TIMEOUT.
            timeout: &'r [u8],
            /// Ticket.
            policy_ticket: Ticket<'r>,
        }
    }

    /// Answer to TPM2_MakeCredential.
    MakeCredential<'r> {
        handles {}
        parameters {
            /// Content of the TPM2B_ID_OBJECT.
            credential_blob: &'r [u8],
            /// Content of the TPM2B_ENCRYPTED_SECRET.
            secret: &'r [u8],
        }
    }

    /// Answer to TPM2_ActivateCredential.
    ActivateCredential<'r> {
        handles {}
        parameters {
            /// The opened secret.
            cert_info: &'r [u8],
        }
    }

    /// Answer to TPM2_Quote, TPM2_Certify and TPM2_GetTime.
    Attested<'r> {
        handles {}
        parameters {
            /// TPMS_ATTEST: the bytes that were signed.
            attest: &'r [u8],
            /// The signature.
            signature: Signature<'r>,
        }
    }

    /// Answer to TPM2_Sign.
    Sign<'r> {
        handles {}
        parameters {
            /// The signature.
            signature: Signature<'r>,
        }
    }

    /// Answer to TPM2_ReadClock: TPMS_TIME_INFO.
    ReadClock {
        handles {}
        parameters {
            /// Milliseconds since the TPM was last powered or reset.
            time: u64,
            /// Clock and counters.
            clock: ClockInfo,
        }
    }

    /// Answer to TPM2_PCR_Read.
    PcrRead<'r> {
        handles {}
        parameters {
            /// Grows with each change of a PCR.
            pcr_update_counter: u32,
            /// The PCRs that the values belong to; fewer than asked for when they were more than eight.
            pcr_selection_out: SelectionList,
            /// Values in the order of the selection.
            pcr_values: Vec<&'r [u8]>,
        }
    }
}
