use serde_json::json;

use crate::world::World;

#[test]
fn a_fleet_without_nodes_says_how_to_get_the_first() {
    let world = World::start();
    let said = world.run(&["node", "list"]);
    assert_eq!((said.exit, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.contains("avouch enroll token") && said.out.contains("avouch-agent enroll TOKEN"), "{said:?}");
    let answer = world.run(&["node", "list", "--json"]).json();
    assert_eq!(answer["nodes"], json!([]));
    assert_eq!(answer["next"], json!(null));
    assert_eq!(answer["interval"], 300);
}

#[test]
fn an_unknown_node_is_told_with_where_to_look() {
    let world = World::start();
    for words in [&["node", "show", "web 1/x"][..], &["node", "why", "web 1/x"]] {
        let said = world.run(words);
        assert!(said.error().contains("There is no node \"web 1/x\". (NODE_UNKNOWN)"), "{said:?}");
        assert!(said.error().contains("avouch node list"), "{said:?}");
    }
    assert_eq!(world.run(&["node", "why", "web-1", "--json"]).failure()["code"], "NODE_UNKNOWN");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = world.avouch(&["node", "list"]).stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
