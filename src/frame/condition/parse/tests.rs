use super::*;

fn parse(text: &str) -> Node {
    Condition::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}")).root
}

fn bad(text: &str) -> String {
    Condition::parse(text).unwrap_err().to_string()
}

fn column(name: &str) -> Node {
    Node::Column(name.to_owned())
}

fn number(number: i128) -> Node {
    Node::Literal(Literal::Integer(number))
}

fn compare(comparison: Comparison, left: Node, right: Node) -> Node {
    Node::Compare(comparison, Box::new(left), Box::new(right))
}

#[test]
fn and_binds_closer_than_or_and_not_closer_than_both() {
    let equal = |name: &str| compare(Comparison::Equal, column(name), number(1));
    let expected = Node::Any(vec![equal("a"), Node::All(vec![Node::Not(Box::new(equal("b"))), equal("c")])]);
    assert_eq!(parse("a = 1 or NOT b = 1 AND c == 1"), expected);
    let grouped = Node::All(vec![Node::Any(vec![equal("a"), equal("b")]), equal("c")]);
    assert_eq!(parse("(a = 1 OR (b = 1)) AND c = 1"), grouped);
}

#[test]
fn products_come_before_sums_and_signs_before_both() {
    let product = Node::Arithmetic(Box::new(number(-2)), vec![(Operator::Times, column("b"))]);
    let sum = Node::Arithmetic(Box::new(column("a")), vec![(Operator::Minus, product), (Operator::Plus, number(3))]);
    assert_eq!(parse("a - -2 * b + 3 >= 0"), compare(Comparison::GreaterOrEqual, sum, number(0)));
}

#[test]
fn every_comparison_has_its_opposite() {
    let is_null = Node::IsNull(Box::new(column("a")));
    assert_eq!(parse("a IS NULL"), is_null);
    assert_eq!(parse("a is not null"), Node::Not(Box::new(is_null)));
    let members = Node::In(Box::new(column("a")), vec![number(1), number(2)]);
    assert_eq!(parse("a IN (1, 2)"), members);
    assert_eq!(parse("a NOT IN (1, 2)"), Node::Not(Box::new(members)));
    let between = Node::Between(Box::new(column("a")), Box::new([number(1), number(2)]));
    assert_eq!(
        parse("a BETWEEN 1 AND 2 AND b = 1"),
        Node::All(vec![between, compare(Comparison::Equal, column("b"), number(1))])
    );
    assert!(matches!(parse("a NOT LIKE 'x%' ESCAPE '\\'"), Node::Not(_)));
}

#[test]
fn literals_are_of_their_own_kinds() {
    let equals = |text: &str| match parse(&format!("a = {text}")) {
        Node::Compare(_, _, right) => match *right {
            Node::Literal(literal) => literal,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(equals("170141183460469231731687303715884105727"), Literal::Integer(i128::MAX));
    assert_eq!(equals("170141183460469231731687303715884105728"), Literal::Float(2_f64.powi(127)));
    assert_eq!(equals("1.5e3"), Literal::Float(1500.0));
    assert_eq!(equals(".5"), Literal::Float(0.5));
    assert_eq!(equals("'DROP TABLE'"), Literal::Text("DROP TABLE".to_owned()));
    assert_eq!(equals("NULL"), Literal::Null);
    assert_eq!(equals("DATE '1970-01-02'"), Literal::Moment(Moment(86_400_000_000_000)));
    assert!(matches!(equals("nan"), Literal::Float(number) if number.is_nan()));
}

#[test]
fn a_column_may_be_called_anything_in_quotes() {
    let condition = Condition::parse("\"unit price\" > date AND \"and\" = timestamp AND date < 'x'").unwrap();
    assert_eq!(condition.columns(), ["unit price", "date", "and", "timestamp"]);
}

/// Issue 5, bad input: "`where` that is no condition".
#[test]
fn what_is_no_condition_says_where_it_ends_to_be_one() {
    for (text, expected) in [
        ("price >", "ends where a column or a value should be"),
        ("> 2", "has `>` at character 1, where a column or a value should be"),
        ("price > 2 price", "has `price` at character 11, where AND, OR or the end should be"),
        ("a = b = c", "has `=` at character 7, where AND, OR or the end should be"),
        ("(a = 1", "ends where `)` should be"),
        ("a = 1)", "has `)` at character 6, where AND, OR or the end should be"),
        ("a IS 1", "has `1` at character 6, where NULL, TRUE or FALSE after IS should be"),
        ("a IN 1", "has `1` at character 6, where `(` should be"),
        ("a IN ()", "has `)` at character 7, where a column or a value should be"),
        ("a LIKE b", "has `b` at character 8, where a text after LIKE, as in LIKE 'a%' should be"),
        ("a NOT 1", "has `1` at character 7, where IN, LIKE or BETWEEN after NOT should be"),
        ("a BETWEEN 1 OR 2", "has `OR` at character 13, where AND should be"),
        ("a = 1x", "has `1x` at character 5, where a number should be"),
        ("a = 1.2.3", "has `1.2.3` at character 5, where a number should be"),
        ("a = DATE 'soon'", "`soon` is no date; write 2024-12-31 or 2024-12-31 23:59:59"),
        ("abs(a, b) = 1", "`abs` takes 1 and not 2 values"),
        ("coalesce(a) = 1", "`coalesce` takes 2 or more and not 1 values"),
        ("1; DROP TABLE x", "`;` is not understood at character 2"),
        ("SELECT 1", "has `1` at character 8, where AND, OR or the end should be"),
        ("a = (SELECT 1)", "has `1` at character 13, where `)` should be"),
    ] {
        assert_eq!(bad(text), expected, "{text}");
    }
}

/// Issue 5, bad input, and pitfall 30: "calls a function that reads files".
#[test]
fn a_function_that_is_not_here_cannot_be_called() {
    let known = "abs, ceil, coalesce, contains, ends_with, floor, isnan, length, lower, round, starts_with, trim, upper";
    for name in ["read_csv", "READ_PARQUET", "getenv", "glob", "pg_read_file", "system"] {
        let expected = format!("there is no function `{}`; there are: {known}", name.to_lowercase());
        assert_eq!(bad(&format!("{name}('/etc/passwd') = 1")), expected);
    }
}

/// Issue 5, bad input: "nests 10 000 parentheses, chains 200 000 ANDs".
#[test]
fn what_would_go_too_deep_or_on_too_long_is_refused_before_it_is_followed() {
    let words = format!("has {} words, more than {WORDS_MAX}", 2 * 5_000 + 1);
    assert_eq!(bad(&format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000))), words);
    let bytes = |bytes: usize| format!("has {bytes} bytes, more than {BYTES_MAX}");
    assert_eq!(bad(&format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000))), bytes(20_001));
    assert_eq!(bad(&vec!["a=1"; 200_000].join(" AND ")), bytes(200_000 * 8 - 5));
    let deep = format!("nests deeper than {DEPTH_MAX}");
    assert_eq!(bad(&format!("{}1{}", "(".repeat(400), ")".repeat(400))), deep);
    assert_eq!(bad(&format!("{} a", "not ".repeat(400))), deep);
    assert_eq!(bad(&format!("a = {} 1", "- ".repeat(400))), deep);
    assert_eq!(bad(&format!("{}a{}", "abs(".repeat(300), ")".repeat(300))), deep);
}

#[test]
fn the_deepest_that_is_allowed_is_followed_on_a_small_stack() {
    let depth = DEPTH_MAX;
    let texts = [
        format!("{}a = 1{}", "(".repeat(depth), ")".repeat(depth)),
        format!("{}a{} between 1 and 2", "(".repeat(depth), " between 1 and 2)".repeat(depth)),
        vec!["a=1"; 200].join(" AND "),
        format!("a {} = 1", "+ 1 ".repeat(480)),
    ];
    let thread = std::thread::Builder::new().stack_size(512 * 1024);
    let parsed = thread.spawn(move || texts.iter().all(|text| Condition::parse(text).is_ok())).unwrap();
    assert!(parsed.join().unwrap());
}
