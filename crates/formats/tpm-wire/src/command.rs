//! The commands that Avouch sends (TPM 2.0 Part 3), each with its parser so that a test can play the TPM.

use alloc::vec::Vec;

use crate::frame::{Authorization, CommandCode, encode_command, open_command, read_auths};
use crate::parts::{SensitiveCreate, Ticket};
use crate::public::SizedPublic;
use crate::response;
use crate::wire::Wire;
use crate::{Digest, Handle, HashAlg, Scheme, SelectionList, SessionType, StartupType, Symmetric, WireError};

/// A command: knows its code, its form and the type of its response.
pub trait Command<'a>: Sized {
    /// TPM_CC.
    const CODE: CommandCode;
    /// Name in the specification.
    const NAME: &'static str;
    /// Handles that need an authorisation.
    const AUTHS: usize;
    /// What a successful response carries.
    type Reply<'r>: response::Reply<'r>;

    /// The whole command.
    ///
    /// # Errors
    /// [`WireError`] when a field is too long, the whole is over 4096 bytes, or `auths` are fewer than
    /// [`Command::AUTHS`] or more than three.
    fn encode(&self, auths: &[Authorization<'_>]) -> Result<Vec<u8>, WireError>;

    /// Reads a command that fills `bytes`, and its authorisations.
    ///
    /// # Errors
    /// [`WireError`] for anything else.
    fn parse(bytes: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError>;
}

macro_rules! commands {
    ($(
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? = $text:literal, $code:literal, $auths:literal => $reply:ty {
            handles { $($(#[$handle_doc:meta])* $handle:ident,)* }
            parameters { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name $(<$life>)? {
                $($(#[$handle_doc])* pub $handle: Handle,)*
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl<'a> Command<'a> for $name $(<$life>)? {
                const CODE: CommandCode = CommandCode($code);
                const NAME: &'static str = $text;
                const AUTHS: usize = $auths;
                type Reply<'r> = $reply;

                fn encode(&self, auths: &[Authorization<'_>]) -> Result<Vec<u8>, WireError> {
                    encode_command(
                        $code,
                        $auths,
                        auths,
                        |_writer| { $(self.$handle.write(_writer);)* },
                        |_writer| { $(self.$field.write(_writer);)* },
                    )
                }

                fn parse(bytes: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError> {
                    let (mut reader, sessions) = open_command(bytes, $code)?;
                    $(let $handle = Handle::read(&mut reader)?;)*
                    let auths = read_auths(&mut reader, sessions, $auths)?;
                    $(let $field = Wire::read(&mut reader)?;)*
                    reader.end()?;
                    Ok((Self { $($handle,)* $($field,)* }, auths))
                }
            }
        )*

        /// The command's name in the specification; `None` for one that is not built here.
        pub fn name(code: CommandCode) -> Option<&'static str> {
            match code.0 {
                $($code => Some($text),)*
                _ => None,
            }
        }

        /// Parses any command of this module; the answer is which one it was.
        ///
        /// # Errors
        /// [`WireError`] as [`Command::parse`], or [`crate::Wanted::Known`] for a command that is not in this module.
        pub fn check<'a>(bytes: &'a [u8]) -> Result<CommandCode, WireError> {
            let code = CommandCode::of(bytes)?;
            match code.0 {
                $($code => <$name $(<$life>)? as Command<'a>>::parse(bytes).map(|_| code),)*
                other => Err(WireError { offset: 6, wanted: crate::Wanted::Known("command"), got: other.into() }),
            }
        }

        /// Parses the response to a command of this module that carried [`Command::AUTHS`] authorisations.
        ///
        /// # Errors
        /// [`crate::ReplyError`] as [`response::Reply::parse`]; a command that is not in this module is refused.
        pub fn check_reply<'a>(code: CommandCode, bytes: &'a [u8]) -> Result<(), crate::ReplyError> {
            match code.0 {
                $($code => <<$name $(<$life>)? as Command<'a>>::Reply<'a> as response::Reply<'a>>::parse(bytes, $auths).map(|_| ()),)*
                other => {
                    Err(WireError { offset: 6, wanted: crate::Wanted::Known("command"), got: other.into() }.into())
                }
            }
        }
    };
}

commands! {
    /// Ends the time between power-on and the first command.
    Startup = "TPM2_Startup", 0x144, 0 => response::Empty {
        handles {}
        parameters {
            /// Clear or resume.
            startup_type: StartupType,
        }
    }

    /// Prepares for loss of power.
    Shutdown = "TPM2_Shutdown", 0x145, 0 => response::Empty {
        handles {}
        parameters {
            /// Whether to keep the state for a resume.
            shutdown_type: StartupType,
        }
    }

    /// Tests the TPM's own functions.
    SelfTest = "TPM2_SelfTest", 0x143, 0 => response::Empty {
        handles {}
        parameters {
            /// True: all functions; false: those not tested yet.
            full_test: bool,
        }
    }

    /// Reads what the TPM is and holds.
    GetCapability = "TPM2_GetCapability", 0x17A, 0 => response::GetCapability {
        handles {}
        parameters {
            /// Kind, [`crate::Capability::HANDLES`] and its like.
            capability: u32,
            /// First item.
            property: u32,
            /// Most items in the answer.
            property_count: u32,
        }
    }

    /// Makes a primary object from a hierarchy's seed.
    CreatePrimary<'a> = "TPM2_CreatePrimary", 0x131, 1 => response::CreatePrimary<'r> {
        handles {
            /// Hierarchy.
            primary_handle,
        }
        parameters {
            /// Authorisation value and data.
            in_sensitive: SensitiveCreate<'a>,
            /// Template.
            in_public: SizedPublic<'a>,
            /// Bound into the creation data.
            outside_info: &'a [u8],
            /// Recorded in the creation data.
            creation_pcr: SelectionList,
        }
    }

    /// Makes an object below a loaded parent; it is not loaded.
    Create<'a> = "TPM2_Create", 0x153, 1 => response::Create<'r> {
        handles {
            /// Parent.
            parent_handle,
        }
        parameters {
            /// Authorisation value and data.
            in_sensitive: SensitiveCreate<'a>,
            /// Template.
            in_public: SizedPublic<'a>,
            /// Bound into the creation data.
            outside_info: &'a [u8],
            /// Recorded in the creation data.
            creation_pcr: SelectionList,
        }
    }

    /// Loads an object below its parent.
    Load<'a> = "TPM2_Load", 0x157, 1 => response::Load<'r> {
        handles {
            /// Parent.
            parent_handle,
        }
        parameters {
            /// Content of the TPM2B_PRIVATE.
            in_private: &'a [u8],
            /// Public area.
            in_public: SizedPublic<'a>,
        }
    }

    /// Removes an object or a session from the TPM.
    FlushContext = "TPM2_FlushContext", 0x165, 0 => response::Empty {
        handles {}
        parameters {
            /// What to remove; a parameter, not a handle of the command.
            flush_handle: Handle,
        }
    }

    /// Reads the public area of a loaded object.
    ReadPublic = "TPM2_ReadPublic", 0x173, 0 => response::ReadPublic<'r> {
        handles {
            /// Object.
            object_handle,
        }
        parameters {}
    }

    /// Makes a loaded object persistent, or removes a persistent one.
    EvictControl = "TPM2_EvictControl", 0x120, 1 => response::Empty {
        handles {
            /// Owner or platform.
            auth,
            /// Object.
            object_handle,
        }
        parameters {
            /// Where it is to stay, or the same handle to remove it.
            persistent_handle: Handle,
        }
    }

    /// Reads the public area of an NV index.
    NvReadPublic = "TPM2_NV_ReadPublic", 0x169, 0 => response::NvReadPublic<'r> {
        handles {
            /// Index.
            nv_index,
        }
        parameters {}
    }

    /// Reads data of an NV index.
    NvRead = "TPM2_NV_Read", 0x14E, 1 => response::NvRead<'r> {
        handles {
            /// The index itself, owner or platform.
            auth_handle,
            /// Index.
            nv_index,
        }
        parameters {
            /// Bytes wanted.
            size: u16,
            /// From this byte on.
            offset: u16,
        }
    }

    /// Opens a session.
    StartAuthSession<'a> = "TPM2_StartAuthSession", 0x176, 0 => response::StartAuthSession<'r> {
        handles {
            /// Key for the salt, or null.
            tpm_key,
            /// Entity that the session is bound to, or null.
            bind,
        }
        parameters {
            /// At least 16 bytes.
            nonce_caller: &'a [u8],
            /// Empty without salt.
            encrypted_salt: &'a [u8],
            /// Kind of session.
            session_type: SessionType,
            /// Parameter encryption.
            symmetric: Symmetric,
            /// Hash of the session.
            auth_hash: HashAlg,
        }
    }

    /// Adds "authorised with the secret of that entity" to a policy session.
    PolicySecret<'a> = "TPM2_PolicySecret", 0x151, 1 => response::PolicySecret<'r> {
        handles {
            /// Entity that authorises.
            auth_handle,
            /// Session that is extended.
            policy_session,
        }
        parameters {
            /// nonceTPM of the session, or empty.
            nonce_tpm: &'a [u8],
            /// Limits the authorisation to one command, or empty.
            cp_hash_a: &'a [u8],
            /// Reference of the policy, or empty.
            policy_ref: &'a [u8],
            /// Seconds until the authorisation expires, as its 32 bits stand; 0 is never.
            expiration: u32,
        }
    }

    /// Replaces the policy of a session, which must be one of the branches, by their alternative.
    PolicyOr<'a> = "TPM2_PolicyOR", 0x171, 0 => response::Empty {
        handles {
            /// Session that is changed.
            policy_session,
        }
        parameters {
            /// Digests of the branches, two to eight.
            branches: Vec<&'a [u8]>,
        }
    }

    /// Adds "while these PCRs have these values" to a policy session.
    PolicyPcr<'a> = "TPM2_PolicyPCR", 0x17F, 0 => response::Empty {
        handles {
            /// Session that is extended.
            policy_session,
        }
        parameters {
            /// Digest of the values, or empty for those of now.
            pcr_digest: &'a [u8],
            /// PCRs.
            pcrs: SelectionList,
        }
    }

    /// Makes a credential with the TPM's public operation alone; Avouch's verifier does the same without a TPM.
    MakeCredential<'a> = "TPM2_MakeCredential", 0x168, 0 => response::MakeCredential<'r> {
        handles {
            /// Loaded public area of the key that will open it.
            handle,
        }
        parameters {
            /// Secret.
            credential: &'a [u8],
            /// Name of the object that must be beside it.
            object_name: &'a [u8],
        }
    }

    /// Opens a credential that was made for the key and the Name of the object.
    ActivateCredential<'a> = "TPM2_ActivateCredential", 0x147, 2 => response::ActivateCredential<'r> {
        handles {
            /// Object whose Name is checked.
            activate_handle,
            /// Endorsement key.
            key_handle,
        }
        parameters {
            /// Content of the TPM2B_ID_OBJECT.
            credential_blob: &'a [u8],
            /// Content of the TPM2B_ENCRYPTED_SECRET.
            secret: &'a [u8],
        }
    }

    /// Signs PCR values.
    Quote<'a> = "TPM2_Quote", 0x158, 1 => response::Attested<'r> {
        handles {
            /// Attestation key.
            sign_handle,
        }
        parameters {
            /// Freshness and whatever else the verifier wants bound.
            qualifying_data: &'a [u8],
            /// Scheme, null for the key's own.
            in_scheme: Scheme,
            /// PCRs.
            pcr_select: SelectionList,
        }
    }

    /// Signs the Name of a loaded object.
    Certify<'a> = "TPM2_Certify", 0x148, 2 => response::Attested<'r> {
        handles {
            /// Certified object.
            object_handle,
            /// Attestation key.
            sign_handle,
        }
        parameters {
            /// Freshness and whatever else the verifier wants bound.
            qualifying_data: &'a [u8],
            /// Scheme, null for the key's own.
            in_scheme: Scheme,
        }
    }

    /// Signs time, clock and firmware version.
    GetTime<'a> = "TPM2_GetTime", 0x14C, 2 => response::Attested<'r> {
        handles {
            /// Endorsement hierarchy.
            privacy_admin_handle,
            /// Attestation key.
            sign_handle,
        }
        parameters {
            /// Freshness and whatever else the verifier wants bound.
            qualifying_data: &'a [u8],
            /// Scheme, null for the key's own.
            in_scheme: Scheme,
        }
    }

    /// Signs a digest that comes from outside, with a key that is not restricted.
    Sign<'a> = "TPM2_Sign", 0x15D, 1 => response::Sign<'r> {
        handles {
            /// Key.
            key_handle,
        }
        parameters {
            /// Digest.
            digest: &'a [u8],
            /// Scheme, null for the key's own.
            in_scheme: Scheme,
            /// That the TPM made the digest itself, or [`Ticket::NO_HASHCHECK`].
            validation: Ticket<'a>,
        }
    }

    /// Reads time and clock, unsigned.
    ReadClock = "TPM2_ReadClock", 0x181, 0 => response::ReadClock {
        handles {}
        parameters {}
    }

    /// Extends a PCR in the banks of the digests.
    PcrExtend = "TPM2_PCR_Extend", 0x182, 1 => response::Empty {
        handles {
            /// PCR.
            pcr_handle,
        }
        parameters {
            /// One digest for each bank.
            digests: Vec<Digest>,
        }
    }

    /// Reads PCR values, eight at most.
    PcrRead = "TPM2_PCR_Read", 0x17E, 0 => response::PcrRead<'r> {
        handles {}
        parameters {
            /// PCRs.
            pcr_selection_in: SelectionList,
        }
    }

    /// Removes everything below the storage and endorsement hierarchies and sets clock and counters to zero.
    Clear = "TPM2_Clear", 0x126, 1 => response::Empty {
        handles {
            /// Lockout or platform.
            auth_handle,
        }
        parameters {}
    }
}
