//! Runs a query over tables in memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::parser::{Column, Expr, Fault, Operator, Query};

/// A row by column.
pub type Row = Map<String, Value>;

/// What a query runs on.
pub struct Context<'a> {
    /// Rows of a table by name; none when there is no such table.
    pub rows: &'a dyn Fn(&str) -> Option<Vec<Row>>,
    /// Now.
    pub now: Timestamp,
}

/// A result. Cells are typed JSON; moments are text in ISO 8601.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names and types of the columns.
    pub columns: Vec<(String, &'static str)>,
    /// Cells.
    pub rows: Vec<Vec<Value>>,
}

/// Runs a query.
pub fn run(query: &Query, context: &Context<'_>) -> Result<Table, Fault> {
    let mut rows = Vec::new();
    for name in &query.tables {
        let unknown = || Fault::semantic(format!("Failed to resolve table or column expression named '{name}'"));
        rows.extend((context.rows)(name).ok_or_else(unknown)?);
    }
    let mut order: Vec<String> = Vec::new();
    for step in &query.steps {
        rows = apply(step, rows, &mut order, context.now)?;
    }
    Ok(table(&rows, &order))
}

/// The columns named by the last step that names any, or all that some row has.
fn table(rows: &[Row], order: &[String]) -> Table {
    let mut names: Vec<String> = order.to_vec();
    if names.is_empty() {
        for name in rows.iter().flat_map(|row| row.keys()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let kind = |name: &String| match rows.iter().filter_map(|row| row.get(name)).find(|value| !value.is_null()) {
        Some(Value::Number(number)) if number.is_f64() => "real",
        Some(Value::Number(_)) => "long",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Object(_) | Value::Array(_)) => "dynamic",
        Some(Value::String(text)) if moment(text).is_some() => "datetime",
        _ => "string",
    };
    let cell = |value: Option<&Value>| match value {
        // The services send dynamic cells as JSON text.
        Some(value @ (Value::Object(_) | Value::Array(_))) => Value::String(value.to_string()),
        other => other.cloned().unwrap_or(Value::Null),
    };
    Table {
        columns: names.iter().map(|name| (name.clone(), kind(name))).collect(),
        rows: rows.iter().map(|row| names.iter().map(|name| cell(row.get(name))).collect()).collect(),
    }
}

fn apply(step: &Operator, mut rows: Vec<Row>, order: &mut Vec<String>, now: Timestamp) -> Result<Vec<Row>, Fault> {
    match step {
        Operator::Where(test) => {
            let mut kept = Vec::new();
            for row in rows {
                if value(test, &row, now)? == Value::Bool(true) {
                    kept.push(row);
                }
            }
            Ok(kept)
        }
        Operator::Order(keys) => sorted(keys, rows, now),
        Operator::Take(count) => {
            rows.truncate(*count);
            Ok(rows)
        }
        Operator::Count => {
            *order = vec!["Count".to_owned()];
            Ok(vec![Row::from_iter([("Count".to_owned(), json!(rows.len()))])])
        }
        Operator::Project(columns) => {
            *order = columns.iter().map(|column| column.name.clone()).collect();
            rows.iter().map(|row| computed(columns, row, now)).collect()
        }
        Operator::Extend(columns) => {
            // Behind the columns that an earlier step named; without such a step all are shown anyway.
            if !order.is_empty() {
                let new = columns.iter().map(|column| &column.name).filter(|name| !order.contains(name)).cloned();
                order.extend(new.collect::<Vec<_>>());
            }
            let all = |mut row: Row| {
                let more = computed(columns, &row, now)?;
                row.extend(more);
                Ok(row)
            };
            rows.into_iter().map(all).collect()
        }
        Operator::Distinct(columns) => {
            *order = columns.iter().map(|column| column.name.clone()).collect();
            let mut seen = BTreeMap::new();
            for row in &rows {
                let row = computed(columns, row, now)?;
                seen.entry(Value::Object(row.clone()).to_string()).or_insert(row);
            }
            Ok(seen.into_values().collect())
        }
        Operator::Summarize(values, by) => {
            *order = by.iter().chain(values).map(|column| column.name.clone()).collect();
            summarize(values, by, &rows, now)
        }
    }
}

fn sorted(keys: &[(Expr, bool)], rows: Vec<Row>, now: Timestamp) -> Result<Vec<Row>, Fault> {
    let mut keyed = Vec::new();
    for row in rows {
        let key: Vec<Value> = keys.iter().map(|(key, _)| value(key, &row, now)).collect::<Result<_, _>>()?;
        keyed.push((key, row));
    }
    keyed.sort_by(|(a, _), (b, _)| {
        let one = |(at, (_, descending)): (usize, &(Expr, bool))| {
            let ordering = compare(&a[at], &b[at]);
            if *descending { ordering.reverse() } else { ordering }
        };
        keys.iter().enumerate().map(one).find(|ordering| *ordering != Ordering::Equal).unwrap_or(Ordering::Equal)
    });
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

fn computed(columns: &[Column], row: &Row, now: Timestamp) -> Result<Row, Fault> {
    columns.iter().map(|column| Ok((column.name.clone(), value(&column.value, row, now)?))).collect()
}

fn summarize(values: &[Column], by: &[Column], rows: &[Row], now: Timestamp) -> Result<Vec<Row>, Fault> {
    let mut groups: BTreeMap<String, (Row, Vec<&Row>)> = BTreeMap::new();
    for row in rows {
        let key = computed(by, row, now)?;
        groups.entry(Value::Object(key.clone()).to_string()).or_insert_with(|| (key, Vec::new())).1.push(row);
    }
    if by.is_empty() && groups.is_empty() {
        // Without groups there is one row, also of nothing.
        groups.insert(String::new(), (Row::new(), Vec::new()));
    }
    let mut result = Vec::new();
    for (mut row, members) in groups.into_values() {
        for column in values {
            row.insert(column.name.clone(), aggregate(&column.value, &members, now)?);
        }
        result.push(row);
    }
    Ok(result)
}

fn aggregate(expr: &Expr, rows: &[&Row], now: Timestamp) -> Result<Value, Fault> {
    let Expr::Call(name, arguments) = expr else { return Err(Fault::semantic("summarize takes aggregates")) };
    let of = |at: usize| -> Result<Vec<Value>, Fault> {
        let Some(argument) = arguments.get(at) else {
            return Err(Fault::semantic(format!("{name} lacks an argument")));
        };
        rows.iter().map(|row| value(argument, row, now)).collect()
    };
    let numbers = |at: usize| Ok(of(at)?.iter().filter_map(Value::as_f64).collect::<Vec<f64>>());
    let present = |at: usize| Ok(of(at)?.into_iter().filter(|value| !value.is_null()).collect::<Vec<Value>>());
    Ok(match name.as_str() {
        "count" => json!(rows.len()),
        "countif" => json!(of(0)?.iter().filter(|value| **value == Value::Bool(true)).count()),
        "dcount" => json!(of(0)?.iter().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>().len()),
        "sum" => number(numbers(0)?.iter().sum()),
        "avg" => match numbers(0)?.as_slice() {
            [] => Value::Null,
            all => json!(all.iter().sum::<f64>() / f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX))),
        },
        "min" => present(0)?.into_iter().min_by(compare).unwrap_or(Value::Null),
        "max" => present(0)?.into_iter().max_by(compare).unwrap_or(Value::Null),
        "any" | "take_any" => present(0)?.into_iter().next().unwrap_or(Value::Null),
        "percentile" => {
            let mut all = numbers(0)?;
            all.sort_by(f64::total_cmp);
            let rank = of(1)?.first().and_then(Value::as_f64).unwrap_or(50.0) / 100.0;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index"
            )]
            let at = ((all.len() as f64 * rank).ceil() as usize).clamp(1, all.len().max(1)) - 1;
            all.get(at).map_or(Value::Null, |value| number(*value))
        }
        other => return Err(Fault::semantic(format!("the sandbox has no aggregate '{other}'"))),
    })
}

/// A whole number where it is one.
fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default())
        }
        (Value::String(a), Value::String(b)) => match (moment(a), moment(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        },
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}

/// An expression's value for a row. Spans are whole milliseconds under a mark of their own.
fn value(expr: &Expr, row: &Row, now: Timestamp) -> Result<Value, Fault> {
    Ok(match expr {
        Expr::Text(text) => Value::String(text.clone()),
        Expr::Number(value) => number(*value),
        Expr::Span(span) => json!(span),
        Expr::Path(path) => member(path, row),
        Expr::In(one, several) => {
            let one = value(one, row, now)?;
            let mut found = false;
            for other in several {
                found |= value(other, row, now)? == one;
            }
            Value::Bool(found)
        }
        Expr::Binary(left, sign, right) => binary(&value(left, row, now)?, sign, &value(right, row, now)?)?,
        Expr::Call(name, arguments) => {
            let arguments: Vec<Value> = arguments.iter().map(|one| value(one, row, now)).collect::<Result<_, _>>()?;
            call(name, &arguments, row, now)?
        }
    })
}

fn member(path: &[String], row: &Row) -> Value {
    match path {
        [literal] if literal == "true" || literal == "false" => return Value::Bool(literal == "true"),
        _ => {}
    }
    let mut found = row.get(&path[0]).cloned().unwrap_or(Value::Null);
    for name in &path[1..] {
        found = found.get_mut(name.as_str()).map_or(Value::Null, Value::take);
    }
    found
}

fn binary(left: &Value, sign: &str, right: &Value) -> Result<Value, Fault> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let folded = || (text(left).to_lowercase(), text(right).to_lowercase());
    let words = |text: &str, word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|one| one == word);
    let truth = match sign {
        "and" => left == &Value::Bool(true) && right == &Value::Bool(true),
        "or" => left == &Value::Bool(true) || right == &Value::Bool(true),
        "==" => compare(left, right) == Ordering::Equal,
        "!=" => compare(left, right) != Ordering::Equal,
        "=~" => folded().0 == folded().1,
        "!~" => folded().0 != folded().1,
        ">" => !left.is_null() && compare(left, right) == Ordering::Greater,
        "<" => !left.is_null() && compare(left, right) == Ordering::Less,
        ">=" => !left.is_null() && compare(left, right) != Ordering::Less,
        "<=" => !left.is_null() && compare(left, right) != Ordering::Greater,
        "contains" => folded().0.contains(&folded().1),
        "!contains" => !folded().0.contains(&folded().1),
        "contains_cs" => text(left).contains(&text(right)),
        "has" => words(&folded().0, &folded().1) || (folded().1.contains(' ') && folded().0.contains(&folded().1)),
        "!has" => !words(&folded().0, &folded().1),
        "has_cs" => words(&text(left), &text(right)),
        "startswith" => folded().0.starts_with(&folded().1),
        "endswith" => folded().0.ends_with(&folded().1),
        "+" | "-" | "*" | "/" => return Ok(arithmetic(left, sign, right)),
        other => return Err(Fault::syntax(format!("the sandbox has no operator '{other}'"))),
    };
    Ok(Value::Bool(truth))
}

fn arithmetic(left: &Value, sign: &str, right: &Value) -> Value {
    if let (Some(at), Some(span), "+" | "-") = (left.as_str().and_then(moment), right.as_i64(), sign) {
        let span = SignedDuration::from_millis(if sign == "-" { -span } else { span });
        return at.checked_add(span).map_or(Value::Null, |at| json!(at.to_string()));
    }
    if let (Some(a), Some(b), "-") = (left.as_str().and_then(moment), right.as_str().and_then(moment), sign) {
        return i64::try_from(a.duration_since(b).as_millis()).map_or(Value::Null, |span| json!(span));
    }
    let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) else { return Value::Null };
    match sign {
        "+" => number(a + b),
        "-" => number(a - b),
        "*" => number(a * b),
        _ if b == 0.0 => Value::Null,
        _ => number(a / b),
    }
}

fn call(name: &str, arguments: &[Value], row: &Row, now: Timestamp) -> Result<Value, Fault> {
    let first = arguments.first().unwrap_or(&Value::Null);
    let text = || {
        first.as_str().map_or_else(|| if first.is_null() { String::new() } else { first.to_string() }, str::to_owned)
    };
    Ok(match name {
        "now" => json!(now.to_string()),
        "ago" => {
            let span = SignedDuration::from_millis(first.as_i64().unwrap_or_default());
            now.checked_sub(span).map_or(Value::Null, |at| json!(at.to_string()))
        }
        "ingestion_time" => row.get("_ingested").cloned().unwrap_or(Value::Null),
        "bin" => bin(first, arguments.get(1).and_then(Value::as_i64).unwrap_or(1)),
        "not" => Value::Bool(first != &Value::Bool(true)),
        "tostring" => Value::String(text()),
        "tolower" => Value::String(text().to_lowercase()),
        "toint" | "tolong" | "toreal" | "todouble" => text().trim().parse().map_or(Value::Null, number),
        "todatetime" => moment(&text()).map_or(Value::Null, |at| json!(at.to_string())),
        "isempty" => Value::Bool(text().is_empty()),
        "isnotempty" => Value::Bool(!text().is_empty()),
        "isnull" => Value::Bool(first.is_null()),
        "isnotnull" => Value::Bool(!first.is_null()),
        "iff" | "iif" => arguments.get(if first == &Value::Bool(true) { 1 } else { 2 }).cloned().unwrap_or(Value::Null),
        other => return Err(Fault::semantic(format!("Unknown function: '{other}'"))),
    })
}

/// Rounds a moment or a number down.
fn bin(value: &Value, width: i64) -> Value {
    let width = width.max(1);
    match value.as_str().and_then(moment) {
        Some(at) => {
            let floor = at.as_millisecond().div_euclid(width) * width;
            Timestamp::from_millisecond(floor).map_or(Value::Null, |at| json!(at.to_string()))
        }
        None => value.as_i64().map_or(Value::Null, |number| json!(number.div_euclid(width) * width)),
    }
}
