//! The libraries of functions of a node: how their code is loaded, and which there are.
//!
//! A set of libraries is never changed: a new one takes its place, while the node is alone. So who saves or dumps it
//! has a whole one, and a function that runs keeps its library.
//!
//! Redis: functions.c, function_lua.c.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use protocol::rdb::{Reader, Writer, opcode};

use super::super::Engine;
use super::run;
use crate::config::words;
use crate::script::{BAD_NAME, LastFunction, Library, Program, Registered, Turn, Vm, VmKind, VmPool, is_name};
use crate::store::payload;

/// For how long the code of a library may run that a client loads, microseconds.
pub(super) const LOAD_US: u64 = 500_000;
/// The same of one that the node has to load: from its file, from its primary, or for a thread that does not know it.
pub(crate) const NO_LIMIT: u64 = u64::MAX;
/// How many libraries a machine keeps that its node has no more, at least.
const KEPT: usize = 64;

/// The libraries of a node.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    current: Mutex<Arc<Libraries>>,
    /// Changes with them.
    generation: AtomicU64,
}

/// A set of libraries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Libraries {
    by_name: BTreeMap<String, Arc<Library>>,
    /// By the function's name in lower case, with its number in its library.
    functions: HashMap<String, (Arc<Library>, usize)>,
}

/// What FUNCTION RESTORE does with the libraries that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Flush,
    Append,
    Replace,
}

/// The texts about a library whose name is taken: LOAD has other ones than RESTORE.
const LOADED_TWICE: [&str; 2] = ["Library '", "' already exists"];
const RESTORED_TWICE: [&str; 2] = ["Library ", " already exists"];

/// The key of a function in [`Libraries::functions`].
fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Libraries {
    /// Whether there is a library of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// All, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// How many functions they have.
    pub(crate) fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.iter().map(|library| library.bytes()).sum()
    }

    /// The function of this name.
    pub(super) fn find(&self, name: &[u8]) -> Option<Program> {
        self.functions
            .get(&key(str::from_utf8(name).ok()?))
            .map(|(library, number)| Program::Function(library.clone(), *number))
    }

    /// Adds a library, in place of one of its name if `replaces`.
    ///
    /// # Errors
    /// Its name or that of a function is taken: Redis's text.
    fn add(&mut self, library: Arc<Library>, replaces: bool, taken: [&str; 2]) -> Result<(), String> {
        if !replaces && self.contains(&library.name) {
            return Err([taken[0], &library.name, taken[1]].concat());
        }
        self.remove(&library.name);
        if let Some(function) =
            library.functions.iter().find(|function| self.functions.contains_key(&key(&function.name)))
        {
            return Err(format!("Function {} already exists", function.name));
        }
        for (number, function) in library.functions.iter().enumerate() {
            self.functions.insert(key(&function.name), (library.clone(), number));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    /// Adds a library that was loaded.
    ///
    /// # Errors
    /// See [`Libraries::add`].
    pub(crate) fn load(&mut self, library: Library, replaces: bool) -> Result<(), String> {
        self.add(Arc::new(library), replaces, LOADED_TWICE)
    }

    /// Removes a library. `false`: there is none of this name.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let removed = self.by_name.remove(name);
        for function in removed.iter().flat_map(|library| &library.functions) {
            self.functions.remove(&key(&function.name));
        }
        removed.is_some()
    }

    /// Adds libraries as RESTORE does.
    ///
    /// # Errors
    /// See [`Libraries::add`]; then this set is not to be used.
    pub(super) fn join(&mut self, others: &Self, policy: Policy) -> Result<(), String> {
        if policy == Policy::Flush {
            *self = others.clone();
            return Ok(());
        }
        if policy == Policy::Replace {
            for name in others.by_name.keys() {
                self.remove(name);
            }
        }
        others.iter().try_for_each(|library| self.add(library.clone(), false, RESTORED_TWICE))
    }

    /// Adds libraries, in place of those of their names if `replaces`.
    ///
    /// # Errors
    /// See [`Libraries::add`]; then this set is not to be used.
    pub(crate) fn merge(&mut self, others: &Self, replaces: bool) -> Result<(), String> {
        others.iter().try_for_each(|library| self.add(library.clone(), replaces, LOADED_TWICE))
    }

    /// The payload of FUNCTION DUMP.
    pub(super) fn dump(&self) -> Vec<u8> {
        let mut out = Writer::new();
        for library in self.iter() {
            out.u8(opcode::FUNCTION2);
            out.string(&library.code);
        }
        payload::seal(out)
    }
}

impl Functions {
    /// The libraries of now.
    pub(crate) fn current(&self) -> Arc<Libraries> {
        self.current.lock().clone()
    }

    /// Puts others in their place.
    pub(crate) fn set(&self, libraries: Libraries) {
        let old = std::mem::replace(&mut *self.current.lock(), Arc::new(libraries));
        self.generation.fetch_add(1, Ordering::Release);
        drop(old);
    }

    /// The function of this name, for a client that mostly calls the one that it has called last.
    #[inline]
    pub(super) fn find_again(&self, last: &mut Option<Box<LastFunction>>, name: &[u8]) -> Option<Program> {
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(program) = last.as_ref().and_then(|last| last.program(generation, name)) {
            return Some(program);
        }
        let program = self.current().find(name)?;
        *last = LastFunction::new(generation, name, &program).map(Box::new);
        Some(program)
    }

    /// The same for who only looks at it.
    pub(super) fn peek(&self, last: Option<&LastFunction>, name: &[u8]) -> Option<Program> {
        let generation = self.generation.load(Ordering::Acquire);
        last.and_then(|last| last.program(generation, name)).or_else(|| self.current().find(name))
    }
}

/// Reads a library's first line: its name, and where its program begins.
///
/// # Errors
/// It is wrong: Redis's text.
fn read_head(code: &[u8]) -> Result<(String, usize), String> {
    if !code.starts_with(b"#!") {
        return Err("Missing library metadata".to_owned());
    }
    let end = code.iter().position(|byte| *byte == b'\n').ok_or("Invalid library metadata")?;
    let mut parts = words::split(&code[..end]).ok_or("Invalid library metadata")?.into_iter();
    let engine = parts.next().unwrap_or_default();
    let mut name: Option<Vec<u8>> = None;
    for part in parts {
        let Some((_, given)) = part.split_at_checked(5).filter(|(key, _)| key.eq_ignore_ascii_case(b"name=")) else {
            return Err(format!("Invalid metadata value given: {}", String::from_utf8_lossy(&part)));
        };
        if name.replace(given.to_vec()).is_some() {
            return Err("Invalid metadata value, name argument was given multiple times".to_owned());
        }
    }
    let name = name.ok_or("Library name was not given")?;
    if !is_name(&name) {
        return Err(BAD_NAME.to_owned());
    }
    let engine = engine.get(2..).unwrap_or_default();
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(format!("Engine '{}' not found", String::from_utf8_lossy(engine)));
    }
    // The line's end stays, so that numbers of lines are right.
    Ok((String::from_utf8_lossy(&name).into_owned(), end))
}

/// Loads the code of a library, which may run for so many microseconds: what it registers are its functions. `is_taken`
/// says whether its name is in use.
///
/// # Errors
/// It cannot be loaded: Redis's text.
pub(crate) fn load(
    engine: &Engine,
    pool: &VmPool,
    code: &[u8],
    limit_us: u64,
    is_taken: impl FnOnce(&str) -> bool,
) -> Result<Library, String> {
    let (name, body) = read_head(code)?;
    if is_taken(&name) {
        return Err([LOADED_TWICE[0], &name, LOADED_TWICE[1]].concat());
    }
    let mut vm = run::machine(engine, pool, VmKind::Functions).map_err(|problem| problem.to_string())?;
    let id = engine.state.seed();
    let registered = run_code(engine, &mut vm, &code[body..], limit_us);
    if let Ok(registered) = &registered {
        vm.know_library(id, registered, registered.iter().map(|function| function.name.as_str()));
    }
    pool.put(vm);
    let registered = registered?;
    if registered.is_empty() {
        return Err("No functions registered".to_owned());
    }
    Ok(Library::new(id, name, code, registered))
}

/// Sees to it that a machine knows a library.
///
/// # Errors
/// Its code does not run any more: what it says.
pub(super) fn prepare(engine: &Engine, vm: &mut Vm, library: &Library) -> Result<(), String> {
    if vm.has_library(library.id) {
        return Ok(());
    }
    let current = engine.scripts.functions.current();
    if vm.libraries() > KEPT + current.len() {
        let ids: HashSet<u64> = current.iter().map(|library| library.id).collect();
        vm.forget_libraries(|id| ids.contains(&id));
    }
    let (_, body) = read_head(&library.code)?;
    let registered = run_code(engine, vm, &library.code[body..], NO_LIMIT)?;
    vm.know_library(library.id, &registered, library.functions.iter().map(|function| function.name.as_str()));
    Ok(())
}

fn run_code(engine: &Engine, vm: &mut Vm, body: &[u8], limit_us: u64) -> Result<Vec<Registered>, String> {
    let text = |message: &[u8]| String::from_utf8_lossy(message).into_owned();
    let until = engine.clock.monotonic_us().saturating_add(limit_us);
    vm.begin_library(body, &mut || engine.clock.monotonic_us() < until)
        .map_err(|message| format!("Error compiling function: {}", text(&message)))?;
    loop {
        match vm.resume() {
            Turn::Done => break,
            Turn::Log => run::log(engine, vm),
            Turn::Paused if engine.clock.monotonic_us() >= until => vm.stop(b"ERR FUNCTION LOAD timeout"),
            Turn::Paused => {}
            // Its world has no such functions.
            Turn::Call | Turn::AclCheck => vm.refuse(b"ERR not available while a library is loaded"),
        }
    }
    vm.end_library().map_err(|message| format!("Error registering functions: {}", text(&message)))
}

/// Reads the payload of FUNCTION DUMP.
///
/// # Errors
/// It is none, or what it contains cannot be loaded: Redis's text.
pub(super) fn restore(engine: &Engine, pool: &VmPool, bytes: &[u8], limit_us: u64) -> Result<Libraries, String> {
    let verifies = !engine.hot.load().limits.skip_checksums;
    let body = payload::unseal(bytes, verifies).ok_or("DUMP payload version or checksum are wrong")?;
    let mut reader = Reader::new(body);
    let mut libraries = Libraries::default();
    while !reader.is_empty() {
        match reader.u8() {
            Ok(opcode::FUNCTION2) => {}
            Ok(opcode::FUNCTION_PRE_GA) => return Err("Pre-GA function format not supported".to_owned()),
            _ => return Err("given type is not a function".to_owned()),
        }
        let code = reader.string().map_err(|_| "Failed loading library code")?;
        let library = load(engine, pool, &code, limit_us, |name| libraries.contains(name))?;
        libraries.load(library, false)?;
    }
    Ok(libraries)
}
