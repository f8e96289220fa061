use std::fs;

use avouch_protocol::EnrolmentToken;

use crate::world::World;

#[test]
fn a_token_is_alone_on_standard_output_and_carries_the_origin() {
    let world = World::start();
    let said = world.run(&["enroll", "token", "--uses", "3", "--expires", "30m"]);
    assert_eq!(said.exit, 0, "{said:?}");
    let token = EnrolmentToken::from_text(said.out.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!((token.origin, token.uses), (world.origin(), 3));
    assert!(said.err.contains(&format!("Lets 3 machines join {}", world.origin())), "{said:?}");
    assert!(said.err.contains("avouch-agent enroll TOKEN"), "{said:?}");
}

#[test]
fn a_token_as_json_says_what_it_is_worth() {
    let world = World::start();
    let answer = world.run(&["--json", "enroll", "token"]).json();
    let token = EnrolmentToken::from_text(answer["token"].as_str().unwrap()).unwrap();
    assert_eq!((answer["uses"].as_u64(), answer["expires"].as_u64()), (Some(1), Some(token.expires)));
    assert_eq!(answer["origin"], world.origin());
}

#[test]
fn without_a_server_a_token_can_be_made_and_a_new_owner_key_is_told() {
    let mut world = World::start();
    world.stop();
    assert_eq!(world.run(&["enroll", "token"]).exit, 0);
    world.write("avouch.toml", &format!("data_dir = {:?}\n", world.path("new")));
    let said = world.run(&["enroll", "token"]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.err.contains("new/keys/owner.key, which signs tokens: move it offline"), "{said:?}");
}

#[test]
fn an_owner_key_that_was_moved_is_asked_for_and_taken() {
    let world = World::start();
    fs::rename(world.path("data/keys/owner.key"), world.path("owner.key")).unwrap();
    assert!(world.run(&["enroll", "token"]).error().contains("--owner-key FILE"));
    assert_eq!(world.run(&["enroll", "token", "--owner-key", "owner.key"]).exit, 0);
}

#[test]
fn no_token_names_an_address_that_nodes_cannot_reach() {
    let world = World::start();
    for listen in ["0.0.0.0:8443", "[::]:8443", "127.0.0.1:0"] {
        world.write("avouch.toml", &format!("listen = {listen:?}\ndata_dir = {:?}\n", world.path("data")));
        assert_eq!(world.run(&["enroll", "token", "--json"]).failure()["code"], "NO_ORIGIN", "{listen}");
    }
}
