//! Binary messages of the second serializer.
//!
//! A push is `00 | lengths of join_ref, ref, topic, event, a byte each | those texts | data`. Other
//! kinds are not for servers; `realtime-js` sends kinds 3 and 4 of its own.

use bytes::Bytes;

use super::frame::Frame;
use super::frame::Payload;
use crate::value::Json;

/// The kind of a push.
const PUSH: u8 = 0;

impl Frame {
    /// Reads a binary frame; `None` when it is no push.
    pub(crate) fn parse_binary(bytes: &Bytes) -> Option<Self> {
        let [PUSH, join_ref, reference, topic, event, ..] = **bytes else { return None };
        let mut from = 5;
        let mut text = |length: u8| {
            let to = from + usize::from(length);
            let text = std::str::from_utf8(bytes.get(from..to)?).ok()?;
            from = to;
            Some(text)
        };
        let (join_ref, reference) = (optional(text(join_ref)?), optional(text(reference)?));
        let (topic, event) = (text(topic)?.to_owned(), text(event)?.to_owned());
        let payload = Payload::Binary(bytes.slice(from..));
        Some(Self { join_ref, reference, topic, event, payload })
    }
}

/// There is no null among lengths: empty stands for it.
fn optional(text: &str) -> Json {
    if text.is_empty() { Json::Null } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &'static [u8]) -> Option<String> {
        let Frame { join_ref, reference, topic, event, payload } =
            Frame::parse_binary(&Bytes::from_static(bytes))?;
        Some(format!("{join_ref} {reference} {topic} {event} {payload:?}"))
    }

    #[test]
    fn a_push_is_read() {
        assert_eq!(
            check(b"\x00\x01\x02\x06\x04411room:1echo\x09\x00\xc8").unwrap(),
            r#""4" "11" room:1 echo Binary(b"\t\0\xc8")"#
        );
        assert_eq!(check(b"\x00\x00\x00\x01\x01te").unwrap(), r#"null null t e Binary(b"")"#);
    }

    #[test]
    fn anything_else_is_not() {
        let others: [&[u8]; 6] = [
            b"",
            b"\x00",
            b"\x00\x01\x02\x06\x04411room:1ech",
            b"\x00\x01\x00\x01\x01\xffte",
            b"\x03\x01\x01\x01\x01\x00\x0011te",
            b"\x04\x01\x01",
        ];
        for other in others {
            assert_eq!(check(other), None, "{other:?}");
        }
    }
}
