"""Names of sites in other programs and here."""

from __future__ import annotations

import re

LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)[._](\d+)(?:\.(mlp|attn|self_attn|attention))?$")
SUBMODULE = re.compile(r"^(resid_pre|resid_mid|resid_post|mlp_out|attn_out)_layer_(\d+)$")


def site_of_hook(name: str | None) -> str:
    """The site that a TransformerLens hook name means: the same without `hook_`.

    Arguments:
        name: as "blocks.3.hook_resid_pre"; None: no site is said.

    Example:
        >>> site_of_hook("blocks.3.attn.hook_z")
        'blocks.3.attn.z'
    """
    return (name or "").replace("hook_", "")


def hook_of_site(site: str) -> str:
    """The TransformerLens hook name of a site.

    Arguments:
        site: as "blocks.3.resid_pre".

    Example:
        >>> hook_of_site("blocks.3.attn.z")
        'blocks.3.attn.hook_z'
    """
    head, _, last = site.rpartition(".")
    return f"{head}.hook_{last}" if head else f"hook_{last}" if last else ""


def sites_of_module(name: str, transcode: bool) -> tuple[str, str]:
    """(site_in, site_out) of a module's path in a Hugging Face model, as sparsify names hook points.

    A layer means what comes out of it; an autoencoder of a part of it reads that part's output, a transcoder
    its input too. Other names are kept as they are when they are a module's path, else nothing is said.

    Arguments:
        name: as "layers.3.mlp".
        transcode: whether it maps the module's input to its output.

    Example:
        >>> sites_of_module("layers.3.mlp", True)
        ('blocks.3.mlp_in', 'blocks.3.mlp_out')
    """
    if name == "embed_tokens":
        return "embed", "embed"
    found = LAYER.search(name)
    if found is None:
        return ("", "")
    part = {"mlp": "mlp"}.get(found[2], "attn" if found[2] else "")
    block = f"blocks.{found[1]}"
    if not part:
        return f"{block}.resid_pre" if transcode else f"{block}.resid_post", f"{block}.resid_post"
    return f"{block}.{part}_in" if transcode else f"{block}.{part}_out", f"{block}.{part}_out"


def site_of_submodule(name: str | None, layer: object) -> str:
    """The site of dictionary_learning's `submodule_name`, as "resid_post_layer_3"; a layer: its output.

    Arguments:
        name: the submodule's name, if it is said.
        layer: number of the layer, if it is said.
    """
    if name:
        found = SUBMODULE.match(name)
        return f"blocks.{found[2]}.{found[1]}" if found else ""
    return f"blocks.{layer}.resid_post" if isinstance(layer, int) else ""


def submodule_of_site(site: str) -> tuple[str, int] | None:
    """(submodule_name, layer) of dictionary_learning for a site; None where it has no such name.

    Arguments:
        site: as "blocks.3.resid_post".
    """
    parts = site.split(".")
    named = len(parts) == 3 and parts[0] == "blocks" and parts[1].isdigit()
    name = f"{parts[2]}_layer_{parts[1]}" if named else ""
    return (name, int(parts[1])) if SUBMODULE.match(name) else None
