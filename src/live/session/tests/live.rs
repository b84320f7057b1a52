//! Live queries: joins, diffs, resets.

use super::*;

#[test]
fn a_join_asks_handlers_then_the_engine_and_answers_once() {
    check(
        r#"
        -> ["7","7","live:1","phx_join",{"proto":1,"client":"c1","queries":{"b":{"q":"n","since":"a.67.b"},"a":{"q":"list","args":{"limit":3}},"c":{"q":"secret"},"d":{"q":"odd","since":"?"}}}]
        engine open
        resolve a = list {"limit":3}
        resolve b = n null
        resolve c = secret null
        ! resolve b ok
        ! resolve c forbidden
        ! resolve a ok
        engine add b since a.67.b a
        ! loaded 104 b=delta a=snapshot
        <- ["7","7","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":104,"queries":{"a":{"mode":"snapshot","cursor":"a.68.b","key":"id","ordered":true,"keys":[1],"rows":[{"id":1,"t":"x"}]},"b":{"mode":"delta","cursor":"a.68.b","key":"id","ordered":true,"ops":[["+",103,{"id":103,"t":"x"},null],["+",104,{"id":104,"t":"x"},null]]},"c":{"mode":"error","error":{"code":"forbidden","reason":"forbidden","message":"this is not allowed","terminal":true}},"d":{"mode":"error","error":{"code":"too_many_queries","reason":"too_many_queries","message":"this channel has too many queries"}}}}}]
        "#,
    );
}

#[test]
fn one_diff_takes_all_queries_from_one_version_to_the_next() {
    check(
        r#"
        -> ["7","7","live:1","phx_join",{"queries":{"a":{"q":"x"},"b":{"q":"y"}}}]
        engine open
        resolve a = x null
        resolve b = y null
        ! resolve a ok
        ! resolve b ok
        engine add a b
        ! loaded 4 a=same b=same
        <- ["7","7","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":4,"queries":{"a":{"mode":"delta","cursor":"a.4.b","key":"id","ordered":true,"ops":[]},"b":{"mode":"delta","cursor":"a.4.b","key":"id","ordered":true,"ops":[]}}}}]
        ! moved 4 5 b
        <- ["7",null,"live:1","diff",{"v":5,"p":4,"q":{"b":[["+",5,{"id":5,"t":"x"},null]]},"c":{"b":"a.5.b"}}]
        ! moved 5 7 a b a
        <- ["7",null,"live:1","diff",{"v":7,"p":5,"q":{"a":[["+",7,{"id":7,"t":"x"},null],["+",7,{"id":7,"t":"x"},null]],"b":[["+",7,{"id":7,"t":"x"},null]]},"c":{"a":"a.7.b","b":"a.7.b"}}]
        "#,
    );
}

#[test]
fn a_reset_starts_some_queries_again_and_ends_others() {
    check(
        r#"
        -> ["7","7","live:1","phx_join",{"queries":{"a":{"q":"x"},"b":{"q":"y"}}}]
        engine open
        resolve a = x null
        resolve b = y null
        ! resolve a ok
        ! resolve b ok
        engine add a b
        ! loaded 4 a=same b=failed
        <- ["7","7","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":4,"queries":{"a":{"mode":"delta","cursor":"a.4.b","key":"id","ordered":true,"ops":[]},"b":{"mode":"error","error":{"code":"query_failed","reason":"query_failed","message":"the query could not be answered","details":{"log":"s1-1"}}}}}}]
        ! reset 6 a=snapshot b=snapshot
        <- ["7",null,"live:1","reset",{"v":6,"queries":{"a":{"mode":"snapshot","cursor":"a.6.b","key":"id","ordered":true,"keys":[1],"rows":[{"id":1,"t":"x"}]}}}]
        ! reset 7 a=failed
        <- ["7",null,"live:1","reset",{"v":7,"queries":{"a":{"mode":"error","error":{"code":"query_failed","reason":"query_failed","message":"the query could not be answered","details":{"log":"s1-2"}}}}}]
        ! moved 7 8 a
        <- ["7",null,"live:1","diff",{"v":8,"p":7,"q":{},"c":{}}]
        "#,
    );
}

#[test]
fn nothing_overtakes_the_reply_to_a_join() {
    check(
        r#"
        -> ["7","7","live:1","phx_join",{"queries":{"a":{"q":"x"}}}]
        engine open
        resolve a = x null
        -> ["7","8","live:1","remove",{"queries":[]}]
        -> ["7","9","live:1","mutate",{"name":"post"}]
        ! resolve a ok
        engine add a
        ! loaded 4 a=same
        <- ["7","7","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":4,"queries":{"a":{"mode":"delta","cursor":"a.4.b","key":"id","ordered":true,"ops":[]}}}}]
        engine remove 
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{}}]
        mutate post null
        "#,
    );
}

#[test]
fn a_client_may_leave_before_it_has_joined() {
    check(
        r#"
        -> ["7","7","live:1","phx_join",{"queries":{"a":{"q":"x"}}}]
        engine open
        resolve a = x null
        -> ["7","8","live:1","phx_leave",{}]
        engine close
        <- ["7","8","live:1","phx_reply",{"status":"ok","response":{}}]
        <- ["7","7","live:1","phx_close",{}]
        ! resolve a ok
        "#,
    );
}

#[test]
fn a_version_that_is_not_spoken_is_refused_for_good() {
    talk(
        r#"
        -> ["7","7","live:1","phx_join",{"proto":2}]
        <- ["7","7","live:1","phx_reply",{"status":"error","response":{"code":"unsupported_proto","reason":"unsupported_proto","message":"this server speaks `proto` 1","terminal":true}}]
        <- ["7","7","live:1","phx_close",{}]
        "#,
    );
}

#[test]
fn a_join_that_is_not_understood_may_be_tried_again() {
    talk(
        r#"
        -> ["7","7","live:1","phx_join",{"queries":7}]
        <- ["7","7","live:1","phx_reply",{"status":"error","response":{"code":"invalid","reason":"invalid","message":"the payload is not understood: invalid type: integer `7`, expected a map"}}]
        "#,
    );
}

#[test]
fn a_handler_that_panics_ends_its_channel_only() {
    check(
        r#"
        -> ["7","7","live:1","phx_join",{"queries":{"a":{"q":"x"}}}]
        engine open
        resolve a = x null
        ! resolve a panic
        <- ["7","7","live:1","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]
        engine close
        -> ["8","8","live:1","phx_join",{}]
        engine open
        engine add
        ! loaded 4
        <- ["8","8","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":4,"queries":{}}}]
        -> ["8","9","live:1","add",{"queries":{"a":{"q":"x"}}}]
        resolve a = x null
        ! resolve a panic
        <- ["8","8","live:1","phx_error",{"reason":"channel_crash"}]
        engine close
        -> [null,"10","phoenix","heartbeat",{}]
        <- [null,"10","phoenix","phx_reply",{"status":"ok","response":{"v":0,"age":0}}]
        "#,
    );
}

#[test]
fn an_engine_that_stops_takes_its_channels_with_it() {
    check(
        r#"
        -> ["7","7","live:1","phx_join",{}]
        engine open
        engine add
        ! closed
        <- ["7","7","live:1","phx_reply",{"status":"error","response":{"code":"unavailable","reason":"unavailable","message":"the database cannot be reached","details":{"log":"s1-1"},"retry_after_ms":1000}}]
        engine close
        -> ["8","8","live:1","phx_join",{}]
        engine open
        engine add
        ! loaded 4
        <- ["8","8","live:1","phx_reply",{"status":"ok","response":{"proto":1,"v":4,"queries":{}}}]
        ! closed
        <- ["8","8","live:1","phx_error",{"reason":"engine_stopped"}]
        engine close
        "#,
    );
}
