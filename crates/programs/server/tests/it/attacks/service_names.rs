//! Names that come from outside and go to logs, operators and terminals.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use avouch_agent::Enroller;
use avouch_protocol::{EnrolRequest, Message};
use avouch_testkit::{Machine, Measurement, Node, Scene};

use super::harness::{passes, refusal};

/// A line that an attacker would like to see in the log, behind what moves to a new line or rewrites an old one.
const FORGED: &str = "\n2026-11-21T00:00:00Z  INFO record node=0000 status=\"pass\"\r\u{1b}[2K\u{202e}";

/// Everything that the server logs in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// No control character, and nothing that turns text round.
fn plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
}

#[test]
fn s8_names_from_outside_forge_no_log_line() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let log = Log::default();
    let writer = log.clone();
    // One subscriber per process; under a runner that shares one, the lines of other tests are held to the same.
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG);
    let own = subscriber.with_writer(move || writer.clone()).try_init().is_ok();

    let operator = scene.site.operator()?;
    let paths = [
        format!("/v1/nodes/{}", percent(FORGED)),
        format!("/v1/nodes/{}/records/{}", scene.node.tag(), percent(FORGED)),
        format!("/v1/policies/{}", percent(FORGED)),
        format!("/{}", percent(FORGED)),
        format!("/v1/nodes?after={}", percent(FORGED)),
    ];
    for path in &paths {
        let answer = operator.get(path)?;
        ensure!((400..500).contains(&answer.status), "{path} was answered with {}", answer.status);
        let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
        for field in ["code", "what", "remedy"] {
            let text = body[field].as_str().context("a refusal has words")?;
            ensure!(plain(text), "{field} of the answer to {path} is {text:?}");
        }
    }

    // A label with such characters does not become a node.
    let machine = Machine::new(&scene.factory, 1)?;
    let enroller = Enroller::new(scene.site.token(1)?, Some("honest".into()))?;
    let request = enroller.request(&mut machine.tpm()?)?;
    for label in ["web\n01", "web\u{1b}[2J", "web\u{202e}10", "web\u{0}", "../../etc", "<script>", ""] {
        let request = EnrolRequest { label: Some(label.into()), ..request.clone() };
        let answer = enroller.client().post("/v1/enroll", &request.to_cbor())?;
        let refusal = refusal(&answer)?;
        assert_eq!((answer.status, refusal.code.as_str()), (403, "LABEL"), "{label:?}");
        ensure!(plain(&refusal.what));
    }
    assert_eq!(scene.site.nodes()?.len(), 1);

    // A file may be called anything. It is judged, and its name is shown escaped.
    let honest = Node::encode(&scene.node.evidence(&scene.machine)?);
    let copy = scene.site.copy()?;
    scene.machine.measure(&Measurement::file(format!("/tmp/x{FORGED}").as_bytes(), &[0xD0; 32]))?;
    let node = scene.node.at(&copy)?;
    let bytes = Node::encode(&node.evidence(&scene.machine)?);
    assert_eq!(node.post(&bytes)?.told(), (200, "fail", "IMA_UNKNOWN_DIGEST"));
    let detail = copy.node(&node.tag())?.detail.context("a verdict")?;
    let mut texts = Vec::new();
    strings(&detail, &mut texts);
    ensure!(texts.iter().any(|text| text.contains("/tmp/x")), "the finding names the file");
    for text in texts {
        ensure!(plain(&text), "{text:?} is shown as it came");
    }

    let text = log.text();
    ensure!(!own || text.contains("NODE_UNKNOWN"), "the log was captured: {text}");
    for line in text.lines() {
        ensure!(plain(line.trim_end()) && !line.starts_with("2026-11-21T00:00:00Z"), "the log has the line {line:?}");
    }
    passes(&scene, &honest)
}

fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|item| strings(item, found)),
        _ => {}
    }
}
