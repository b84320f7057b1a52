//! Live queries against real databases: the oracle, its teeth, and faults.

mod aggregate;
mod ask;
mod collectors;
pub(crate) mod dice;
mod doors;
mod faults;
mod follower;
mod found;
mod generate;
mod hung;
mod judge;
mod kinds;
mod language;
mod liar;
mod nested;
mod oracle;
mod planted;
mod question;
mod resume;
mod same;
mod shrink;
mod told;
mod trees;
mod values;
mod world;
mod writers;
