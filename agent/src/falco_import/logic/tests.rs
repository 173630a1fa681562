use super::*;

fn a(name: &str) -> Node {
    Node::call(name.to_owned())
}

fn gap() -> Node {
    Node::unknown("user.name", "names of users are not known")
}

fn redundant() -> Node {
    let Node::Unknown(gap) = gap() else {
        panic!("a gap")
    };
    Node::Unknown(Gap {
        weight: Weight::Redundant,
        ..gap
    })
}

/// What is left, and how it differs.
fn left(node: Node) -> Option<(String, Vec<Shift>)> {
    let Settled { node, notes } = node.settled();
    let shifts = notes.iter().map(|note| note.shift).collect();
    (!matches!(node, Node::Unknown(_))).then(|| (node.cel(), shifts))
}

fn some(cel: &str, shifts: &[Shift]) -> Option<(String, Vec<Shift>)> {
    Some((cel.to_owned(), shifts.to_vec()))
}

#[test]
fn an_alternative_that_cannot_be_asked_is_left_out_and_a_demand_is_not() {
    assert_eq!(
        left(Node::any([a("a"), Node::all([a("b"), gap()])])),
        some("a", &[Shift::Narrower])
    );
    assert_eq!(left(Node::all([a("a"), gap()])), None);
    assert_eq!(left(Node::all([a("a"), Node::any([gap(), gap()])])), None);
    assert_eq!(
        left(Node::all([a("a"), redundant()])),
        some("a", &[Shift::Broader])
    );
    assert_eq!(left(redundant()), None);
}

#[test]
fn an_exception_that_asks_for_more_is_lost_and_one_that_hangs_on_the_gap_alone_is_not() {
    let narrow = Node::all([a("b"), gap()]);
    assert_eq!(
        left(Node::all([a("a"), narrow.clone().negated()])),
        some("a", &[Shift::Broader])
    );
    assert_eq!(
        left(Node::all([a("a"), Node::any([a("c"), narrow]).negated()])),
        some("a && !c", &[Shift::Broader])
    );
    assert_eq!(left(Node::all([a("a"), gap().negated()])), None);
    assert_eq!(left(Node::all([a("a"), redundant().negated()])), None);
    assert_eq!(
        left(Node::all([a("a"), Node::any([a("c"), gap()]).negated()])),
        None
    );
}

#[test]
fn what_is_decided_hides_holes() {
    assert_eq!(Node::all([Node::Never, gap()]), Node::Never);
    assert_eq!(Node::any([Node::Always, gap()]), Node::Always);
    assert_eq!(Node::any([a("a"), a("a").negated()]), Node::Always);
    assert_eq!(Node::all([a("a"), a("a").negated()]), Node::Never);
    assert_eq!(Node::all([Node::Always, a("a"), a("a")]), a("a"));
}

#[test]
fn cel_has_brackets_where_they_are_needed() {
    let either = Node::any([a("b"), a("c")]);
    assert_eq!(Node::all([a("a"), either.clone()]).cel(), "a && (b || c)");
    assert_eq!(either.negated().cel(), "!(b || c)");
    assert_eq!(Node::equality("a", "1").negated().cel(), "a != 1");
    assert_eq!(Node::comparison("a < 1".to_owned()).negated().cel(), "!(a < 1)");
    let common = Node::any([Node::all([a("x"), a("b")]), a("y"), Node::all([a("x"), a("c")])]);
    assert_eq!(common.cel(), "x && (b || c) || y");
}
