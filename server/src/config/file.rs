//! Loading: redis.conf, standard input, the environment and the command line.
//!
//! As in Redis they are one text, read line by line, in which later lines override earlier ones: the file, then
//! standard input, then the variables of the environment, then the options of the command line, one line each. Includes
//! are read where they appear. An error names the line and quotes it, in Redis's words, because people and test suites
//! know them. For an option of the command line the error names the command line instead, and for a variable its name:
//! there may be no file at all.
//!
//! Two rules are deliberate. What slotd cannot do is refused rather than ignored (`rename-command`, `loadmodule`,
//! `user`). Includes are bounded in depth and number, since a file that includes itself must end in an error and not in
//! a stack overflow.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::directive::DirectiveId;
use super::value::{Reason, os_reason, path_of};
use super::{Config, REDIS_VERSION, ids, table, words};
use crate::base::glob;
use crate::base::nearest::nearest;
use crate::logging;

/// How deep includes may nest.
const INCLUDE_DEPTH_MAX: usize = 16;
/// How many files one load may read.
const INCLUDE_FILES_MAX: usize = 1000;
/// The longest file, bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A directive that a variable of the environment sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The variable's name.
    pub name: String,
    /// Its value for an error text; `None`: it is a secret, or was read from a file.
    pub shown: Option<String>,
    /// The directive's name in lower case.
    pub directive: &'static str,
    /// The directive as a line of configuration.
    pub line: Vec<u8>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// What holds where nothing else is said, as lines of configuration.
    pub defaults: &'static [u8],
    /// The configuration file; a relative path starts at the directory that the [`Config`] was made with.
    pub file: Option<PathBuf>,
    /// What came from standard input, if it was asked for.
    pub stdin: Option<Vec<u8>>,
    /// What the environment says.
    pub environment: Vec<Variable>,
    /// The options of the command line as lines of configuration; see [`options_text`].
    pub options: Vec<u8>,
    /// Where relative paths of included files start; without it, at the node's directory as set by the lines before.
    pub here: Option<PathBuf>,
}

impl Sources {
    /// Whether there is more than the command line.
    fn has_text(&self) -> bool {
        self.file.is_some() || self.stdin.is_some()
    }
}

/// Why a configuration was refused. Its text is for standard error; the process ends with status 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("Fatal error, can't open config file '{}': {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: String,
    },
    /// An option of the command line is not valid. No file is named, since none is at fault.
    #[error("Bad option on the command line\n>>> '{text}'\n{reason}")]
    Option {
        /// The option as a line of configuration.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable of the environment is not valid.
    #[error("Bad variable in the environment\n>>> '{variable}'\n{reason}")]
    Variable {
        /// The variable, with its value if that is no secret.
        variable: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A line is not valid.
    #[error(
        "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n\
         Reading the configuration file{}, at line {line}\n>>> '{text}'\n{reason}",
        included.as_ref().map_or_else(String::new, |path| format!(" '{}'", path.display()))
    )]
    Line {
        /// The included file that contains the line, if it is not the main text.
        included: Option<PathBuf>,
        /// Counted from 1, through the file and standard input.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The lines contradict each other, or the environment.
    #[error("{}{reason}", if *in_file { format!("\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n") } else { String::new() })]
    Whole {
        /// There is a file, or standard input, at fault.
        in_file: bool,
        /// What is wrong.
        reason: String,
    },
}

/// Directives of older versions that Redis still reads and ignores; one argument each.
const DEPRECATED: [&str; 3] = ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

pub(super) const NO_ACL: &str = "ACL users are not supported by slotd; use requirepass";

impl Config {
    /// Loads a configuration over the present values. Meant for the start of a node: no hook is called, and after an
    /// error the values are those set by the lines before it.
    ///
    /// # Errors
    /// The first line that is not valid, a file that cannot be read, or a contradiction; see [`LoadError`].
    pub(crate) fn load(&self, sources: &Sources) -> Result<(), LoadError> {
        self.load_values(sources)?;
        self.check_log_file(sources)
    }

    /// [`Config::load`] for a configuration that is only inspected: it touches no files except those it reads.
    ///
    /// # Errors
    /// As [`Config::load`], but for the log file.
    pub(crate) fn load_values(&self, sources: &Sources) -> Result<(), LoadError> {
        let _changing = self.changing.lock();
        let mut loader = Loader {
            config: self,
            save_seen: false,
            files: 0,
            password_named: false,
            in_options: false,
            here: sources.here.as_deref(),
        };
        let mut text = Vec::new();
        if let Some(file) = &sources.file {
            let file = self.directory().join(file);
            text = loader.read_files(&file)?;
            *self.file.write() = Some(file);
        }
        if let Some(stdin) = &sources.stdin {
            text.extend_from_slice(stdin);
        }
        loader.in_options = true;
        loader.text(sources.defaults, None, 0)?;
        loader.in_options = false;
        loader.text(&text, None, 0)?;
        loader.in_options = true;
        loader.variables(&sources.environment)?;
        loader.text(&sources.options, None, 0)?;
        self.bump();
        if loader.password_named && self.bytes(ids::REQUIREPASS).is_empty() {
            return Err(LoadError::Whole {
                in_file: sources.has_text(),
                reason: format!("the default user has a password; {NO_ACL}"),
            });
        }
        self.check_whole(sources)
    }

    /// Whether the log file can be written; Redis finds that out by opening it.
    fn check_log_file(&self, sources: &Sources) -> Result<(), LoadError> {
        if !self.bytes(ids::LOGFILE).is_empty() {
            let path = self.path(ids::LOGFILE);
            if let Err(error) = logging::open(&path) {
                let reason = logging::not_opened(&path, &os_reason(&error));
                return Err(LoadError::Whole { in_file: sources.has_text(), reason });
            }
        }
        Ok(())
    }

    /// Checks what depends on several directives.
    fn check_whole(&self, sources: &Sources) -> Result<(), LoadError> {
        if self.bool(ids::CLUSTER_ENABLED) && self.replica_of().is_some() {
            return Err(LoadError::Whole {
                in_file: sources.has_text(),
                reason: "replicaof directive not allowed in cluster mode".into(),
            });
        }
        Ok(())
    }
}

/// One load in progress.
struct Loader<'a> {
    config: &'a Config,
    /// Whether a `save` line was seen: the first replaces the default, the others add to it.
    save_seen: bool,
    /// Files read so far.
    files: usize,
    /// The default user was given a password by its hash.
    password_named: bool,
    /// The lines are the options of the command line.
    in_options: bool,
    /// As [`Sources::here`].
    here: Option<&'a Path>,
}

impl Loader<'_> {
    /// A variable replaces what the file says, save points included.
    fn variables(&mut self, variables: &[Variable]) -> Result<(), LoadError> {
        for variable in variables {
            if variable.directive == ids::SAVE.directive().name {
                self.save_seen = false;
            }
            self.text(&variable.line, None, 0).map_err(|error| match error {
                LoadError::Option { reason, .. } => {
                    let shown = variable.shown.as_ref().map_or_else(String::new, |value| format!("={value}"));
                    let create = if variable.directive == ids::DIR.directive().name { ": create it first" } else { "" };
                    LoadError::Variable {
                        variable: format!("{}{shown}", variable.name),
                        reason: format!("{reason}{create}"),
                    }
                }
                other => other,
            })?;
        }
        Ok(())
    }

    fn text(&mut self, text: &[u8], included: Option<&Path>, depth: usize) -> Result<(), LoadError> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = words::trim(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let in_options = self.in_options && included.is_none();
            let failed = |reason: Reason| {
                let (text, reason) = (String::from_utf8_lossy(line).into_owned(), reason.into_owned());
                if in_options {
                    LoadError::Option { text, reason }
                } else {
                    LoadError::Line { included: included.map(Path::to_owned), line: index + 1, text, reason }
                }
            };
            let words = words::split(line).ok_or_else(|| failed("Unbalanced quotes in configuration line".into()))?;
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            match words.as_slice() {
                [] => {}
                [name, path] if name.eq_ignore_ascii_case(b"include") => {
                    if depth >= INCLUDE_DEPTH_MAX {
                        return Err(failed("include directives are nested too deeply".into()));
                    }
                    self.include(path, depth + 1)?;
                }
                [name, values @ ..] => self.directive(name, values).map_err(failed)?,
            }
        }
        Ok(())
    }

    /// Applies a line that is no include.
    fn directive(&mut self, name: &[u8], values: &[&[u8]]) -> Result<(), Reason> {
        let Some(id) = table::find(name) else {
            self.password_named |= name.eq_ignore_ascii_case(b"user") && values.iter().any(|v| v.starts_with(b"#"));
            return not_in_table(&name.to_ascii_lowercase(), values);
        };
        if !id.directive().kind.takes_many_words() {
            return if values.len() == 1 { self.set(id, values) } else { Err("wrong number of arguments".into()) };
        }
        // A single word may hold all values: --save "60 1000".
        match values {
            [single] if !single.is_empty() => {
                let split = words::split(single).ok_or("Unbalanced quotes in configuration line")?;
                let split: Vec<&[u8]> = split.iter().map(Vec::as_slice).collect();
                self.set(id, &split)
            }
            _ => self.set(id, values),
        }
    }

    fn set(&mut self, id: DirectiveId, values: &[&[u8]]) -> Result<(), Reason> {
        let append = id == ids::SAVE && std::mem::replace(&mut self.save_seen, true);
        let value = self.config.read(id, values, append)?;
        self.config.store(id, value);
        Ok(())
    }

    fn include(&mut self, path: &[u8], depth: usize) -> Result<(), LoadError> {
        let path = self.here.map_or_else(|| self.config.directory(), Path::to_owned).join(path_of(path));
        let text = self.read_files(&path)?;
        self.text(&text, Some(&path), depth)
    }

    /// The text of a file, or of all files that match a pattern, concatenated in the order of their names. A pattern
    /// without matches is an empty text, so that a directory of snippets may be empty.
    fn read_files(&mut self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
        if !bytes.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
            return self.read_file(path);
        }
        let mut text = Vec::new();
        for file in expand(path) {
            text.extend(self.read_file(&file)?);
        }
        Ok(text)
    }

    fn read_file(&mut self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let refused = |reason: String| LoadError::Open { path: path.to_owned(), reason };
        self.files += 1;
        if self.files > INCLUDE_FILES_MAX {
            return Err(refused(format!("more than {INCLUDE_FILES_MAX} configuration files")));
        }
        let mut text = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| refused(os_reason(&error)))?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| refused(os_reason(&error)))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(refused(format!("longer than {FILE_BYTES_MAX} bytes")));
        }
        Ok(text)
    }
}

/// Whether a line that starts with this name gets another error than the one for unknown directives.
pub(crate) fn is_known(name: &[u8]) -> bool {
    const FILE_ONLY: [&str; 5] = ["include", "rename-command", "loadmodule", "user", "sentinel"];
    let listed = |names: &[&str]| names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
    table::find(name).is_some() || listed(&DEPRECATED) || listed(&FILE_ONLY) || name.contains(&b'.')
}

/// Lines that Redis knows and the table does not.
fn not_in_table(name: &[u8], values: &[&[u8]]) -> Result<(), Reason> {
    if values.len() == 1 && DEPRECATED.iter().any(|known| known.as_bytes() == name) {
        return Ok(());
    }
    match (name, values.len()) {
        (b"rename-command", 2) => Err("rename-command is not supported by slotd".into()),
        (b"loadmodule", 1..) => Err("loadmodule is not supported by slotd: it has no modules".into()),
        (b"user", 1..) if is_default_user(values) => Ok(()),
        (b"user", 1..) => Err(NO_ACL.into()),
        (b"sentinel", 0) => Err("Sentinel mode is not supported by slotd".into()),
        (b"sentinel", 1..) => Err("sentinel directive while not in sentinel mode".into()),
        (_, 0) if name.contains(&b'.') => Err("Module config specified without value".into()),
        _ if name.contains(&b'.') => Err("Module configuration is not supported by slotd: it has no modules".into()),
        _ => Err(unknown(name)),
    }
}

/// Redis's text for an unknown directive, and a suggestion. A known name with a wrong number of arguments gets no
/// suggestion.
fn unknown(name: &[u8]) -> Reason {
    const TEXT: &str = "Bad directive or wrong number of arguments";
    if is_known(name) {
        return TEXT.into();
    }
    let known = table::all().flat_map(|(_, directive)| std::iter::once(directive.name).chain(directive.alias));
    match str::from_utf8(name).ok().and_then(|name| nearest(name, known)) {
        Some(meant) => format!("{TEXT}\nDid you mean '{meant}'?").into(),
        None => TEXT.into(),
    }
}

/// Whether the line describes the default user as stock CONFIG REWRITE writes it into every file: it may do everything,
/// without a password or with that of `requirepass`, which is in the same file ([`Config::load`] checks).
fn is_default_user(values: &[&[u8]]) -> bool {
    let [b"default", rules @ ..] = values else { return false };
    let is_hash = |rule: &[u8]| rule.len() == 65 && rule[0] == b'#' && rule[1..].iter().all(u8::is_ascii_hexdigit);
    let known = |rule: &&[u8]| {
        matches!(*rule, b"on" | b"nopass" | b"sanitize-payload" | b"skip-sanitize-payload" | b"~*" | b"&*" | b"+@all")
            || is_hash(rule)
    };
    let has = |name: &[u8]| rules.contains(&name);
    let entrance = has(b"nopass") != rules.iter().any(|rule| is_hash(rule));
    rules.iter().all(known) && has(b"on") && entrance && has(b"~*") && has(b"+@all")
}

/// The files that match a path whose components may be patterns, sorted. A leading dot is only matched by a dot.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str();
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(part);
        if !bytes.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
            for path in &mut found {
                path.push(part);
            }
            continue;
        }
        let mut next: Vec<PathBuf> = Vec::new();
        for directory in &found {
            // A directory that cannot be read matches nothing, as with glob(3).
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = std::os::unix::ffi::OsStrExt::as_bytes(name.as_os_str());
                let hidden = name.first() == Some(&b'.') && bytes.first() != Some(&b'.');
                if !hidden && glob::matches(bytes, name, false) {
                    next.push(entry.path());
                }
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

/// Turns command line arguments (without program and configuration file) into lines of configuration, by Redis's rules:
/// `--name` starts a line and the words up to the next `--name` are its values, quoted; the first value may itself
/// start with `--`; `--save` without a value means an empty one. A lone `-` at either end asks for standard input: the
/// second result.
pub(crate) fn options_text(arguments: &[Vec<u8>]) -> (Vec<u8>, bool) {
    let (mut text, mut stdin) = (Vec::new(), false);
    // Whether the current option has a value already.
    let mut has_value = true;
    let last = arguments.len().wrapping_sub(1);
    for (index, argument) in arguments.iter().enumerate() {
        if argument == b"-" && (index == 0 || index == last) {
            stdin = true;
        } else if has_value && let Some(option) = argument.strip_prefix(b"--") {
            if !text.is_empty() {
                text.push(b'\n');
            }
            // The option is copied as it is: it may include its value, "--port 7000".
            text.extend(option.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
            text.push(b' ');
            has_value = words::split(argument).is_none_or(|words| words.len() != 1);
            let next_is_option = arguments.get(index + 1).is_none_or(|next| next.starts_with(b"--"));
            if !has_value && next_is_option && argument.eq_ignore_ascii_case(b"--save") {
                text.extend(b"\"\"");
                has_value = true;
            }
        } else {
            text.extend(words::quote(argument));
            text.push(b' ');
            has_value = true;
        }
    }
    (text, stdin)
}
