//! A save to the file: what happens to a snapshot's bytes and to INFO's facts, for each kind of save.
//!
//! BGSAVE and save points save beside everything else; for SAVE a client waits. The last save of a node (and that of
//! DEBUG RELOAD) also ends all writes at the moment of its cut, under the barrier, so that a write is either in the
//! file or gets no reply.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk::NewFile;
use super::snapshot::{Announce, SnapshotJob};
use super::{Begun, Done, Persistence};
use crate::engine::state::{PauseKind, PausePurpose};

/// The kind of save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaveFor {
    /// BGSAVE or a save point.
    Background,
    /// SAVE.
    Client,
    /// A save after whose cut nothing may be written.
    Last(PausePurpose),
}

/// The cut of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FileCut {
    /// A greater number is a later cut.
    number: u64,
    /// Changes that the node had made up to it.
    changes: i64,
}

/// A save to the file.
pub(super) struct Save {
    persistence: Arc<Persistence>,
    purpose: SaveFor,
    cut: FileCut,
    file: Option<NewFile>,
    opened: bool,
    done: Option<Done>,
    /// Called at the cut; dropped if there is none.
    begun: Option<Begun>,
}

impl Save {
    pub(super) fn new(persistence: Arc<Persistence>, purpose: SaveFor, done: Option<Done>) -> Self {
        Self { persistence, purpose, cut: FileCut::default(), file: None, opened: false, done, begun: None }
    }

    /// The same, with a function that is called at the cut.
    pub(super) fn telling(self, begun: Option<Begun>) -> Self {
        Self { begun, ..self }
    }

    fn log_failure(&self, error: &io::Error) {
        let log = &self.persistence.engine.log;
        let background = self.purpose == SaveFor::Background;
        match (error.kind(), background) {
            // It was cancelled on purpose, which is no failure (Redis: a child killed with SIGUSR1).
            (io::ErrorKind::Interrupted, true) => log.notice(format_args!("Background saving terminated by signal 10")),
            (io::ErrorKind::Interrupted, false) => log.notice(format_args!("Saving was given up")),
            (_, background) => {
                log.warning(format_args!("{error}"));
                if background {
                    log.warning(format_args!("Background saving error"));
                }
            }
        }
    }
}

impl SnapshotJob for Save {
    fn is_save(&self) -> bool {
        true
    }

    fn at_cut(&mut self) {
        self.cut = self.persistence.note_cut();
        if let SaveFor::Last(purpose) = self.purpose {
            self.persistence.engine.state.pause(purpose, PauseKind::Writes, i64::MAX);
        }
        if let Some(begun) = self.begun.take() {
            begun();
        }
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if !self.opened {
            self.opened = true;
            self.file = Some(self.persistence.new_file()?);
        }
        match &mut self.file {
            Some(file) => file.write(&bytes),
            None => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>, result: io::Result<()>) -> Announce {
        let file = self.file.take();
        let persistence = self.persistence.clone();
        let result = result.and_then(|()| match file {
            Some(file) => persistence.put_in_place(file, self.cut),
            None => Err(io::Error::other("nothing was written")),
        });
        let (facts, state) = (&persistence.facts, &persistence.engine.state);
        match &result {
            Ok(()) => {
                facts.saves.fetch_add(1, Ordering::Relaxed);
                if self.purpose == SaveFor::Background {
                    persistence.engine.log.notice(format_args!("Background saving terminated with success"));
                }
            }
            Err(error) => {
                self.log_failure(error);
                if self.purpose == SaveFor::Background && error.kind() != io::ErrorKind::Interrupted {
                    facts.last_bgsave_failed.store(true, Ordering::Relaxed);
                    state.save_failed.store(true, Ordering::Relaxed);
                }
            }
        }
        if self.purpose == SaveFor::Background {
            let seconds = persistence.now_s() - facts.bgsave_started.load(Ordering::Relaxed);
            facts.last_bgsave_time_s.store(seconds, Ordering::Relaxed);
        }
        let (done, saved) = (self.done.take(), result.is_ok());
        Box::new(move || {
            if let Some(done) = done {
                done(saved);
            }
        })
    }
}

impl Persistence {
    /// Notes a cut that becomes a file. Under the barrier, so that a greater number is a later cut.
    pub(super) fn note_cut(&self) -> FileCut {
        let saved = self.saved_changes.lock();
        let changes = *saved + self.engine.state.dirty.load(Ordering::Relaxed);
        FileCut { number: self.facts.cuts.fetch_add(1, Ordering::Relaxed) + 1, changes }
    }

    /// All changes up to this number are in the file; `dirty` counts the others.
    fn note_saved(&self, changes: i64) {
        let mut saved = self.saved_changes.lock();
        let more = changes - *saved;
        if more > 0 {
            self.engine.state.dirty.fetch_sub(more, Ordering::Relaxed);
            *saved = changes;
        }
    }

    /// The data set was loaded from the file, so nothing has changed since.
    pub(super) fn note_unchanged(&self) {
        let mut saved = self.saved_changes.lock();
        *saved += self.engine.state.dirty.swap(0, Ordering::Relaxed);
    }

    /// Opens a file for a snapshot.
    pub(super) fn new_file(&self) -> io::Result<NewFile> {
        let file = NewFile::create(&self.path())?;
        *self.temporary.lock() = Some(file.temporary().to_owned());
        Ok(file)
    }

    /// Removes an incomplete file: the process ends at once, and its jobs have no time to do it themselves.
    pub(crate) fn remove_temporary(&self) {
        if let Some(path) = self.temporary.lock().take() {
            // A leftover file does no harm.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Renames a complete file into place, unless the present one is of a later cut.
    pub(super) fn put_in_place(&self, mut file: NewFile, cut: FileCut) -> io::Result<()> {
        file.sync()?;
        {
            let mut in_place = self.in_place.lock();
            if *in_place > cut.number {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "a later file is in place"));
            }
            file.commit()?;
            *in_place = cut.number;
        }
        let (facts, state) = (&self.facts, &self.engine.state);
        self.engine.log.notice(format_args!("DB saved on disk"));
        self.note_saved(cut.changes);
        facts.last_save_time.store(self.now_s(), Ordering::Relaxed);
        facts.last_bgsave_failed.store(false, Ordering::Relaxed);
        state.save_failed.store(false, Ordering::Relaxed);
        Ok(())
    }
}
