//! What happens on the machine has the gate look again, soon and not too often.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use avouch_agent::collector::{Desk, EventKind, Hub, Peers, ScopeAsked, Witnesses, listen};
use avouch_collect::appliance;
use avouch_pairs::Observation;

use super::world::Appliance;

/// Within this a run that was asked for has ended.
const PATIENCE: Duration = Duration::from_secs(60);
/// The gate lets so much time pass between two runs that events ask for.
const PAUSE: Duration = Duration::from_secs(5);

/// Sees nothing; the gate of these tests asks for no levels.
struct Blind;

impl Witnesses for Blind {
    fn observe(&mut self, _: &ScopeAsked) -> Observation {
        Observation::default()
    }
}

/// A collector of this machine, behind a relay at the place where the gate looks for it.
struct Collector {
    hub: Arc<Hub>,
    relay: Relay,
}

impl Collector {
    fn start(appliance: &Appliance) -> Self {
        let behind = appliance.path("behind.sock");
        let (listener, hub) = (listen(&behind).unwrap(), Arc::new(Hub::default()));
        let desk = Arc::new(Desk::new(Blind, Arc::clone(&hub), appliance::Appliance::running()));
        thread::spawn(move || desk.serve(&listener, Peers::Root));
        let mut relay = Relay { at: appliance.path("collector.sock"), behind, streams: Arc::default(), open: None };
        relay.open();
        Self { hub, relay }
    }

    fn tell(&self) {
        self.hub.tell(EventKind::UnitChanged, "first.service");
    }
}

/// Hands every byte on, until it is cut.
struct Relay {
    at: PathBuf,
    behind: PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    open: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Relay {
    fn open(&mut self) {
        let listener = UnixListener::bind(&self.at).unwrap();
        let (behind, streams, cut) = (self.behind.clone(), Arc::clone(&self.streams), Arc::new(AtomicBool::new(false)));
        let end = Arc::clone(&cut);
        let thread = thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let far = UnixStream::connect(&behind).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        // Either end may be gone.
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                streams.lock().unwrap().extend([near, far]);
            }
        });
        self.open = Some((cut, thread));
    }

    /// The collector is gone: its socket, and every connection.
    fn cut(&mut self) {
        let (cut, thread) = self.open.take().unwrap();
        cut.store(true, Ordering::SeqCst);
        drop(UnixStream::connect(&self.at));
        thread.join().unwrap();
        fs::remove_file(&self.at).unwrap();
        for stream in self.streams.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// What began the runs so far.
fn triggers(appliance: &Appliance) -> Vec<String> {
    let lines = appliance.lines();
    lines.iter().map(|line| line["trigger"].as_str().unwrap().to_owned()).collect()
}

fn by_event(appliance: &Appliance) -> usize {
    triggers(appliance).iter().filter(|trigger| *trigger == "event").count()
}

/// Does `again` until so many runs began by an event; how often that was.
fn until(appliance: &Appliance, runs: usize, again: impl Fn()) -> usize {
    let (begun, mut times) = (Instant::now(), 0);
    while by_event(appliance) < runs {
        assert!(begun.elapsed() < PATIENCE, "{:?}; {}", triggers(appliance), appliance.told());
        again();
        times += 1;
        thread::park_timeout(Duration::from_millis(2));
    }
    times
}

#[test]
fn a_flood_of_events_is_few_runs_and_one_event_is_one() {
    let mut appliance = Appliance::new("");
    let collector = Collector::start(&appliance);
    appliance.start();
    assert_eq!(appliance.settled(), (200, "attested".into()), "{}", appliance.told());
    let begun = Instant::now();
    let told = until(&appliance, 1, || collector.tell());
    // Whatever was told until now is behind this run.
    appliance.refresh();
    let flooded = by_event(&appliance);
    let most = 1 + usize::try_from(begun.elapsed().as_secs() / PAUSE.as_secs()).unwrap();
    assert!(flooded <= most && told > 50 * flooded, "{told} events, {flooded} runs: {:?}", triggers(&appliance));
    println!("counted: {told} events made {flooded} runs");

    collector.tell();
    until(&appliance, flooded + 1, || ());
    appliance.refresh();
    let triggers = triggers(&appliance);
    assert_eq!(by_event(&appliance), flooded + 1, "{triggers:?}");
    assert_eq!(triggers[0], "start");
    assert_eq!(triggers[triggers.len() - 3..], ["request", "event", "request"]);
}

#[test]
fn a_collector_that_comes_back_is_followed_again_and_the_gap_is_looked_into() {
    let mut appliance = Appliance::new("");
    let mut collector = Collector::start(&appliance);
    appliance.start();
    appliance.settled();
    until(&appliance, 1, || collector.tell());
    appliance.refresh();
    let before = by_event(&appliance);

    collector.relay.cut();
    collector.relay.open();
    // Nobody tells anything: that it was away is reason enough.
    until(&appliance, before + 1, || ());
    until(&appliance, before + 2, || collector.tell());
    assert_eq!(appliance.verify(), (200, "attested".into()));
}
