//! What idle machines keep.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use protocol::resp::OwnedArgs;

use super::*;
use crate::script::{Script, Turn};

fn take(pool: &VmPool, meter: &Arc<AtomicI64>) -> Box<Vm> {
    let options = |_| VmOptions { memory_limit: 64 << 20, meter: meter.clone(), ..VmOptions::default() };
    pool.take(VmKind::Scripts, 64 << 20, options).expect("there is memory")
}

fn run(vm: &mut Vm, number: usize) {
    let text = format!("local t = {{'{}', {number}}} return t[2]", "x".repeat(1000));
    let script = Script::new(text.as_bytes()).expect("it is right");
    let none = OwnedArgs::from_slices::<&str>(&[]);
    vm.begin(&script, none.view(), none.view()).expect("it compiles");
    assert_eq!(vm.resume(), Turn::Done);
    vm.write_result(script.name(), &mut protocol::resp::Reply::new(&mut Vec::new(), Default::default()));
}

#[test]
fn the_memory_of_compiled_scripts_comes_back_when_they_are_flushed() {
    let (told, meter) = (Rc::new(Cell::new(0)), Arc::new(AtomicI64::new(0)));
    let tell = told.clone();
    let pool = VmPool::new(move || tell.set(tell.get() + 1));
    let bytes = || meter.load(Ordering::Relaxed);
    let mut first = take(&pool, &meter);
    run(&mut first, 0);
    pool.put(first);
    pool.flush();
    let least = bytes();
    assert!(least > 0);
    let mut first = take(&pool, &meter);
    (0..900).for_each(|number| run(&mut first, number));
    let mut busy = take(&pool, &meter);
    (0..900).for_each(|number| run(&mut busy, number));
    pool.put(first);
    pool.flush();
    // This one had not ended.
    pool.put(busy);
    // The tables of what is kept stay as large as they were.
    assert!(bytes() < least * 4, "{} of {least}", bytes());
    assert_eq!(told.get(), 2);
}
