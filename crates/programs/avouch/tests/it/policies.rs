use std::fs;

use avouch_appraise::Policy;

use crate::world::{Said, World};

fn built(world: &World) -> Said {
    world.write("root/usr/bin/tool", "tool");
    world.write("root/usr/lib/library.so", "library");
    world.write("agent", "agent");
    let agent = "/usr/bin/avouch-agent=agent";
    world.run(&["policy", "build", "--name", "web", "--root", "root", "--file", agent, "-o", "p.json", "--json"])
}

#[test]
fn a_policy_of_a_tree_is_built_applied_and_listed() {
    let world = World::start();
    let answer = built(&world).json();
    let policy = Policy::parse(&fs::read(world.path("p.json")).unwrap()).unwrap();
    assert_eq!((policy.name(), policy.file_count()), ("web", 3));
    assert_eq!((&answer["policy_ref"], &answer["digests"]), (&policy.reference().to_hex().into(), &3.into()));

    let applied = world.run(&["policy", "apply", "p.json", "--default"]);
    assert_eq!(applied.exit, 0, "{applied:?}");
    assert!(applied.out.starts_with(&format!("policy {}\n", policy.reference().to_hex())), "{applied:?}");
    assert!(applied.out.contains("confirms no boot yet"), "{applied:?}");

    let listed = world.run(&["policy", "list", "--json"]).json();
    assert_eq!(listed["default"], answer["policy_ref"]);
    assert_eq!(listed["policies"][0]["name"], "web");
    let reference = policy.reference().to_hex();
    let shown = world.run(&["policy", "show", &reference[..8]]);
    assert!(shown.exit == 0 && shown.out.contains("judges    0 nodes, and is the default"), "{shown:?}");
    let whole = world.run(&["policy", "show", &reference, "--json"]);
    assert_eq!(whole.out.as_bytes(), fs::read(world.path("p.json")).unwrap());
    assert_eq!(world.run(&["policy", "show", "zz", "--json"]).failure()["code"], "POLICY_UNKNOWN");

    let table = world.run(&["policy", "list"]).out;
    assert!(table.starts_with("POLICY") && table.trim_end().ends_with("default"), "{table}");
}

#[test]
fn a_server_without_policies_says_what_that_means() {
    let world = World::start();
    let said = world.run(&["policy", "list"]);
    assert!(said.exit == 0 && said.out.contains("avouch policy build"), "{said:?}");
}

#[test]
fn a_policy_for_an_unknown_node_is_refused() {
    let world = World::start();
    built(&world).json();
    let failure = world.run(&["policy", "apply", "p.json", "--node", "web-1", "--json"]).failure();
    assert_eq!(failure["code"], "NODE_UNKNOWN");
}

#[test]
fn a_file_that_is_no_policy_is_told_by_its_name_and_not_sent() {
    let world = World::start();
    world.write("p.json", "{\"v\": 1}");
    let failure = world.run(&["policy", "apply", "p.json", "--default", "--json"]).failure();
    assert_eq!(failure["code"], "POLICY_MALFORMED");
    assert!(failure["what"].as_str().unwrap().starts_with("p.json is not a policy"), "{failure}");
    assert_eq!(world.run(&["policy", "apply", "absent", "--default", "--json"]).failure()["code"], "FILE");
}

#[test]
fn an_artefact_that_cannot_be_read_leaves_no_policy() {
    let world = World::start();
    let said = world.run(&["policy", "build", "--name", "web", "--root", "absent", "-o", "p.json"]);
    assert!(said.error().contains("absent"), "{said:?}");
    assert!(!world.path("p.json").exists());
}

#[test]
fn a_boot_is_not_confirmed_where_nobody_can_be_asked() {
    let world = World::start();
    built(&world).json();
    let before = fs::read(world.path("p.json")).unwrap();
    let said = world.run(&["policy", "confirm", "p.json", "--from", "reference"]);
    assert!(said.error().contains("--yes"), "{said:?}");
    let failure = world.run(&["policy", "confirm", "p.json", "--from", "reference", "--yes", "--json"]).failure();
    assert_eq!(failure["code"], "NODE_UNKNOWN");
    assert_eq!(fs::read(world.path("p.json")).unwrap(), before);
}
