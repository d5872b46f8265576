//! Libraries and their functions in a machine.

use std::collections::HashMap;
use std::ffi::CStr;

use protocol::resp::Args;

use super::sandbox::{self, push_words};
use super::vm::Vm;
use crate::script::library::{Registered, Registering};

/// What errors call the code of libraries.
const CHUNK_NAME: &CStr = c"@user_function";

impl Vm {
    /// Begins the code of a library, without its first line. [`Vm::resume`] runs it, [`Vm::end_library`] ends it. It is
    /// compiled while `goes_on`.
    ///
    /// # Errors
    /// It cannot be compiled: Lua's message.
    pub(crate) fn begin_library(&mut self, body: &[u8], goes_on: &mut dyn FnMut() -> bool) -> Result<(), Vec<u8>> {
        let state = self.state;
        state.load(body, CHUNK_NAME, goes_on)?;
        self.sandbox.confine(state);
        let kept = state.keep();
        self.begin_at(kept);
        state.unkeep(kept);
        self.sandbox.show(state, true);
        *self.shared.registered.borrow_mut() = Some(Registering::default());
        Ok(())
    }

    /// Ends the code of a library. If it has not failed, [`Vm::know_library`] follows.
    ///
    /// # Errors
    /// It has failed: the message.
    pub(crate) fn end_library(&mut self) -> Result<Vec<Registered>, Vec<u8>> {
        let state = self.state;
        let registered = self.shared.registered.take().unwrap_or_default().functions;
        self.sandbox.show(state, false);
        if self.shared.failed.get() {
            let message = self.failure();
            registered.iter().for_each(|function| state.unkeep(function.kept));
            state.set_top(sandbox::BOTTOM);
            return Err(message);
        }
        state.set_top(sandbox::BOTTOM);
        Ok(registered)
    }

    /// Knows a library by this number from now on, with the functions that its code has registered, in the order of
    /// `names`: each time it runs, the code may register others, or in another order.
    pub(crate) fn know_library<'n>(
        &mut self,
        id: u64,
        registered: &[Registered],
        names: impl Iterator<Item = &'n str>,
    ) {
        let mut by_name: HashMap<&str, i32> =
            registered.iter().map(|function| (function.name.as_str(), function.kept)).collect();
        self.libraries.insert(id, names.map(|name| by_name.remove(name)).collect());
        by_name.into_values().for_each(|kept| self.state.unkeep(kept));
    }

    /// The message of the error that is on top.
    fn failure(&self) -> Vec<u8> {
        let state = self.state;
        if let Some(message) = state.bytes(-1) {
            return [b"ERR ", message].concat();
        }
        state.field(-1, b"err");
        let message = state.text(-1);
        state.pop(1);
        message.unwrap_or_else(|| b"ERR unknown error".to_vec())
    }

    /// Whether it knows a library.
    pub(crate) fn has_library(&self, id: u64) -> bool {
        self.libraries.contains_key(&id)
    }

    /// How many libraries it knows.
    pub(crate) fn libraries(&self) -> usize {
        self.libraries.len()
    }

    /// Forgets all but these.
    pub(crate) fn forget_libraries(&mut self, but: impl Fn(u64) -> bool) {
        let state = self.state;
        for (_, functions) in self.libraries.extract_if(|id, _| !but(*id)) {
            functions.into_iter().flatten().for_each(|kept| state.unkeep(kept));
        }
        state.collect();
    }

    /// Begins a function, by its number, of a library that it knows. `false`: there is no such function here.
    pub(crate) fn begin_function(&mut self, id: u64, number: usize, keys: Args<'_>, args: Args<'_>) -> bool {
        let Some(&Some(kept)) = self.libraries.get(&id).and_then(|functions| functions.get(number)) else {
            return false;
        };
        self.begin_at(kept);
        push_words(self.state, keys);
        push_words(self.state, args);
        true
    }
}

#[cfg(test)]
#[path = "functions_tests.rs"]
mod tests;
