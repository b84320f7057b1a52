//! The page that shows what the engine does.

use recto::live::server::ConnectRequest;
use recto::live::server::Limits;
use serde_json::json;

use super::Client;
use super::House;
use super::fetch;

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn shapes_are_shown_to_those_who_may_see_them_and_nobody_else() {
    let house = House::new().await;
    let may = |request: &ConnectRequest| request.param("key") == Some("let me in");
    let server = house.server(Limits::default()).inspector(may);
    let running = server.bind("127.0.0.1:0").await.unwrap();
    let at = running.local_addr();
    let mut client = Client::connect(at).await;
    let one = |room: i64| json!({"q": "notes.in_room", "args": {"room": room}});
    client.join_with(json!({"a": {"q": "notes.all"}, "b": one(1), "c": one(2)})).await;
    house.repo.insert(super::Note::of(1, "new")).await.unwrap();
    client.diff().await;

    let get = async |path: &str| {
        fetch(at, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await
    };
    for refused in ["/live", "/live.json", "/live?key=nobody"] {
        assert!(get(refused).await.starts_with("http/1.1 404"), "{refused}");
    }
    let report = get("/live.json?key=let+me+in").await;
    let report: serde_json::Value = serde_json::from_str(body(&report)).unwrap();
    assert_eq!(report["health"]["state"], "healthy");
    assert_eq!(report["server"]["sockets"], 1);
    let shapes = report["shapes"].as_array().unwrap();
    assert_eq!(shapes.len(), 2);
    let room = shapes.iter().find(|shape| shape["results"] == 2).unwrap();
    let counted = ["subscribers", "rows", "loads", "steps", "deliveries", "snapshots"];
    assert_eq!(counted.map(|name| room[name].as_u64().unwrap()), [2, 1, 2, 1, 1, 2]);
    let page = get("/live?key=let+me+in").await;
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("notes"), "{page}");
    assert!(get("/live?key=let+me+in").await.contains("cache-control: no-store"));
}

#[tokio::test]
async fn without_a_word_there_is_no_such_page() {
    let house = House::new().await;
    let running = house.run().await;
    let request = "GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert!(fetch(running.local_addr(), request).await.starts_with("http/1.1 404"));
}
