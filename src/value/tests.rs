//! Laws of [`Value`]: order, equality and hash agree; JSON is JSON.

use std::collections::hash_map::DefaultHasher;

use proptest::prelude::*;

use super::*;

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop_oneof![any::<f64>(), Just(-0.0), Just(0.0), Just(f64::NAN), Just(f64::INFINITY)]
            .prop_map(Value::Float),
        ".*".prop_map(Value::text),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())),
        any::<i64>().prop_map(|micros| Value::Timestamp(Timestamp::from_micros(micros))),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|values| Value::Array(values.into()))
    })
}

proptest! {
    #[test]
    fn equal_values_hash_alike(left in value(), right in value()) {
        prop_assert_eq!(&left, &left.clone());
        if left == right {
            prop_assert_eq!(hash(&left), hash(&right));
        }
        prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
    }

    #[test]
    fn order_is_transitive(mut values in prop::collection::vec(value(), 3)) {
        values.sort();
        prop_assert!(values[0] <= values[2]);
    }

    #[test]
    fn text_is_json(value in value()) {
        let mut text = String::new();
        value.write_json(&mut text);
        prop_assert!(serde_json::from_str::<Json>(&text).is_ok(), "{}", text);
    }
}

#[test]
fn zeros_and_nans_are_one_value() {
    assert_eq!(Value::Float(-0.0), Value::Float(0.0));
    assert_eq!(hash(&Value::Float(-0.0)), hash(&Value::Float(0.0)));
    assert_eq!(Value::Float(f64::NAN), Value::Float(-f64::NAN));
    assert!(Value::Float(f64::INFINITY) < Value::Float(f64::NAN));
}

#[test]
fn keys_are_json_scalars() {
    let show = |values: Vec<Value>| format!("{:?}", Key::from(values));
    assert_eq!(show(vec![Value::Int(7)]), "7");
    assert_eq!(show(vec![Value::text("a\"b")]), r#""a\"b""#);
    assert_eq!(show(vec![Value::Int(7), Value::Null]), r#""[7,null]""#);
    assert_eq!(show(vec![]), r#""[]""#);
}

#[test]
fn integers_beyond_a_double_travel_as_text() {
    let mut text = String::new();
    Value::Int(i64::MAX).write_json(&mut text);
    assert_eq!(text, "\"9223372036854775807\"");
}
