//! What a machine knows of a library whose code does not do the same each time. It sees little while it is loaded, but
//! the version that the node announces is a part of that, and each machine keeps the one with which it was made.

use protocol::resp::OwnedArgs;
use protocol::resp::reply::{Protocol, Reply};

use super::{Registered, Vm};
use crate::script::alone::drive;
use crate::script::machine::{VmKind, VmOptions};

const CODE: &[u8] = b"
local function add(name) redis.register_function(name, function() return name end) end
if redis.REDIS_VERSION == '8.0.0' then add('more') add('b') add('a') else add('a') add('b') end";

/// A machine on which the code has run, and what it has registered.
fn machine(version: &str) -> (Vm, Vec<Registered>) {
    let (kind, version) = (VmKind::Functions, version.to_owned());
    let mut vm = Vm::new(&VmOptions { kind, memory_limit: 1 << 26, version, ..VmOptions::default() }).expect("memory");
    vm.begin_library(CODE, &mut || true).expect("it compiles");
    drive(&mut vm, usize::MAX, b"ERR killed", |_| unreachable!("it calls nothing"));
    let registered = vm.end_library().unwrap_or_else(|problem| panic!("{}", String::from_utf8_lossy(&problem)));
    (vm, registered)
}

fn names(registered: &[Registered]) -> Vec<&str> {
    registered.iter().map(|function| function.name.as_str()).collect()
}

fn call(vm: &mut Vm, number: usize) -> Option<String> {
    let none = OwnedArgs::from_slices::<&str>(&[]);
    if !vm.begin_function(1, number, none.view(), none.view()) {
        return None;
    }
    drive(vm, usize::MAX, b"ERR killed", |_| unreachable!("it calls nothing"));
    let mut out = Vec::new();
    vm.write_result("f", &mut Reply::new(&mut out, Protocol::Resp2));
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn a_function_is_the_one_of_its_name_in_whatever_order_a_machine_registers_them() {
    for (library, here, missing) in [("7.2.4", "8.0.0", None), ("8.0.0", "7.2.4", Some("more"))] {
        let (_, loaded) = machine(library);
        let (mut vm, registered) = machine(here);
        assert_ne!(names(&loaded), names(&registered));
        vm.know_library(1, &registered, names(&loaded).into_iter());
        for (number, name) in names(&loaded).into_iter().enumerate() {
            let reply = (Some(name) != missing).then(|| format!("${}\r\n{name}\r\n", name.len()));
            assert_eq!(call(&mut vm, number), reply, "{name}");
        }
        assert_eq!(call(&mut vm, loaded.len()), None);
        vm.forget_libraries(|_| false);
        assert_eq!(call(&mut vm, 0), None);
    }
}
