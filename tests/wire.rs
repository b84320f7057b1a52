//! The golden files of `tests/wire`, which the JavaScript client replays: what the server writes
//! for the same operations is the same JSON.

#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use recto::live::catchup::Catchup;
use recto::live::catchup::Missed;
use recto::live::catchup::Rest;
use recto::live::patch::Keyed;
use recto::live::patch::Op;
use recto::live::step::Branch;
use recto::live::step::Cursor;
use recto::live::step::Snapshot;
use recto::live::step::Step;
use recto::live::step::View;
use recto::query::Output;
use recto::value::Json;
use recto::value::Key;
use recto::value::Kind;
use recto::value::Row;
use recto::value::Value;

/// A key as clients have it: a number, text, or the text of an array.
fn key(json: &Json) -> Key {
    let part = |json: &Json| match json {
        Json::Number(number) => Value::Int(number.as_i64().unwrap()),
        Json::String(text) => Value::text(text),
        Json::Null => Value::Null,
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => panic!("{json} is no part of a key"),
    };
    let array: Option<Vec<Json>> = json
        .as_str()
        .filter(|text| text.starts_with('['))
        .map(|text| serde_json::from_str(text).unwrap());
    match array {
        Some(parts) => parts.iter().map(part).collect(),
        None => Key::from(vec![part(json)]),
    }
}

/// A row of JSON columns with the names that `json` has.
fn row(json: &Json) -> (Vec<Output>, Row) {
    let members = json.as_object().unwrap();
    let outputs = members.keys().map(|name| Output {
        // Leaked, since names are static in a program.
        name: name.clone().leak(),
        kind: Kind::Json,
    });
    let values = members.values().map(|value| Value::Json(Arc::new(value.clone())));
    (outputs.collect(), values.collect())
}

/// What no client sees matters to no golden file.
fn cursor() -> Cursor {
    Cursor { node: 0, version: 1, bind: 0, from: 0, seal: 0 }
}

fn view(outputs: Vec<Output>, branches: Vec<Branch>) -> View {
    let (start, outputs) = (outputs.len(), outputs.into());
    View { outputs, key: None, is_ordered: true, start, branches, resumable: None }
}

/// What the server writes for a touched row that is not in the result.
fn written_gone(key: Key) -> Json {
    let view = Arc::new(view(Vec::new(), Vec::new()));
    let nothing = Snapshot::new(view, cursor(), Vec::new());
    let missed = Missed { touched: [key.clone()].into(), older: [key].into() };
    let catchup = Catchup::new(&nothing, &missed, Rest::NOTHING).unwrap();
    serde_json::from_str::<Vec<Json>>(catchup.json()).unwrap().remove(0)
}

/// One operation inside a row, as `["/",key,name,field,[…]]` has it.
fn inside(parts: &[Json], key: Key) -> (View, Op) {
    let name = |json: &Json| -> &'static str { json.as_str().unwrap().to_owned().leak() };
    let golden = parts[4].as_array().unwrap();
    assert_eq!(golden.len(), 1, "one operation inside a row, so that all have one view");
    let (mut below, op) = operation(&golden[0]);
    below.key = Some(name(&parts[3]));
    let branch = Branch { name: name(&parts[2]), is_one: false, view: below };
    let new = Keyed { key, row: Row::from(vec![Value::Null]) };
    (view(Vec::new(), vec![branch]), Op::Inside { new, column: 0, ops: vec![op] })
}

/// One operation of a golden file, and what it is about.
fn operation(golden: &Json) -> (View, Op) {
    let parts = golden.as_array().unwrap();
    let at = |index: usize| parts.get(index).filter(|part| !part.is_null()).map(key);
    let key = key(&parts[1]);
    let (outputs, op) = match parts[0].as_str().unwrap() {
        "+" => {
            let (outputs, row) = row(&parts[2]);
            (outputs, Op::Insert { new: Keyed { key, row }, after: at(3) })
        }
        "~" => {
            let (outputs, row) = row(&parts[2]);
            let columns = (0..outputs.len()).collect();
            (outputs, Op::Update { new: Keyed { key, row }, columns })
        }
        ">" => (Vec::new(), Op::Move { key, after: at(2) }),
        "-" => (Vec::new(), Op::Remove { key }),
        "/" => return inside(parts, key),
        other => panic!("`{other}` is not an operation"),
    };
    (view(outputs, Vec::new()), op)
}

/// What the server writes for one operation of a golden file.
fn written(golden: &Json) -> Json {
    if golden[0] == "x" {
        return written_gone(key(&golden[1]));
    }
    let (view, op) = operation(golden);
    let step = Step::new(Arc::new(view), cursor(), vec![op]);
    serde_json::from_str::<Vec<Json>>(step.json().as_str()).unwrap().remove(0)
}

#[test]
fn the_server_writes_what_the_client_reads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let golden: Json = serde_json::from_str(&text).unwrap();
        for op in golden["ops"].as_array().unwrap() {
            let mut op = op.clone();
            if op[0] == "+" && op.as_array().unwrap().len() == 3 {
                // Without an order: the server always says where.
                op.as_array_mut().unwrap().push(Json::Null);
            }
            assert_eq!(written(&op), op, "{}", golden["name"]);
            count += 1;
        }
    }
    assert!(20 <= count, "only {count} operations in tests/wire");
}
