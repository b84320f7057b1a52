//! What clients push into a channel: `add`, `remove`, `resync`, `mutate`.

use super::*;

/// Every script here begins like this.
const JOINED: &str = r#"
    -> ["7","7","live:1","phx_join",{"client":"c1","queries":{"a":{"q":"x"}}}]
    engine open
    resolve a = x null
    ! resolve a ok
    engine add a
    ! loaded 4 a=same
    <- ["7","7","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":4,"queries":{"a":{"mode":"delta","cursor":"a.4.b","key":"id","ordered":true,"ops":[]}}}}]
"#;

fn joined(script: &str) {
    check(&format!("{JOINED}{script}"));
}

#[test]
fn an_add_is_answered_like_a_join() {
    joined(
        r#"
        -> ["7","8","live:1","add",{"queries":{"b":{"q":"y"}}}]
        resolve b = y null
        ! moved 4 5 a
        <- ["7",null,"live:1","diff",{"v":5,"p":4,"q":{"a":[["+",5,{"id":5,"t":"x"},null]]},"c":{"a":"a.5.b"}}]
        ! resolve b ok
        engine add b
        ! loaded 6 b=same
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":6,"queries":{"b":{"mode":"delta","cursor":"a.6.b","key":"id","ordered":true,"ops":[]}}}}]
        "#,
    );
}

#[test]
fn a_removed_query_is_never_named_again() {
    joined(
        r#"
        -> ["7","8","live:1","remove",{"queries":["a","?"]}]
        engine remove a ?
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{}}]
        ! moved 4 5 a
        <- ["7",null,"live:1","diff",{"v":5,"p":4,"q":{},"c":{}}]
        "#,
    );
}

#[test]
fn a_query_may_be_removed_while_it_is_added() {
    joined(
        r#"
        -> ["7","8","live:1","add",{"queries":{"b":{"q":"y"},"c":{"q":"z"}}}]
        resolve b = y null
        resolve c = z null
        -> ["7","9","live:1","remove",{"queries":["b"]}]
        engine remove b
        <- ["7","9","live:1","phx_reply",{"status":"ok","response":{}}]
        ! resolve b ok
        ! resolve c ok
        engine add c
        -> ["7","10","live:1","remove",{"queries":["c"]}]
        engine remove c
        <- ["7","10","live:1","phx_reply",{"status":"ok","response":{}}]
        ! loaded 5 c=same
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":5,"queries":{}}}]
        "#,
    );
}

#[test]
fn a_resync_that_is_refused_ends_what_was_shown() {
    joined(
        r#"
        -> ["7","8","live:1","resync",{"queries":{"a":{"q":"x","since":"a.4.b"}}}]
        resolve a = x null
        ! resolve a forbidden
        engine add
        ! loaded 5
        engine remove a
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":5,"queries":{"a":{"mode":"error","error":{"code":"forbidden","reason":"forbidden","message":"this is not allowed","terminal":true}}}}}]
        "#,
    );
}

/// Found by the law of sessions.
#[test]
fn a_refusal_that_comes_after_another_answer_ends_what_that_one_showed() {
    joined(
        r#"
        -> ["7","8","live:1","add",{"queries":{"c":{"q":"z"}}}]
        resolve c = z null
        -> ["7","9","live:1","add",{"queries":{"c":{"q":"z"}}}]
        resolve c = z null
        ! resolve c ok
        engine add c
        ! resolve c forbidden
        engine add
        ! loaded 5 c=same
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":5,"queries":{"c":{"mode":"delta","cursor":"a.5.b","key":"id","ordered":true,"ops":[]}}}}]
        ! loaded 5
        engine remove c
        <- ["7","9","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":5,"queries":{"c":{"mode":"error","error":{"code":"forbidden","reason":"forbidden","message":"this is not allowed","terminal":true}}}}}]
        ! moved 5 6 c
        <- ["7",null,"live:1","diff",{"v":6,"p":5,"q":{},"c":{}}]
        "#,
    );
}

#[test]
fn a_refusal_leaves_what_was_asked_for_again() {
    joined(
        r#"
        -> ["7","8","live:1","add",{"queries":{"a":{"q":"x"}}}]
        resolve a = x null
        ! resolve a forbidden
        engine add
        -> ["7","9","live:1","add",{"queries":{"a":{"q":"x"}}}]
        resolve a = x null
        ! resolve a ok
        engine add a
        ! loaded 5
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":5,"queries":{"a":{"mode":"error","error":{"code":"forbidden","reason":"forbidden","message":"this is not allowed","terminal":true}}}}}]
        ! loaded 5 a=same
        <- ["7","9","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":5,"queries":{"a":{"mode":"delta","cursor":"a.5.b","key":"id","ordered":true,"ops":[]}}}}]
        "#,
    );
}

#[test]
fn unknown_events_and_wrong_payloads_are_invalid() {
    joined(
        r#"
        -> ["7","8","live:1","shout",{}]
        <- ["7","8","live:1","phx_reply",{"status":"error","response":{"code":"invalid","reason":"invalid","message":"this channel knows `add`, `remove`, `resync` and `mutate`"}}]
        -> ["7","9","live:1","add",{}]
        <- ["7","9","live:1","phx_reply",{"status":"error","response":{"code":"invalid","reason":"invalid","message":"the payload is not understood: missing field `queries`"}}]
        "#,
    );
}

#[test]
fn a_mutation_is_answered_after_its_own_diff() {
    joined(
        r#"
        -> ["7","8","live:1","mutate",{"id":"c1:1","name":"post","args":{"body":"hi"}}]
        mutate post {"body":"hi"} once c1 c1:1
        ! mutated ok {"id":9}
        engine barrier
        ! moved 4 5 a
        <- ["7",null,"live:1","diff",{"v":5,"p":4,"q":{"a":[["+",5,{"id":5,"t":"x"},null]]},"c":{"a":"a.5.b"}}]
        ! reached 5
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{"v":5,"result":{"id":9}}}]
        "#,
    );
}

#[test]
fn a_mutation_that_touched_nothing_shown_moves_the_frontier() {
    joined(
        r#"
        -> ["7","8","live:1","mutate",{"name":"post"}]
        mutate post null
        ! mutated ok
        engine barrier
        ! reached 6
        <- ["7",null,"live:1","diff",{"v":6,"p":4,"q":{},"c":{}}]
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{"v":6,"result":null}}]
        ! moved 6 7 a
        <- ["7",null,"live:1","diff",{"v":7,"p":6,"q":{"a":[["+",7,{"id":7,"t":"x"},null]]},"c":{"a":"a.7.b"}}]
        "#,
    );
}

#[test]
fn a_mutation_may_be_refused_or_be_in_doubt() {
    joined(
        r#"
        -> ["7","8","live:1","mutate",{"id":"n","name":"post"}]
        mutate post null once c1 n
        -> ["7","9","live:1","mutate",{"id":"c9:1","name":"post"}]
        mutate post null once c1 c9:1
        ! mutated invalid
        <- ["7","8","live:1","phx_reply",{"status":"error","response":{"code":"invalid","reason":"invalid","message":"the changeset is invalid","errors":{"body":["can't be blank"]}}}]
        ! mutated doubt
        <- ["7","9","live:1","phx_reply",{"status":"error","response":{"code":"in_doubt","reason":"in_doubt","message":"whether it was done is unknown","details":{"log":"s1-1"}}}]
        "#,
    );
}

#[test]
fn a_mutation_that_panics_has_no_reply() {
    joined(
        r#"
        -> ["7","8","live:1","mutate",{"name":"post"}]
        mutate post null
        ! mutated panic
        <- ["7","7","live:1","phx_error",{"reason":"channel_crash"}]
        engine close
        "#,
    );
}

#[test]
fn what_a_channel_that_is_over_asked_for_is_dropped() {
    joined(
        r#"
        -> ["7","8","live:1","mutate",{"name":"post"}]
        mutate post null
        -> ["7","9","live:1","phx_leave",{}]
        engine close
        <- ["7","9","live:1","phx_reply",{"status":"ok","response":{}}]
        <- ["7","7","live:1","phx_close",{}]
        ! mutated ok
        ! moved 4 5 a
        "#,
    );
}

#[test]
fn requests_that_wait_are_bounded() {
    joined(
        r#"
        -> ["7","8","live:1","mutate",{"name":"one"}]
        mutate one null
        -> ["7","9","live:1","mutate",{"name":"two"}]
        mutate two null
        -> ["7","10","live:1","add",{"queries":{}}]
        engine add
        -> ["7","11","live:1","mutate",{"name":"three"}]
        mutate three null
        -> ["7","12","live:1","mutate",{"name":"four"}]
        <- ["7","12","live:1","phx_reply",{"status":"error","response":{"code":"overloaded","reason":"overloaded","message":"too many requests wait for their answer"}}]
        "#,
    );
}

#[test]
fn a_query_is_not_asked_for_again_and_again_before_it_is_there() {
    joined(
        r#"
        -> ["7","8","live:1","add",{"queries":{"b":{"q":"y"}}}]
        resolve b = y null
        -> ["7","9","live:1","add",{"queries":{"a":{"q":"x"},"b":{"q":"y"}}}]
        resolve a = x null
        resolve b = y null
        -> ["7","10","live:1","add",{"queries":{"b":{"q":"y"}}}]
        engine add
        ! loaded 4
        <- ["7","10","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":4,"queries":{"b":{"mode":"error","error":{"code":"too_many_queries","reason":"too_many_queries","message":"this channel has too many queries"}}}}}]
        "#,
    );
}

#[test]
fn mutations_in_a_second_are_bounded() {
    let mut script = String::from(JOINED);
    for number in 0..5 {
        write!(
            script,
            r#"
            -> ["7","{number}","live:1","mutate",{{"name":"post"}}]
            mutate post null
            ! mutated invalid
            <- ["7","{number}","live:1","phx_reply",{{"status":"error","response":{{"code":"invalid","reason":"invalid","message":"the changeset is invalid","errors":{{"body":["can't be blank"]}}}}}}]
            "#
        )
        .unwrap();
    }
    script.push_str(
        r#"
        -> ["7","9","live:1","mutate",{"name":"post"}]
        <- ["7","9","live:1","phx_reply",{"status":"error","response":{"code":"rate_limited","reason":"rate_limited","message":"too many mutations in a second","retry_after_ms":200}}]
        ! at 0.2
        -> ["7","10","live:1","mutate",{"name":"post"}]
        mutate post null
        "#,
    );
    check(&script);
}
