//! The command line: what may be asked of the agent, and what its exit status means.

use std::path::PathBuf;

use avouch_tpm_wire::EkTemplate;
use clap::{Args, CommandFactory, Parser, Subcommand};

const EXIT_STATUS: &str = "\
Exit status:
  0   done; for `once`: the verdict is pass
  1   `once`: the verdict is fail
  2   `once`: the verdict is unverifiable
  3   no verdict: the server did not answer
  4   no verdict: the server refused, or rejected the evidence as not authentic
  5   no verdict: a cause on this node (TPM, state directory, challenge or receipt that must not be believed)
  64  the command line is wrong
  78  the configuration is wrong, or this node is not enrolled";

const ABOUT: &str = "Lets this node's TPM answer for it";

const LONG_ABOUT: &str = "\
Lets this node's TPM answer for it: asks the server for a challenge, has the TPM sign the state of this machine, and \
sends the signature with the boot log and the IMA list that explain it. Judging is the server's work.

The agent only makes connections, straight to the server that its enrolment token names, and listens nowhere. Nothing \
that it receives is executed, and no option or variable skips a check.";

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
    /// Show the endorsement keys of this TPM, as the server's list of them wants them
    ///
    /// One line for each key that is present: its Name in hexadecimal, then template, kind, and whether the TPM holds
    /// a certificate for it. The first is the one that a new enrolment uses. A line goes into the file that
    /// `ek_allowlist` names in the server's configuration as it is.
    Ek(EkArgs),
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
    /// The server did not answer.
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
    fn no_option_skips_a_check() {
        let mut root = command();
        root.build();
        let options = std::iter::once(&root)
            .chain(root.get_subcommands())
            .flat_map(|c| c.get_arguments())
            .map(|a| a.get_id().as_str().to_owned())
            .collect::<std::collections::BTreeSet<_>>();
        let known = [
            "config",
            "ek",
            "help",
            "json",
            "label",
            "last",
            "re_enroll",
            "subcommand",
            "token",
            "token_file",
            "version",
        ];
        assert!(options.iter().all(|option| known.contains(&option.as_str())), "{options:?}");
    }
}
