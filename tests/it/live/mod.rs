//! Live queries against real databases: the oracle, its teeth, and faults.

mod judge;
mod oracle;
mod planted;
mod world;
mod writers;
