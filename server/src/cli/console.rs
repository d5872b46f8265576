//! Standard output and standard error of the program.
//!
//! Whatever the program prints while it serves goes through these two outlets, its log included: a node never waits for
//! a reader, and before the process ends, queued output gets a moment to be read. Panics are reported the same way,
//! because the standard library's own report would wait for the reader.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{ErrorKind, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::logging::outlet::Outlet;

/// Where the program prints.
pub(crate) struct Console {
    /// Standard output.
    pub out: Outlet,
    /// Standard error.
    pub err: Outlet,
    /// Log files that may be pipes.
    others: Arc<Mutex<Vec<Outlet>>>,
}

impl Console {
    /// Standard output and standard error as they are now.
    pub(crate) fn new() -> Self {
        Self { out: Outlet::stdout(), err: Outlet::stderr(), others: Arc::default() }
    }

    /// Adds an outlet that gets a moment at the end.
    pub(crate) fn also_settle(&self, outlet: &Outlet) {
        self.others.lock().push(outlet.clone());
    }

    /// Reports panics on standard error, in the words of the standard library.
    pub(crate) fn report_panics(&self) {
        let err = self.err.clone();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let backtrace = Backtrace::capture();
            let trace = match backtrace.status() {
                BacktraceStatus::Captured => format!("stack backtrace:\n{backtrace}"),
                _ => "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n".to_owned(),
            };
            err.put(format!("\nthread '{}' {info}\n{trace}", thread.name().unwrap_or("<unnamed>")));
            // The process may end right after this.
            err.settle();
        }));
    }

    /// Prints at once, however long the reader takes: for a command that serves nobody. Who uses this prints nothing by
    /// way of [`Console::out`] before. Whether it was printed; if nobody reads any more, nobody misses it.
    pub(crate) fn print(&self, text: &str) -> bool {
        let printed = std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush());
        match printed {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => true,
            Err(error) => {
                self.report(&format!("Writing to standard output: {error}\n"));
                false
            }
        }
    }

    /// The same on standard error.
    pub(crate) fn report(&self, text: &str) {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Waits a moment for queued output.
    pub(crate) fn settle(&self) {
        for outlet in [&self.out, &self.err].into_iter().chain(&*self.others.lock()) {
            outlet.settle();
        }
    }

    /// Ends the process at once, except for that moment.
    pub(crate) fn exit(&self, status: i32) -> ! {
        self.settle();
        std::process::exit(status)
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}
