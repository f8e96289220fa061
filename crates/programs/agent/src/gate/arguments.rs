//! The command line of `avouch-agent gate`.

use std::path::PathBuf;
use std::time::Duration;

use avouch_attestor::Hash;
use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `gate`, and of all that stands below it.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// The gate's settings; a file that ends in .yaml or .yml is read as the YAML form [default: /etc/avouch/gate.toml,
    /// or /etc/secure-ai/policy/attestation.yaml with --profile secure-ai]
    #[arg(long, global = true, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Which paths are meant where the settings name none
    #[arg(long, global = true, value_name = "NAME", default_value = "avouch")]
    pub profile: PathProfile,
    /// What to do; without one the gate runs.
    #[command(subcommand)]
    pub command: Option<GateCommand>,
}

/// Paths where the settings name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PathProfile {
    /// /etc/avouch, /var/lib/avouch-gate, /run/avouch-gate
    Avouch,
    /// /etc/secure-ai, /var/lib/secure-ai, /run/secure-ai
    SecureAi,
}

/// What is done with a gate.
#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Hold a unit back until this machine is attested (for ExecStartPre=)
    ///
    /// Asks until the answer is yes or the time is over. What holds it up is printed, once per change, and so stands in
    /// the unit's journal. Exit status: 0 attested; 1 degraded or failed; 2 pending, or attested too long ago; 3 no
    /// answer; 4 refused.
    Wait(WaitArgs),
    /// Show how this machine stands, every failure with its remedy
    Status(GateStatusArgs),
    /// Acknowledge a failure: the latch goes, and the machine is attested anew
    ///
    /// A failed machine stays failed, even when its next attestations find nothing, until a person says that they know.
    /// Only over the gate's socket, where the kernel says who asks.
    Ack(AckArgs),
    /// Read settings as the gate would, and explain every key
    CheckConfig(CheckConfigArgs),
    /// The log of all attestations
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What the files of this machine should be, signed
    #[command(subcommand)]
    Baseline(BaselineCommand),
    /// Make a key or a token for the gate, or print the TPM's public key
    ///
    /// The file of a secret must not exist; its mode is 0600. Nothing secret is printed.
    Key(KeyArgs),
    /// Check a saved bundle, on any machine, and say what holds
    ///
    /// The TPM signed what was measured, the PCRs and the nonce; state and failures are the gate's own word, which the HMAC
    /// alone covers. Exit status: 0 everything that was asked for holds, and a signature was checked; 1 something does not
    /// hold; 2 not everything could be checked.
    VerifyBundle(VerifyBundleArgs),
}

/// How a gate is reached.
#[derive(Clone, Debug, Default, Args)]
pub struct DoorArgs {
    /// The gate's Unix socket [default: the one of the settings]
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    pub socket: Option<PathBuf>,
    /// The gate's address on this machine, e.g. http://127.0.0.1:8505
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Where the token for --url is
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,
}

/// Arguments of `gate wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// The oldest attestation that will do, e.g. 5m [default: as long as the gate says that it holds]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_age: Option<Duration>,
    /// Give up after this; infinity: never
    #[arg(long, value_name = "DURATION", value_parser = patience, default_value = "30s")]
    pub timeout: Duration,
    /// Who waits, for the messages; in a unit %n
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where the gate answers.
    #[command(flatten)]
    pub door: DoorArgs,
}

fn duration(text: &str) -> Result<Duration, String> {
    avouch_attestor::duration(text).map_err(|error| error.to_string())
}

/// As systemd writes it in `TimeoutStartSec=`.
fn patience(text: &str) -> Result<Duration, String> {
    if text == "infinity" { Ok(Duration::MAX) } else { duration(text) }
}

/// Arguments of `gate status`.
#[derive(Debug, Args)]
pub struct GateStatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where the gate answers.
    #[command(flatten)]
    pub door: DoorArgs,
}

/// Arguments of `gate ack`.
#[derive(Debug, Args)]
pub struct AckArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The gate's Unix socket [default: the one of the settings]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Arguments of `gate check-config`.
#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    /// The settings [default: as --settings]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is done with the log of attestations.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the chain of all lines, and name the first that breaks it
    ///
    /// Every line carries the hash of the one before it, so one that was changed, taken out or put in shows. Whoever can write
    /// the file can write it anew from any line on: keep the last line's hash elsewhere and give it back with --head, or check
    /// the lines' HMACs, which only holders of the key can make. Exit status: 0 everything holds; 1 a line breaks the chain,
    /// an HMAC does not hold, or the head is in no line; 2 the last line is torn, or lines are unsigned.
    Verify(AuditVerifyArgs),
}

/// Arguments of `gate audit verify`.
#[derive(Debug, Args)]
pub struct AuditVerifyArgs {
    /// The log [default: the one of the settings]; of a log that was rotated all files, oldest first
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Check every line's HMAC, too; after a rotation name every key that was in use
    #[arg(long = "hmac-key", value_name = "FILE")]
    pub hmac_keys: Vec<PathBuf>,
    /// A hash that an earlier call printed: some line must have it
    #[arg(long, value_name = "HEX", value_parser = hash)]
    pub head: Option<Hash>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is done with baselines.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Print what this machine's files are, for a person to read and to sign
    Create(BaselineCreateArgs),
    /// Show what a baseline says, ask, and sign it
    Sign(BaselineSignArgs),
    /// Show a baseline, and whether the key of the settings signed it
    Show(BaselineShowArgs),
}

/// Arguments of `gate baseline create`.
#[derive(Debug, Args)]
pub struct BaselineCreateArgs {
    /// One more file; may be repeated. Service binaries of the settings are always in it
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Leave out what was booted and the registry manifest
    #[arg(long)]
    pub files_only: bool,
    /// Where it goes [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of `gate baseline sign`.
#[derive(Debug, Args)]
pub struct BaselineSignArgs {
    /// What `gate baseline create` printed, as a person left it
    #[arg(value_name = "BASELINE")]
    pub baseline: PathBuf,
    /// The private key of `gate key baseline`
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where the signed baseline goes, e.g. /etc/avouch/gate-baseline.json
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `gate baseline show`.
#[derive(Debug, Args)]
pub struct BaselineShowArgs {
    /// The baseline [default: the one of the settings]
    #[arg(value_name = "BASELINE")]
    pub baseline: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `gate key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What for
    pub kind: KeyKind,
    /// Where it goes; of the TPM's public key [default: standard output]
    #[arg(short, long, value_name = "FILE", required_if_eq_any = [
        ("kind", "hmac"), ("kind", "token"), ("kind", "baseline"),
    ])]
    pub output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `gate verify-bundle`.
#[derive(Debug, Args)]
pub struct VerifyBundleArgs {
    /// What `POST /api/v1/refresh` answered, or a line of the audit log
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The TPM's key, as `gate key tpm` printed it on the machine: PEM, TPMT_PUBLIC or TPM2B_PUBLIC
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The nonce that was asked with, 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = hash)]
    pub nonce: Option<Hash>,
    /// The HMAC key that the machine's services share
    #[arg(long, value_name = "FILE")]
    pub hmac_key: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text).ok_or_else(|| "64 hexadecimal digits are wanted".to_owned())
}

/// Keys that a gate works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyKind {
    /// 32 random bytes in hexadecimal, for the bundle's HMAC; shared with whoever verifies it
    Hmac,
    /// 32 random bytes in hexadecimal, which callers over TCP show
    Token,
    /// An Ed25519 key that signs baselines; to be kept away from this machine
    Baseline,
    /// The public key by which the TPM signs this gate's bundles, for whoever verifies them elsewhere; nothing is made
    Tpm,
}
