//! Values as JSON text, as clients see them.

use super::Json;
use super::Value;

impl Value {
    /// Writes the value as JSON onto `out`, as clients see it.
    ///
    /// Integers and decimals beyond what a double holds exactly (2^53) become text, and so do
    /// `NaN` and the infinities, since JSON has no word for them.
    #[expect(clippy::missing_panics_doc, reason = "writing to a `String` cannot fail")]
    pub fn write_json(&self, out: &mut String) {
        use std::fmt::Write;
        const EXACT: u64 = 1 << 53;
        let written = match self {
            Self::Null => write!(out, "null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) if value.unsigned_abs() <= EXACT => write!(out, "{value}"),
            Self::Int(value) => write!(out, "\"{value}\""),
            Self::Float(value) if value.is_finite() => {
                out.push_str(&Json::from(*value).to_string());
                Ok(())
            }
            Self::Float(value) => write!(out, "\"{value}\""),
            Self::Text(value) => {
                write_json_text(value, out);
                Ok(())
            }
            Self::Bytes(value) => {
                out.push('"');
                for byte in value.iter() {
                    out.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
                    out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
                }
                out.push('"');
                Ok(())
            }
            Self::Uuid(value) => write!(out, "\"{value}\""),
            Self::Decimal(value) => write!(out, "\"{value}\""),
            Self::Date(value) => write!(out, "\"{value}\""),
            Self::Time(value) => write!(out, "\"{value}\""),
            Self::Timestamp(value) => write!(out, "\"{value}\""),
            Self::Json(value) => write!(out, "{value}"),
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if 0 < index {
                        out.push(',');
                    }
                    value.write_json(out);
                }
                out.push(']');
                Ok(())
            }
        };
        written.expect("writing to a `String` cannot fail");
    }
}

/// Writes `text` as a JSON string, quotes and all.
pub(crate) fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[start..index]);
        if escape.is_empty() {
            use std::fmt::Write;
            write!(out, "\\u{byte:04x}").expect("writing to a `String` cannot fail");
        } else {
            out.push_str(escape);
        }
        start = index + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}
