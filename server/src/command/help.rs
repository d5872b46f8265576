//! The HELP of container commands: an array of status lines (Redis: `addReplyHelp`).

use protocol::resp::reply::Reply;

/// Writes the help of `container` (upper case): a heading, the lines of its subcommands, and HELP itself.
pub(crate) fn write(reply: &mut Reply<'_>, container: &str, lines: &[&str]) {
    reply.array(lines.len() + 3);
    reply.simple(format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Prints this help.");
}
