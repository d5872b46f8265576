//! Libraries of functions: named programs that stay, unlike scripts, and are saved and replicated as data are.
//!
//! A library is its code. The code runs when the library is loaded, and registers functions; what it leaves in a
//! machine are the values of these functions. A machine that does not know the library yet runs its code again, so each
//! machine has its own: variables outside of the functions are those of a machine. The code need not do the same each
//! time. So the number of a function is its place in the library, whatever a machine has registered in what order.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use super::source::{Reach, Script, ScriptFlags};

/// A function that a library's code has registered.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    /// Its name.
    pub name: String,
    /// What it says about itself.
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
    /// Its value, in the machine that ran the code.
    pub(super) kept: i32,
}

/// What a library's code has registered so far.
#[derive(Debug, Default)]
pub(super) struct Registering {
    pub functions: Vec<Registered>,
    /// Their names in lower case: there may be tens of thousands.
    names: HashSet<String>,
}

impl Registering {
    /// Whether there is a function of this name, in any case.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }

    /// Adds a function.
    pub(super) fn add(&mut self, function: Registered) {
        self.names.insert(function.name.to_ascii_lowercase());
        self.functions.push(function);
    }
}

/// A function of a library.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name.
    pub name: String,
    /// What it says about itself.
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
    reach: Reach,
}

/// A library.
#[derive(Debug)]
pub(crate) struct Library {
    /// What machines know it by: another one for the same code loaded again.
    pub id: u64,
    pub name: String,
    pub code: Box<[u8]>,
    pub functions: Vec<Function>,
}

impl Library {
    /// A library whose code has registered these functions.
    pub(crate) fn new(id: u64, name: String, code: &[u8], registered: Vec<Registered>) -> Self {
        let function = |function: Registered| Function {
            name: function.name,
            description: function.description,
            flags: function.flags,
            reach: Reach::default(),
        };
        Self { id, name, code: code.into(), functions: registered.into_iter().map(function).collect() }
    }

    /// Bytes of its code, and of what belongs to it.
    pub(crate) fn bytes(&self) -> usize {
        let functions = self.functions.iter().map(|function| {
            size_of::<Function>() + function.name.len() + function.description.as_ref().map_or(0, Vec::len)
        });
        size_of::<Self>() + self.name.len() + self.code.len() + functions.sum::<usize>()
    }
}

/// What a machine runs: a script, or a function by its number in its library.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    Script(Arc<Script>),
    Function(Arc<Library>, usize),
}

impl Program {
    fn function(library: &Library, number: usize) -> &Function {
        &library.functions[number]
    }

    /// What errors call it: a script's digest, a function's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Script(script) => script.name(),
            Self::Function(library, number) => &Self::function(library, *number).name,
        }
    }

    /// What it may do.
    pub(crate) fn flags(&self) -> ScriptFlags {
        match self {
            Self::Script(script) => script.flags,
            Self::Function(library, number) => Self::function(library, *number).flags,
        }
    }

    /// What is known about the keys that it uses.
    pub(crate) fn reach(&self) -> &Reach {
        match self {
            Self::Script(script) => &script.reach,
            Self::Function(library, number) => &Self::function(library, *number).reach,
        }
    }

    /// Whether it is a function.
    pub(crate) fn is_function(&self) -> bool {
        matches!(self, Self::Function(..))
    }
}

/// The function that a client has called last. It does not keep a library that is gone.
#[derive(Debug)]
pub(crate) struct LastFunction {
    /// The generation of its node's libraries then.
    generation: u64,
    /// The word by which it was called.
    name: Box<[u8]>,
    library: Weak<Library>,
    number: usize,
}

impl LastFunction {
    /// Notes a program. `None`: it is no function.
    pub(crate) fn new(generation: u64, name: &[u8], program: &Program) -> Option<Self> {
        match program {
            Program::Script(_) => None,
            Program::Function(library, number) => {
                Some(Self { generation, name: name.into(), library: Arc::downgrade(library), number: *number })
            }
        }
    }

    /// The function, if it is called by the same word, and its node has the same libraries as then.
    #[inline]
    pub(crate) fn program(&self, generation: u64, name: &[u8]) -> Option<Program> {
        if self.generation != generation || *self.name != *name {
            return None;
        }
        Some(Program::Function(self.library.upgrade()?, self.number))
    }
}

/// Whether a name may be that of a library or a function.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The text about a name that cannot be one. Redis has the same for libraries and functions.
pub(crate) const BAD_NAME: &str =
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
