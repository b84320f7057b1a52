//! One message of the Phoenix protocol, and the reading of it from text.
//!
//! **Invariant:** a `ref` or `join_ref` is the JSON value that came, and goes back as such: `"3"` is
//! not `3`.

use bytes::Bytes;

use crate::value::Json;

/// Which serializer a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vsn {
    /// Objects without `join_ref`; the default of clients that name none.
    V1,
    /// Arrays of five.
    V2,
}

impl Vsn {
    /// The serializer for a `vsn` parameter: missing means the first one, patches of the second
    /// are the second, anything else is not spoken here.
    pub(crate) fn parse(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else { return Some(Self::V1) };
        let mut parts = text.splitn(3, '.');
        let mut number =
            || parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let (major, minor, patch) = (number()?, number()?, number()?);
        let _: u64 = patch.parse().ok()?;
        match (major, minor) {
            ("1", "0") => Some(Self::V1),
            ("2", "0") => Some(Self::V2),
            _ => None,
        }
    }
}

/// One message from a client.
#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    /// Which join of the topic it belongs to, or null.
    pub(crate) join_ref: Json,
    /// What the reply must carry.
    pub(crate) reference: Json,
    /// The topic.
    pub(crate) topic: String,
    /// What is asked.
    pub(crate) event: String,
    /// With what.
    pub(crate) payload: Payload,
}

/// What a message carries.
#[derive(Debug, PartialEq)]
pub(crate) enum Payload {
    /// Any JSON value.
    Json(Json),
    /// Bytes; only the second serializer has them.
    Binary(Bytes),
}

impl Frame {
    /// Reads a text frame; `None` when it is no message.
    pub(crate) fn parse(vsn: Vsn, text: &str) -> Option<Self> {
        match vsn {
            Vsn::V1 => Self::parse_object(text),
            Vsn::V2 => Self::parse_array(text),
        }
    }

    fn parse_array(text: &str) -> Option<Self> {
        let mut parts = serde_json::from_str::<Vec<Json>>(text).ok()?.into_iter();
        let (join_ref, reference) = (scalar(parts.next()?)?, scalar(parts.next()?)?);
        let (topic, event) = (string(parts.next()?)?, string(parts.next()?)?);
        let payload = Payload::Json(parts.next()?);
        Some(Self { join_ref, reference, topic, event, payload })
    }

    fn parse_object(text: &str) -> Option<Self> {
        let mut parts = serde_json::from_str::<serde_json::Map<String, Json>>(text).ok()?;
        let join_ref = scalar(parts.remove("join_ref").unwrap_or_default())?;
        let reference = scalar(parts.remove("ref")?)?;
        let (topic, event) = (string(parts.remove("topic")?)?, string(parts.remove("event")?)?);
        let payload = Payload::Json(parts.remove("payload")?);
        Some(Self { join_ref, reference, topic, event, payload })
    }
}

/// A reference: text in the official clients, a number in some, null in others.
fn scalar(value: Json) -> Option<Json> {
    matches!(value, Json::Null | Json::String(_) | Json::Number(_)).then_some(value)
}

fn string(value: Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vsn: Vsn, text: &str) -> Option<String> {
        let Frame { join_ref, reference, topic, event, payload } = Frame::parse(vsn, text)?;
        let Payload::Json(payload) = payload else { return None };
        Some(format!("{join_ref} {reference} {topic} {event} {payload}"))
    }

    #[test]
    fn arrays_have_five_parts_or_more() {
        let read = |text| check(Vsn::V2, text);
        assert_eq!(
            read(r#"["4","5","room:1","echo",{"a":1}]"#).unwrap(),
            r#""4" "5" room:1 echo {"a":1}"#
        );
        assert_eq!(read(r#"[null,0,"t","e",null,"more",7]"#).unwrap(), "null 0 t e null");
        assert_eq!(read(r#"["4","5","room:1","echo"]"#), None);
        assert_eq!(read(r#"["4","5",1,"echo",{}]"#), None);
        assert_eq!(read(r#"[["4"],"5","t","echo",{}]"#), None);
        assert_eq!(read("{}"), None);
        assert_eq!(read("nonsense"), None);
    }

    #[test]
    fn objects_need_all_keys_but_join_ref() {
        let read = |text| check(Vsn::V1, text);
        assert_eq!(
            read(r#"{"topic":"t","event":"e","payload":{},"ref":0}"#).unwrap(),
            "null 0 t e {}"
        );
        assert_eq!(
            read(
                r#"{"event":"heartbeat","payload":{},"topic":"phoenix","ref":null,"join_ref":"2"}"#
            )
            .unwrap(),
            "\"2\" null phoenix heartbeat {}"
        );
        assert_eq!(read(r#"{"topic":"t","event":"e","ref":0}"#), None);
        assert_eq!(read(r#"{"topic":"t","event":"e","payload":{}}"#), None);
    }

    #[test]
    fn versions_are_read_as_phoenix_reads_them() {
        let read = |text| Vsn::parse(Some(text));
        assert_eq!(Vsn::parse(None), Some(Vsn::V1));
        assert_eq!(read("1.0.0"), Some(Vsn::V1));
        assert_eq!(read("2.0.0"), Some(Vsn::V2));
        assert_eq!(read("2.0.17"), Some(Vsn::V2));
        for unknown in
            ["", "2", "2.0", "2.1.0", "3.0.0", "0.9.0", "2.0.x", "two", "1.0.", "2.0.0.0"]
        {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }
}
