//! Live queries against real databases: the oracle, its teeth, and faults.

mod aggregate;
mod doors;
mod faults;
mod judge;
mod liar;
mod oracle;
mod planted;
mod world;
mod writers;
