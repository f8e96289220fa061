//! Connections that are cut at every step of a round.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use avouch_agent::state::{Spooled, StateDir};
use avouch_crypto::sha256;
use avouch_protocol::Hash;
use avouch_server::Pipeline;
use avouch_testkit::{Machine, Site, node_ima_policy, policy_for, skip_without_swtpm};

use super::ledger::whole_chain;
use super::programs::AgentProgram;

/// Bytes between two cuts, beside those at the borders of messages.
const STEP: usize = 97;

/// Which bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToServer,
    ToAgent,
}

/// What happens to the next connections.
#[derive(Default)]
struct Plan {
    /// Lets so many bytes of one way through, then cuts both.
    cut: Option<(Way, usize)>,
    /// Totals of both ways after every piece that came through.
    seen: Vec<(Way, usize)>,
}

/// Stands between agent and server.
struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    stop: Arc<AtomicBool>,
}

impl Proxy {
    fn start(listener: TcpListener, server: SocketAddr) -> Self {
        let address = listener.local_addr().unwrap();
        let (plan, stop) = (Arc::new(Mutex::new(Plan::default())), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (plan.clone(), stop.clone());
        thread::spawn(move || {
            for agent in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (agent, server) = (agent.unwrap(), TcpStream::connect(server).unwrap());
                for (way, from, to) in [(Way::ToServer, &agent, &server), (Way::ToAgent, &server, &agent)] {
                    let (from, to, plan) = (from.try_clone().unwrap(), to.try_clone().unwrap(), shared.clone());
                    thread::spawn(move || carry(way, from, to, &plan));
                }
            }
        });
        Self { address, plan, stop }
    }

    fn cut(&self, cut: Option<(Way, usize)>) {
        *self.plan.lock().unwrap() = Plan { cut, seen: Vec::new() };
    }

    /// Where pieces ended in the connection since the last [`Proxy::cut`].
    fn borders(&self, way: Way) -> BTreeSet<usize> {
        self.plan.lock().unwrap().seen.iter().filter(|(of, _)| *of == way).map(|(_, total)| *total).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn carry(way: Way, mut from: TcpStream, mut to: TcpStream, plan: &Mutex<Plan>) {
    let mut buffer = [0; 16 * 1024];
    let mut total = 0;
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let cut = plan.lock().unwrap().cut.filter(|(of, _)| *of == way).map(|(_, at)| at);
        let through = cut.map_or(length, |at| length.min(at.saturating_sub(total)));
        if to.write_all(&buffer[..through]).is_err() {
            break;
        }
        total += through;
        plan.lock().unwrap().seen.push((way, total));
        if cut.is_some_and(|at| total >= at) {
            break;
        }
    }
    // Both ways end: a cable that is cut carries nothing back either.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn spool(machine: &Machine) -> Option<Spooled> {
    let state = StateDir::open(machine.state_path()).unwrap();
    let enrolment = state.enrolment().unwrap().unwrap();
    state.spool(&enrolment).unwrap()
}

#[test]
fn a_connection_cut_at_any_byte_costs_neither_a_record_nor_the_chain() {
    let Some(factory) = skip_without_swtpm().unwrap() else { return };
    // The proxy's address is the server's public one.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let site = Site::with(&factory, |config| config.origin = Some(origin), Arc::new(Pipeline)).unwrap();
    let proxy = Proxy::start(listener, site.address().trim_start_matches("https://").parse().unwrap());
    let machine = Machine::new(&factory, 2).unwrap();
    let policy = policy_for(&machine.boot_log, &machine.list().unwrap(), node_ima_policy(), site.pcrs()).unwrap();
    site.apply(&policy.to_bytes()).unwrap();
    let agent = AgentProgram::new(machine.agent_config().unwrap());
    assert!(agent.enroll(&site.token(1).unwrap(), &[]).wait().unwrap().success());
    agent.once().pass();
    let started = Instant::now();

    // A round like those that will be cut.
    proxy.cut(None);
    agent.once().pass();
    let mut cuts = Vec::new();
    for way in [Way::ToServer, Way::ToAgent] {
        let borders = proxy.borders(way);
        let last = *borders.last().unwrap();
        let mut places: BTreeSet<usize> = (1..last).step_by(STEP).collect();
        // Before the first byte of a message, inside it, and right behind it.
        borders.iter().for_each(|border| places.extend([border - 1, *border, border + 1]));
        cuts.extend(places.into_iter().filter(|place| *place > 0 && *place < last).map(|place| (way, place)));
    }
    let (mut resent, mut receipt_dropped, mut not_made) = (0, 0, 0);
    for &(way, place) in &cuts {
        let node = site.nodes().unwrap().remove(0);
        proxy.cut(Some((way, place)));
        let once = agent.once();
        proxy.cut(None);
        if once.exit == Some(0) {
            // The receipt had come when the cut came.
            continue;
        }
        assert_eq!((once.exit, once.code()), (Some(3), "SERVER_UNREACHABLE"), "cut {way:?} at {place}: {once:#?}");
        let stored = site.node(&node.node).unwrap();
        let Some(spooled) = spool(&machine) else {
            not_made += 1;
            assert_eq!(stored.head_seq, node.head_seq, "a record of evidence that was never made");
            continue;
        };
        let evidence = Hash(sha256(&[&spooled.evidence])).to_hex();
        let head = site.record(&node.node, stored.head_seq).unwrap();
        if head.evidence.as_ref() == Some(&evidence) {
            receipt_dropped += 1;
        }
        // The next round sends it first: the record it has already, or its record now.
        agent.once().pass();
        resent += 1;
        let records = site.records(&node.node).unwrap();
        let of_it: Vec<_> = records.iter().filter(|record| record.evidence.as_ref() == Some(&evidence)).collect();
        assert_eq!(of_it.len(), 1, "cut {way:?} at {place}");
        if head.evidence.as_ref() == Some(&evidence) {
            assert_eq!((of_it[0].seq, &of_it[0].hash), (head.seq, &head.hash));
        }
    }
    agent.once().pass();
    let node = StateDir::open(machine.state_path()).unwrap().enrolment().unwrap().unwrap().membership.node_tag;
    let records = whole_chain(&site.operator().unwrap(), &node);
    println!(
        "counted: {} cuts, {not_made} before there was evidence, {resent} times evidence was sent again, of which \
         {receipt_dropped} had its record; {} records, each there once; {:?} in all",
        cuts.len(),
        records.len(),
        started.elapsed()
    );
    assert!(not_made > 0 && resent > receipt_dropped && receipt_dropped > 0, "not every step was cut");
}
