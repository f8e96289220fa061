//! The command line of `avouch`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Runtime attestation for Linux fleets: every node keeps proving what it booted and what it runs.
#[derive(Debug, Parser)]
#[command(name = "avouch", version, about, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit status: 0 done (for `node why`: the node passes), 1 the node fails, 2 error or bad usage, \
                        3 the node cannot be verified or its verdict is stale."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Configuration file. Without it, /etc/avouch/avouch.toml is read when it exists, and defaults hold otherwise.
    #[arg(long, global = true, value_name = "FILE", env = "AVOUCH_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// URL of the server that operator commands speak to. Default: the `origin` of the configuration.
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Directory with operator.pem, operator.key and server-ca.pem. Default: `operator` in the data directory.
    #[arg(long, global = true, value_name = "DIR")]
    pub credentials: Option<PathBuf>,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the verifier: HTTPS for agents and operators, one data directory.
    Serve,
    /// Let nodes join.
    #[command(subcommand)]
    Enroll(Enroll),
    /// See how nodes stand, and why.
    #[command(subcommand)]
    Node(Node),
    /// Say what is good: reference values from artefacts and from a confirmed boot.
    #[command(subcommand)]
    Policy(Policy),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Enroll {
    /// Make an enrolment token: one line that carries everything a node needs for first contact.
    Token {
        /// How many machines may join with it.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        uses: u32,
        /// How long it is valid: 30m, 24h, 7d.
        #[arg(long, default_value = "24h", value_name = "TIME", value_parser = crate::duration::parse)]
        expires: u64,
        /// The owner key, when it was moved out of the data directory.
        #[arg(long, value_name = "FILE")]
        owner_key: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// List nodes with their verdicts, worst first.
    List,
    /// Show one node: identity, boot session, verdict, coverage and last records.
    Show {
        /// Label, tag or unique start of a tag.
        node: String,
    },
    /// Explain a verdict: claim, evidence, rule and result, every failure, and what to do.
    Why {
        /// Label, tag or unique start of a tag.
        node: String,
        /// A past record instead of the current verdict.
        #[arg(long, value_name = "SEQ")]
        record: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Compute reference values from artefacts on this machine: never from the node that they will judge.
    Build(Build),
    /// Take the boot of another machine of the same build into a policy, after a person has looked at it.
    Confirm(Confirm),
    /// Send a policy to the server and let it judge nodes.
    Apply(Apply),
    /// List the policies that the server holds.
    List,
}

#[derive(Args, Debug)]
pub(crate) struct Build {
    /// Name of the policy, for people.
    #[arg(long)]
    pub name: String,
    /// Root file system, as a directory: every regular file in it becomes a known digest.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Initial RAM disk (cpio, plain or compressed).
    #[arg(long, value_name = "FILE")]
    pub initrd: Vec<PathBuf>,
    /// A single file that nodes run, with the path it has there: /usr/bin/tool=./build/tool.
    #[arg(long = "file", value_name = "PATH=FILE")]
    pub files: Vec<String>,
    /// The IMA policy that nodes load, with its path there; without it, the one that Avouch ships.
    #[arg(long, value_name = "PATH=FILE")]
    pub ima_policy: Option<String>,
    /// Where to write the policy.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Confirm {
    /// The policy file to complete.
    pub policy: PathBuf,
    /// The reference machine: enrolled at the server, and not one that this policy will judge.
    #[arg(long, value_name = "NODE")]
    pub from: String,
    /// Confirm without asking; you have looked at the events.
    #[arg(long)]
    pub yes: bool,
    /// Where to write the result; the policy file itself without it.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// The policy file.
    pub policy: PathBuf,
    /// Node that it judges from its next round on; may be repeated.
    #[arg(long, value_name = "NODE", required_unless_present = "default")]
    pub node: Vec<String>,
    /// Judge every node that has no policy of its own.
    #[arg(long)]
    pub default: bool,
}
