//! Arguments of queries: JSON to Rust.

use serde::de::DeserializeOwned;
use serde_json::Map;

use crate::live::session::refusal::Refusal;
use crate::value::Json;

/// Reads arguments. Clients that have none leave them out or send `{}`, and handlers that want none
/// take `()` or a struct of defaults: each is taken for the other.
pub(super) fn read<A: DeserializeOwned>(args: Json) -> Result<A, Refusal> {
    let otherwise = match &args {
        Json::Null => Some(Json::Object(Map::new())),
        Json::Object(members) if members.is_empty() => Some(Json::Null),
        Json::Object(_) | Json::Array(_) | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            None
        }
    };
    A::deserialize(args)
        .or_else(|error| otherwise.and_then(|args| A::deserialize(args).ok()).ok_or(error))
        .map_err(|error| Refusal::new("invalid_args", error.to_string()).terminal())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Page {
        limit: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Room {
        room_id: i64,
    }

    #[test]
    fn nothing_may_be_said_in_two_ways() {
        for nothing in [Json::Null, json!({})] {
            assert_eq!(read::<()>(nothing.clone()).unwrap(), ());
            assert_eq!(read::<Page>(nothing.clone()).unwrap(), Page::default());
            assert_eq!(read::<Option<Room>>(nothing.clone()).unwrap_or(None), None);
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(read::<Room>(json!({"room_id": 7})).unwrap(), Room { room_id: 7 });
        let refusal = read::<Room>(json!({})).unwrap_err();
        assert_eq!(refusal.code(), "invalid_args");
        assert_eq!(refusal.message(), Some("missing field `room_id`"));
        assert!(read::<()>(json!({"a": 1})).is_err());
        assert!(read::<Room>(json!({"room_id": "7"})).is_err());
    }
}
