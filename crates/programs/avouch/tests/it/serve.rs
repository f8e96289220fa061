use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, avouch, said};

/// Ends the process when a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_start_makes_a_data_directory_that_others_cannot_read_and_sigterm_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (folder.path().join("avouch.toml"), folder.path().join("data"));
    std::fs::write(&config, format!("listen = \"127.0.0.1:0\"\ndata_dir = {data:?}\n")).unwrap();
    let mut running = Running(avouch(&config, &["serve"]).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let before: Vec<_> = log.by_ref().take_while(|line| !line.contains(" serving ")).collect();
    assert!(before.iter().any(|line| line.contains("an owner key was made")), "{before:?}");
    assert!(before.iter().all(|line| !line.contains('\x1b')), "colours where there is no terminal: {before:?}");
    for name in ["keys/owner.key", "operator/operator.key", "operator"] {
        assert_eq!(data.join(name).metadata().unwrap().permissions().mode() & 0o077, 0, "{name}");
    }
    let second = said(&mut avouch(&config, &["serve"]));
    assert!(second.exit == 2 && second.err.contains("another server uses"), "{second:?}");
    kill_process(Pid::from_child(&running.0), Signal::TERM).unwrap();
    assert!(log.any(|line| line.contains("stopped")));
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_that_is_taken_and_a_filter_that_is_none_are_told() {
    let world = World::start();
    let listen = world.origin().replace("https://", "");
    world.write("avouch.toml", &format!("listen = {listen:?}\ndata_dir = {:?}\n", world.path("other")));
    let said = world.run(&["serve"]);
    assert!(said.err.contains(&format!("cannot listen on {listen}")), "{said:?}");
    let said = crate::world::said(world.avouch(&["serve"]).env("AVOUCH_LOG", "loud=very"));
    assert!(said.error().contains("AVOUCH_LOG"), "{said:?}");
}
