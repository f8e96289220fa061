//! The command line of `avouch`.

use std::path::PathBuf;

use avouch_server::NodeProfile;
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::inspect::arguments as inspect;
use crate::node::pairs;
use crate::policy::{allow, intent, lint};

const EXIT_STATUS: &str = "\
Exit status:
  0  done; for `node why`: pass; for `inspect`: read, and nothing is wrong
  1  `node why`: fail; `inspect`: something is wrong in a file; `policy lint`: something to look at
  2  error or wrong command line: standard error says what to do
  3  `node why`: neither, such as unverifiable, stale or rejected

With --json an error is one line of {code, what, remedy} on standard error.";

const SERVE: &str = "\
Run the verifier: HTTPS for agents and operators, one data directory

The first start makes in the data directory, readable by its owner only: the certificate authorities of server, nodes \
and operators; the log key, which signs receipts; the owner key, which signs enrolment tokens and should be moved \
offline; the tenant key, from which nodes get their tags; the database; and in `operator` the credentials of the first \
operator, which the other commands use.

No node can enrol until `ek_roots` in the configuration names the certificates that vouch for its TPM, or `profiles` \
another way to vouch for it.

SIGTERM and SIGINT stop it: requests that have begun may end. It logs to standard error, as much as AVOUCH_LOG says: \
error, warn, info (the default), debug or trace.";

const TOKEN: &str = "\
Make an enrolment token: one line that carries everything a node needs for first contact

Who has the token can enrol a machine whose TPM is vouched for as --profile says, until it expires or is used up: keep \
it like a password. It is made at the data directory and signed with the owner key; the server need not run. Standard \
output holds the token alone.";

const PAIRS: &str = "\
Show what systemd says beside what the kernel does, pair by pair

systemd stands on the left, the kernel on the right: ✓ they agree, ✗ they do not, ? it could not be told. Below a pair \
that somebody should look at stand the whole values, what it means and what to do. The pairs are compared anew from the \
raw strings of the node's newest proven report, beside the intent of the policy that applies now.";

const RULE: &str = "\
Set the policy's own rule: a Rego module that may add findings to a verdict and lower it, never raise it

The module is in package `avouch` and defines the set `findings`, whose members have `code` (RULE_ and capital letters), \
`effect` (none, unverifiable or fail), `evidence` and, if need be, `remedy`. Its input is the verdict as `avouch node \
why --json` prints it.

So that every machine comes to the same verdict, in any year, a module may use whole numbers only, + and - of them, and \
functions that know neither time nor chance, network or environment; and its cost is bounded before it runs. A policy \
whose rule was not run gives no pass.";

/// Runtime attestation for Linux fleets: every node keeps proving what it booted and what it runs
#[derive(Debug, Parser)]
#[command(name = "avouch", version, about, propagate_version = true, max_term_width = 110, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Configuration file [default: /etc/avouch/avouch.toml where it exists]
    #[arg(long, global = true, value_name = "FILE", env = "AVOUCH_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// URL of the server [default: the configuration's `origin`, or the address that it listens on]
    #[arg(long, global = true, value_name = "URL", value_parser = https_url)]
    pub server: Option<String>,
    /// Directory with operator.pem, operator.key and server-ca.pem [default: `operator` in the data directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub credentials: Option<PathBuf>,
    /// Print JSON for programs, errors and the log of `serve` included
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the verifier: HTTPS for agents and operators, one data directory
    #[command(long_about = SERVE)]
    Serve,
    /// Let nodes join
    #[command(subcommand)]
    Enroll(Enroll),
    /// See how nodes stand, and why
    #[command(subcommand)]
    Node(Node),
    /// Say what is good: reference values from artefacts and from a confirmed boot
    #[command(subcommand)]
    Policy(Policy),
    /// Read logs, lists, quotes, reports, certificates, variables and policies offline
    #[command(long_about = inspect::INSPECT, after_help = inspect::EXIT_STATUS)]
    Inspect(inspect::Inspect),
}

fn profile(text: &str) -> Result<NodeProfile, String> {
    NodeProfile::from_word(text).ok_or_else(|| {
        format!("{text:?} is no profile; the profiles are {}", NodeProfile::ALL.map(NodeProfile::word).join(", "))
    })
}

#[derive(Debug, Subcommand)]
pub(crate) enum Enroll {
    /// Make an enrolment token: one line that carries everything a node needs for first contact
    #[command(long_about = TOKEN)]
    Token {
        /// Who has to vouch for the TPMs of these machines: ek-cert (their maker), azure-ak-cert, gcp (their cloud),
        /// ek-allowlist (you), tofu (nobody)
        #[arg(long, default_value = "ek-cert", value_name = "PROFILE", value_parser = profile)]
        profile: NodeProfile,
        /// How many machines may join with it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        uses: u32,
        /// How long it is valid: seconds, or 30m, 24h, 7d
        #[arg(long, default_value = "24h", value_name = "TIME", value_parser = crate::duration::parse)]
        expires: u64,
        /// The owner key, when it was moved out of the data directory
        #[arg(long, value_name = "FILE")]
        owner_key: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// List nodes with their verdicts, worst first
    List,
    /// Show one node: verdict, coverage, policy, boot session, identity and last records
    Show {
        /// Label, tag, or at least 4 characters of the tag that no other node shares
        node: String,
    },
    /// Explain a verdict: claim, evidence, rule and result, every failure, and what to do
    #[command(after_help = EXIT_STATUS)]
    Why {
        /// Label, tag, or at least 4 characters of the tag that no other node shares
        node: String,
        /// A past record instead of the current verdict; `node show` lists them
        #[arg(long, value_name = "SEQ")]
        record: Option<u64>,
    },
    /// Show the fourteen levels of the last verdict, and which of them the policy demands
    Levels {
        /// Label, tag, or at least 4 characters of the tag that no other node shares
        node: String,
    },
    /// Show what systemd says beside what the kernel does, pair by pair
    #[command(long_about = PAIRS)]
    Pairs(pairs::Pairs),
    /// Show what changed on a node from one observation to the next
    Changes {
        /// Label, tag, or at least 4 characters of the tag that no other node shares
        node: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Compute reference values from artefacts on this machine: never from the node that they will judge
    Build(Box<Build>),
    /// Take the boot of another machine of the same build into a policy, after a person has looked at it
    Confirm(Confirm),
    /// Say which levels nodes must hold, and what each unit should have
    #[command(long_about = intent::INTENT)]
    Intent(intent::Intent),
    /// Add to a policy what findings named: the smallest change that allows each of them
    #[command(long_about = allow::ALLOW)]
    Allow(allow::Allow),
    /// Say what the author of a policy should look at: missing sections, windows that ended, holes
    #[command(after_help = EXIT_STATUS)]
    Lint(lint::Lint),
    /// Send a policy to the server and let it judge nodes
    Apply(Apply),
    /// Set the policy's own rule: a Rego module that may add findings to a verdict and lower it, never raise it
    #[command(long_about = RULE)]
    Rule(Rule),
    /// List the policies that the server holds
    List,
    /// Show one policy of the server; with --json the policy file itself, byte by byte as it was applied
    Show {
        /// The start of its 64 digits, as long as no other policy shares it
        policy: String,
    },
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("artefacts").args(["root", "initrd", "files", "uki", "loader", "kernel", "cmdline", "ovmf", "efivar"]).required(true).multiple(true))]
pub(crate) struct Build {
    /// Name of the policy, for people
    #[arg(long)]
    pub name: String,
    /// Root file system, a directory or a tar archive: every regular file in it becomes a known digest
    #[arg(long, value_name = "DIR|TAR")]
    pub root: Option<PathBuf>,
    /// Initial RAM disk (cpio, plain or compressed); may be repeated
    #[arg(long, value_name = "FILE")]
    pub initrd: Vec<PathBuf>,
    /// Unified kernel image: the boot events of PCR 4, 9 and 11 that it leads to; may be repeated
    #[arg(long, value_name = "FILE")]
    pub uki: Vec<PathBuf>,
    /// Boot loader that firmware starts (shim, GRUB, systemd-boot): its event in PCR 4; may be repeated
    #[arg(long, value_name = "FILE")]
    pub loader: Vec<PathBuf>,
    /// Kernel in a file of its own: its events in PCR 4 and 9; may be repeated
    #[arg(long, value_name = "FILE")]
    pub kernel: Vec<PathBuf>,
    /// Kernel command line that a boot loader passes: its events in PCR 8, 9 and 12; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub cmdline: Vec<String>,
    /// OVMF flash image of virtual machines: its events in PCR 0
    #[arg(long, value_name = "FILE")]
    pub ovmf: Option<PathBuf>,
    /// Secure Boot variable as efivarfs shows it, under its name there: its event in PCR 7; may be repeated
    #[arg(long, value_name = "FILE")]
    pub efivar: Vec<PathBuf>,
    /// Whether files are kept by the package that owns them, from the root's dpkg database
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Packages::Auto)]
    pub packages: Packages,
    /// A single file that nodes run, with the path it has there: /usr/bin/tool=./build/tool; may be repeated
    #[arg(long = "file", value_name = "PATH=FILE", value_parser = placed)]
    pub files: Vec<Placed>,
    /// The IMA policy that nodes load, with its path there [default: the one that Avouch ships]
    #[arg(long, value_name = "PATH=FILE", value_parser = placed)]
    pub ima_policy: Option<Placed>,
    /// Where to write the policy
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// When package ownership is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Packages {
    /// Where the root has dpkg's database
    Auto,
    /// Always; a root without the database is refused
    Always,
    /// Never
    Never,
}

/// A file of this machine and where nodes have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Path on the node.
    pub on_node: String,
    /// Path here.
    pub here: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Confirm {
    /// The policy file to complete
    pub policy: PathBuf,
    /// The reference machine: enrolled at the server, and not one that this policy will judge
    #[arg(long, value_name = "NODE")]
    pub from: String,
    /// Confirm without asking: you have looked at the events
    #[arg(long)]
    pub yes: bool,
    /// Where to write the result [default: the policy file itself]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("rule").args(["rego", "remove"]).required(true))]
pub(crate) struct Rule {
    /// The policy file
    pub policy: PathBuf,
    /// The module
    #[arg(long, value_name = "FILE")]
    pub rego: Option<PathBuf>,
    /// Take the rule away
    #[arg(long)]
    pub remove: bool,
    /// Where to write the result [default: the policy file itself]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// The policy file
    pub policy: PathBuf,
    /// Node that it judges from its next round on; may be repeated
    #[arg(long, value_name = "NODE", required_unless_present = "default")]
    pub node: Vec<String>,
    /// Judge every node that has no policy of its own
    #[arg(long)]
    pub default: bool,
}

fn https_url(text: &str) -> Result<String, String> {
    match text.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("write https://host or https://host:port".into()),
    }
}

fn placed(text: &str) -> Result<Placed, String> {
    match text.split_once('=') {
        Some((on_node, here)) if on_node.starts_with('/') && !here.is_empty() => {
            Ok(Placed { on_node: on_node.into(), here: here.into() })
        }
        _ => Err("write the absolute path on the node, =, and the file here".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_policy_of_nothing_is_no_command() {
        let build = ["avouch", "policy", "build", "--name", "n", "-o", "p"];
        assert!(Arguments::try_parse_from(build).is_err());
        for artefact in [["--root", "d"], ["--initrd", "i"], ["--file", "/a=b"], ["--uki", "u"], ["--cmdline", "quiet"]]
        {
            assert!(Arguments::try_parse_from(build.iter().chain(&artefact)).is_ok(), "{artefact:?}");
        }
    }

    #[test]
    fn a_file_is_named_with_its_path_on_the_node() {
        assert_eq!(placed("/a/b=c=d"), Ok(Placed { on_node: "/a/b".into(), here: "c=d".into() }));
        for wrong in ["", "a", "a=b", "/a=", "/a"] {
            assert!(placed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_server_is_named_by_an_https_url() {
        assert!(https_url("https://[::1]:8443").is_ok());
        for wrong in ["http://x", "x:8443", "https://", ""] {
            assert!(https_url(wrong).is_err(), "{wrong}");
        }
    }
}
