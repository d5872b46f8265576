//! Standard output and standard error of the program.
//!
//! Whatever it prints while it serves goes through these two outlets, its log included: nothing that a node does waits for a reader, and
//! before the process ends, what is still queued gets a moment. A panic is told the same way, because the standard library's own report
//! would wait for the reader.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::logging::outlet::Outlet;

/// Where the program prints.
pub(crate) struct Console {
    /// Standard output.
    pub out: Outlet,
    /// Standard error.
    pub err: Outlet,
    /// A log file that may be a pipe.
    others: Arc<Mutex<Vec<Outlet>>>,
}

impl Console {
    /// Standard output and standard error as they are now.
    pub(crate) fn new() -> Self {
        Self { out: Outlet::stdout(), err: Outlet::stderr(), others: Arc::default() }
    }

    /// Another outlet that gets a moment at the end.
    pub(crate) fn also_settle(&self, outlet: &Outlet) {
        self.others.lock().push(outlet.clone());
    }

    /// Has panics told on standard error, in the words of the standard library.
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
            // It may be the last thing that happens here.
            err.settle();
        }));
    }

    /// Waits a moment for what is queued.
    pub(crate) fn settle(&self) {
        for outlet in [&self.out, &self.err].into_iter().chain(&*self.others.lock()) {
            outlet.settle();
        }
    }

    /// Ends the process at once, but for that moment.
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
