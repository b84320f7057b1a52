//! The questions that many live results ask, and the tables under them.

use recto::prelude::*;
use recto::query::ast::Ast;

/// How many teams there are for each thousand users.
const TEAM: u64 = 10;

/// Somebody in a team.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "users")]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) team_id: i64,
    pub(crate) name: String,
    #[schema(has_many)]
    pub(crate) items: HasMany<Item>,
}

/// Something somebody has.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "items")]
pub(crate) struct Item {
    pub(crate) id: i64,
    #[schema(belongs_to)]
    pub(crate) user: BelongsTo<User>,
    pub(crate) kind: i64,
    pub(crate) score: i64,
    pub(crate) body: String,
}

/// A question with one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `user_id = $1`.
    Rows,
    /// The ten greatest of those.
    Window,
    /// Items with their owners, of one team.
    Join,
    /// Count and sum by kind, of one user.
    Aggregate,
    /// One user with the twenty greatest items, each with whom it belongs to.
    Tree,
}

impl Shape {
    pub(crate) const ALL: [Self; 5] =
        [Self::Rows, Self::Window, Self::Join, Self::Aggregate, Self::Tree];

    /// What one process tells the other.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Window => "window",
            Self::Join => "join",
            Self::Aggregate => "aggregate",
            Self::Tree => "tree",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows => "`user_id = $1`",
            Self::Window => "`user_id = $1 order by score desc limit 10`",
            Self::Join => "items and users of `team_id = $1`",
            Self::Aggregate => "`count, sum … user_id = $1 group by kind`",
            Self::Tree => "a user with 20 items of 40, each with its user",
        }
    }

    /// The question about the user or the team of this number.
    pub(crate) fn ask(self, number: i64) -> Ast {
        match self {
            Self::Rows => own(number).ast().clone(),
            Self::Window => greatest(number).ast().clone(),
            Self::Join => of_team(number).ast().clone(),
            Self::Aggregate => sums(number).ast().clone(),
            Self::Tree => with_items(number).ast().clone(),
        }
    }

    /// Asks once, plainly.
    ///
    /// # Errors
    ///
    /// What the database said.
    pub(crate) async fn read(self, repo: &Repo, number: i64) -> Result<usize, Error> {
        Ok(match self {
            Self::Rows => repo.all(own(number)).await?.len(),
            Self::Window => repo.all(greatest(number)).await?.len(),
            Self::Join => repo.all(of_team(number)).await?.len(),
            Self::Aggregate => repo.all(sums(number)).await?.len(),
            Self::Tree => repo.all(with_items(number)).await?.len(),
        })
    }

    /// How many users it takes for so many results.
    fn users(self, results: u64) -> u64 {
        match self {
            Self::Rows | Self::Window | Self::Aggregate | Self::Tree => results,
            Self::Join => results * TEAM,
        }
    }
}

fn own(user: i64) -> Query<Item> {
    from::<Item>().filter(|i| i.user_id.eq(user))
}

fn greatest(user: i64) -> Query<Item> {
    own(user).order_by(|i| (i.score.desc(), i.id.desc())).limit(10)
}

fn of_team(team: i64) -> Query<(Item, User), (i64, i64, String)> {
    from::<Item>()
        .join(Item::user)
        .filter(|_, u| u.team_id.eq(team))
        .order_by(|i, _| i.id.asc())
        .select(|i, u| (i.id, i.score, u.name))
}

fn sums(user: i64) -> Query<Item, (i64, i64, Option<i64>)> {
    own(user).group_by(|i| i.kind).select(|i| (i.kind, i.id.count(), i.score.sum()))
}

fn with_items(user: i64) -> Query<User> {
    let greatest = from::<Item>().order_by(|i| (i.score.desc(), i.id.desc())).limit(20);
    from::<User>()
        .filter(|u| u.id.eq(user))
        .preload(User::items.query(greatest.preload(Item::user)))
}

/// Makes the tables for so many results, each user with so many items, and watches them.
///
/// Item `n` belongs to user `1 + (n - 1) % users`, user `n` to team `1 + (n - 1) % teams`.
///
/// # Errors
///
/// What the database said.
pub(crate) async fn prepare(
    repo: &Repo,
    shape: Shape,
    results: u64,
    items: u64,
) -> Result<u64, Error> {
    let users = shape.users(results);
    let (teams, count) = (users.div_ceil(TEAM), users * items);
    repo.batch_sql(
        "create table users (id bigint primary key, team_id bigint not null, name text not null);
        create table items (id bigint primary key, user_id bigint not null, kind bigint not null,
            score bigint not null, body text not null);",
    )
    .await?;
    let numbers = |count| {
        format!(
            "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {count})"
        )
    };
    let script = format!(
        "insert into users {0} select n, 1 + (n - 1) % {teams}, 'user ' || n from numbers;
        insert into items {1} select n, 1 + (n - 1) % {users}, n % 3, n % 1000,
            'Something somebody has, number ' || n from numbers;
        create index users_team on users (team_id);
        create index items_user on items (user_id);
        analyze;",
        numbers(users),
        numbers(count)
    );
    repo.batch_sql(&script).await?;
    ChangeLog::new([User::table(), Item::table()]).install(repo).await?;
    Ok(count)
}
