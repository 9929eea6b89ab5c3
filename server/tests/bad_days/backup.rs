//! Takes a backup while the program serves, and restores it over the data of a killed program.

use crate::harness::{Server, alone, run};

#[test]
fn the_program_backs_up_while_it_serves_and_restores_what_a_killed_one_left() {
    let _alone = alone();
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = ["--data".to_owned(), dir.path().display().to_string()];
    let run = |args: &[&str]| run(&place, args);
    let start = || {
        Server::start(|serve| {
            serve.args(&place);
        })
    };
    let file = out.path().join("today.db");
    let file = file.to_str().unwrap();
    let server = start();
    assert!(run(&["admin", "create-project", "--name", "First"]).0);
    let (done, said) = run(&["backup", file]);
    assert!(done && said.contains(r#""projects":1"#), "{said}");
    assert!(run(&["admin", "create-project", "--name", "Second"]).0);
    let (done, said) = run(&["restore", file, "--replace"]);
    assert!(!done && said.contains("another earshot process uses"), "{said}");
    // SIGKILL: the second project may exist only in the write-ahead log.
    server.kill();

    let (done, said) = run(&["restore", file]);
    assert!(!done && said.contains("--replace"), "{said}");
    let (done, said) = run(&["restore", file, "--replace"]);
    assert!(done && said.contains(r#""projects":1"#), "{said}");
    let aside = said.split(r#""set_aside":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let (done, said) = run(&["restore", &aside, "--replace"]);
    assert!(done && said.contains(r#""projects":2"#), "{said}");
    let (done, said) = run(&["doctor"]);
    assert!(!done && said.contains("wrong There are no accounts.") && said.contains("2 projects"), "{said}");
    start();
}
