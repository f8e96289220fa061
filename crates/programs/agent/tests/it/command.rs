use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

struct Node {
    temp: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().display();
        let config =
            format!("state_dir = \"{dir}/state\"\ntpm = \"unix:{dir}/no-tpm\"\nsecurityfs = \"{dir}/security\"\n");
        fs::write(temp.path().join("agent.toml"), config).unwrap();
        Self { temp }
    }

    fn agent(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avouch-agent"));
        command.arg("--config").arg(self.temp.path().join("agent.toml")).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.agent(args).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_an_enrolment_nothing_runs_and_the_remedy_is_told() {
    let node = Node::new();
    for args in [&["run"][..], &["show", "--last"]] {
        let output = node.run(args);
        assert_eq!(output.status.code(), Some(78), "{args:?} {output:?}");
        assert!(text(&output.stderr).contains("avouch-agent enroll TOKEN"));
    }
    let output = node.run(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["enrolled"], false);
}

#[test]
fn a_wrong_command_line_never_looks_like_a_verdict() {
    let node = Node::new();
    for args in [&[][..], &["attest"], &["enroll"], &["once", "--insecure"], &["show"]] {
        assert_eq!(node.run(args).status.code(), Some(64), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["once", "--help"]] {
        assert_eq!(node.run(args).status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_damaged_token_is_refused_before_anything_else() {
    let node = Node::new();
    let output = node.run(&["enroll", "avouch-join-1.@@@"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("damaged at character 0"), "{output:?}");
    let mut child = node
        .agent(&["enroll", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"nonsense\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(64));
    assert!(!node.temp.path().join("state/enrolment").exists());
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let node = Node::new();
    fs::write(node.temp.path().join("agent.toml"), "statedir = \"/x\"\n").unwrap();
    let output = node.run(&["status"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("did you mean `state_dir`"), "{output:?}");
}
