//! What a policy demands of the paired report: the intent, and the levels that must hold.

use std::fs;
use std::path::{Path, PathBuf};

use avouch_appraise::{Comparison, ObservationChange, PairFilter, Policy, PolicyDraft};
use avouch_crypto::signing::verify_ed25519;
use avouch_pairs::{Level, Observation, learn};
use avouch_protocol::intent::{IntentError, IntentFile, SignedIntent};
use avouch_protocol::{Message, Observed};
use clap::{ArgGroup, Args};
use data_encoding::BASE64;
use serde_json::json;

use super::file::{malformed, read, write};
use crate::arguments::Global;
use crate::connection::{Connection, segment, unexpected};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::now_text;
use crate::wanted_pairs::level;

pub(crate) const INTENT: &str = "\
Say which levels nodes must hold, and what each unit should have

From then on a verdict is a pass only with a paired report in which every demanded level holds: what systemd says, what \
the kernel does and what was intended are the same. The intent comes from a file that somebody signed, or from a \
reference machine: what its two witnesses agree on today.

Without --required a new section demands, with --from, V3 to V14 as far as the reference machine holds them today, and \
with --file V4 to V14 without those that do not apply; a section that is there keeps its levels.";

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("source").args(["file", "from"]).required(true))]
pub(crate) struct Intent {
    /// The policy file
    policy: PathBuf,
    /// The intent: a file of `avouch-agent observe --learn`, plain or signed
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Who must have signed it: an Ed25519 public key in base64, or a file that holds it
    #[arg(long, value_name = "PUBKEY", requires = "file")]
    key: Option<String>,
    /// A reference machine: enrolled at the server, and looked at by a person
    #[arg(long, value_name = "NODE")]
    from: Option<String>,
    /// Levels that must hold, with commas between them
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', value_parser = level)]
    required: Vec<Level>,
    /// Levels that do not apply to these machines, with commas between them
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', value_parser = level)]
    not_applicable: Vec<Level>,
    /// Where to write the result [default: the policy file itself]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(global: &Global, options: &Intent) -> Result<Output, Failure> {
    let bytes = read(&options.policy)?;
    let mut draft = PolicyDraft::from_bytes(&bytes).map_err(|error| malformed(&options.policy, error))?;
    let demands = Policy::parse(&bytes).is_ok_and(|policy| !policy.required_levels().is_empty());
    let given = |levels: &[Level]| (!levels.is_empty()).then(|| levels.to_vec());
    let (intent, held) = match (&options.file, &options.from) {
        (Some(file), _) => (of_file(file, options.key.as_deref())?, None),
        // The command line has one of the two.
        (None, node) => of_node(global, node.as_deref().unwrap_or_default())?,
    };
    let learned = held.filter(|_| !demands).map(|levels| without(levels, options));
    let (units, subjects) = (intent.units.len(), intent.subjects.len());
    let change = ObservationChange {
        intent: Some(intent),
        required: given(&options.required).or(learned),
        not_applicable: given(&options.not_applicable),
        tolerate_inconclusive: None,
    };
    draft.observe(change).map_err(|error| {
        let remedy = "Nothing was written; name other levels in --required or --not-applicable.";
        Failure::new("INTENT", error, remedy)
    })?;
    let output = options.output.as_ref().unwrap_or(&options.policy);
    let bytes = draft.to_bytes();
    let required = Policy::parse(&bytes).map(|policy| policy.required_levels()).unwrap_or_default();
    let required: Vec<String> = required.iter().map(Level::to_string).collect();
    write(output, &bytes)?;
    if global.json {
        let reference = draft.reference().to_hex();
        return Ok(Output::json(&json!({
            "policy": output, "policy_ref": reference, "required": required, "units": units, "subjects": subjects,
        })));
    }
    let output = output.display();
    Ok(Output::lines(&[
        format!("intent of {subjects} subjects, {units} units must be active; demanded: {}", required.join(", ")),
        format!("wrote {output}; next: avouch policy apply {output} --default"),
    ]))
}

fn without(levels: Vec<Level>, options: &Intent) -> Vec<Level> {
    levels.into_iter().filter(|level| !options.not_applicable.contains(level)).collect()
}

/// A plain file stands for whoever names it; a signed one for who signed it, so the key must be named.
fn of_file(path: &Path, key: Option<&str>) -> Result<IntentFile, Failure> {
    let refused = |error: IntentError| {
        let what = format!("{}: {error}", path.display());
        Failure::new("INTENT", what, "Nothing was written.")
    };
    let bytes = fs::read(path).map_err(|error| {
        let what = format!("cannot read the intent {}: {error}", path.display());
        Failure::new("FILE", what, "Name a file that `avouch-agent observe --learn` or `intent confirm` wrote.")
    })?;
    match (SignedIntent::from_json(&bytes), key) {
        (Ok(signed), Some(key)) => {
            let verify = |key: &[u8; 32], bytes: &[u8], signature: &[u8]| verify_ed25519(key, bytes, signature).is_ok();
            signed.open(&[public_key(key)?], verify).map_err(refused)
        }
        (Ok(_), None) => {
            let what = format!("{} is signed, and no key says whose signature counts", path.display());
            Err(Failure::new("INTENT_KEY", what, "Name the signer's public key with --key."))
        }
        (Err(_), Some(_)) => {
            let what = format!("{} is not a signed intent, so --key has nothing to check", path.display());
            Err(Failure::new("INTENT_KEY", what, "Name the signed file, or leave --key out."))
        }
        (Err(_), None) => {
            let file = IntentFile::from_json(&bytes).map_err(refused)?;
            file.intent().map_err(refused)?;
            Ok(file)
        }
    }
}

/// A key as it was written, or the one in the file of that name.
fn public_key(text: &str) -> Result<[u8; 32], Failure> {
    let decoded = |text: &str| -> Option<[u8; 32]> { BASE64.decode(text.trim().as_bytes()).ok()?.try_into().ok() };
    decoded(text).or_else(|| decoded(&fs::read_to_string(text).ok()?)).ok_or_else(|| {
        let what = format!("{text:?} is neither an Ed25519 public key in base64 nor a file that holds one");
        Failure::new("INTENT_KEY", what, "Copy the key as `avouch-agent intent key` prints it.")
    })
}

/// What a machine's witnesses agree on today, and the levels that hold with that.
fn of_node(global: &Global, node: &str) -> Result<(IntentFile, Option<Vec<Level>>), Failure> {
    let path = format!("/v1/nodes/{}/observation", segment(node));
    let bytes = Connection::open(global)?.get_bytes(&path)?;
    let observed = Observed::from_cbor(&bytes).map_err(|error| unexpected(&path, error))?;
    let observation: Observation = observed.observation().map_err(|error| unexpected(&path, error))?;
    let intent = learn(&observation);
    let told = Comparison::of(&observation, Some(&intent), &PairFilter::default());
    // V3 and V14 rest on the verifier's claims: a machine whose evidence was proven holds them.
    let beside = [Level::V3, Level::V14];
    let holds = |level: &Level| {
        let facts = told.levels.iter().find(|facts| facts.level == level.to_string());
        let fails = facts.is_some_and(|facts| facts.result == "fail" || facts.result == "inconclusive");
        facts.is_some_and(|facts| facts.result == "pass") || (beside.contains(level) && !fails)
    };
    let held = Level::ALL.into_iter().filter(|level| *level >= Level::V3).filter(holds).collect();
    Ok((IntentFile::of(node, &now_text(), &intent), Some(held)))
}
