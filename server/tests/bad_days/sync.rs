//! Power loss. kill -9 cannot show whether a commit reached the disk, because the kernel survives; so the sync calls are counted.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::harness::{Place, Server, alone, clean, pause, run, skipped, within};

/// Sequential submissions: each is a commit group of its own.
const COMMITS: usize = 50;

/// `strace` that writes each sync call of a program and all its threads to a file. The program is our child process, strace is not.
fn counted(calls: &Path) -> Command {
    let mut command = clean(Command::new("strace"));
    command.args(["-D", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o"]).arg(calls);
    command
}

/// Number of sync calls so far of the program under [`counted`].
fn waits(calls: &Path) -> usize {
    let text = std::fs::read_to_string(calls).unwrap_or_default();
    text.lines().filter(|line| line.contains("fsync(") || line.contains("fdatasync(")).count()
}

/// Why sync calls cannot be counted here, if so.
fn obstacle() -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let (calls, file) = (dir.path().join("calls"), dir.path().join("file"));
    let mut command = counted(&calls);
    command.args(["dd", "if=/dev/zero", "bs=1", "count=1", "conv=fsync"]).arg(format!("of={}", file.display()));
    match command.stderr(Stdio::piped()).output() {
        Err(error) => Some(format!("strace cannot be started: {error}; install it")),
        // Without permission to trace, strace still runs the program.
        Ok(done) if waits(&calls) == 0 => Some(format!("strace may not trace here: {}", String::from_utf8_lossy(&done.stderr))),
        Ok(_) => None,
    }
}

#[test]
fn every_acknowledged_commit_reached_the_disk() {
    let _alone = alone();
    if let Some(why) = obstacle() {
        skipped("every_acknowledged_commit_reached_the_disk", &why);
        return;
    }
    let place = Place::sqlite();
    let calls = place.data.join("calls");
    let mut traced = counted(&calls);
    traced.arg(env!("CARGO_BIN_EXE_earshot"));
    let server = Server::start_as(traced, |serve| {
        serve.args(place.args());
    });
    pause(1000);
    let mut counted_before = waits(&calls);
    for n in 0..COMMITS {
        assert_eq!(server.submit(&place, &format!("key-sync-{n}"), &format!("said {n}")).unwrap().status, 201);
        let counted_now = waits(&calls);
        assert!(counted_now > counted_before, "submission {n} was acknowledged before it was on the disk");
        counted_before = counted_now;
    }
    let reached = run(&place.args(), &["doctor"]).1;
    assert!(reached.contains(&format!("{COMMITS} pieces of feedback")), "{reached}");
    server.kill();

    // Control: the same number of commits by SQLite itself, with and without syncing, under the same counter.
    let of_sqlite = |mode: &str| {
        let dir = tempfile::tempdir().unwrap();
        let calls = dir.path().join("calls");
        let mut traced = counted(&calls);
        traced.arg(std::env::current_exe().unwrap()).args(["--exact", "sync::plain_commits", "--ignored"]);
        traced.env("EARSHOT_TEST_SYNC", format!("{mode} {}", dir.path().join("plain.db").display())).stdout(Stdio::null());
        assert!(traced.status().unwrap().success());
        within(10, "strace has written all", || Some(waits(&calls)))
    };
    let (full, off) = (of_sqlite("FULL"), of_sqlite("OFF"));
    println!("waits for the disk in {COMMITS} commits of SQLite: {full} with synchronous=FULL, {off} with OFF");
    assert!(full >= COMMITS && off <= COMMITS / 5, "the counter does not tell the two apart: {full}, {off}");
}

#[test]
#[ignore = "run under the counter by the test above"]
fn plain_commits() {
    #[expect(clippy::disallowed_methods, reason = "how the test above tells what to do")]
    let setting = std::env::var("EARSHOT_TEST_SYNC").unwrap();
    let (mode, file) = setting.split_once(' ').unwrap();
    crate::harness::block(async {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{file}?mode=rwc");
        let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        let start = format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {mode}; CREATE TABLE t (n INTEGER)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(start)).execute(&pool).await.unwrap();
        for _ in 0..COMMITS {
            sqlx::query("INSERT INTO t VALUES (1)").execute(&pool).await.unwrap();
        }
        pool.close().await;
    });
}
