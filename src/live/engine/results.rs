//! Results come and go: one for each question with its parameters, shared by all who ask it.

use std::sync::Arc;

use super::super::audit::Audited;
use super::super::client::ClientId;
use super::super::mailbox::Event;
use super::super::mailbox::Name;
use super::super::plan::Tier;
use super::super::plan::own_tables;
use super::super::plan::tables;
use super::super::result::LiveResult;
use super::super::router::ResultId;
use super::super::step::Answer;
use super::Engine;
use crate::adapter::Statement;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::ast::Ast;
use crate::value::Row;

impl Engine {
    /// The result that answers `ast`; a new one where nobody asked before.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when the question cannot be asked, or reads a table that the
    /// log does not watch; [`Unavailable`](ErrorKind::Unavailable) when there are too many results, or
    /// too many wait to be read.
    pub(super) fn result_for(&mut self, ast: &Ast) -> Result<ResultId> {
        let family_id = self.family_for(ast)?;
        let Some(family) = self.families.get_mut(&family_id) else {
            return Err(Error::invalid("the query was removed"));
        };
        if let Some(&id) = family.results.get(ast.params.as_slice()) {
            return Ok(id);
        }
        if self.setting.most_results <= self.results.len() {
            let count = self.results.len();
            self.tidy_family(family_id);
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{count} live results already; raise `most_results`"),
            ));
        }
        if self.setting.most_loading <= self.to_load.len() {
            let count = self.to_load.len();
            self.tidy_family(family_id);
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{count} questions wait to be asked already; ask later"),
            ));
        }
        let result = LiveResult::new(family_id, Arc::clone(&family.plan), ast);
        let params = result.params.clone();
        let id = self.results.insert(result);
        family.results.insert(params, id);
        self.to_load.push_back(id);
        Ok(id)
    }

    /// Lets changes find a result that became live.
    pub(super) fn route(&mut self, id: ResultId) {
        let Some(result) = self.results.get_mut(id) else { return };
        let (plan, params) = (Arc::clone(&result.plan), result.params.clone());
        let family = result.family;
        match (result.tier(), &plan.join) {
            (Tier::Rerun, _) => {
                for table in tables(&plan.plan) {
                    self.router.add_rerun(table, id);
                }
            }
            (Tier::Tree, _) if !plan.is_led => {
                for table in own_tables(&plan.plan.ast.shape) {
                    self.router.add_rerun(table.name, id);
                }
            }
            (Tier::Join, Some(join)) => {
                if let Some(family) = self.families.get_mut(&family) {
                    family.add(join, &params, id);
                }
            }
            (Tier::Row | Tier::Window | Tier::Aggregate | Tier::Join | Tier::Tree, _) => {
                self.router.add(plan.plan.ast.root(), plan.lead(&params), id);
            }
        }
        self.note(id);
    }

    fn unroute(&mut self, id: ResultId, result: &LiveResult) {
        if !result.is_live() {
            return;
        }
        let (plan, params) = (&result.plan, &result.params);
        match (result.tier(), &plan.join) {
            (Tier::Rerun, _) => {
                for table in tables(&plan.plan) {
                    self.router.remove_rerun(table, id);
                }
            }
            (Tier::Tree, _) if !plan.is_led => {
                for table in own_tables(&plan.plan.ast.shape) {
                    self.router.remove_rerun(table.name, id);
                }
            }
            (Tier::Join, Some(join)) => {
                let Some(family) = self.families.get_mut(&result.family) else { return };
                family.remove(join, params, id);
                for part in result.rows.held() {
                    family.hold(part, id, false);
                }
            }
            (Tier::Row | Tier::Window | Tier::Aggregate | Tier::Join | Tier::Tree, _) => {
                let table = plan.plan.ast.root();
                self.router.remove(table, &plan.lead(params), id);
                for (_, key) in result.rows.held() {
                    self.router.hold(table, &key, id, false);
                }
            }
        }
    }

    /// Has the database asked for a result that memory alone no longer answers: now, and at every
    /// tick that touches its tables.
    pub(super) fn give_up(&mut self, id: ResultId) {
        let Some(mut result) = self.results.lend(id) else { return };
        self.unroute(id, &result);
        result.give_up();
        self.results.restore(id, result);
        self.dry.insert(id);
        self.route(id);
    }

    /// Lets a result go.
    pub(super) fn drop_result(&mut self, id: ResultId) -> Option<LiveResult> {
        let result = self.results.remove(id)?;
        if let Some(family) = self.families.get_mut(&result.family) {
            family.results.remove(&*result.params);
        }
        self.changed.remove(&id);
        self.dry.remove(&id);
        self.forget_load(id, &result);
        self.release(id, None);
        self.idle.remove(&id);
        self.unroute(id, &result);
        self.fell(id, &result);
        self.tidy_family(result.family);
        Some(result)
    }

    /// Ends a result that can no longer be had, and tells its subscribers.
    pub(crate) fn fail(&mut self, id: ResultId, error: Error) {
        let error = Arc::new(error);
        self.release(id, Some(&error));
        let Some(mut result) = self.drop_result(id) else { return };
        let was_live = result.is_live();
        for (client, name) in result.subscribers.take() {
            self.forget(client, &name);
            if was_live {
                self.failures.push((client, name, Arc::clone(&error)));
            }
        }
        self.tell_what_waits();
    }

    /// Tells failures, and answers requests whose queries are all there; not in the middle of a
    /// tick, when some rows are ahead of the version that clients are told.
    pub(super) fn tell_what_waits(&mut self) {
        if self.is_torn {
            return;
        }
        for (client, name, error) in std::mem::take(&mut self.failures) {
            self.tell_failed(client, name, &error);
        }
        self.answer_waiting();
    }

    /// Every live question but trees with the statement that asks it plainly.
    pub(crate) fn questions(&self) -> Vec<(ResultId, Statement)> {
        let live = self.results.iter().filter(|(_, result)| result.is_live());
        let live = live.filter(|(_, result)| result.plan.tree.is_none());
        live.map(|(id, result)| (id, result.plan.asking(&result.params))).collect()
    }

    /// What a result holds beside what the plain question answered in the same snapshot.
    pub(crate) fn audited(&self, id: ResultId, truth: Vec<Row>) -> Option<Audited> {
        let result = self.results.get(id)?;
        let mut truth = result.keyed_answer(truth);
        if result.plan.is_by_key() {
            truth.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        }
        let will_change = result.has_moved();
        Some(Audited {
            // The version that this tick makes, if it makes one.
            version: self.version + u64::from(!self.changed.is_empty()),
            bind: result.bind,
            tier: result.tier(),
            will_change,
            held: result.rows.shown(&result.plan).to_vec(),
            truth,
        })
    }

    fn tell_failed(&mut self, client: ClientId, name: Name, error: &Arc<Error>) {
        self.settle(client);
        let version = self.version;
        if let Some(client) = self.clients.get_mut(&client) {
            let answers = vec![(name, Answer::Failed(Arc::clone(error)))];
            client.version = version;
            client.mailbox.push(Event::Reset { version, answers });
        }
    }
}
