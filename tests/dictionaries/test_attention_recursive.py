"""Recursive attribution: every level sums to its parent, and a chain of copies is followed to its token."""

from __future__ import annotations

import math

import pytest
import torch
from attention_worlds import MAKERS, attention_dictionary, copier, drawn, family, mirror, words

from pellucid.dictionaries import VARIANTS, Convention, TopK
from pellucid.dictionaries.attention.recursive import recursive_attribution
from pellucid.dictionaries.attention.tree import KIND, Node, parents
from pellucid.findings import InputError

EXACT = 1e-10  # float64: sums of some thousand terms of size 1
WHOLE = {"threshold": 0.0, "most": 10**9, "expansions": 10**9}


def chain(model, part="attn.z", kind="topk", **record):
    """A root at block 2 and dictionaries of the attention outputs below it."""
    return [attention_dictionary(model, layer, part, kind=kind, seed=layer, **record) for layer in (2, 1, 0)]


def conserved(tree, tolerance=EXACT) -> None:
    """Children sum to their parent at every level, and the leaves to the root."""
    for _, node in tree.root.walk():
        if node.children:
            assert math.fsum(child.value for child in node.children) == pytest.approx(
                node.value, abs=tolerance
            )
    assert math.fsum(leaf.value for leaf in tree.leaves()) == pytest.approx(tree.root.value, abs=tolerance)


def below(node: Node, kind: str) -> list[Node]:
    """The children of one kind."""
    return [child for child in node.children if child.kind == kind]


@pytest.mark.law("dictionaries.recursive_attribution")
@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("part", ["attn.z", "attn_out"])
def test_every_level_sums_to_its_parent(name, part):
    """Three latents deep, pruned, in every family: learned and rotary places, grouped values, parallel
    blocks, norms after attention."""
    model = family(name)
    tokens, dictionaries = words(model), chain(model, part)
    x = model.run(tokens, read=dictionaries[0].site_in)[dictionaries[0].site_in].detach()
    h = dictionaries[0].preactivations(x.reshape(9, -1)).detach()
    for latent, position in ((3, 8), (11, 4)):
        tree = recursive_attribution(model, dictionaries, tokens, latent, position, depth=3)
        assert tree.root.value == pytest.approx(float(h[position, latent]), abs=1e-12)
        assert (
            max(depth for depth, _ in tree.root.walk()) == 8
        )  # root, then head, stream, latent twice, head, stream
        conserved(tree)
        assert tree.gap < EXACT


@pytest.mark.law("dictionaries.recursive_attribution")
@pytest.mark.parametrize("kind", list(VARIANTS))
@pytest.mark.parametrize("record", [{}, {"input_transform": "layer_norm"}, {"code_units": "h_norm"}])
def test_every_variant_and_record_conserves(kind, record):
    model = family("own")
    tree = recursive_attribution(model, chain(model, kind=kind, **record), words(model), 2, 7, depth=3)
    assert {node.kind for _, node in tree.root.walk()} >= {
        "latent",
        "head",
        "stream",
        "bias",
        "error",
        "norm",
    }
    conserved(tree)


@pytest.mark.law("dictionaries.recursive_attribution")
def test_nothing_is_left_out_without_pruning():
    model = family("own")
    dictionaries, tokens = chain(model)[:2], words(model, length=4)
    tree = recursive_attribution(model, dictionaries, tokens, 3, 3, **WHOLE)
    assert not [node for _, node in tree.root.walk() if node.kind == "rest"]
    assert len(tree.leaves()) > 500
    conserved(tree)
    coarse = recursive_attribution(model, dictionaries, tokens, 3, 3, threshold=0.05, most=5)
    assert [node for _, node in coarse.root.walk() if node.kind == "rest"]
    assert all(len(node.children) <= 6 for _, node in coarse.root.walk())
    conserved(coarse)


def test_constants_are_the_model_s_own():
    """The norm's term is A (W_enc[f, head] . (W_V bias + b_V)); the root's bias b_enc - W_enc . b_dec."""
    model = family("own")
    tokens, root = words(model), chain(model)[0]
    tree = recursive_attribution(model, [root], tokens, 3, 8, **WHOLE)
    bias = (root.b_enc[3] - root.W_enc[3] @ root.b_dec).detach()
    assert below(tree.root, "bias")[0].value == pytest.approx(float(bias), abs=1e-12)
    block = model.module.blocks[2]
    fixed = block.attn.v(block.norm1.bias).detach().reshape(4, 4)
    site = "blocks.2.attn.pattern"
    pattern = model.run(tokens, read=site)[site].detach()[0, :, 8]
    for node in below(tree.root, "head"):
        rows = root.W_enc[3].detach().reshape(4, 4)[node.head]
        wanted = float(pattern[node.head, node.position] * (rows @ fixed[node.head]))
        assert below(node, "norm")[0].value == pytest.approx(wanted, abs=1e-12)


def test_every_step_upstream_is_the_weights_own_product():
    """Llama by hand: A W_enc[f, head] . W_V (gain x / rms) for each term of the stream, and W_O for latents."""
    model = family("llama")
    tokens, dictionaries = words(model), chain(model)[:2]
    root, earlier = dictionaries
    tree = recursive_attribution(model, dictionaries, tokens, 3, 8, depth=1, **WHOLE)
    sites = ["blocks.2.resid_pre", "blocks.2.attn.pattern", "blocks.1.attn.z", "blocks.1.mlp_out", "embed"]
    seen = {site: tensor.detach()[0] for site, tensor in model.run(tokens, read=sites).sites.items()}
    block = model.module.model.layers[2]
    gain = block.input_layernorm.weight.detach()
    rms = (seen["blocks.2.resid_pre"].square().mean(-1) + block.input_layernorm.variance_epsilon).sqrt()
    values = block.self_attn.v_proj.weight.detach().reshape(2, 4, 16)  # two value heads for four query heads
    mixing = model.module.model.layers[1].self_attn.o_proj.weight.detach()
    codes = earlier.encode(seen["blocks.1.attn.z"].flatten(1)).detach()
    rows = root.W_enc[3].detach().reshape(4, 4)
    for node in below(tree.root, "head"):
        head, source = node.head, node.position
        weight = seen["blocks.2.attn.pattern"][head, 8, source] / rms[source]
        along = weight * gain * (rows[head] @ values[head // 2])
        by_site = {child.site: child for child in below(node, "stream")}
        for site in ("embed", "blocks.1.mlp_out"):
            # the norm computes in float32, and so does the gradient through it
            assert by_site[site].value == pytest.approx(float(along @ seen[site][source]), abs=1e-6)
        for latent in below(by_site["blocks.1.attn_out"], "latent"):
            written = mixing @ earlier.W_dec[latent.latent].detach() * codes[source, latent.latent]
            assert latent.value == pytest.approx(float(along @ written), abs=1e-6)


def test_names_with_hooks_are_the_same_sites():
    model = family("own")
    tokens, plain = words(model), chain(model)
    hooked = chain(model)
    for dictionary in hooked:
        dictionary.site_in = dictionary.site_out = dictionary.site_in.replace("attn.z", "attn.hook_z")
    values = [
        [node.value for _, node in recursive_attribution(model, given, tokens, 3, 8).root.walk()]
        for given in (plain, hooked)
    ]
    assert values[0] == values[1]


def test_the_bias_of_the_output_and_the_error_stand_apart():
    """An attention output's children: b_O and b_dec as biases, one latent each, and what is missed."""
    model = family("own")
    tokens, (root, _, lowest) = words(model), chain(model)
    tree = recursive_attribution(model, [root, lowest], tokens, 3, 8, depth=1, **WHOLE)
    opened = [
        node
        for _, node in tree.root.walk()
        if node.kind == "stream" and node.site == "blocks.0.attn_out" and node.children
    ]
    assert opened
    for node in opened:
        kinds = [child.kind for child in node.children]
        assert kinds.count("bias") == 2
        assert kinds.count("error") == 1
        assert kinds.count("latent") <= 6
        assert not [child for child in node.children if child.children]


@pytest.mark.truth("dictionaries.recursive_attribution")
def test_a_chain_of_copies_ends_at_the_token_two_back():
    """Block 1 copies what block 0 copied: all of the latent at t comes from the embedding at t - 2."""
    model, tokens = copier(), torch.tensor([[3, 1, 4, 0, 5, 2, 6, 7]])
    dictionaries = [mirror("blocks.1.attn.z", 24), mirror("blocks.0.attn.z", 24)]
    for position in range(2, 8):
        copied = int(tokens[0, position - 2])
        tree = recursive_attribution(model, dictionaries, tokens, copied, position)
        path = [node for _, node in tree.root.walk() if abs(node.value) > 1e-9]
        assert [(node.kind, node.position) for node in path] == [
            ("latent", position),
            ("head", position - 1),
            ("stream", position - 1),
            ("latent", position - 1),
            ("head", position - 2),
            ("stream", position - 2),
        ]
        assert [node.value for node in path] == pytest.approx([1.0] * 6, abs=1e-12)
        assert path[3].latent == copied
        assert path[-1].site == "embed"
        finding = tree.finding()
        assert finding.measures["embeddings"].value == pytest.approx(1.0)
        assert finding.status == "supports"


def test_a_stream_dictionary_stands_for_all_that_was_added():
    """Before the norm: its latents, bias and error in the place of embeddings and layers."""
    model = family("llama")
    tokens, root = words(model), chain(model)[0]
    for site in ("blocks.2.resid_pre", "blocks.1.resid_post"):
        stream = drawn(TopK(16, 24, 5, site_in=site), 4)
        tree = recursive_attribution(model, [root, stream], tokens, 3, 8)
        heads = [node for node in below(tree.root, "head") if node.children]
        assert heads
        for node in heads:
            assert not below(node, "stream")
            assert {child.site for child in below(node, "latent")} <= {site}
            assert not [child for child in node.children if child.children]
        conserved(tree)


def test_mlp_outputs_are_split_by_their_transcoder():
    model = family("own")
    tokens, root = words(model), chain(model)[0]
    record = Convention(subtract="none", skip="linear")
    transcoder = drawn(
        TopK(16, 24, 5, site_in="blocks.1.mlp_in", site_out="blocks.1.mlp_out", convention=record), 4
    )
    tree = recursive_attribution(model, [root, transcoder], tokens, 3, 8)
    split = [node for _, node in tree.root.walk() if node.site == "blocks.1.mlp_out" and node.children]
    assert split
    assert any(below(node, "latent") for node in split)
    conserved(tree)


def test_positions_that_a_dictionary_is_not_for_stay_whole():
    model = family("own")
    tokens = words(model)
    root, earlier = chain(model)[0], attention_dictionary(model, 1, excluded_positions=(0, 1, 2))
    tree = recursive_attribution(model, [root, earlier], tokens, 3, 8, depth=1, **WHOLE)
    outputs = [
        node for _, node in tree.root.walk() if node.kind == "stream" and node.site == "blocks.1.attn_out"
    ]
    assert {node.position for node in outputs if node.children} == set(range(3, 9))
    conserved(tree)


def test_a_gated_latent_keeps_what_its_gate_adds():
    """z = e^r h + b_mag: what a latent brings is c z, and its gate's leaf c b_mag."""
    model = family("own")
    tokens, dictionaries = words(model), chain(model, kind="gated")[:2]
    tree = recursive_attribution(model, dictionaries, tokens, 3, 8)
    z = model.run(tokens, read="blocks.1.attn.z")["blocks.1.attn.z"].detach()[0].flatten(1)
    codes, added = dictionaries[1].encode(z).detach(), dictionaries[1].b_mag.detach()
    latents = [node for _, node in tree.root.walk() if below(node, "gate")]
    assert latents
    for node in latents:
        each = node.value / float(codes[node.position, node.latent])
        assert below(node, "gate")[0].value == pytest.approx(each * float(added[node.latent]), abs=1e-12)
    plain = recursive_attribution(model, chain(model, kind="relu")[:2], tokens, 3, 8)
    assert not [node for _, node in plain.root.walk() if node.kind == "gate"]


def test_the_largest_term_is_taken_apart_first():
    """With one expansion beyond the root, it is the root's largest head that has children."""
    model = family("own")
    tree = recursive_attribution(model, chain(model), words(model), 3, 8, expansions=2)
    opened = [node for node in tree.root.children if node.children]
    heads = below(tree.root, "head")
    assert opened == [max(heads, key=lambda node: abs(node.value))]


def test_float32_conserves_to_its_digits():
    model = family("gpt2")
    model.module.float()
    dictionaries = [dictionary.float() for dictionary in chain(model)]
    finding = recursive_attribution(model, dictionaries, words(model), 3, 8, depth=3).finding()
    assert 0 < finding.measures["gap"].value < 1e-5
    assert finding.status == "supports"


def test_a_model_without_gradients_of_its_own_is_followed_too():
    model = family("llama")
    model.module.requires_grad_(False)
    conserved(recursive_attribution(model, chain(model), words(model), 3, 8))


def test_the_tree_as_text_and_as_a_finding():
    model = family("own")
    tree = recursive_attribution(model, chain(model), words(model), 3, 8)
    lines = tree.text(lines=6).splitlines()
    assert len(lines) == 7
    assert "latent 3 of blocks.2.attn.z at '<" in lines[0]
    assert lines[1].index(lines[1].split(maxsplit=1)[1]) == lines[0].index("latent") + 2
    count = sum(1 for _ in tree.root.walk())
    assert lines[-1] == f"({count - 6} more)"
    finding = tree.finding()
    assert finding.kind == KIND.name
    nodes = finding.arrays["nodes"]
    assert nodes.values[0].tolist() == [tree.root.value, 1.0]
    parent = finding.arrays["parent"].values
    for row in range(len(nodes.values)):
        children = nodes.values[parent == row, 0]
        if len(children):
            assert children.sum() == pytest.approx(nodes.values[row, 0], abs=EXACT)
    sources = finding.arrays["sources"].values
    assert sources.sum() == pytest.approx(tree.root.value, abs=EXACT)
    assert finding.measures["leaves"].value == len(tree.leaves())
    assert finding.id == recursive_attribution(model, chain(model), words(model), 3, 8).finding().id


def test_parents_of_a_walk():
    assert parents([0, 1, 2, 2, 1, 2]) == [-1, 0, 1, 1, 0, 4]


def test_a_node_whose_children_miss_it_says_by_how_much():
    node = Node("latent", 1.0, children=(Node("bias", 0.25), Node("error", 0.5)))
    assert node.gap == 0.25
    assert Node("bias", 0.25).gap == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depth": 0}, "grown with depth 0"),
        ({"most": 0}, "grown with most 0"),
        ({"expansions": 0}, "grown with expansions 0"),
        ({"threshold": -1.0}, "grown with threshold -1.0"),
    ],
)
def test_settings_that_grow_no_tree(given, message):
    model = family("own")
    with pytest.raises(InputError, match=message) as caught:
        recursive_attribution(model, chain(model), words(model), 3, 8, **given)
    assert caught.value.code == "DI34"


def test_no_dictionary():
    model = family("own")
    with pytest.raises(InputError, match="Give the root's dictionary first") as caught:
        recursive_attribution(model, [], words(model), 3, 8)
    assert caught.value.code == "DI34"


@pytest.mark.parametrize(
    ("site_in", "site_out"),
    [
        ("blocks.2.attn.z", "blocks.2.attn.z"),
        ("blocks.2.mlp_out", "blocks.2.mlp_out"),
        ("blocks.1.attn.q", "blocks.1.attn.q"),
        ("blocks.0.attn.z", "blocks.1.attn.z"),
        ("ln_final", "ln_final"),
    ],
)
def test_dictionaries_that_cannot_stand_upstream(site_in, site_out):
    model = family("own")
    upper = TopK(16, 24, 5, site_in=site_in, site_out=site_out)
    with pytest.raises(InputError, match=f"of '{site_out}' cannot stand upstream of block 2") as caught:
        recursive_attribution(model, [chain(model)[0], upper], words(model), 3, 8)
    assert caught.value.code == "DI33"


def test_two_dictionaries_of_one_output():
    model = family("own")
    twice = [attention_dictionary(model, 1), attention_dictionary(model, 1, "attn_out")]
    with pytest.raises(InputError, match=r"Two dictionaries stand for 'blocks.1.attn_out'") as caught:
        recursive_attribution(model, [chain(model)[0], *twice], words(model), 3, 8)
    assert caught.value.code == "DI33"


def test_one_sequence_one_position():
    model = family("own")
    with pytest.raises(InputError, match="2 sequences were given") as caught:
        recursive_attribution(model, chain(model), words(model, 2), 3, 8)
    assert caught.value.code == "DI32"
    with pytest.raises(InputError, match="There is no position 9") as outside:
        recursive_attribution(model, chain(model), words(model), 3, 9)
    assert outside.value.code == "DI32"
