//! Modes, settings and files that are not ours.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, mpsc};

use avouch_store::contract::specimen::{START, cluster};
use avouch_store::{Change, Outcome, SqliteStore, Store, StoreError};
use rusqlite::Connection;

#[test]
fn only_the_owner_reads_any_of_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("avouch.db");
    let modes = || {
        let files = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
        let mode = |file: &std::fs::DirEntry| file.metadata().unwrap().permissions().mode() & 0o777;
        files.map(|file| (file.file_name().into_string().unwrap(), mode(&file))).collect::<Vec<_>>()
    };
    let store = SqliteStore::open(&path).unwrap();
    store.apply(&cluster(), START, Change::NoteTime).unwrap();
    let mut names: Vec<String> = modes().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["avouch.db", "avouch.db-shm", "avouch.db-wal"]);
    assert!(modes().iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes());
    drop(store);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let _store = SqliteStore::open(&path).unwrap();
    assert!(modes().iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes());
}

#[test]
fn missing_directory_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("avouch.db");
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(&error, StoreError::Io(text) if text.contains("missing/avouch.db")), "{error}");
}

#[test]
fn database_of_another_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(matches!(SqliteStore::open(&path).err(), Some(StoreError::Foreign(_))));
    let tables: Vec<String> = {
        let connection = Connection::open(&path).unwrap();
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(tables, ["theirs"]);
}

#[test]
fn file_that_is_no_database_is_refused_as_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("avouch.db");
    std::fs::write(&path, "not a database, but longer than its header is, which has a hundred bytes. ".repeat(9))
        .unwrap();
    assert!(matches!(SqliteStore::open(&path).err(), Some(StoreError::Corrupt(_))));
}

#[test]
fn altered_evidence_is_reported_and_never_returned() {
    use avouch_store::contract::specimen::{answer, ask, join};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("avouch.db");
    let store = SqliteStore::open(&path).unwrap();
    let node = join(&store, &cluster(), 1).unwrap();
    let open = ask(&store, &cluster(), &node, START).unwrap();
    let message = b"measured ".repeat(500);
    let commit = answer(&node, Default::default(), &open, &message, START);
    let digest = commit.evidence.digest();
    store.apply(&cluster(), START, Change::CommitRecord(Box::new(commit))).unwrap();
    assert_eq!(store.evidence(&cluster(), &digest).unwrap().unwrap(), message);
    let other = Connection::open(&path).unwrap();
    for damage in [
        "UPDATE pieces SET bytes = zeroblob(length(bytes))",
        "UPDATE pieces SET codec = 0, size = length(bytes)",
        "UPDATE pieces SET size = 1099511627776",
        "UPDATE pieces SET codec = 9",
        "DELETE FROM evidence_pieces",
    ] {
        other.execute_batch(damage).unwrap();
        let read = store.evidence(&cluster(), &digest);
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{damage}: {read:?}");
    }
}

#[test]
fn full_queue_answers_busy_at_once_and_loses_nothing_it_took() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("avouch.db")).unwrap();
    let (entered, writer_waits) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    // The writer stands still in this callback until all others are handed in.
    let hold = Box::new(move |_| {
        entered.send(()).unwrap();
        wait.recv().unwrap();
    });
    store.submit(&cluster(), START, Change::NoteTime, hold);
    writer_waits.recv().unwrap();
    let answers = Arc::new(Mutex::new(Vec::new()));
    for round in 0..SqliteStore::QUEUE_LIMIT as u64 + 10 {
        let answers = Arc::clone(&answers);
        let done = Box::new(move |answer| answers.lock().unwrap().push(answer));
        store.submit(&cluster(), START, Change::RoundSecret { round, secret: [1; 32] }, done);
    }
    {
        let refused = answers.lock().unwrap();
        assert_eq!(refused.len(), 10);
        assert!(refused.iter().all(|answer| matches!(answer, Err(StoreError::Busy(_)))));
    }
    go.send(()).unwrap();
    drop(store);
    let answers = answers.lock().unwrap();
    let stored = answers.iter().filter(|answer| matches!(answer, Ok(Outcome::RoundSecret(_)))).count();
    assert_eq!((answers.len(), stored), (SqliteStore::QUEUE_LIMIT + 10, SqliteStore::QUEUE_LIMIT));
}

#[test]
fn callback_that_panics_does_not_stop_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("avouch.db")).unwrap();
    store.submit(&cluster(), START, Change::NoteTime, Box::new(|_| panic!("a defect of the caller")));
    assert_eq!(store.apply(&cluster(), START, Change::NoteTime), Ok(Outcome::Done));
}

#[test]
fn store_whose_last_owner_is_a_callback_shuts_down() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&directory.path().join("avouch.db")).unwrap());
    let (sender, receiver) = mpsc::channel();
    let owner = Arc::clone(&store);
    let (go, wait) = mpsc::channel::<()>();
    let done = Box::new(move |_| {
        wait.recv().unwrap();
        drop(owner);
        sender.send(()).unwrap();
    });
    store.submit(&cluster(), START, Change::NoteTime, done);
    drop(store);
    go.send(()).unwrap();
    receiver.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
}

#[test]
fn answer_comes_after_the_commit_is_visible_to_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("avouch.db");
    let store = SqliteStore::open(&path).unwrap();
    let (sender, seen) = mpsc::channel();
    for round in 0..100_u32 {
        let (sender, path) = (sender.clone(), path.clone());
        let done = Box::new(move |_| {
            let other = Connection::open(&path).unwrap();
            let sql = "SELECT count(*) FROM round_secrets WHERE cluster = 'fleet' AND round = ?1";
            let rows: u32 = other.query_row(sql, [round], |row| row.get(0)).unwrap();
            sender.send(rows).unwrap();
        });
        store.submit(&cluster(), START, Change::RoundSecret { round: round.into(), secret: [1; 32] }, done);
    }
    drop((store, sender));
    assert_eq!(seen.iter().collect::<Vec<_>>(), [1; 100]);
}
