//! How a session speaks: frames in the client's serializer, refusals with an id for the log.

use std::sync::Arc;

use super::Output;
use super::encode;
use super::encode::Head;
use super::frame::Vsn;
use super::refusal::Refusal;
use super::text::Text;
use crate::live::health::Progress;
use crate::value::Json;

/// Collects what a session has to say and to ask.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) vsn: Vsn,
    outputs: Vec<Output>,
    /// Names the socket in the log.
    label: Arc<str>,
    logged: u64,
}

/// Where a reply goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct To<'a> {
    pub(super) join_ref: &'a Json,
    pub(super) reference: &'a Json,
    pub(super) topic: &'a str,
}

impl Voice {
    pub(super) fn new(vsn: Vsn, label: Arc<str>) -> Self {
        Self { vsn, outputs: Vec::new(), label, logged: 0 }
    }

    /// Everything said and asked since the last call.
    pub(super) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub(super) fn ask(&mut self, output: Output) {
        self.outputs.push(output);
    }

    fn send(&mut self, to: To<'_>, event: &str, write: impl FnOnce(&mut Text)) {
        let To { join_ref, reference, topic } = to;
        let head = Head { join_ref, reference, topic, event };
        self.outputs.push(Output::Send(encode::frame(self.vsn, head, write)));
    }

    /// A reply; `write` appends the response.
    pub(super) fn reply(&mut self, to: To<'_>, status: &str, write: impl FnOnce(&mut Text)) {
        self.send(to, "phx_reply", |out| encode::reply(status, write, out));
    }

    /// A reply that has nothing to say but yes.
    pub(super) fn ok(&mut self, to: To<'_>) {
        self.reply(to, "ok", |out| out.push_str("{}"));
    }

    /// The reply to a heartbeat: the version of the newest state that was looked at, and how many
    /// milliseconds ago that was.
    pub(super) fn beat(&mut self, to: To<'_>, progress: Progress) {
        let Progress { version, age } = progress;
        let age = age.as_millis();
        self.reply(to, "ok", |out| out.push_str(&format!(r#"{{"v":{version},"age":{age}}}"#)));
    }

    /// A reply that says no.
    pub(super) fn refuse(&mut self, to: To<'_>, refusal: &Refusal) {
        let error = self.refusal(refusal);
        self.reply(to, "error", |out| out.push_str(&error));
    }

    /// A reply that says no in words of the Phoenix protocol.
    pub(super) fn refuse_as_phoenix(&mut self, to: To<'_>, reason: &str) {
        let response = encode::value_of_reason(reason);
        self.reply(to, "error", |out| out.push_str(&response));
    }

    /// A message nobody asked for.
    pub(super) fn push(
        &mut self,
        join_ref: &Json,
        topic: &str,
        event: &str,
        write: impl FnOnce(&mut Text),
    ) {
        self.send(To { join_ref, reference: &Json::Null, topic }, event, write);
    }

    /// The end of a channel: `phx_close` or `phx_error`.
    pub(super) fn end(&mut self, join_ref: &Json, topic: &str, event: &str, payload: &str) {
        let to = To { join_ref, reference: join_ref, topic };
        self.send(to, event, |out| out.push_str(payload));
    }

    /// A refusal as JSON; what clients are not told goes to the log.
    pub(super) fn refusal(&mut self, refusal: &Refusal) -> String {
        let log = refusal.cause().map(|cause| {
            self.logged += 1;
            let log = format!("{}-{}", self.label, self.logged);
            tracing::warn!(log, code = refusal.code(), error = %cause.chain(), "refused");
            log
        });
        let mut out = String::new();
        refusal.write_json(log.as_deref(), &mut out);
        out
    }
}
