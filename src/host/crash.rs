//! Simulates power failures: the writes of [`super::disk`] are logged. For every point of the log,
//! each possible content of the disk is written to a folder, in which the program then runs again.
//!
//! The model guarantees only what POSIX does. Synced data is present. Of data that is not synced, a
//! part may be present: a file's bytes up to some offset, with zeros in place of some sector, and
//! the first of the names that were created or changed.

mod records;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The size of an atomic write of the disk, in bytes.
const SECTOR: usize = 512;

/// The device and inode number of a file.
pub(super) type Inode = (u64, u64);

#[derive(Debug, Clone)]
pub(super) enum Op {
    /// The file was opened under this name, and created if it did not exist.
    Open(PathBuf, Inode),
    Append(Inode, Vec<u8>),
    Cut(Inode, u64),
    Sync(Inode),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// The only folder was synced.
    SyncFolder,
    /// The program reported this as done, so it must survive a crash.
    Said(String),
}

thread_local! {
    static LOG: RefCell<Option<Vec<Op>>> = const { RefCell::new(None) };
}

pub(super) fn log(op: impl FnOnce() -> Op) {
    LOG.with_borrow_mut(|log| {
        if let Some(log) = log {
            log.push(op());
        }
    });
}

pub(super) fn inode(file: &File) -> Inode {
    let about = file.metadata().unwrap();
    (about.dev(), about.ino())
}

fn said(what: &str) {
    log(|| Op::Said(what.to_owned()));
}

/// The content of the files of a folder.
type Image = BTreeMap<PathBuf, Vec<u8>>;

/// A name that went, and one that came.
type NameChange = (Option<PathBuf>, Option<(PathBuf, Inode)>);

/// The state of the disk between two calls.
#[derive(Default)]
struct Disk {
    /// The names as programs see them.
    names: BTreeMap<PathBuf, Inode>,
    /// The names that survive a loss of power.
    synced: BTreeMap<PathBuf, Inode>,
    /// Changes of names since the folder was synced.
    pending: Vec<NameChange>,
    files: BTreeMap<Inode, Content>,
    said: Vec<String>,
}

#[derive(Default)]
struct Content {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Append(Vec<u8>),
    Cut(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Append(more) => bytes.extend_from_slice(more),
            Self::Cut(length) => bytes.truncate(usize::try_from(*length).unwrap()),
        }
    }
}

impl Content {
    fn now(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.pending.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }

    /// Every content that the file may have after a crash, with a sample of the cut-off points of a
    /// write.
    fn outcomes(&self) -> BTreeSet<Vec<u8>> {
        let mut bytes = self.synced.clone();
        let mut all = BTreeSet::from([bytes.clone()]);
        for change in &self.pending {
            if let Change::Append(more) = change {
                all.extend(torn(more).into_iter().map(|part| [bytes.clone(), part].concat()));
            }
            change.apply(&mut bytes);
            all.insert(bytes.clone());
        }
        all
    }
}

/// The possible results of a write that reached the disk only in part.
fn torn(bytes: &[u8]) -> Vec<Vec<u8>> {
    let cut = [1, bytes.len() / 2, bytes.len().saturating_sub(1)].into_iter();
    let mut all: Vec<Vec<u8>> = cut.map(|length| bytes[..length].to_vec()).collect();
    all.push(vec![0; bytes.len()]);
    let sectors: Vec<usize> = (0..bytes.len()).step_by(SECTOR).collect();
    let middle = sectors.len() / 2;
    for start in [sectors.first(), sectors.get(middle), sectors.last()].into_iter().flatten() {
        let mut holed = bytes.to_vec();
        holed[*start..bytes.len().min(start + SECTOR)].fill(0);
        all.push(holed);
    }
    all
}

impl Disk {
    /// The current content of a folder, all of it durable.
    fn of(root: &Path) -> Self {
        let mut disk = Self::default();
        for entry in fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            let key = inode(&File::open(&path).unwrap());
            let synced = fs::read(&path).unwrap();
            disk.files.insert(key, Content { synced, pending: Vec::new() });
            disk.names.insert(path, key);
        }
        disk.synced.clone_from(&disk.names);
        disk
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Open(path, inode) => {
                // The file system may give the number of a deleted file to a new one.
                if !self.names.values().any(|known| known == inode) {
                    self.files.insert(*inode, Content::default());
                }
                if self.names.insert(path.clone(), *inode) != Some(*inode) {
                    self.pending.push((None, Some((path.clone(), *inode))));
                }
            }
            Op::Append(inode, bytes) => self.change(*inode, Change::Append(bytes.clone())),
            Op::Cut(inode, length) => self.change(*inode, Change::Cut(*length)),
            Op::Sync(inode) => {
                let file = self.files.get_mut(inode).unwrap();
                file.synced = file.now();
                file.pending.clear();
            }
            Op::Rename(from, to) => {
                let inode = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), inode);
                self.pending.push((Some(from.clone()), Some((to.clone(), inode))));
            }
            Op::Remove(path) => {
                self.names.remove(path);
                self.pending.push((Some(path.clone()), None));
            }
            Op::SyncFolder => {
                self.synced.clone_from(&self.names);
                self.pending.clear();
            }
            Op::Said(what) => self.said.push(what.clone()),
        }
    }

    fn change(&mut self, inode: Inode, change: Change) {
        self.files.get_mut(&inode).unwrap().pending.push(change);
    }

    /// Every state of the folder that may remain after a crash at this point.
    fn images(&self) -> BTreeSet<Image> {
        let mut all = BTreeSet::new();
        for count in 0..=self.pending.len() {
            let mut names = self.synced.clone();
            for (from, to) in &self.pending[..count] {
                if let Some(from) = from {
                    names.remove(from);
                }
                names.extend(to.clone());
            }
            let mut images = BTreeSet::from([Image::new()]);
            for (path, inode) in names {
                let outcomes = self.files[&inode].outcomes();
                let with = |image: &Image, bytes: &Vec<u8>| {
                    let mut image = image.clone();
                    image.insert(path.clone(), bytes.clone());
                    image
                };
                images = images
                    .iter()
                    .flat_map(|image| outcomes.iter().map(move |bytes| with(image, bytes)))
                    .collect();
            }
            all.extend(images);
        }
        all
    }
}

/// Runs a program on the files of `root`. Then, for every state of the disk after a crash at any
/// point, calls `check` with a folder in that state and what the program had reported by then.
/// Returns the number of these folders.
fn replay(root: &Path, run: impl FnOnce(), check: impl Fn(&Path, &[String])) -> usize {
    let mut disk = Disk::of(root);
    LOG.set(Some(Vec::new()));
    run();
    let ops = LOG.take().unwrap();
    let mut seen: BTreeSet<(Vec<String>, Image)> = BTreeSet::new();
    for op in &ops {
        disk.apply(op);
        seen.extend(disk.images().into_iter().map(|image| (disk.said.clone(), image)));
    }
    for (said, image) in &seen {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in image {
            fs::write(folder.path().join(path.strip_prefix(root).unwrap()), bytes).unwrap();
        }
        check(folder.path(), said);
    }
    seen.len()
}

#[test]
fn a_plan_file_is_old_or_new_after_a_crash_and_new_once_its_write_was_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    let (old, new) = ("old".to_owned(), "a new plan\n".repeat(200));
    fs::write(&path, &old).unwrap();
    let run = || {
        super::atomic_write::replace(&path, &new, 0o600).unwrap();
        said("written");
    };
    let count = replay(folder.path(), run, |root, said| {
        let found = fs::read_to_string(root.join("plan")).unwrap();
        assert!(found == new || (found == old && said.is_empty()), "{said:?}: {found}");
    });
    assert!(count > 10, "{count}");
}

/// For a new file, the name must be durable, too.
#[test]
fn a_new_file_is_absent_or_complete_after_a_crash_and_complete_once_its_write_was_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    let run = || {
        super::atomic_write::replace(&path, "the plan", 0o600).unwrap();
        said("written");
    };
    replay(folder.path(), run, |root, said| match fs::read_to_string(root.join("plan")) {
        Ok(found) => assert_eq!(found, "the plan"),
        Err(_) => assert!(said.is_empty()),
    });
}

/// Checks that the model loses data if either of the two syncs is missing.
#[test]
fn the_model_detects_a_missing_sync() {
    let lost = |ops: &[Op]| {
        let mut disk = Disk::default();
        ops.iter().for_each(|op| disk.apply(op));
        disk.images().iter().any(|image| image.get(Path::new("/plan")) != Some(&b"new".to_vec()))
    };
    let (draft, plan) = (PathBuf::from("/draft"), PathBuf::from("/plan"));
    let written = [Op::Open(draft.clone(), (0, 1)), Op::Append((0, 1), b"new".to_vec())];
    let (sync, folder) = (Op::Sync((0, 1)), Op::SyncFolder);
    let renamed = Op::Rename(draft, plan);
    let all = |more: &[Op]| [&written[..], more].concat();
    assert!(!lost(&all(&[sync.clone(), renamed.clone(), folder.clone()])));
    assert!(lost(&all(&[renamed.clone(), folder])));
    assert!(lost(&all(&[sync, renamed])));
}
