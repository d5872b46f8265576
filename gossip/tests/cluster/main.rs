//! Scripted clusters: each test names the rule that it defends.

mod chaos;
mod data_loss;
mod epochs;
mod extreme_epochs;
mod failover;
mod formation;
mod founding;
mod hostile;
mod lease;
mod manual;
mod membership;
mod net;
mod simulated;
mod slots;
