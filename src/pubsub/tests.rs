//! Order, bounds and ends of subscriptions.

use futures::FutureExt;

use super::*;

fn topic() -> Topic {
    "room:42".parse().unwrap()
}

fn hear<M>(subscription: &mut Subscription<M>) -> Option<Heard<M>> {
    subscription.next().now_or_never()
}

#[test]
fn a_full_inbox_drops_the_oldest_and_says_so() {
    let pubsub = PubSub::new(2);
    let mut subscription = pubsub.subscribe(&topic());
    for message in 1..=5 {
        pubsub.publish(&topic(), &message);
    }
    assert_eq!(hear(&mut subscription), Some(Heard::Missed(3)));
    assert_eq!(hear(&mut subscription), Some(Heard::Message(4)));
    assert_eq!(hear(&mut subscription), Some(Heard::Message(5)));
    assert_eq!(hear(&mut subscription), None);
}

#[test]
fn dropping_a_subscription_ends_it_and_frees_the_topic() {
    let pubsub = PubSub::new(2);
    let first = pubsub.subscribe(&topic());
    let second = pubsub.subscribe(&topic());
    assert_eq!(pubsub.publish(&topic(), &1), 2);
    drop(first);
    assert_eq!(pubsub.subscriber_count(&topic()), 1);
    drop(second);
    assert_eq!(pubsub.publish(&topic(), &1), 0);
    assert!(pubsub.shared.topics.is_empty());
}

#[test]
fn what_waits_is_heard_before_the_end() {
    let pubsub = PubSub::new(2);
    let mut subscription = pubsub.subscribe(&topic());
    pubsub.publish(&topic(), &1);
    pubsub.close();
    assert_eq!(hear(&mut subscription), Some(Heard::Message(1)));
    assert_eq!(hear(&mut subscription), Some(Heard::Closed));
}

#[test]
fn topics_are_parsed() {
    assert!("room:42".parse::<Topic>().is_ok());
    assert!("".parse::<Topic>().is_err());
    assert!("two words".parse::<Topic>().is_err());
    assert!("x".repeat(256).parse::<Topic>().is_err());
}
