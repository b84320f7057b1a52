//! What a mutation returns, as its client sees it.

use std::fmt::Write;

use crate::schema::Schema;
use crate::value::Json;
use crate::value::write_json_text;

/// What a mutation may return: rows, JSON, small values, or nothing.
///
/// A row becomes an object of its columns by field name, in the words of [`Value`], so that a row
/// looks the same in a reply and in a live query; associations stay behind.
///
/// [`Value`]: crate::value::Value
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a mutation",
    note = "return a schema, an `Option` or a `Vec` of them, a `serde_json::Value`, or `()`"
)]
pub trait Reply: Send + 'static {
    /// Writes the result as JSON onto `out`.
    fn write_json(&self, out: &mut String);
}

impl<S: Schema> Reply for S {
    fn write_json(&self, out: &mut String) {
        out.push('{');
        for (place, (column, value)) in S::table().columns.iter().zip(self.dump()).enumerate() {
            if 0 < place {
                out.push(',');
            }
            write_json_text(column.field, out);
            out.push(':');
            value.write_json(out);
        }
        out.push('}');
    }
}

impl Reply for () {
    fn write_json(&self, out: &mut String) {
        out.push_str("null");
    }
}

impl Reply for Json {
    fn write_json(&self, out: &mut String) {
        write!(out, "{self}").expect("writing to a `String` cannot fail");
    }
}

impl Reply for String {
    fn write_json(&self, out: &mut String) {
        write_json_text(self, out);
    }
}

impl Reply for bool {
    fn write_json(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

/// Beyond 2^53 as text, as in rows.
impl Reply for i64 {
    fn write_json(&self, out: &mut String) {
        crate::value::Value::Int(*self).write_json(out);
    }
}

impl<R: Reply> Reply for Option<R> {
    fn write_json(&self, out: &mut String) {
        match self {
            Some(reply) => reply.write_json(out),
            None => out.push_str("null"),
        }
    }
}

impl<R: Reply> Reply for Vec<R> {
    fn write_json(&self, out: &mut String) {
        out.push('[');
        for (place, reply) in self.iter().enumerate() {
            if 0 < place {
                out.push(',');
            }
            reply.write_json(out);
        }
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, recto_macros::Schema)]
    #[schema(table = "rooms")]
    struct Room {
        id: i64,
        #[schema(column = "title")]
        name: String,
    }

    fn check(reply: &impl Reply) -> String {
        let mut out = String::new();
        reply.write_json(&mut out);
        out
    }

    #[test]
    fn rows_are_objects_by_field() {
        let room = Room { id: 7, name: "a \"b\"".to_owned() };
        assert_eq!(check(&room), r#"{"id":7,"name":"a \"b\""}"#);
        assert_eq!(check(&vec![room.clone()]), r#"[{"id":7,"name":"a \"b\""}]"#);
        assert_eq!(check(&Some(room)), r#"{"id":7,"name":"a \"b\""}"#);
    }

    #[test]
    fn other_results_are_json() {
        assert_eq!(check(&()), "null");
        assert_eq!(check(&None::<String>), "null");
        assert_eq!(check(&serde_json::json!({"a": [1, null]})), r#"{"a":[1,null]}"#);
        assert_eq!(check(&vec![1_i64, 1 << 60]), r#"[1,"1152921504606846976"]"#);
        assert_eq!(check(&true), "true");
        assert_eq!(check(&"x".to_owned()), "\"x\"");
    }
}
