//! Which nodes that answer are nodes of one cluster, and which are strangers to it.
//!
//! An address is not a node. The one of a node that is gone may have been given to a node of another cluster, or to a
//! new one that is in none, and whoever writes a list may mistake a name. What counts is whom a node knows: nodes of
//! one cluster know each other, except for a moment, or because one was forgotten and knows the others still. If
//! strangers were taken for members, the advice would be to let them meet, and one of two clusters would lose its data.

use std::collections::BTreeSet;

use protocol::bus::NodeId;

use super::super::node_list::Address;
use super::facts::{Facts, Report, Stranger};

/// Which of these reports are of one cluster: that of the first node that is in any. A node is of it if it knows
/// another one of it that answers, or if it is known there and knows others that are known there.
pub(super) fn of_one_cluster(reports: &[Report]) -> Vec<bool> {
    let first = reports.iter().position(|report| !report.is_alone()).unwrap_or(0);
    let mut is_ours: Vec<bool> = (0..reports.len()).map(|at| at == first).collect();
    loop {
        let ours = || reports.iter().zip(&is_ours).filter(|(_, is_ours)| **is_ours).map(|(report, _)| report);
        let answer: BTreeSet<NodeId> = ours().map(|report| report.id).collect();
        let known: BTreeSet<NodeId> = ours().flat_map(Report::known).collect();
        let belongs = |report: &Report| {
            let mut others = report.known().filter(|id| *id != report.id);
            let is_known = known.contains(&report.id);
            others.any(|id| answer.contains(&id) || is_known && known.contains(&id))
        };
        let new: Vec<usize> = (0..reports.len()).filter(|at| !is_ours[*at] && belongs(&reports[*at])).collect();
        if new.is_empty() {
            return is_ours;
        }
        new.into_iter().for_each(|at| is_ours[at] = true);
    }
}

impl Facts {
    /// Leaves out the reports of strangers.
    ///
    /// # Errors
    /// Two of the nodes that were named are in different clusters.
    pub(super) fn apart(mut self, named: &[Address]) -> Result<Self, String> {
        let is_ours = of_one_cluster(&self.reports);
        let mut others = Vec::new();
        let reports = std::mem::take(&mut self.reports);
        for (report, is_ours) in reports.into_iter().zip(is_ours) {
            if is_ours { &mut self.reports } else { &mut others }.push(report);
        }
        let is_named = |report: &&Report| named.contains(&report.address);
        let first = self.reports.iter().find(is_named).or(self.reports.first());
        if let (Some(first), Some(other)) = (first, others.iter().filter(is_named).find(|other| !other.is_alone())) {
            return Err(format!(
                "{} and {} are in different clusters: name nodes of one (two clusters do not become one)",
                first.address, other.address
            ));
        }
        let stranger = |other: Report| Stranger { is_alone: other.is_alone(), address: other.address };
        self.strangers.extend(others.into_iter().map(stranger));
        Ok(self)
    }

    /// The stranger at an address.
    pub(super) fn stranger_at(&self, address: &str) -> Option<&Stranger> {
        self.strangers.iter().find(|stranger| stranger.address.to_string() == address)
    }
}

#[cfg(test)]
#[path = "strangers_tests.rs"]
mod tests;
