//! The command line: what may be asked of the agent, and what its exit status means.

use std::path::PathBuf;

use avouch_pairs::Level;
use avouch_tpm_wire::EkTemplate;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::gate::arguments::GateArgs;

const EXIT_STATUS: &str = "\
Exit status:
  0   done; for `once` and `observe`: the verdict is pass; for `gate`: this machine is attested
  1   `once`, `observe`: the verdict is fail; `gate`: this machine is degraded or failed
  2   `once`: the verdict is unverifiable; `observe`: it is inconclusive; `gate`: pending, or attested too long ago
  3   no verdict: the server did not answer; `observe`: nothing could be observed
  4   no verdict: the server refused, or rejected the evidence as not authentic
  5   no verdict: a cause on this node (TPM, state directory, challenge or receipt that must not be believed)
  64  the command line is wrong
  78  the configuration is wrong, or this node is not enrolled";

const ABOUT: &str = "Lets this node's TPM answer for it";

const LONG_ABOUT: &str = "\
Lets this node's TPM answer for it: asks the server for a challenge, has the TPM sign the state of this machine, and \
sends the signature with the boot log and the IMA list that explain it. Judging is the server's work.

`observe` needs no server, no enrolment and no TPM: it shows what systemd says beside what the kernel does.

The agent only makes connections, straight to the server that its enrolment token names, and listens on no network. \
Nothing that it receives is executed, and no option or variable skips a check.";

/// Everything that the command line can say.
#[derive(Debug, Parser)]
#[command(name = "avouch-agent", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXIT_STATUS)]
pub struct Cli {
    /// Configuration file [default: /etc/avouch/agent.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Join a server with an enrolment token
    ///
    /// Shows the server this TPM's endorsement key and certificate, opens the credential that only this TPM can open,
    /// and keeps what comes back. The token says which server to call and by which keys it is known; without a token
    /// the agent does not connect. A token is as good as a password until it expires or is used up: prefer
    /// --token-file or `-`, which keep it out of the process list and the shell's history.
    Enroll(EnrollArgs),
    /// Attest once, now, and print the verdict
    Once(OnceArgs),
    /// Attest round after round (the service)
    ///
    /// The server says when to come; while it cannot be reached the agent tries again, at least once a minute. Under
    /// systemd use Type=notify; the watchdog is fed only while rounds make progress.
    Run,
    /// Show enrolment, newest receipt, next attempt and last error
    Status(StatusArgs),
    /// Show what this node sent
    Show(ShowArgs),
    /// Show what systemd says of this machine beside what the kernel does
    ///
    /// For every unit the same facts are read twice, from systemd and from the kernel, without either asking the other:
    /// resource limits, system-call filters, mounts, namespaces, capabilities, mandatory access control, listening
    /// sockets, files, kernel settings and running code. Left is what systemd says, right what the kernel enforces;
    /// what does not agree is told with its meaning and a remedy. Run as root: what cannot be read is said, and
    /// never counts as agreement. Environment, arguments and credentials of processes are never read.
    Observe(ObserveArgs),
    /// Read both witnesses for `run` (the collector's service)
    ///
    /// Listens on a local socket, answers only processes of the same user, and has no network. systemd passes the
    /// socket (avouch-collector.socket); without it the collector makes its own.
    Collect,
    /// Tell this machine's services whether they may start on it (the local attestor)
    ///
    /// Attests this machine at once and then every interval, and answers on this machine alone: pending, attested,
    /// degraded or failed. No server is needed; where the settings say so, its word counts too. Services wait with
    /// `gate wait`. The word of a machine about itself gates its own services and convinces nobody else; for them there
    /// is the TPM's quote in each bundle.
    Gate(GateArgs),
    /// What this machine should have, confirmed by a person
    ///
    /// Two witnesses that agree may both be wrong: `systemctl set-property` changes what systemd says and what the
    /// kernel does. An intent says what it should be: learn it once (`observe --learn`), read it, confirm it with a
    /// key that is kept elsewhere.
    #[command(subcommand)]
    Intent(IntentCommand),
    /// Show the endorsement keys of this TPM, as the server's list of them wants them
    ///
    /// One line for each key that is present: its Name in hexadecimal, then template, kind, and whether the TPM holds
    /// a certificate for it. The first is the one that a new enrolment uses. A line goes into the file that
    /// `ek_allowlist` names in the server's configuration as it is.
    Ek(EkArgs),
}

/// Arguments of `observe`.
#[derive(Clone, Debug, Default, Args)]
pub struct ObserveArgs {
    /// Only this unit; may be repeated. Every pair of it is shown
    #[arg(long = "unit", value_name = "UNIT")]
    pub units: Vec<String>,
    /// Only this level (V4 to V14); may be repeated. Every pair of it is shown
    #[arg(long = "level", value_name = "LEVEL", value_parser = level)]
    pub levels: Vec<Level>,
    /// Show every pair, also those that agree
    #[arg(long)]
    pub all: bool,
    /// Leave out what agrees
    #[arg(long, conflicts_with = "all")]
    pub brief: bool,
    /// Print JSON: every raw string, and the report with its signature
    #[arg(long)]
    pub json: bool,
    /// Print an intent that this machine satisfies as it is, for a person to read and to confirm
    #[arg(long, conflicts_with_all = ["json", "watch", "levels", "all", "brief", "intent"])]
    pub learn: bool,
    /// Judge beside this intent [default: `intent` of section `observe` in the configuration]
    #[arg(long, value_name = "FILE")]
    pub intent: Option<PathBuf>,
    /// Stay, print events as they come, and look again after each
    #[arg(long)]
    pub watch: bool,
    /// No colours; the variable NO_COLOR says the same
    #[arg(long)]
    pub no_color: bool,
}

fn level(text: &str) -> Result<Level, String> {
    let known = Level::ALL.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(text));
    known.ok_or_else(|| format!("{text:?} is no level; the levels are V1 to V14"))
}

/// What is done with intents.
#[derive(Debug, Subcommand)]
pub enum IntentCommand {
    /// Make a key that confirms intents, and print its public half for the configuration
    ///
    /// Keep the file away from the machines that it speaks for: whoever has it decides what they should be.
    Key(IntentKeyArgs),
    /// Show what an intent says, ask, and sign it
    Confirm(IntentConfirmArgs),
    /// Show an intent, and who signed it
    Show(IntentShowArgs),
}

/// Arguments of `intent key`.
#[derive(Debug, Args)]
pub struct IntentKeyArgs {
    /// Where the private key goes (mode 0600); the file must not exist
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Arguments of `intent confirm`.
#[derive(Debug, Args)]
pub struct IntentConfirmArgs {
    /// What `observe --learn` printed, as a person left it
    #[arg(value_name = "INTENT")]
    pub intent: PathBuf,
    /// The private key of `intent key`
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where the signed intent goes, e.g. /etc/avouch/intent.json
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `intent show`.
#[derive(Debug, Args)]
pub struct IntentShowArgs {
    /// A signed intent, or one that is not signed yet [default: the one that the configuration names]
    #[arg(value_name = "INTENT")]
    pub intent: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ek`.
#[derive(Debug, Args)]
pub struct EkArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `enroll`.
#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// The enrolment token, or `-` to read it from standard input
    #[arg(value_name = "TOKEN", required_unless_present = "token_file")]
    pub token: Option<String>,
    /// Read the token from a file
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// A name for people, at most 64 bytes
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// The endorsement key that names this node, by its template (L-1, L-2, H-1 to H-4, H-6, H-7); for a machine that
    /// lost its state directory [default: the one of the last enrolment, else the first with a certificate]
    #[arg(long, value_name = "TEMPLATE", value_parser = ek_template)]
    pub ek: Option<EkTemplate>,
    /// Replace an enrolment that exists, with new keys
    #[arg(long)]
    pub re_enroll: bool,
}

fn ek_template(text: &str) -> Result<EkTemplate, String> {
    EkTemplate::from_name(text).ok_or_else(|| {
        format!("{text:?} is no template; the templates are {}", EkTemplate::ALL.map(EkTemplate::name).join(", "))
    })
}

/// Arguments of `once`.
#[derive(Debug, Args)]
pub struct OnceArgs {
    /// Print the receipt as JSON
    #[arg(long)]
    pub json: bool,
    /// The last quote before this machine stops: give up after 10 seconds
    #[arg(long)]
    pub last: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Every byte that was last sent: each field named, binary fields in hexadecimal
    #[arg(long, required = true)]
    pub last: bool,
    /// The message itself (CBOR) and nothing else, for other programs
    #[arg(long)]
    pub raw: bool,
}

/// What the exit status of the process means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; the verdict, where there is one, is pass.
    Done = 0,
    /// The verdict is fail.
    Fail = 1,
    /// The verdict is unverifiable.
    Unverifiable = 2,
    /// The server did not answer; or nothing could be observed.
    NoAnswer = 3,
    /// The server refused or rejected.
    Refused = 4,
    /// A cause on this node.
    Local = 5,
    /// The command line is wrong (EX_USAGE).
    Usage = 64,
    /// Configuration wrong or not enrolled (EX_CONFIG).
    Config = 78,
}

/// The command line's definition, for manual pages and shell completion.
pub fn command() -> clap::Command {
    Cli::command()
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => 0,
            Exit::Fail => 1,
            Exit::Unverifiable => 2,
            Exit::NoAnswer => 3,
            Exit::Refused => 4,
            Exit::Local => 5,
            Exit::Usage => 64,
            Exit::Config => 78,
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn without_a_token_there_is_no_enrolment() {
        assert!(Cli::try_parse_from(["avouch-agent", "enroll"]).is_err());
        assert!(Cli::try_parse_from(["avouch-agent", "enroll", "T", "--token-file", "F"]).is_err());
        assert!(Cli::try_parse_from(["avouch-agent", "enroll", "-"]).is_ok());
        assert!(Cli::try_parse_from(["avouch-agent", "enroll", "--token-file", "F"]).is_ok());
    }

    #[test]
    fn levels_are_named_as_they_are_printed() {
        let parsed = Cli::try_parse_from(["avouch-agent", "observe", "--level", "V5", "--level", "v12"]).unwrap();
        assert!(matches!(parsed.command, Command::Observe(args) if args.levels == [Level::V5, Level::V12]));
        assert!(Cli::try_parse_from(["avouch-agent", "observe", "--level", "5"]).is_err());
        assert!(Cli::try_parse_from(["avouch-agent", "observe", "--learn", "--json"]).is_err());
    }

    #[test]
    fn no_option_skips_a_check() {
        let mut root = command();
        root.build();
        let options = std::iter::once(&root)
            .chain(root.get_subcommands())
            .flat_map(|c| c.get_arguments())
            .map(|a| a.get_id().as_str().to_owned())
            .collect::<std::collections::BTreeSet<_>>();
        let known = [
            "all",
            "brief",
            "config",
            "ek",
            "help",
            "intent",
            "json",
            "label",
            "last",
            "learn",
            "levels",
            "no_color",
            "profile",
            "raw",
            "re_enroll",
            "settings",
            "subcommand",
            "token",
            "token_file",
            "units",
            "version",
            "watch",
        ];
        assert!(options.iter().all(|option| known.contains(&option.as_str())), "{options:?}");
    }
}
