//! `gate verify-bundle`: a saved bundle, checked on any machine.

use std::fmt::Write as _;
use std::path::Path;

use avouch_attestor::audit::MAX_LINE_BYTES;
use avouch_attestor::{Held, Outcome, PinnedAk, Verdict, Verification, verify_bundle};
use serde_json::json;
use zeroize::Zeroizing;

use super::GateError;
use super::arguments::VerifyBundleArgs;
use super::commands::{MAX_KEY_BYTES, read, say, say_json};
use crate::cli::Exit;

/// Does what `args` ask for.
pub(super) fn verify(args: &VerifyBundleArgs) -> Result<Exit, GateError> {
    let bytes = read(&args.file, MAX_LINE_BYTES)?;
    let hmac_key = args.hmac_key.as_deref().map(|path| read(path, MAX_KEY_BYTES)).transpose()?.map(Zeroizing::new);
    let held = Held {
        key: args.key.as_deref().map(pinned).transpose()?,
        nonce: args.nonce,
        hmac_key: hmac_key.as_deref().map(Vec::as_slice),
    };
    let wrong = |error| GateError::Bundle { path: args.file.clone(), error };
    let verification = verify_bundle(&bytes, &held).map_err(wrong)?;
    if args.json {
        let Verification { checks, verdict } = &verification;
        say_json(&json!({ "version": 1, "path": args.file, "verdict": verdict, "checks": checks }))?;
    } else {
        say(&text(&verification));
    }
    Ok(match verification.verdict {
        Verdict::Holds => Exit::Done,
        Verdict::Unverifiable => Exit::Unverifiable,
        Verdict::Refused => Exit::Fail,
    })
}

fn text(verification: &Verification) -> String {
    let mut text = String::new();
    for check in &verification.checks {
        let _ = writeln!(text, "{:<17}{:<10}{}", check.check, check.result.to_string(), check.what);
    }
    text.push_str(match verification.verdict {
        Verdict::Holds => "\nEverything that was asked for holds.\n",
        Verdict::Unverifiable => {
            "\nNothing failed, and this is not enough to believe the bundle: see what was not done.\n"
        }
        Verdict::Refused => "\nThe bundle is refused.\n",
    });
    let hmac = verification.checks.iter().any(|check| check.check == "hmac" && check.result == Outcome::Passed);
    if verification.verdict == Verdict::Holds && !hmac {
        text.push_str(
            "State and failures are the gate's own word: the TPM signed what was measured, not what it came to.\n",
        );
    }
    text
}

fn pinned(path: &Path) -> Result<PinnedAk, GateError> {
    let wrong =
        |why: avouch_attestor::PinnedAkError| GateError::KeyFile { path: path.to_owned(), why: why.to_string() };
    PinnedAk::read(&read(path, MAX_KEY_BYTES)?).map_err(wrong)
}
