//! The `slotd` binary: command line, logging, signals; everything else is the library's.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let config = slotd::engine::config::Config::new(std::env::current_dir().expect("a working directory"));
    let args: Vec<Vec<u8>> = std::env::args_os().skip(1).map(|a| a.into_encoded_bytes()).collect();
    let (options, _) = slotd::engine::config::file::options_text(&args);
    config.load(&slotd::engine::config::file::Sources { file: None, stdin: None, options }).unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(1)
    });
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = std::sync::Arc::new(slotd::net::workers::Threads::start(workers).expect("threads"));
    let node = slotd::node::Node::start(&threads, config, std::sync::Arc::new(slotd::base::clock::SystemClock::new()));
    match node {
        Ok(_node) => loop {
            std::thread::park();
        },
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1)
        }
    }
}
