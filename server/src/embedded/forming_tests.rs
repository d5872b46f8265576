//! Tests of forming that comes to nothing.

use super::super::ClusterError;
use super::*;

#[test]
fn a_start_that_is_given_up_says_of_each_node_what_it_lacks_and_what_it_warned_of_last() {
    let options = Options::new().shards(1).replicas(2).patience(Duration::from_secs(3));
    // Replicas are clients of their primary, which does not let these in.
    let options = options.directive("requirepass", "right").directive("masterauth", "wrong");
    let Err(problem) = Cluster::start(options) else { panic!("it is ready with replicas that are not in sync") };
    assert!(matches!(&problem, ClusterError::NotReady { nodes, .. } if nodes.len() == 3), "{problem}");
    let text = problem.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "the cluster was not ready after 3s");
    assert!(lines[1].starts_with("  node-0 127.0.0.1:"), "{text}");
    assert!(lines[1].contains(": primary, cluster_state:ok, knows 3 of 3 nodes"), "{text}");
    for (node, line) in [("node-1", lines[2]), ("node-2", lines[3])] {
        assert!(line.starts_with(&format!("  {node} 127.0.0.1:")), "{text}");
        assert!(line.contains(": replica, cluster_state:ok, knows 3 of 3 nodes, link to its primary down"), "{text}");
        assert!(line.contains("; last warning: Unable to AUTH to MASTER: -WRONGPASS"), "{text}");
    }
    assert_eq!(lines.len(), 4, "{text}");
}
