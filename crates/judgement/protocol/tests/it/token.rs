//! The enrolment token as a line of text.

use avouch_protocol::{EnrolmentToken, Message, TokenError};

use crate::sample::token;

#[test]
fn a_token_reads_back_from_its_line() {
    let (message, _) = token();
    let line = message.to_text();
    assert!(line.starts_with("avouch-join-1."));
    assert!(
        line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
        "nothing to quote: {line}"
    );
    assert_eq!(EnrolmentToken::from_text(&line).unwrap(), message);
    assert_eq!(EnrolmentToken::from_text(&format!("  {line}\n")).unwrap(), message);
}

#[test]
fn a_line_cut_at_any_character_is_refused() {
    let line = token().0.to_text();
    for cut in 0..line.len() {
        assert!(EnrolmentToken::from_text(&line[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_line_with_another_prefix_or_alphabet_is_refused() {
    let line = token().0.to_text();
    assert_eq!(EnrolmentToken::from_text(&line.replacen("-1.", "-2.", 1)), Err(TokenError::Prefix));
    assert_eq!(EnrolmentToken::from_text(""), Err(TokenError::Prefix));
    let wrapped = format!("{}\n{}", &line[..40], &line[41..]);
    assert_eq!(EnrolmentToken::from_text(&wrapped), Err(TokenError::Encoding { offset: 26 }));
    assert!(matches!(EnrolmentToken::from_text(&format!("{line}=")), Err(TokenError::Encoding { .. })));
    assert!(matches!(EnrolmentToken::from_text(&format!("{line}AAAA")), Err(TokenError::Message(_))));
}

#[test]
fn the_signature_covers_everything_but_itself() {
    let (message, _) = token();
    let signed = message.signed_bytes();
    assert!(signed.starts_with(EnrolmentToken::CONTEXT));
    let resigned = EnrolmentToken { signature: vec![1].into(), ..message.clone() };
    assert_eq!(resigned.signed_bytes(), signed);
    let unsigned = EnrolmentToken { signature: Vec::new().into(), ..message.clone() };
    assert_eq!(signed[EnrolmentToken::CONTEXT.len()..], unsigned.to_cbor());
    let more = EnrolmentToken { uses: message.uses + 1, ..message };
    assert_ne!(more.signed_bytes(), signed);
}
