use crate::world::World;

#[test]
fn a_server_that_is_down_is_told_with_what_to_check() {
    let mut world = World::start();
    let origin = world.origin();
    world.stop();
    let said = world.run(&["node", "list"]);
    assert!(said.error().contains(&format!("{origin} cannot be reached: nothing listens there")), "{said:?}");
    assert!(said.error().contains("Check that `avouch serve` runs"), "{said:?}");
    assert_eq!(world.run(&["node", "list", "--json"]).failure()["code"], "SERVER_UNREACHABLE");
}

#[test]
fn a_server_of_another_data_directory_is_not_trusted() {
    let (world, other) = (World::start(), World::start());
    let failure = world.run(&["node", "list", "--server", &other.origin(), "--json"]).failure();
    assert_eq!(failure["code"], "SERVER_NOT_TRUSTED");
}

#[test]
fn credentials_that_are_not_there_are_asked_for() {
    let world = World::start();
    let said = world.run(&["node", "list", "--credentials", "absent"]);
    assert!(said.error().contains("absent/operator.pem") && said.error().contains("--credentials"), "{said:?}");
    world.write("other/operator.pem", "x");
    world.write("other/operator.key", "x");
    assert_eq!(world.run(&["node", "list", "--credentials", "other", "--json"]).failure()["code"], "CREDENTIALS");
}

#[test]
fn a_wrong_key_of_the_configuration_is_refused_with_the_nearest_one() {
    let world = World::start();
    world.write("avouch.toml", "ek_root = []\n");
    for words in [&["serve"][..], &["enroll", "token"], &["node", "list"], &["policy", "list"]] {
        let said = world.run(words);
        assert!(said.error().contains("did you mean `ek_roots`"), "{said:?}");
    }
    assert_eq!(world.run(&["serve", "--json"]).failure()["code"], "CONFIG");
}

#[test]
fn a_wrong_command_line_is_an_error_for_people_and_programs() {
    let world = World::start();
    let said = world.run(&["node", "shown"]);
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert!(said.err.contains("Usage: avouch node"), "{said:?}");
    for words in
        [&["node", "shown", "--json"][..], &["--json"], &["policy", "build", "--name", "x", "-o", "y", "--json"]]
    {
        assert_eq!(world.run(words).failure()["code"], "USAGE", "{words:?}");
    }
    let help = world.run(&["node", "why", "--help", "--json"]);
    assert!(help.exit == 0 && help.err.is_empty() && help.out.contains("Exit status:"), "{help:?}");
}
