//! Planted
