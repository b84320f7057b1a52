//! The same questions and writes, asked of both databases, with the same answers.

use recto::Decimal;
use recto::Schema;
use recto::Value;
use recto::adapter::Access;
use recto::adapter::Adapter;
use recto::adapter::Connection;
use recto::adapter::Effect;
use recto::adapter::Statement;
use recto::adapter::sql;
use recto::adapter::sql::Dialect;
use recto::adapter::sqlite::Sqlite;
use recto::query::Plan;
use recto::query::Query;
use recto::query::count;
use recto::query::from;
use recto::schema::BelongsTo;
use recto::schema::Schema as _;
use recto::value::Key;
use recto::value::Kind;
use recto::value::Row;

use super::Scene;

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "shops")]
struct Shop {
    id: i64,
    name: String,
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "prices")]
struct Price {
    #[schema(primary_key)]
    item: String,
    #[schema(primary_key, belongs_to)]
    shop: BelongsTo<Shop>,
    amount: Decimal,
    weight: Option<f32>,
    sold: bool,
}

/// The same tables in both; SQLite keeps decimals as text.
fn tables(dialect: &dyn Dialect) -> String {
    let (decimal, boolean) = match dialect.name() {
        "SQLite" => ("text", "integer"),
        _ => ("numeric", "boolean"),
    };
    format!(
        "create table shops (id integer primary key, name text not null); \
         create table prices (item text, shop_id integer references shops, \
                              amount {decimal} not null, weight real, sold {boolean} not null, \
                              primary key (item, shop_id));"
    )
}

async fn run(
    connection: &mut impl Connection,
    sql: impl AsRef<str>,
    params: Vec<Value>,
    kinds: impl IntoIterator<Item = Kind>,
) -> Vec<Row> {
    let kinds = kinds.into_iter().collect();
    let sql = sql.as_ref();
    let statement = Statement { sql: sql.into(), params, kinds, effect: Effect::Keeps };
    match connection.run(vec![statement]).await {
        Ok(mut answers) => answers.remove(0).rows,
        Err(error) => panic!("{sql}: {}", error.chain()),
    }
}

async fn fill(connection: &mut impl Connection, dialect: &'static dyn Dialect) {
    connection.batch(&tables(dialect)).await.unwrap();
    let shops = [(1, "corner"), (2, "market"), (3, "empty")];
    for chunk in sql::insert_all(Shop::table(), &[0, 1], shops.len(), dialect).unwrap() {
        let skip = if chunk.row_count == 2 { 0 } else { 2 };
        let rows = shops[skip..skip + chunk.row_count].iter();
        let params = rows.flat_map(|&(id, name)| [Value::Int(id), Value::text(name)]).collect();
        run(connection, chunk.sql, params, []).await;
    }
    let prices = [
        ("apple", 1, "1.5", Some(0.5), true),
        ("apple", 2, "10", None, false),
        ("pear", 1, "9.99", Some(0.25), true),
        ("É_%\\", 2, "-3", Some(1e10), true),
    ];
    for (item, shop, amount, weight, sold) in prices {
        let price = Price {
            item: item.to_owned(),
            shop: BelongsTo::to(shop),
            amount: amount.parse().unwrap(),
            weight,
            sold,
        };
        let text = sql::insert(Price::table(), &[0, 1, 2, 3, 4], dialect).unwrap();
        let kinds = Price::table().columns.iter().map(|column| column.kind);
        let rows = run(connection, text, price.dump(), kinds).await;
        assert_eq!(rows[0].values(), price.dump());
    }
}

/// Asks in both databases; the answers must be one, which is returned as JSON.
async fn ask<S, O>(query: &Query<S, O>) -> String {
    let mut scene = Scene::new().await;
    let dialect = scene.postgres.dialect();
    fill(&mut scene.connection, dialect).await;
    let on_postgres = answer(&mut scene.connection, dialect, query).await;

    let sqlite = Sqlite::open(":memory:");
    let mut connection = sqlite.connect(Access::Write).await.unwrap();
    fill(&mut connection, sqlite.dialect()).await;
    let on_sqlite = answer(&mut connection, sqlite.dialect(), query).await;
    assert_eq!(on_postgres, on_sqlite);
    on_postgres
}

async fn answer<S, O>(
    connection: &mut impl Connection,
    dialect: &'static dyn Dialect,
    query: &Query<S, O>,
) -> String {
    let plan = Plan::new(query.ast()).unwrap();
    let text = sql::select(&plan, dialect).unwrap();
    let kinds: Vec<Kind> = plan.items.iter().map(|item| item.kind).collect();
    let mut rows = run(connection, text, plan.ast.params.clone(), kinds).await;
    if plan.ast.shape.order_by.is_empty() {
        rows.sort();
    }

    // What can be asked about the answer agrees with it.
    let params = query.ast().params.clone();
    let counted = sql::count(query.ast(), dialect).unwrap();
    let counted = run(connection, counted, params.clone(), [Kind::I64]).await;
    assert_eq!(counted[0].values(), [Value::Int(i64::try_from(rows.len()).unwrap())]);
    let exists = sql::exists(query.ast(), dialect).unwrap();
    let exists = run(connection, exists, params, [Kind::Bool]).await;
    assert_eq!(exists[0].values(), [Value::Bool(!rows.is_empty())]);

    let shown = rows.iter().map(|row| {
        let mut text = String::new();
        Value::Array(row.values()[..plan.shown_count].into()).write_json(&mut text);
        text
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn conditions_and_order() {
    let query = from::<Price>()
        .filter(|p| p.sold.eq(true).and(p.amount.lt(Decimal::TEN)))
        .filter(|p| p.weight.is_not_null().or(p.item.eq("nothing")))
        .order_by(|p| p.amount.desc())
        .select(|p| (p.item, p.amount));
    assert_eq!(ask(&query).await, r#"["pear","9.99"] ["apple","1.5"] ["É_%\\","-3"]"#);
}

#[tokio::test]
async fn windows() {
    let query = from::<Price>()
        .order_by(|p| p.weight.asc().nulls_first())
        .offset(1)
        .limit(2)
        .select(|p| p.item);
    assert_eq!(ask(&query).await, r#"["pear"] ["apple"]"#);
    assert_eq!(ask(&from::<Price>().offset(9)).await, "");
}

#[tokio::test]
async fn lists_of_every_kind() {
    let query = from::<Price>().filter(|p| p.shop_id.in_([1, 7])).select(|p| p.item);
    assert_eq!(ask(&query).await, r#"["apple"] ["pear"]"#);
    let query = from::<Price>()
        .filter(|p| p.amount.in_([Decimal::new(150, 2), Decimal::TEN]))
        .filter(|p| p.sold.in_([true]))
        .filter(|p| p.weight.in_([0.5_f32]))
        .select(|p| p.item);
    assert_eq!(ask(&query).await, r#"["apple"]"#);
    assert_eq!(ask(&from::<Price>().filter(|p| p.item.in_(Vec::<String>::new()))).await, "");
    let query = from::<Price>().filter(|p| p.shop_id.in_([1]).not()).select(|p| p.item);
    assert_eq!(ask(&query).await, r#"["apple"] ["É_%\\"]"#);
}

#[tokio::test]
async fn patterns() {
    let matching = async |pattern: &str| {
        ask(&from::<Price>().filter(|p| p.item.like(pattern)).select(|p| p.item).distinct()).await
    };
    assert_eq!(matching("%pp%").await, r#"["apple"]"#);
    assert_eq!(matching("_\\_\\%\\\\").await, r#"["É_%\\"]"#);
    assert_eq!(matching("p__r").await, r#"["pear"]"#);
}

#[tokio::test]
async fn joins() {
    let query = from::<Price>()
        .join(Price::shop)
        .filter(|_, shop| shop.name.eq("corner"))
        .order_by(|p, _| p.item.asc())
        .select(|p, shop| (p.item, shop.name));
    assert_eq!(ask(&query).await, r#"["apple","corner"] ["pear","corner"]"#);
    let query = from::<Shop>()
        .left_join_on::<Price>(|shop, price| price.shop_id.eq(shop.id).and(price.sold.eq(false)))
        .order_by(|shop, _| shop.id.asc())
        .select(|shop, price| (shop.name, price.item));
    assert_eq!(ask(&query).await, r#"["corner",null] ["market","apple"] ["empty",null]"#);
}

#[tokio::test]
async fn groups() {
    let query = from::<Price>()
        .group_by(|p| p.shop_id)
        .having(|p| p.amount.sum().gt(Decimal::ONE))
        .order_by(|p| p.shop_id.asc())
        .select(|p| (p.shop_id, count(), p.amount.sum(), p.weight.avg(), p.amount.max()));
    assert_eq!(ask(&query).await, r#"[1,2,"11.49",0.375,"9.99"] [2,2,"7",10000000000.0,"10"]"#);
    let query = from::<Price>().select(|p| {
        (
            p.shop_id.sum(),
            p.shop_id.avg(),
            p.item.count_distinct(),
            p.sold.min(),
            p.amount.min().named("least"),
        )
    });
    assert_eq!(ask(&query).await, r#"[6,1.5,3,false,"-3"]"#);
    let query =
        from::<Price>().filter(|p| p.item.eq("nothing")).select(|p| (count(), p.amount.sum()));
    assert_eq!(ask(&query).await, "[0,null]");
    let few = from::<Price>().having(|p| p.item.count().gt(9)).select(|_| count());
    assert_eq!(ask(&few).await, "");
}

/// Writes in one database, and shows what is left.
async fn write(connection: &mut impl Connection, dialect: &'static dyn Dialect) -> String {
    fill(connection, dialect).await;
    let kinds = || Price::table().columns.iter().map(|column| column.kind);

    let text = sql::update(Price::table(), &[2], &[3], dialect).unwrap();
    let key = [Value::text("apple"), Value::Int(2)];
    let params = |old: Value| {
        let mut params = vec![Value::Decimal(Decimal::ONE_HUNDRED)];
        params.extend(key.clone());
        params.push(old);
        params
    };
    let changed = run(connection, &text, params(Value::Float(1.0)), kinds()).await;
    assert_eq!(changed.len(), 0, "the weight was another");
    let changed = run(connection, &text, params(Value::Null), kinds()).await;
    assert_eq!(changed.len(), 1);

    let cheapest =
        from::<Price>().filter(|p| p.sold.eq(true)).order_by(|p| p.amount.asc()).limit(1);
    let text = sql::update_all(cheapest.ast(), &[4], dialect).unwrap();
    let mut params = cheapest.ast().params.clone();
    params.push(Value::Bool(false));
    run(connection, text, params, []).await;
    let joined = from::<Price>().join(Price::shop).filter(|_, shop| shop.name.eq("corner"));
    let joined = joined.filter(|p, _| p.item.eq("pear"));
    let text = sql::delete_all(joined.ast(), dialect).unwrap();
    run(connection, text, joined.ast().params.clone(), []).await;

    let keys: Vec<Key> = [("apple", 2), ("É_%\\", 2), ("apple", 7), ("pear", 1)]
        .map(|(item, shop)| Key::from(vec![Value::text(item), Value::Int(shop)]))
        .into();
    let text = sql::rows_by_key(Price::table(), dialect).unwrap();
    let lists = sql::key_lists(Price::table(), &keys, dialect);
    let mut found = run(connection, text, lists, kinds()).await;
    found.sort();

    let text = sql::delete(Price::table(), &[], dialect).unwrap();
    run(connection, text, key.into(), []).await;
    let left = answer(connection, dialect, &from::<Price>().select(|p| p.item)).await;
    format!("{found:?} {left}")
}

#[tokio::test]
async fn writes() {
    let mut scene = Scene::new().await;
    let dialect = scene.postgres.dialect();
    let on_postgres = write(&mut scene.connection, dialect).await;
    let sqlite = Sqlite::open(":memory:");
    let mut connection = sqlite.connect(Access::Write).await.unwrap();
    let on_sqlite = write(&mut connection, sqlite.dialect()).await;
    assert_eq!(on_postgres, on_sqlite);
    assert!(on_postgres.ends_with(r#" ["apple"] ["É_%\\"]"#), "{on_postgres}");
    assert_eq!(on_postgres.matches("Row(").count(), 2);
}
