//! A full disk ends no cluster node and prevents no election: nodes.conf is overwritten in place while there is no room
//! for a new file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration::node::NodeSpec;
use integration::one_process::{OneProcess, TestDir};
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_until};

/// A small disk for the test, removed with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` if the system does not let the test have one.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("the directory is writable");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "none"]).arg(at).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            println!("NOT RUN: only root may mount a small tmpfs");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut fill = OpenOptions::new().append(true).create(true).open(self.0.join("fill")).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            while fill.write(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("fill")).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_change_of_slots_on_a_full_disk_is_answered_and_outlives_a_kill() {
    let place = TestDir::new();
    let Some(disk) = SmallDisk::mount(&place.path().join("small")) else { return };
    let conf = disk.0.join("nodes.conf");
    let mut node =
        NodeSpec::cluster(Binary::Slotd, 5000).with("cluster-config-file", &conf.display().to_string()).start();
    assert!(node.cmd("CLUSTER ADDSLOTSRANGE 0 16383").is_ok());
    disk.fill();
    // The text grows with every slot that is missing in the middle of a range, and shrinks again.
    let id = node.cmd("CLUSTER MYID").text();
    for round in 0..3 {
        for (command, slots) in [("DELSLOTS 1 3 5 7", 16380), ("ADDSLOTS 1 3 5 7", 16384), ("DELSLOTS 9", 16383)] {
            assert!(node.cmd(&format!("CLUSTER {command}")).is_ok(), "{command}");
            node.kill();
            node.restart();
            assert!(
                node.cmd("CLUSTER INFO").text().contains(&format!("cluster_slots_assigned:{slots}\r\n")),
                "{command}"
            );
        }
        assert!(node.cmd("CLUSTER ADDSLOTS 9").is_ok(), "round {round}");
        assert_eq!(node.cmd("CLUSTER MYID").text(), id);
    }
    if !slotd_is_stock() {
        // Each process logs it once.
        let restarts = node.log().matches("Node configuration loaded").count();
        assert_eq!(node.log().matches("The disk is full").count(), 1 + restarts);
    }
    // As soon as there is room, the file is replaced as usual.
    disk.make_room();
    assert!(node.cmd("CLUSTER SAVECONFIG").is_ok());
    let text = std::fs::read_to_string(&conf).expect("readable");
    assert!(text.starts_with(&id) && !text.ends_with("\n\n"), "{text}");
}

#[test]
fn a_cluster_on_a_full_disk_fails_over() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, place) = (TestDir::new(), TestDir::new());
    let Some(disk) = SmallDisk::mount(&place.path().join("small")) else { return };
    let data = disk.0.join("cluster").display().to_string();
    let mut cluster = OneProcess::start(&temporary, &["--dir", &data, "--cluster-node-timeout", "1000"]);
    assert!(cluster.cmd(0, "SET {bar}key 1").is_ok());
    assert_eq!(cluster.cmd(0, "WAIT 1 5000").int(), 1);
    disk.fill();
    assert!(cluster.cmd(1, &format!("SLOTD NODE KILL {}", cluster.ports[0])).is_ok());
    cluster.expect_event(0, "killed");
    cluster.wait_serving(1, 3);
    cluster.wait_serving(3, 3);
    assert_eq!(cluster.cmd(3, "GET {bar}key").text(), "1");
    for node in 1..6 {
        assert_eq!(cluster.cmd(node, "PING").text(), "PONG", "node {node}");
    }
    // The dead node comes back as a replica, on the disk that is still full.
    assert!(cluster.cmd(1, &format!("SLOTD NODE RESTART {}", cluster.id(0))).is_ok());
    cluster.expect_event(0, "started");
    wait_until("the old primary to follow", secs(20), || {
        cluster.cmd(0, "INFO replication").text().contains("master_link_status:up")
    });
}
