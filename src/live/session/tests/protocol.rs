//! The tables of the Phoenix protocol.

use super::*;

#[test]
fn heartbeats_come_back_with_their_ref_as_it_was() {
    talk(
        r#"
        -> [null,"13","phoenix","heartbeat",{}]
        <- [null,"13","phoenix","phx_reply",{"status":"ok","response":{"v":0,"age":0}}]
        -> [null,3,"phoenix","heartbeat",{}]
        <- [null,3,"phoenix","phx_reply",{"status":"ok","response":{"v":0,"age":0}}]
        -> [null,0,"phoenix","heartbeat",{}]
        <- [null,0,"phoenix","phx_reply",{"status":"ok","response":{"v":0,"age":0}}]
        -> [null,null,"phoenix","heartbeat",{}]
        <- [null,null,"phoenix","phx_reply",{"status":"ok","response":{"v":0,"age":0}}]
        "#,
    );
}

/// What tells a quiet database from a server that stands still.
#[test]
fn heartbeats_are_answered_with_how_far_the_engine_is() {
    let mut stage = Stage::new(Vsn::V2, true);
    stage.session.note(Progress { version: 104, age: Duration::from_micros(37_900) });
    stage.input(Input::Text(r#"[null,"1","phoenix","heartbeat",{}]"#));
    let answer =
        r#"[null,"1","phoenix","phx_reply",{"status":"ok","response":{"v":104,"age":37}}]"#;
    assert_eq!(stage.seen, format!("<- {answer}\n"));
}

#[test]
fn a_join_is_answered_with_both_refs_and_a_leave_with_a_close() {
    talk(
        r#"
        -> ["11","1","live:a","phx_join",{}]
        <- ["11","1","live:a","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> ["11","2","live:a","phx_leave",{}]
        <- ["11","2","live:a","phx_reply",{"status":"ok","response":{}}]
        <- ["11","11","live:a","phx_close",{}]
        -> ["11","3","live:a","add",{"queries":{}}]
        <- [null,"3","live:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]
        "#,
    );
}

#[test]
fn refs_may_be_numbers_and_are_not_text() {
    talk(
        r#"
        -> [2,7,"live:a","phx_join",{}]
        <- [2,7,"live:a","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> ["2",8,"live:a","remove",{"queries":[]}]
        -> [2,9,"live:a","remove",{"queries":[]}]
        <- [2,9,"live:a","phx_reply",{"status":"ok","response":{}}]
        "#,
    );
}

#[test]
fn a_join_without_join_ref_speaks_under_its_ref() {
    talk(
        r#"
        -> [null,"5","live:a","phx_join",{}]
        <- ["5","5","live:a","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> [null,"6","live:a","remove",{"queries":[]}]
        <- ["5","6","live:a","phx_reply",{"status":"ok","response":{}}]
        "#,
    );
}

#[test]
fn what_belongs_to_an_earlier_join_is_dropped() {
    talk(
        r#"
        -> ["1","1","live:a","phx_join",{}]
        <- ["1","1","live:a","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> ["0","2","live:a","remove",{"queries":[]}]
        -> ["0","3","live:a","phx_leave",{}]
        -> [null,"4","live:a","remove",{"queries":[]}]
        <- ["1","4","live:a","phx_reply",{"status":"ok","response":{}}]
        "#,
    );
}

#[test]
fn a_second_join_ends_the_first() {
    talk(
        r#"
        -> ["1","1","live:a","phx_join",{}]
        <- ["1","1","live:a","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> ["2","2","live:a","phx_join",{}]
        <- ["1","1","live:a","phx_close",{}]
        <- ["2","2","live:a","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        "#,
    );
}

#[test]
fn topics_that_nobody_serves_and_topics_not_joined_are_unmatched() {
    talk(
        r#"
        -> ["1","1","room:1","phx_join",{}]
        <- [null,"1","room:1","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]
        -> [null,"2","live:a","add",{"queries":{}}]
        <- [null,"2","live:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]
        -> [null,"3","phoenix","tick",{}]
        <- [null,"3","phoenix","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]
        -> ["4","5","live:a","phx_leave",{}]
        <- ["4","5","live:a","phx_reply",{"status":"ok","response":{}}]
        "#,
    );
}

#[test]
fn a_socket_has_so_many_channels_and_may_join_one_of_them_again() {
    talk(
        r#"
        -> ["1","1","live:a","phx_join",{}]
        <- ["1","1","live:a","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> ["2","2","live:b","phx_join",{}]
        <- ["2","2","live:b","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> ["3","3","live:c","phx_join",{}]
        <- ["3","3","live:c","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        -> ["4","4","live:d","phx_join",{}]
        <- ["4","4","live:d","phx_reply",{"status":"error","response":{"reason":"too many channels joined"}}]
        -> ["5","5","live:c","phx_join",{}]
        <- ["3","3","live:c","phx_close",{}]
        <- ["5","5","live:c","phx_reply",{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}]
        "#,
    );
}

#[test]
fn the_first_serializer_has_objects_and_no_join_refs() {
    talk_v1(
        r#"
        -> {"event":"heartbeat","payload":{},"topic":"phoenix","ref":null,"join_ref":null}
        <- {"topic":"phoenix","event":"phx_reply","ref":null,"payload":{"status":"ok","response":{"v":0,"age":0}}}
        -> {"event":"phx_join","topic":"live:a","ref":0,"payload":{}}
        <- {"topic":"live:a","event":"phx_reply","ref":0,"payload":{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}}
        -> {"event":"phx_join","topic":"live:a","ref":1,"payload":{}}
        <- {"topic":"live:a","event":"phx_reply","ref":1,"payload":{"status":"ok","response":{"proto":1,"v":1,"queries":{}}}}
        ! moved 1 2
        <- {"topic":"live:a","event":"diff","ref":null,"payload":{"v":2,"p":1,"q":{},"c":{}}}
        -> {"event":"phx_leave","topic":"live:a","ref":2,"payload":{}}
        <- {"topic":"live:a","event":"phx_reply","ref":2,"payload":{"status":"ok","response":{}}}
        <- {"topic":"live:a","event":"phx_close","ref":1,"payload":{}}
        "#,
    );
}

#[test]
fn nonsense_ends_the_socket() {
    for nonsense in ["nonsense", "{}", "[]", r#"["1","1","t","e"]"#, r#"[1,1,{},"e",{}]"#] {
        talk(&format!("-> {nonsense}\nclose 1007 not a message"));
    }
    talk_v1("-> [null,\"1\",\"phoenix\",\"heartbeat\",{}]\nclose 1007 not a message");
}

#[test]
fn a_silent_client_is_let_go() {
    talk(
        r#"
        ! at 59
        -> [null,"1","phoenix","heartbeat",{}]
        <- [null,"1","phoenix","phx_reply",{"status":"ok","response":{"v":0,"age":0}}]
        ! at 100
        ! touched
        ! at 159
        ! at 160
        close 1001 idle
        "#,
    );
}

#[test]
fn binary_messages_are_answered_or_passed_over() {
    let mut stage = Stage::new(Vsn::V2, true);
    stage.input(Input::Text(r#"["4","4","live:a","phx_join",{}]"#));
    stage.seen.clear();
    let messages: [&'static [u8]; 5] = [
        b"\x00\x01\x02\x06\x04411live:aecho\x09\x00\xc8",
        b"\x00\x00\x02\x07\x0912phoenixheartbeat",
        b"\x03\x01\x02\x06\x04\x00\x00411live:aecho{}",
        b"\x00\x01\x02\x06\x04411liv",
        b"",
    ];
    for message in messages {
        stage.input(Input::Binary(&Bytes::from_static(message)));
    }
    let invalid =
        r#"{"code":"invalid","reason":"invalid","message":"this channel speaks JSON, not bytes"}"#;
    let unknown = r#"{"code":"invalid","reason":"invalid","message":"this channel knows `add`, `remove`, `resync` and `mutate`"}"#;
    assert_eq!(
        stage.seen,
        [
            &format!(
                r#"<- ["4","11","live:a","phx_reply",{{"status":"error","response":{unknown}}}]"#
            ),
            r#"<- [null,"12","phoenix","phx_reply",{"status":"ok","response":{"v":0,"age":0}}]"#,
            "",
        ]
        .join("\n")
    );
    stage.seen.clear();
    stage.input(Input::Binary(&Bytes::from_static(b"\x00\x01\x02\x06\x06411live:amutate\x09")));
    assert_eq!(
        stage.seen,
        format!(
            "<- [\"4\",\"11\",\"live:a\",\"phx_reply\",{{\"status\":\"error\",\"response\":{invalid}}}]\n"
        )
    );
    stage.seen.clear();
    stage.input(Input::Binary(&Bytes::from_static(b"\x00\x01\x01\x06\x0877live:bphx_join\x09")));
    assert_eq!(
        stage.seen,
        format!(
            "<- [\"7\",\"7\",\"live:b\",\"phx_reply\",{{\"status\":\"error\",\"response\":{invalid}}}]\n"
        )
    );
}
