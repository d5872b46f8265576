//! Scripts without a node, for fuzz targets and benchmarks: commands are answered by an echo of their words.

use std::io;

use protocol::resp::reply::{Protocol, Reply};
use protocol::resp::{Args, OwnedArgs};

use super::{Script, Turn, Vm, VmOptions};

/// A machine whose scripts have no node.
pub struct Alone {
    vm: Vm,
    /// How often a script may use up its share of time before it is stopped.
    pauses: usize,
}

impl Alone {
    /// A machine with so many bytes for its scripts.
    ///
    /// # Errors
    /// There is no memory for its stack.
    pub fn new(memory_limit: usize, pauses: usize) -> io::Result<Self> {
        let options = VmOptions { memory_limit, version: "7.2.4".to_owned(), ..VmOptions::default() };
        Ok(Self { vm: Vm::new(&options)?, pauses })
    }

    /// Runs a script with these ARGV, and returns its reply.
    pub fn run(&mut self, source: &[u8], args: &[&[u8]], protocol: Protocol) -> Vec<u8> {
        let error = |text: &[u8]| {
            let mut out = Vec::new();
            Reply::new(&mut out, protocol).error(text);
            out
        };
        let script = match Script::new(source) {
            Ok(script) => script,
            Err(problem) => return error(&problem),
        };
        self.vm.reply_in(protocol);
        if let Err(problem) = self.vm.begin(&script, Args::new(b"", &[]), OwnedArgs::from_slices(args).view()) {
            return error(&problem);
        }
        drive(&mut self.vm, self.pauses, b"ERR Error running script: killed", |vm| {
            let words = vm.take_words();
            vm.reply(|out, protocol| {
                let mut reply = Reply::new(out, protocol);
                reply.array(words.view().len());
                words.view().iter().for_each(|word| reply.bulk(word));
            });
            vm.put_words(words);
        });
        let mut out = Vec::new();
        self.vm.write_result(script.name(), &mut Reply::new(&mut out, protocol));
        out
    }
}

/// Runs a script that has begun to its end; `answer` replies to its commands. When it has used up its share of time
/// more often than `most_pauses`, it is stopped with this error. Returns how often it was.
pub(super) fn drive(vm: &mut Vm, most_pauses: usize, error: &[u8], mut answer: impl FnMut(&mut Vm)) -> usize {
    let mut pauses = 0;
    loop {
        match vm.resume() {
            Turn::Done => return pauses,
            Turn::Call => answer(vm),
            Turn::Log | Turn::AclCheck => vm.reply(|out, _| out.extend_from_slice(b":1\r\n")),
            Turn::Paused => {
                pauses += 1;
                if pauses > most_pauses {
                    vm.stop(error);
                }
            }
        }
    }
}
