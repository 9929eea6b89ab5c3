//! Only one server can use a data directory.

use crate::harness::{Place, alone, earshot, free_port, run, within};

#[test]
fn a_second_process_on_the_same_directory_refuses_to_start() {
    let _alone = alone();
    let place = Place::sqlite();
    let backup = tempfile::tempdir().unwrap();
    let file = backup.path().join("today.db").display().to_string();
    let mut server = place.start();

    let mut second = earshot();
    second.arg("serve").args(place.args()).args(["--listen", &free_port().to_string()]);
    let mut second = second.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    within(20, "the second server gives up", || second.try_wait().unwrap());
    let said = second.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success() && text.contains("another earshot process uses") && text.contains("--data"), "{text}");

    // Commands that need a stopped server say so; the others still work.
    let (done, said) = run(&place.args(), &["reindex"]);
    assert!(!done && said.contains("another earshot process uses") && said.contains("stop it first"), "{said}");
    let (done, said) = run(&place.args(), &["backup", &file]);
    assert!(done, "{said}");
    let (done, said) = run(&place.args(), &["restore", &file, "--replace"]);
    assert!(!done && said.contains("another earshot process uses"), "{said}");
    let (done, said) = run(&place.args(), &["doctor"]);
    assert!(done && said.contains("A server is using the directory."), "{said}");
    let (done, said) = run(&place.args(), &["admin", "create-project", "--name", "Beside"]);
    assert!(done, "{said}");
    assert_eq!(server.submit(&place, "key-beside", "undisturbed").unwrap().status, 201);

    // Control: once the first has ended, gracefully or not, the same works.
    server.signal("TERM");
    within(20, "the first server ends", || server.child.try_wait().unwrap());
    place.start().kill();
    let (done, said) = run(&place.args(), &["reindex"]);
    assert!(done, "{said}");
    place.start();
}
