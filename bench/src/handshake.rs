//! TLS handshakes, the server's side alone, without a network.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use avouch_crypto::ca::{Identity, NodeCa, OperatorCa, ServerCa};
use avouch_crypto::client_key::ClientKey;
use avouch_crypto::tls::{agent_config, server_config};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};

use crate::measure::{Effort, REPETITIONS, Spread, thread_cpu};

const TAG: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Microseconds of server CPU for one mutual handshake: full, resumed.
pub(crate) fn server_micros(effort: Effort) -> Result<(Spread, Spread)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (server_ca, node_ca, operator_ca) = (ServerCa::create(now)?, NodeCa::create(now)?, OperatorCa::create(now)?);
    let leaf = server_ca.issue_server_leaf(&["127.0.0.1".into()], now, 90)?;
    let server = server_config(&leaf, node_ca.certificate(), operator_ca.certificate())?;
    let key = ClientKey::generate()?;
    let certificate = node_ca.issue_node(key.spki_der(), TAG, now)?;
    let identity = Identity::new(&[certificate], key)?;
    let pins = [server_ca.spki_sha256()];
    let (mut full, mut resumed) = (Vec::new(), Vec::new());
    let slice = effort.repetition().div_f64(f64::from(u32::try_from(REPETITIONS)?));
    for _ in 0..REPETITIONS {
        full.push(mean(slice, HandshakeKind::Full, &server, || Ok(agent_config(&pins, Some(&identity))?))?);
        let client = agent_config(&pins, Some(&identity))?;
        // Leaves tickets behind.
        handshake(client.clone(), server.clone())?;
        resumed.push(mean(slice, HandshakeKind::Resumed, &server, || Ok(client.clone()))?);
    }
    Ok((Spread::of(full), Spread::of(resumed)))
}

fn mean(
    slice: Duration,
    wanted: HandshakeKind,
    server: &Arc<ServerConfig>,
    client: impl Fn() -> Result<Arc<ClientConfig>>,
) -> Result<f64> {
    let (mut spent, mut count) = (Duration::ZERO, 0_u32);
    while spent < slice {
        let (cpu, kind) = handshake(client()?, server.clone())?;
        ensure!(kind == Some(wanted), "wanted a handshake that is {wanted:?}, got {kind:?}");
        spent += cpu;
        count += 1;
    }
    Ok(spent.as_secs_f64() * 1e6 / f64::from(count))
}

/// One handshake through memory; the server's CPU and what kind it was.
fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<(Duration, Option<HandshakeKind>)> {
    let mut client = ClientConnection::new(client, "127.0.0.1".try_into().context("an address is a server name")?)?;
    let start = thread_cpu();
    let mut server = ServerConnection::new(server)?;
    let mut spent = thread_cpu().saturating_sub(start);
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent)?;
        }
        let start = thread_cpu();
        let mut answer = Vec::new();
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest)?;
            server.process_new_packets()?;
        }
        while server.wants_write() {
            server.write_tls(&mut answer)?;
        }
        spent += thread_cpu().saturating_sub(start);
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest)?;
            client.process_new_packets()?;
        }
    }
    Ok((spent, server.handshake_kind()))
}
