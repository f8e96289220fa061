//! Start, stop, and what stands in the data directory.

use std::os::unix::fs::PermissionsExt;

use avouch_server::StartError;

use crate::world::World;

#[test]
fn a_started_server_is_healthy_ready_and_measured() {
    let world = World::start();
    let client = world.anonymous();
    assert_eq!(client.get("/healthz").unwrap().status, 200);
    assert_eq!(client.get("/readyz").unwrap().status, 200);
    let metrics = client.get("/metrics").unwrap();
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("avouch_nodes{verdict=\"pass\"} 0"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn an_agent_with_another_pin_does_not_speak_to_the_server() {
    let (world, other) = (World::start(), World::start());
    let pins = [other.running().pins()[0].0];
    let tls = avouch_crypto::tls::agent_config(&pins, None).unwrap();
    let client = avouch_https::Https::new(world.running().origin(), tls, "test", 1_000);
    assert!(matches!(client.get("/healthz"), Err(avouch_https::HttpsError::Tls { .. })));
}

#[test]
fn a_second_server_on_one_data_directory_is_refused_and_the_first_one_serves_on() {
    let world = World::start();
    let Err(error) = world.start_second() else { panic!("two servers use one directory") };
    assert!(matches!(error, StartError::DataDir(_)), "{error}");
    assert!(error.to_string().contains("another server uses"), "{error}");
    assert_eq!(world.anonymous().get("/healthz").unwrap().status, 200);
}

#[test]
fn a_restarted_server_keeps_its_keys() {
    let mut world = World::start();
    let (pins, token) = (world.running().pins(), world.admin().log_key());
    assert!(world.stop());
    world.start_again();
    assert_eq!((world.running().pins(), world.admin().log_key()), (pins, token));
    assert_eq!(world.operator().get("/v1/nodes").unwrap().status, 200);
}

#[test]
fn every_file_of_the_data_directory_is_for_its_owner_only() {
    let mut world = World::start();
    world.stop();
    let mut open = vec![world.config.data_dir.clone()];
    let mut files = 0;
    while let Some(path) = open.pop() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
        }
    }
    assert!(files > 10, "{files}");
}

#[test]
fn a_key_that_others_may_read_keeps_the_server_from_starting() {
    let mut world = World::start();
    world.stop();
    let key = world.config.data_dir.join("keys/log.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let Err(error) = world.start_second() else { panic!("started with an open key") };
    assert!(error.to_string().contains("chmod 0600"), "{error}");
}

#[test]
fn a_stop_ends_idle_connections_at_once() {
    let mut world = World::start();
    let client = world.anonymous();
    client.get("/healthz").unwrap();
    let start = std::time::Instant::now();
    assert!(world.stop(), "an idle connection was cut off");
    assert!(start.elapsed() < std::time::Duration::from_secs(4));
    assert!(client.get("/healthz").is_err());
}
