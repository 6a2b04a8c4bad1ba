"""Doubts that evidence brings up: when they hold, that they are visible, waived with a reason, and idempotent."""

from __future__ import annotations

import pytest
from case_arguments import BY_ID, random_case
from defeater_findings import HOLDS, PATCH, PROBE, PROOF, WATCHED, correlation, finding, reliability, score
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.audit.template import template
from pellucid.cases import Case
from pellucid.cases.defeaters import CATALOGUE, attached, challenged, defeater
from pellucid.cases.defeaters.automatic import benchmarks
from pellucid.cases.evidence.evidence import lookup
from pellucid.findings import InputError, MissingError

GOOD = score(salt="good")


def case(extra: str = "", leaf: str = "benchmark: gpqa") -> Case:
    return Case.read(
        f"G1: {{supportedBy: [Sn3]}}\nSn3:\n  finding: {GOOD.id}\n  predicate: {HOLDS}\n  {leaf}\n{extra}"
    )


def word(argument: Case, *about: object) -> str:
    return argument.evaluate([GOOD, *about]).word  # type: ignore[list-item]


# Capability ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "wanted", "value"),
    [
        (0.5, 0.9, "defeated", "T"),
        (-0.9, -0.41, "defeated", "T"),
        (0.3, 0.6, "undecided", "U"),
        (-0.6, -0.3, "undecided", "U"),
        (-0.9, 0.9, "undecided", "U"),
        (-0.3, 0.39, "stands", "F"),
        (-0.4, 0.4, "stands", "F"),
        (0.4, 0.6, "undecided", "U"),
        (None, None, "undecided", "U"),
    ],
)
def test_a_benchmark_that_follows_capability_doubts_the_leaf(
    low: float | None, high: float | None, wanted: str, value: str
) -> None:
    about = correlation(low, high)
    raised = challenged(case(), [GOOD], [about])
    verdict = raised.evaluate([GOOD, about])
    assert verdict.word == wanted
    assert verdict.states["CSn_capability_Sn3"].value == value


def test_the_doubt_is_a_real_element_bound_to_what_shows_it() -> None:
    about = correlation(0.5, 0.9)
    raised = challenged(case(), [GOOD], [about])
    node = raised.nodes["CSn_capability_Sn3"]
    assert node.challenges == ("Sn3",)
    assert (node.finding, node.layer("defeater"), node.layer("automatic")) == (
        about.id,
        "undermining",
        "D-capability-correlate",
    )
    assert "gpqa" in (node.text or "")
    assert not [found for found in raised.check([GOOD, about]) if found.level == "error"]
    assert Case.read(raised.text).nodes == raised.nodes
    assert "CSn_capability_Sn3" in raised.render()
    straddling = challenged(case(), [GOOD], [correlation(0.3, 0.6)])
    reason = straddling.evaluate([GOOD, correlation(0.3, 0.6)]).states["CSn_capability_Sn3"].reason
    assert reason.startswith("neither ")


def test_it_can_be_answered_like_any_other() -> None:
    about = correlation(0.5, 0.9)
    raised = challenged(case(), [GOOD], [about])
    reply = f"CSn9: {{challenges: CSn_capability_Sn3, finding: {GOOD.id}, predicate: {HOLDS}}}\n"
    assert word(Case.read(raised.text + reply), about) == "stands"


@pytest.mark.parametrize(
    ("low", "high", "wanted"), [(0.2, 0.5, "defeated"), (0.6, 0.8, "undecided"), (0.7, 0.9, "stands")]
)
def test_an_unreliable_benchmark_doubts_the_leaf(low: float, high: float, wanted: str) -> None:
    about = reliability(low, high)
    raised = challenged(case(), [GOOD], [about])
    assert "CSn_unreliable_Sn3" in raised.nodes
    assert word(raised, about) == wanted


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_doubt_never_contradicts_the_interval(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    about = correlation(low, high)
    value = challenged(case(), [GOOD], [about]).evaluate([GOOD, about]).states["CSn_capability_Sn3"].value
    beyond, inside = low > 0.4 or high < -0.4, low >= -0.4 and high <= 0.4
    assert value == ("T" if beyond else "F" if inside else "U")


# Which benchmark ----------------------------------------------------------------------------------


@pytest.mark.parametrize("leaf", ["benchmark: GPQA", "benchmark: 'mmlu, gpqa '", "benchmark: ' gpqa'"])
def test_the_benchmark_is_found_by_the_layer_however_it_is_spelt(leaf: str) -> None:
    assert "CSn_capability_Sn3" in challenged(case(leaf=leaf), [GOOD], [correlation(0.5, 0.9)]).nodes


@pytest.mark.parametrize(
    "named",
    [
        {"parameters": {"benchmark": "gpqa"}},
        {"given": {"benchmark": "GPQA"}},
        {"parameters": {"benchmark": ["mmlu", "gpqa"]}},
        {"parameters": {"benchmark": "inspect_evals/gpqa"}},
    ],
)
def test_the_benchmark_is_found_by_the_finding_that_the_leaf_cites(named: dict) -> None:
    cited = score(**named)
    text = f"G1: {{supportedBy: [Sn3]}}\nSn3: {{finding: {cited.id}, predicate: {HOLDS}}}\n"
    about = correlation(0.5, 0.9)
    raised = challenged(Case.read(text), {cited.id: cited}, [about])
    assert raised.evaluate([cited, about]).word == "defeated"


@pytest.mark.parametrize("leaf", ["benchmark: mmlu", "text: gpqa", "benchmark: ''", "benchmark: gpq"])
def test_other_benchmarks_raise_nothing(leaf: str) -> None:
    argument = case(leaf=leaf)
    assert challenged(argument, [GOOD], [correlation(0.5, 0.9)]) is argument


def test_the_layer_goes_before_the_finding() -> None:
    cited = score(parameters={"benchmark": "gpqa"})
    argument = Case.read(f"G1: {{supportedBy: [Sn3]}}\nSn3: {{finding: {cited.id}, benchmark: own set}}\n")
    assert benchmarks(argument.nodes["Sn3"], lookup([cited])) == {"own_set"}
    assert challenged(argument, [cited], [correlation(0.5, 0.9)]) is argument


def test_retracted_failed_and_other_findings_raise_nothing() -> None:
    others = [
        correlation(0.5, 0.9, retracted=True),
        correlation(None, None, status="failed"),
        finding("metascience.other", {"correlation": (0.8, 0.7, 0.9)}, parameters={"benchmark": "gpqa"}),
        finding("metascience.reliability", {"alpha": (0.1, 0.0, 0.2)}),
    ]
    argument = case()
    assert challenged(argument, [GOOD], others) is argument


def test_a_counter_solution_is_doubted_too_and_an_automatic_doubt_is_not() -> None:
    extra = f"CSn1: {{challenges: Sn3, finding: {GOOD.id}, predicate: {HOLDS}, benchmark: gpqa}}\n"
    about = correlation(0.5, 0.9)
    raised = challenged(case(extra, leaf="text: own"), [GOOD], [about])
    assert set(raised.nodes) == {"G1", "Sn3", "CSn1", "CSn_capability_CSn1"}
    assert word(raised, about) == "stands"
    again = challenged(raised, [GOOD, about], [about])
    assert again == raised


# Idempotent, in place, and waived -----------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.sampled_from(["gpqa", "mmlu"])), max_size=4), st.booleans())
def test_attaching_twice_is_attaching_once(rows: list[tuple[float, str]], reliable: bool) -> None:
    about = [correlation(low, min(1.0, low + 0.2), name) for low, name in rows]
    about += [reliability(0.1, 0.2)] if reliable else []
    once = challenged(case(), [GOOD], about)
    assert challenged(once, [GOOD], about) == once
    assert challenged(once, [GOOD], reversed(about)) == once
    assert challenged(case(), [GOOD], reversed(about)) == once
    cited = {node.finding for node in once.nodes.values() if node.layer("automatic")}
    assert cited == {found.id for found in about if found.provenance.parameters["benchmark"] == "gpqa"}
    assert challenged(Case.read(once.text), [GOOD], about).text == once.text


def test_a_second_finding_never_hides_the_first() -> None:
    bad, fine = correlation(0.5, 0.9), correlation(-0.1, 0.1)
    for order in ([bad, fine], [fine, bad]):
        raised = challenged(case(), [GOOD], order)
        assert {"CSn_capability_Sn3", "CSn_capability_Sn3_2"} <= set(raised.nodes)
        assert word(raised, bad, fine) == "defeated"


@pytest.mark.parametrize(
    "tampered",
    [
        {"predicate": "correlation.low > 2"},
        {"refutedBy": "1 == 1"},
        {"automatic": "D-capability-correlate", "predicate": "1 == 2", "raisedBy": "R. Red"},
    ],
)
def test_a_file_cannot_weaken_a_doubt_that_it_already_carries(tampered: dict[str, str]) -> None:
    about = correlation(0.5, 0.9)
    raised = challenged(case(), [GOOD], [about])
    nodes = [node.having(**tampered) if node.layer("automatic") else node for node in raised.nodes.values()]
    mended = challenged(Case.of(nodes), [GOOD], [about])
    found, wanted = (one.nodes["CSn_capability_Sn3"] for one in (mended, raised))
    remark = {"raisedBy": "R. Red"} if "raisedBy" in tampered else {}
    assert dict(found.layers) == dict(wanted.layers) | remark
    assert word(mended, about) == "defeated"
    assert challenged(mended, [GOOD], [about]) is mended


def test_a_leaf_does_not_escape_by_calling_itself_automatic() -> None:
    argument = case(leaf="benchmark: gpqa\n  automatic: D-capability-correlate")
    assert "CSn_capability_Sn3" in challenged(argument, [GOOD], [correlation(0.5, 0.9)]).nodes


def test_a_newer_finding_takes_the_place_of_an_older_one() -> None:
    old, new = correlation(0.3, 0.6), correlation(0.5, 0.55)
    before = challenged(case(), [GOOD], [old])
    after = challenged(before, [GOOD], [new])
    assert set(after.nodes) == set(before.nodes)
    assert after.nodes["CSn_capability_Sn3"].finding == new.id


def test_an_element_of_somebody_else_keeps_its_id() -> None:
    raised = challenged(case("CSn_capability_Sn3: {challenges: G1}\n"), [GOOD], [correlation(0.5, 0.9)])
    assert raised.nodes["CSn_capability_Sn3"].challenges == ("G1",)
    assert raised.nodes["CSn_capability_Sn3_2"].challenges == ("Sn3",)


WAIVED = 'waive: "D-capability-correlate: it is the aim here (R. Viewer, 2026-11-21); D-unreliable: long (R. Viewer, 2026-11-21)"'


def test_a_waiver_with_reason_and_name_keeps_a_leaf_free() -> None:
    argument = case(leaf=f"benchmark: gpqa\n  {WAIVED}")
    assert challenged(argument, [GOOD], [correlation(0.5, 0.9), reliability(0, 0.1)]) is argument


@pytest.mark.parametrize(
    "bad",
    [
        "D-capability-correlate",
        "D-capability-correlate: because",
        "D-capability-correlate: (R, 2026-11-21)",
        "D-rare: x (R, 2026-11-21)",
    ],
)
def test_a_waiver_without_reason_or_name_waives_nothing(bad: str) -> None:
    argument = case(leaf=f'benchmark: gpqa\n  waive: "{bad}"')
    assert "CSn_capability_Sn3" in challenged(argument, [GOOD], [correlation(0.5, 0.9)]).nodes


def test_a_waiver_that_comes_later_withdraws_the_doubt_unless_it_was_answered() -> None:
    about = [correlation(0.5, 0.9)]
    raised = challenged(case(), [GOOD], about)
    waived = Case.of(
        [node.having(waive=WAIVED[8:-1]) if node.id == "Sn3" else node for node in raised.nodes.values()]
    )
    assert "CSn_capability_Sn3" not in challenged(waived, [GOOD], about).nodes
    answered = Case.read(waived.text + "CG1: {challenges: CSn_capability_Sn3, undeveloped: true}\n")
    assert "CSn_capability_Sn3" in challenged(answered, [GOOD], about).nodes


def test_the_doubt_stands_in_the_module_of_its_leaf() -> None:
    top = Case.read("module: {name: top}\nG1: {supportedBy: [Sn3]}\n")
    low = Case.read(
        f"module: {{name: low}}\nSn3: {{finding: {GOOD.id}, predicate: {HOLDS}, benchmark: gpqa}}\n"
    )
    raised = challenged(Case((*top.modules, *low.modules)), [GOOD], [correlation(0.5, 0.9)])
    assert [len(module.nodes) for module in raised.modules] == [1, 2]


# What stays as it is ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_a_case_without_such_findings_stays_as_it_is(seed: int) -> None:
    argument = random_case(seed)
    assert challenged(argument, BY_ID, list(BY_ID.values())) is argument


def test_the_case_of_the_audit_stays_as_it_is() -> None:
    argument = template()
    assert challenged(argument, {}, [correlation(0.5, 0.9), reliability(0.1, 0.2)]) is argument


# A correlation for a cause ------------------------------------------------------------------------


def causal(support: str, need: str = "all", claim: str = "argument: causal") -> Case:
    cited = "".join(
        f"{name}: {{finding: {found.id}, predicate: {HOLDS}}}\n"
        for name, found in {"Sn1": PROBE, "Sn2": PATCH, "Sn3": PROOF, "Sn4": WATCHED}.items()
        if name in support
    )
    return Case.read(f"G1: {{{claim}, need: {need}, supportedBy: [{support}]}}\n{cited}")


ALL = [PROBE, PATCH, PROOF, WATCHED]


@pytest.mark.parametrize(
    ("support", "need", "fires"),
    [
        ("Sn1", "all", True),
        ("Sn1, Sn2", "all", False),
        ("Sn1, Sn2", "any", True),
        ("Sn1, Sn3", "all", False),
        ("Sn1, Sn4", "all", True),
        ("Sn2", "all", False),
        ("Sn1, Sn2, Sn4", "2", True),
        ("Sn1, Sn2, Sn3", "2", False),
    ],
)
def test_correlation_alone_does_not_carry_a_causal_claim(support: str, need: str, fires: bool) -> None:
    argument = causal(support, need)
    raised = challenged(argument, ALL)
    assert ("CSn_probe_only_Sn1" in raised.nodes) == fires
    codes = [found.code for found in argument.check(ALL)]
    assert ("E05" in codes) == fires
    if fires:
        node = raised.nodes["CSn_probe_only_Sn1"]
        assert (node.challenges, node.finding, node.layer("defeater")) == (
            ("G1", "Sn1"),
            PROBE.id,
            "undercutting",
        )
        assert raised.evaluate(ALL).states["CSn_probe_only_Sn1"].value == "T"
        assert challenged(raised, ALL) == raised


def test_the_whole_chain_up_to_the_claim_counts() -> None:
    leaves = f"Sn1: {{finding: {PROBE.id}, predicate: {HOLDS}}}\nSn2: {{finding: {PATCH.id}, predicate: {HOLDS}}}\n"
    chain = Case.read(
        "G1: {argument: causal, supportedBy: [S1]}\nS1: {supportedBy: [G2]}\nG2: {supportedBy: [Sn1]}\n"
        + leaves
    )
    raised = challenged(chain, ALL)
    assert raised.nodes["CSn_probe_only_Sn1"].challenges == ("G2", "Sn1")
    assert raised.evaluate(ALL).word == "defeated"
    assert "G1" in next(found.message for found in chain.check(ALL) if found.code == "E05")
    beside = (
        "G1: {argument: causal, supportedBy: [G2, G3]}\nG2: {supportedBy: [Sn1]}\nG3: {supportedBy: [Sn2]}\n"
    )
    assert challenged(Case.read(beside + leaves), ALL) == Case.read(beside + leaves)


def test_an_intervention_in_another_part_of_the_case_does_not_help() -> None:
    text = (
        "G0: {supportedBy: [G1, Sn2]}\nG1: {argument: causal, supportedBy: [Sn1]}\n"
        f"Sn1: {{finding: {PROBE.id}, predicate: {HOLDS}}}\nSn2: {{finding: {PATCH.id}, predicate: {HOLDS}}}\n"
    )
    assert "CSn_probe_only_Sn1" in challenged(Case.read(text), ALL).nodes


def test_a_challenge_by_correlation_is_no_support() -> None:
    text = (
        "G1: {argument: causal, supportedBy: [Sn2]}\n"
        f"Sn2: {{finding: {PATCH.id}, predicate: {HOLDS}}}\nCSn1: {{challenges: Sn2, finding: {PROBE.id}}}\n"
    )
    assert challenged(Case.read(text), ALL) == Case.read(text)


@pytest.mark.parametrize(
    ("support", "raised"),
    [
        ("Sn4", {"Sn4"}),
        ("Sn1, Sn4", {"Sn1", "Sn4"}),
        ("Sn2, Sn4", set()),
        ("Sn3, Sn4", set()),
        ("Sn2, Sn3", set()),
    ],
)
@pytest.mark.parametrize("need", ["all", "any"])
@pytest.mark.parametrize("layer", ["argument", "argumentType"])
def test_what_was_only_observed_counts_when_nothing_below_intervenes(
    support: str, raised: set[str], need: str, layer: str
) -> None:
    argument = causal(support, need, f"{layer}: causal")
    doubted = challenged(argument, ALL)
    assert {node.challenges[1] for node in doubted.nodes.values() if node.challenges} == raised
    told = [found for found in argument.check(ALL) if found.code == "E05"]
    assert {found.message.split("'")[1] for found in told} == raised
    assert all(("behavioural" in found.message) == found.message.startswith("'Sn4'") for found in told)
    assert doubted.evaluate(ALL).word == ("defeated" if raised else "stands")


def test_observed_behaviour_is_no_correlation_under_words_or_other_arguments() -> None:
    for claim in ("text: The circuit causes the behaviour", "argument: comparative"):
        argument = causal("Sn4", claim=claim)
        assert challenged(argument, ALL) is argument
        assert "E05" not in [found.code for found in argument.check(ALL)]


def test_an_intervention_on_observed_behaviour_is_in_order() -> None:
    done = score(evidence="behavioural", stance="interventional", salt="done")
    argument = Case.read(
        f"G1: {{argument: causal, supportedBy: [Sn1]}}\nSn1: {{finding: {done.id}, predicate: {HOLDS}}}\n"
    )
    assert challenged(argument, [done]) is argument


WORDS = {
    "The head is responsible for it": "is responsible for",
    "It fails because of the head": "because of",
    "The head causes it": "causes",
    "The circuit causes the behaviour": "causes",
    "These heads cause the behaviour": "cause",
    "The circuit, not the embedding, causes the behaviour": "causes",
    "Feature 12 drives the refusal": "drives",
    "Latent 3 drives deception": "drives",
    "A single direction mediates refusal": "mediates",
    "Refusal is mediated by a single direction": "is mediated by",
    "Head 9.6 leads to the wrong answer": "leads to",
    "The circuit produces the output": "produces",
    "The head of the model produces the copy": "produces",
    "Heads 3 and 5 produce the answer": "produce",
    "Direction 12 controls refusal": "controls",
    "The model's refusal direction controls the answer": "controls",
    "The latent controls whether the model refuses": "controls",
    "The features are mainly responsible for the refusal": "are mainly responsible for",
    "The third layer is used to compute the carry": "is used to compute",
    "The subspace is used by the model to compute the sum": "is used by the model to compute",
    "The gap is due to the induction heads": "due to",
    "The head reads the token and drives the answer": "drives",
    "The head is the main cause of the error": "is the main cause of",
}


@pytest.mark.parametrize("words", WORDS)
def test_words_that_claim_a_cause_are_doubted(words: str) -> None:
    argument = causal("Sn1", claim=f'text: "{words}"')
    (found,) = [found for found in argument.check(ALL) if found.code == "E05"]
    assert found.level == "warning"
    assert f"(it says '{WORDS[words]}')" in found.message
    assert "`argument: demonstrative`" in found.remedy
    raised = challenged(argument, ALL)
    assert raised.nodes["CSn_probe_only_Sn1"].challenges == ("G1", "Sn1")
    assert raised.evaluate(ALL).word == "defeated"
    assert challenged(raised, ALL) == raised


@pytest.mark.parametrize("layer", ["argument", "argumentType"])
@pytest.mark.parametrize("word", ["demonstrative", "comparative", "concrete"])
def test_another_argument_switches_the_words_off(layer: str, word: str) -> None:
    argument = causal("Sn1", claim=f"text: The head causes it, {layer}: {word}")
    assert challenged(argument, ALL) is argument
    assert "E05" not in [found.code for found in argument.check(ALL)]


def test_words_are_in_order_beside_an_intervention_and_in_a_strategy() -> None:
    beside = causal("Sn1, Sn2", claim="text: The head causes it")
    assert challenged(beside, ALL) is beside
    strategy = Case.read(
        "G1: {supportedBy: [S1]}\nS1: {text: Over what causes it, supportedBy: [Sn1]}\n"
        f"Sn1: {{finding: {PROBE.id}, predicate: {HOLDS}}}\n"
    )
    assert challenged(strategy, ALL) is strategy


@pytest.mark.parametrize(
    "words",
    [
        "It does not lead to harm",
        "The causeway is open",
        "The system does not lead to unacceptable outcomes",
        "The controls hold",
        "Extra controls reduce the risk",
        "The control measures the team chose hold",
        "Access controls hold in deployment",
        "The circuit does not cause the behaviour",
        "The circuit doesn't cause it",
        "S cannot cause harm",
        "S cannot cause the failure",
        "The decision leads to no unacceptable outcome",
        "No circuit causes the behaviour",
        "No circuit that drives the behaviour was found",
        "Defences fail by a common cause",
        "The report is due to be published",
        "The team is responsible for the register",
        "The system produces answers in German",
        "A drift could lead to the wrong answer",
        "We test whether the head causes the behaviour",
        "The agent is unlikely to cause the failure",
        "Outputs produced by the model are honest",
        "The safety officer controls the release",
        "The probe is used to compute the score",
        "The system leads to harm in few runs",
        "The red team control evaluation was repeated",
    ],
)
def test_outcomes_denials_and_nouns_are_no_causal_claims(words: str) -> None:
    argument = causal("Sn1", claim=f'text: "{words}"')
    assert challenged(argument, ALL) is argument
    assert "E05" not in [found.code for found in argument.check(ALL)]


def test_another_argument_is_no_causal_claim() -> None:
    argument = causal("Sn1", claim="argument: comparative")
    assert "E05" not in [found.code for found in argument.check(ALL)]


def test_a_waived_probe_is_neither_raised_nor_reported() -> None:
    text = causal("Sn1").text.replace(
        "predicate", "waive: 'D-probe-only: seen in all (R, 2026-11-21)'\n  predicate"
    )
    argument = Case.read(text)
    assert challenged(argument, ALL) is argument
    assert "E05" not in [found.code for found in argument.check(ALL)]


# Few samples and one seed, on request -------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "fewest", "raises"), [(29, 30, True), (30, 30, False), (12, 10, False), (None, 30, False)]
)
def test_few_samples_behind_an_interval(n: int | None, fewest: int, raises: bool) -> None:
    few = score(n=n)
    argument = Case.read(f"G1: {{supportedBy: [Sn1]}}\nSn1: {{finding: {few.id}, predicate: {HOLDS}}}\n")
    assert challenged(argument, [few]) is argument
    raised = challenged(argument, [few], also=["D-small-n"], fewest=fewest)
    assert ("CSn_small_n_Sn1" in raised.nodes) == raises
    if raises:
        assert raised.nodes["CSn_small_n_Sn1"].predicate == "score.n < 30"
        assert raised.evaluate([few]).word == "defeated"
    point = Case.read(argument.text.replace("score.low", "score.value"))
    assert challenged(point, [few], also=["D-small-n"]) is point


@pytest.mark.parametrize(
    ("more", "raises"),
    [
        ({"seed": 0}, True),
        ({}, False),
        ({"seed": 0, "parameters": {"seeds": [0, 1, 2]}}, False),
        ({"seed": 0, "parameters": {"seeds": [0]}}, True),
        ({"seed": 0, "given": {"seeds": 3}}, False),
    ],
)
def test_evidence_of_one_seed(more: dict, raises: bool) -> None:
    found = score(**more)
    argument = Case.read(f"G1: {{supportedBy: [Sn1]}}\nSn1: {{finding: {found.id}, predicate: {HOLDS}}}\n")
    raised = challenged(argument, [found], also=["D-single-seed"])
    assert ("CSn_single_seed_Sn1" in raised.nodes) == raises


def test_a_leaf_beside_it_with_another_seed_repeats_it() -> None:
    one, other = score(seed=0), score(seed=1)
    text = "".join(f"Sn{i}: {{finding: {f.id}, predicate: {HOLDS}}}\n" for i, f in enumerate([one, other]))
    argument = Case.read("G1: {supportedBy: [Sn0, Sn1]}\n" + text)
    assert challenged(argument, [one, other], also=["D-single-seed"]) is argument


def test_other_doubts_are_not_raised_on_request() -> None:
    with pytest.raises(InputError, match="'D-smal-n' is no doubt that is raised on request") as error:
        challenged(case(), [GOOD], also=["D-smal-n"])
    assert error.value.code == "Y94"
    assert "Did you mean 'D-small-n'?" in str(error.value)


# The catalogue ------------------------------------------------------------------------------------


def test_the_catalogue_has_every_ready_made_doubt() -> None:
    assert set(CATALOGUE) == {
        "D-rare",
        "D-sandbag",
        "D-eval-awareness",
        "D-capability-correlate",
        "D-small-n",
        "D-single-seed",
        "D-out-of-support",
        "D-probe-only",
        "D-unreliable",
        "D-shallow",
    }
    for name, one in CATALOGUE.items():
        assert one.name == name
        assert all((one.text, one.applies, one.source))
        assert one.kind in ("rebutting", "undercutting", "undermining")
    with pytest.raises(MissingError, match="No ready-made defeater 'D-rar'") as error:
        defeater("D-rar")
    assert error.value.code == "Y92"


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_ready_made_doubt_can_be_attached_and_holds_the_case_open(name: str) -> None:
    assert word(case()) == "stands"
    raised = attached(case(), name, "Sn3")
    assert word(raised) == "undecided"
    assert [found.code for found in raised.check([GOOD])] == ["D03"]
    assert attached(raised, name, "Sn3") is raised
    step = attached(case(), name, "Sn3", parent="G1")
    assert next(node for node in step.nodes.values() if node.challenges).challenges == ("G1", "Sn3")
    assert word(step) == "undecided"


def test_attaching_to_nothing_is_refused() -> None:
    with pytest.raises(MissingError, match="No element 'Sn4'") as error:
        attached(case(), "D-rare", "Sn4")
    assert error.value.code == "Y93"
    waived = case(leaf='waive: "D-rare: bounded elsewhere (R, 2026-11-21)"')
    assert attached(waived, "D-rare", "Sn3") is waived
