//! The files of one log, each of which was the newest once.

use std::cmp::Ordering;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::file::{FINGERPRINT_BYTES, OpenFile, birth_ns, fingerprint, read_full_at};
use super::{Format, Lost, packed};
use crate::record::{FileIdentity, Fingerprint};

/// The least bytes by which a copy of a file is known: more than a json-file's record without content has, so that they
/// hold a time.
const COPY_BYTES: u16 = 64;

/// One file of a log.
#[derive(Debug)]
pub(super) struct Generation {
    /// Ascending in a log.
    pub(super) number: u64,
    device: u64,
    inode: u64,
    birth_ns: Option<u64>,
    /// The first bytes, at most [`FINGERPRINT_BYTES`].
    beginning: Vec<u8>,
    /// Unpacked size in bytes when last looked at.
    size_bytes: u64,
    pub(super) source: Source,
    /// What was given up between the file before it and this one.
    pub(super) lost_before: Lost,
}

/// How a generation's bytes are had.
#[derive(Debug)]
pub(super) enum Source {
    /// Held open: to unlink it does no harm.
    Open(Arc<OpenFile>),
    /// To be found by its inode when it is read.
    Closed,
    /// The same, and unpacked then.
    Packed,
}

impl Generation {
    /// Looks at an open file; `number` is given later.
    pub(super) fn new(file: Arc<OpenFile>, is_packed: bool) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let mut generation = Self {
            number: 0,
            device: metadata.dev(),
            inode: metadata.ino(),
            birth_ns: birth_ns(&metadata),
            beginning: Vec::new(),
            size_bytes: metadata.len(),
            source: Source::Packed,
            lost_before: Lost::NONE,
        };
        if is_packed {
            generation.beginning = packed::beginning(&file)?;
            generation.size_bytes = packed::size(&file)?;
        } else {
            generation.source = Source::Open(file);
            generation.look()?;
        }
        Ok(generation)
    }

    /// Takes note of how an open file has grown. Returns whether it still begins as it did.
    pub(super) fn look(&mut self) -> io::Result<bool> {
        let Source::Open(file) = &self.source else {
            return Ok(true);
        };
        let mut bytes = [0; FINGERPRINT_BYTES];
        let length = read_full_at(file, &mut bytes, 0)?;
        let is_same = bytes[..length].starts_with(&self.beginning);
        if is_same && length > self.beginning.len() {
            self.beginning = bytes[..length].to_vec();
        }
        Ok(is_same)
    }

    /// [`Generation::look`], if that may tell more of what the file is.
    pub(super) fn look_if_short(&mut self) -> io::Result<bool> {
        if self.beginning.len() < FINGERPRINT_BYTES { self.look() } else { Ok(true) }
    }

    pub(super) fn identity(&self) -> FileIdentity {
        FileIdentity {
            device: self.device,
            inode: self.inode,
            birth_ns: self.birth_ns,
            fingerprint: fingerprint(&self.beginning),
        }
    }

    /// Whether it has no name any more.
    pub(super) fn is_unlinked(&self) -> bool {
        match &self.source {
            Source::Open(file) => file.metadata().is_ok_and(|metadata| metadata.nlink() == 0),
            Source::Closed | Source::Packed => false,
        }
    }

    /// Lets go of the file, which is to be found again.
    pub(super) fn close(&mut self) {
        self.size_bytes = self.size_bytes();
        self.source = Source::Closed;
    }

    /// A path that leads to it whatever became of its name, while it is held open.
    pub(super) fn open_path(&self) -> Option<PathBuf> {
        match &self.source {
            Source::Open(file) => Some(format!("/proc/self/fd/{}", file.as_raw_fd()).into()),
            Source::Closed | Source::Packed => None,
        }
    }

    /// Size in bytes, unpacked.
    pub(super) fn size_bytes(&self) -> u64 {
        match &self.source {
            Source::Open(file) => {
                file.metadata().map_or(self.size_bytes, |metadata| metadata.len())
            }
            Source::Closed | Source::Packed => self.size_bytes,
        }
    }

    /// `st_dev` and `st_ino`
    pub(super) fn inode_pair(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether it is the file that `identity` was made of, by its inode.
    pub(super) fn is(&self, identity: &FileIdentity) -> bool {
        let FileIdentity { device, inode, birth_ns, fingerprint } = *identity;
        let is_birth = self.birth_ns == birth_ns || self.birth_ns.is_none() || birth_ns.is_none();
        self.device == device && self.inode == inode && is_birth && self.begins_with(fingerprint)
    }

    /// Whether it holds what the file held that `identity` was made of: a packed one, or a copy before truncation.
    pub(super) fn is_copy(&self, identity: &FileIdentity, format: Format) -> bool {
        // Lines without times may begin alike in every file.
        let is_telling = format != Format::Plain || matches!(self.source, Source::Packed);
        let fingerprint = identity.fingerprint;
        is_telling && fingerprint.length_bytes >= COPY_BYTES && self.begins_with(fingerprint)
    }

    /// Whether it was made after the file that `identity` was made of, or took its place.
    pub(super) fn is_younger_than(&self, identity: &FileIdentity) -> bool {
        let is_inode = self.device == identity.device && self.inode == identity.inode;
        is_inode || (identity.birth_ns.is_some() && self.birth_ns > identity.birth_ns)
    }

    /// Whether `self`, just found, is `other`, whose file is perhaps not open.
    pub(super) fn is_same(&self, other: &Self, format: Format) -> bool {
        let identity = other.identity();
        self.is(&identity)
            || ((matches!(self.source, Source::Packed)) && self.is_copy(&identity, format))
    }

    fn begins_with(&self, fingerprint: Fingerprint) -> bool {
        let beginning = self.beginning.get(..fingerprint.length_bytes.into());
        beginning.is_some_and(|beginning| super::file::fingerprint(beginning) == fingerprint)
    }
}

/// What is known of the file after another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follower {
    /// It is the newest, and nothing is written to it.
    Empty,
    /// It is the newest, and written to.
    Newest,
    /// It was followed by others itself.
    Older,
}

/// All that are not released, the oldest first, and how far they are read.
#[derive(Debug, Default)]
pub(super) struct Generations {
    list: Vec<Generation>,
    next: u64,
    /// Number of the one that is read.
    pub(super) reading: u64,
    /// The one that is read was given up when it had this size.
    pub(super) cut_off: Option<u64>,
    /// What was given up after the newest.
    lost_after: Lost,
}

impl Generations {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Generation> {
        self.list.iter()
    }

    pub(super) fn get(&mut self, number: u64) -> Option<&mut Generation> {
        self.list.iter_mut().find(|generation| generation.number == number)
    }

    pub(super) fn newest(&mut self) -> Option<&mut Generation> {
        self.list.last_mut()
    }

    /// The one that follows `number`, and what is known of it.
    pub(super) fn after(&self, number: u64) -> Option<(u64, Follower)> {
        let mut after = self.list.iter().filter(|generation| generation.number > number);
        let next = after.next()?;
        let follower = match after.next() {
            Some(_) => Follower::Older,
            None if next.size_bytes() > 0 => Follower::Newest,
            None => Follower::Empty,
        };
        Some((next.number, follower))
    }

    /// Adds a file that is newer than all others.
    pub(super) fn append(&mut self, mut generation: Generation) {
        generation.number = self.take_number();
        self.list.push(generation);
    }

    /// The newest was truncated: it is another one from now on. Returns its number.
    pub(super) fn renew_newest(&mut self) -> io::Result<Option<u64>> {
        let number = self.take_number();
        let Some(newest) = self.list.last_mut() else {
            return Ok(None);
        };
        newest.number = number;
        newest.beginning.clear();
        newest.look()?;
        Ok(Some(number))
    }

    /// Notes a loss just before the newest, or if that one is being read already, at once.
    pub(super) fn lose(&mut self, lost: Lost) {
        match self.list.last_mut().filter(|newest| newest.number > self.reading) {
            Some(newest) => newest.lost_before.add(lost),
            None => self.lost_after.add(lost),
        }
    }

    /// Takes what was lost between the file that is read and `next`, or before what follows if there is no next one.
    pub(super) fn take_lost(&mut self, next: Option<u64>) -> Lost {
        let mut lost = std::mem::take(&mut self.lost_after);
        if let Some(next) = next.and_then(|number| self.get(number)) {
            lost.add(std::mem::take(&mut next.lost_before));
        }
        lost
    }

    fn take_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// How many are held open besides the newest.
    pub(super) fn held(&self) -> usize {
        let older = self.list.split_last().map_or(&[][..], |(_, older)| older);
        older.iter().filter(|generation| matches!(generation.source, Source::Open(_))).count()
    }

    /// The oldest that is held open besides the newest.
    pub(super) fn oldest_held(&mut self) -> Option<&mut Generation> {
        let (_, older) = self.list.split_last_mut()?;
        older.iter_mut().find(|generation| matches!(generation.source, Source::Open(_)))
    }

    /// Forgets the file `number`, which is not to be had any more. What was not read of it is lost.
    pub(super) fn abandon(&mut self, number: u64) {
        if let Some(index) = self.list.iter().position(|generation| generation.number == number) {
            self.give_up(index);
        }
    }

    fn give_up(&mut self, index: usize) {
        let generation = self.list.remove(index);
        let bytes = generation.size_bytes();
        match generation.number.cmp(&self.reading) {
            Ordering::Less => {}
            Ordering::Equal => self.cut_off = Some(bytes),
            Ordering::Greater => {
                let mut lost = generation.lost_before;
                lost.add(Lost { bytes, files: u64::from(bytes > 0) });
                match self.list.get_mut(index) {
                    Some(next) => next.lost_before.add(lost),
                    None => self.lost_after.add(lost),
                }
            }
        }
    }

    /// Forgets all before `number`.
    pub(super) fn release_before(&mut self, number: u64) {
        self.list.retain(|generation| generation.number >= number);
    }
}
