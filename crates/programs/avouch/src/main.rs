//! `avouch`: the verifier and the tools of its operators.

use std::process::ExitCode;

fn main() -> ExitCode {
    avouch::main()
}
