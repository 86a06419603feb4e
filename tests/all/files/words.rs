//! What the words of the WIT say and the oracle does in another way, and what would hang it.

use super::folder::Folder;
use super::{play, played};
use lowlift::host::Trap;

#[tokio::test]
async fn flags_are_kept() {
    let folder = Folder::new();
    let text = played(&["flags"], &folder).await;
    assert_eq!(
        text,
        "== flags
a second of nanoseconds: error invalid
read nothing: 0
and then: 5
flags: WRITE|FILE_INTEGRITY_SYNC
write: 1
flags: WRITE|DATA_INTEGRITY_SYNC
write: 1
flags: WRITE|REQUESTED_WRITE_SYNC
write: 1
to mutate: READ|MUTATE_DIRECTORY
a file to mutate: READ
read-only to mutate: error read-only
"
    );
}

#[tokio::test]
async fn pipes_keep_nobody_waiting() {
    let folder = Folder::new();
    let pipe = folder.path("rw/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("can be made");
    let text = played(&["pipes"], &folder).await;
    let (_, text) = text.split_once("stat").expect("after the list");
    assert_eq!(
        text,
        ": DescriptorType::Fifo
set times: ok
write: error no-such-device
truncate: error no-such-device
type: DescriptorType::Fifo
read: error invalid-seek
stream: true
write to both: error invalid-seek
unlink: ok
"
    );
}

#[tokio::test]
async fn handles_are_limited() {
    let (_, outcome) = play(&["many"], &Folder::new(), 100).await;
    assert_eq!(outcome, Err(Trap::Guest("more than 100 live handles".to_owned())));
}

/// Descriptors of the system belong to all guests.
#[tokio::test]
async fn open_files_are_limited() {
    let text = played(&["full"], &Folder::new()).await;
    assert_eq!(
        text,
        "== full
opened: 255
one more: error insufficient-memory
a directory: error insufficient-memory
entries: error insufficient-memory
stat: 0
after one is closed: opened DescriptorType::RegularFile
by another preopen: error insufficient-memory
after all are closed: opened DescriptorType::Directory
"
    );
}

#[tokio::test]
async fn what_was_taken_is_written() {
    let folder = Folder::new();
    let text = played(&["dropped"], &folder).await;
    assert_eq!(text, "== dropped\nsize: 500\n");
    assert_eq!(std::fs::read_to_string(folder.path("rw/file")).expect("readable"), "0123456789".repeat(50));
}
