//! The name something is published under.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Error;
use crate::error::Result;

/// The name of a place that messages are published to, such as `room:42`.
///
/// # Shape
///
/// One to 255 bytes of printable ASCII without spaces; `:` separates the parts by custom only. A
/// clone is a reference-count bump.
///
/// # Source
///
/// 255 bytes is what one length byte can carry in a binary frame of Phoenix channels, version 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The longest topic, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Topic {
    type Err = Error;

    /// Reads a topic.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when `text` is empty, too long, or not printable
    /// ASCII.
    fn from_str(text: &str) -> Result<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(Error::invalid(format!("`{}` is not a topic", text.escape_debug())))
        }
    }
}
