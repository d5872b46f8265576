//! FLUSHALL and the file on disk: keys whose removal was acknowledged must not come back after a crash.
//!
//! Redis (`flushAllDataAndResetRDB`) ends a running save, whose file would contain the flushed keys, and writes an
//! empty file if there are save points. Here the cut is made under the barrier under which the keys are removed; the
//! file is written after that, before the reply. If it cannot be written, only the log says so, as in Redis: then the
//! changes count as not saved.

use std::io;

use protocol::rdb::opcode;

use super::Persistence;
use super::rdb_writer::RdbWriter;
use super::save::FileCut;
use crate::config::ids;
use crate::engine::ports::{Disk, FileWork};
use crate::runtime::process::Process;

impl Disk for Persistence {
    fn flushed_all(&self) -> Option<FileWork> {
        // A running save was cut before this moment, so its file is of no use.
        self.snapshots.cancel_save_in_progress();
        let config = &self.engine.config;
        if config.save_points().is_empty() {
            return None;
        }
        let this = self.me.upgrade()?;
        let cut = self.note_cut();
        let mut out = RdbWriter::new(config.bool(ids::RDBCOMPRESSION), config.bool(ids::RDBCHECKSUM));
        let history = self.snapshots.position();
        let version = config.string(ids::SERVER_VERSION_ANNOUNCED);
        out.header(
            opcode::VERSION,
            &version,
            self.engine.clock.now_ms() / 1000,
            Process::memory().resident,
            history.as_ref(),
        );
        // FLUSHALL leaves functions.
        out.functions(&self.engine.scripts.functions.current());
        Some(Box::new(move || {
            if let Err(error) = this.write_whole(&out.finish(), cut)
                && error.kind() != io::ErrorKind::Interrupted
            {
                this.engine.log.warning(format_args!("{error}"));
            }
        }))
    }
}

impl Persistence {
    fn write_whole(&self, bytes: &[u8], cut: FileCut) -> io::Result<()> {
        let mut file = self.new_file()?;
        file.write(bytes)?;
        self.put_in_place(file, cut)
    }
}
