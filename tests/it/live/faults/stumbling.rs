//! stumbling
