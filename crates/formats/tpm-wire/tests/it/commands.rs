//! Commands and responses, built and parsed by both sides.

use avouch_tpm_wire::command::{self, *};
use avouch_tpm_wire::response::{self, Reply};
use avouch_tpm_wire::*;

use crate::golden;

const AUTH: [Authorization<'static>; 1] = [Authorization::EMPTY];
const TWO: [Authorization<'static>; 2] = [Authorization::EMPTY, Authorization::policy(Handle(0x0300_0000))];

fn selection() -> SelectionList {
    PcrSelection::of(HashAlg::Sha256, &[0, 4, 7]).into()
}

/// One of every command, encoded.
fn commands() -> Vec<Vec<u8>> {
    let public = SizedPublic(templates::AK);
    let in_sensitive = SensitiveCreate { user_auth: b"auth", data: &[] };
    let data = [9; 32].as_slice();
    let object = Handle(0x8000_0000);
    let sign_handle = Handle(0x8000_0001);
    let session = Handle(0x0300_0000);
    [
        Startup { startup_type: StartupType::Clear }.encode(&[]),
        Shutdown { shutdown_type: StartupType::State }.encode(&[]),
        SelfTest { full_test: true }.encode(&[]),
        GetCapability { capability: Capability::HANDLES, property: 0x8000_0000, property_count: 8 }.encode(&[]),
        CreatePrimary {
            primary_handle: Handle::ENDORSEMENT,
            in_sensitive,
            in_public: SizedPublic(templates::AK_PARENT),
            outside_info: &[],
            creation_pcr: SelectionList::default(),
        }
        .encode(&AUTH),
        Create {
            parent_handle: object,
            in_sensitive,
            in_public: public,
            outside_info: data,
            creation_pcr: selection(),
        }
        .encode(&AUTH),
        Load { parent_handle: object, in_private: data, in_public: public }.encode(&AUTH),
        FlushContext { flush_handle: object }.encode(&[]),
        ReadPublic { object_handle: Handle::EK_RSA2048 }.encode(&[]),
        EvictControl { auth: Handle::OWNER, object_handle: object, persistent_handle: Handle::EK_RSA2048 }
            .encode(&AUTH),
        NvReadPublic { nv_index: Handle::EK_CERTIFICATE_RSA2048 }.encode(&[]),
        NvRead {
            auth_handle: Handle::EK_CERTIFICATE_RSA2048,
            nv_index: Handle::EK_CERTIFICATE_RSA2048,
            size: 1024,
            offset: 512,
        }
        .encode(&AUTH),
        StartAuthSession {
            tpm_key: Handle::NULL,
            bind: Handle::NULL,
            nonce_caller: data,
            encrypted_salt: &[],
            session_type: SessionType::Policy,
            symmetric: Symmetric::Null,
            auth_hash: HashAlg::Sha256,
        }
        .encode(&[]),
        PolicySecret {
            auth_handle: Handle::ENDORSEMENT,
            policy_session: session,
            nonce_tpm: &[],
            cp_hash_a: &[],
            policy_ref: &[],
            expiration: 0,
        }
        .encode(&AUTH),
        PolicyOr { policy_session: session, branches: vec![data, data] }.encode(&[]),
        PolicyPcr { policy_session: session, pcr_digest: data, pcrs: selection() }.encode(&[]),
        Sign { key_handle: object, digest: data, in_scheme: Scheme::Null, validation: Ticket::NO_HASHCHECK }
            .encode(&AUTH),
        ReadClock {}.encode(&[]),
        MakeCredential { handle: object, credential: data, object_name: data }.encode(&[]),
        ActivateCredential { activate_handle: sign_handle, key_handle: object, credential_blob: data, secret: data }
            .encode(&TWO),
        Quote { sign_handle, qualifying_data: data, in_scheme: Scheme::Null, pcr_select: selection() }.encode(&AUTH),
        Certify { object_handle: object, sign_handle, qualifying_data: data, in_scheme: Scheme::Null }.encode(&TWO),
        GetTime {
            privacy_admin_handle: Handle::ENDORSEMENT,
            sign_handle,
            qualifying_data: data,
            in_scheme: Scheme::Ecdsa(HashAlg::Sha256),
        }
        .encode(&TWO),
        PcrExtend { pcr_handle: Handle::pcr(16), digests: vec![Digest::zero(HashAlg::Sha256)] }.encode(&AUTH),
        PcrRead { pcr_selection_in: selection() }.encode(&[]),
        Clear { auth_handle: Handle::LOCKOUT }.encode(&AUTH),
    ]
    .into_iter()
    .map(Result::unwrap)
    .collect()
}

/// Responses, each with the command that it answers.
fn replies() -> Vec<(CommandCode, Vec<u8>)> {
    let public = SizedPublic(templates::AK);
    let creation_ticket = Ticket { tag: 0x8021, hierarchy: Handle::ENDORSEMENT, digest: &[1; 32] };
    let object_handle = Handle(0x8000_0000);
    let data = [9; 32].as_slice();
    let signature = Signature::parse(golden::QUOTE_SIGNATURE).unwrap();
    let created = response::CreatePrimary {
        object_handle,
        out_public: public,
        creation_data: data,
        creation_hash: data,
        creation_ticket,
        name: data,
    };
    let create = response::Create {
        out_private: data,
        out_public: public,
        creation_data: data,
        creation_hash: data,
        creation_ticket,
    };
    let handles = Capability::Handles(vec![object_handle]);
    let properties = Capability::Properties(vec![Property { tag: Property::MANUFACTURER, value: 7 }]);
    let nv_public = NvPublic {
        index: Handle::EK_CERTIFICATE_RSA2048,
        name_alg: HashAlg::Sha256,
        attributes: 0x6207_2001,
        auth_policy: &[],
        data_size: 1200,
    };
    let clock = ClockInfo { clock: 6, reset_count: 7, restart_count: 8, safe: true };
    let values = response::PcrRead { pcr_update_counter: 3, pcr_selection_out: selection(), pcr_values: vec![data; 3] };
    [
        (Startup::CODE, response::Empty {}.encode(0)),
        (PcrExtend::CODE, response::Empty {}.encode(1)),
        (GetCapability::CODE, response::GetCapability { more_data: false, data: handles }.encode(0)),
        (GetCapability::CODE, response::GetCapability { more_data: true, data: properties }.encode(0)),
        (
            GetCapability::CODE,
            response::GetCapability { more_data: true, data: Capability::Pcrs(selection()) }.encode(0),
        ),
        (CreatePrimary::CODE, created.encode(1)),
        (Create::CODE, create.encode(1)),
        (Load::CODE, response::Load { object_handle, name: data }.encode(1)),
        (ReadPublic::CODE, response::ReadPublic { out_public: public, name: data, qualified_name: data }.encode(0)),
        (NvReadPublic::CODE, response::NvReadPublic { nv_public, nv_name: data }.encode(0)),
        (NvRead::CODE, response::NvRead { data }.encode(1)),
        (
            StartAuthSession::CODE,
            response::StartAuthSession { session_handle: Handle(0x0300_0000), nonce_tpm: data }.encode(0),
        ),
        (PolicySecret::CODE, response::PolicySecret { timeout: &[], policy_ticket: creation_ticket }.encode(1)),
        (MakeCredential::CODE, response::MakeCredential { credential_blob: data, secret: data }.encode(0)),
        (ActivateCredential::CODE, response::ActivateCredential { cert_info: data }.encode(2)),
        (Quote::CODE, response::Attested { attest: golden::QUOTE, signature }.encode(1)),
        (PcrRead::CODE, values.encode(0)),
        (PolicyPcr::CODE, response::Empty {}.encode(0)),
        (Sign::CODE, response::Sign { signature }.encode(1)),
        (ReadClock::CODE, response::ReadClock { time: 5, clock }.encode(0)),
    ]
    .into_iter()
    .map(|(code, bytes)| (code, bytes.unwrap()))
    .collect()
}

#[test]
fn quote_command_has_the_bytes_of_the_specification() {
    let quote = Quote {
        sign_handle: Handle(0x8000_0001),
        qualifying_data: &[0xAB; 2],
        in_scheme: Scheme::Null,
        pcr_select: PcrSelection::of(HashAlg::Sha256, &[10]).into(),
    };
    let expected = [
        0x80, 0x02, 0, 0, 0, 43, 0, 0, 1, 0x58, // header
        0x80, 0, 0, 1, // key
        0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0, // empty password
        0, 2, 0xAB, 0xAB, 0, 0x10, // qualifying data, null scheme
        0, 0, 0, 1, 0, 0x0B, 3, 0, 4, 0, // PCR 10
    ];
    assert_eq!(quote.encode(&AUTH).unwrap(), expected);
    assert_eq!(Quote::parse(&expected).unwrap(), (quote, AUTH.to_vec()));
}

#[test]
fn every_command_parses_to_itself() {
    let commands = commands();
    let codes: Vec<_> = commands.iter().map(|bytes| command::check(bytes).unwrap()).collect();
    let mut distinct = codes.iter().map(ToString::to_string).collect::<Vec<_>>();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 26, "one of every command: {distinct:?}");
    assert!(distinct.iter().all(|name| name.starts_with("TPM2_")));
}

#[test]
fn every_response_parses() {
    for (code, bytes) in replies() {
        command::check_reply(code, &bytes).unwrap_or_else(|error| panic!("{code}: {error}"));
    }
}

#[test]
fn truncated_command_or_response_is_refused() {
    for bytes in commands() {
        (0..bytes.len()).for_each(|cut| assert!(command::check(&bytes[..cut]).is_err()));
        for cut in HEADER..bytes.len() {
            // With a size that fits, so that the parsers behind the header meet the cut.
            let resized = resize(&bytes[..cut]);
            assert!(command::check(&resized).is_err(), "{} cut at {cut}", command::check(&bytes).unwrap());
        }
    }
    for (code, bytes) in replies() {
        (HEADER..bytes.len()).for_each(|cut| {
            assert!(command::check_reply(code, &resize(&bytes[..cut])).is_err(), "{code} cut at {cut}")
        });
        let mut long = bytes.clone();
        long.push(0);
        assert!(command::check_reply(code, &resize(&long)).is_err(), "{code} padded");
    }
}

#[test]
fn changed_command_or_response_never_panics() {
    let mut parsed = 0;
    for bytes in commands() {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut changed = bytes.clone();
                changed[at] = value;
                parsed += usize::from(command::check(&changed).is_ok());
            }
        }
    }
    for (code, bytes) in replies() {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut changed = bytes.clone();
                changed[at] = value;
                parsed += usize::from(command::check_reply(code, &changed).is_ok());
            }
        }
    }
    assert!(parsed > 0);
}

#[test]
fn refusal_carries_the_response_code() {
    let refusal = response::encode_refusal(rc::ResponseCode::RETRY);
    assert_eq!(refusal, [0x80, 1, 0, 0, 0, 10, 0, 0, 9, 0x22]);
    for (code, _) in replies() {
        let error = command::check_reply(code, &refusal).unwrap_err();
        assert_eq!(error, ReplyError::Refused(rc::ResponseCode::RETRY));
    }
    // TPM 1.2 tag: how a TPM answers a command that it cannot read at all.
    let bad_tag = [0x00, 0xC4, 0, 0, 0, 10, 0, 0, 0, 0x1E];
    let error = response::Empty::parse(&bad_tag, 0).unwrap_err();
    assert_eq!(error, ReplyError::Refused(rc::ResponseCode(0x1E)));
    let no_error = [0x00, 0xC4, 0, 0, 0, 10, 0, 0, 0, 0];
    assert!(matches!(response::Empty::parse(&no_error, 0), Err(ReplyError::Malformed(_))));
}

#[test]
fn command_without_its_authorisation_is_not_built() {
    let quote = Quote {
        sign_handle: Handle(0x8000_0001),
        qualifying_data: &[],
        in_scheme: Scheme::Null,
        pcr_select: selection(),
    };
    assert!(quote.encode(&[]).is_err());
    assert!(quote.encode(&[Authorization::EMPTY; 4]).is_err());
    let oversized = Quote { qualifying_data: &[0; 70_000], ..quote };
    assert_eq!(oversized.encode(&AUTH).unwrap_err().got, 70_000);
    let too_long = [0; 5_000];
    assert!(
        Load { parent_handle: Handle(1), in_private: &too_long, in_public: SizedPublic(templates::AK) }
            .encode(&AUTH)
            .is_err()
    );
}

fn resize(bytes: &[u8]) -> Vec<u8> {
    let mut resized = bytes.to_vec();
    let size = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    resized[2..6].copy_from_slice(&size);
    resized
}
