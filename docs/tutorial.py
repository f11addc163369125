# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Tutorial: what the paper left open
#
# The discussion of the paper ([the method](method.md)) leaves work for later: network layers other than the
# bottleneck, the extent of the heatmap, what weights at different locations have to do with each
# other, other methods of interpretation, and a proof in numbers on synthetic data. This page goes through
# these, one after another, on the two demo networks.
#
# All numbers and pictures on this page were made when it was built, by the code above them. The
# page is a [script](tutorial.py) that Jupyter (with jupytext) and editors open as a notebook. It needs
# `pip install "napari-seggradcam[methods,plots]"`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn

import napari_seggradcam as sgc

nuclei, streets = sgc.open_sample("nuclei"), sgc.open_sample("streets")
on_nuclei, on_streets = (
    sgc.Explainer(sgc.open_network(sample.network_path), sample.image, sample.axes)
    for sample in (nuclei, streets)
)


def show(axes, image, heatmap=None, title="", region=None, signed=False):
    """A picture in grey, a heatmap in raw units over it, and the region's outline."""
    grey = image.mean(-1) if image.ndim == 3 else image
    axes.imshow(grey, cmap="gray", vmax=1.2 * np.percentile(grey, 99.5))
    if heatmap is not None:
        heat = heatmap.resized(signed=signed)
        top = abs(heat).max() or 1
        colours = ("RdBu_r", -top) if signed else ("inferno", 0)
        drawn = axes.imshow(heat, colours[0], vmin=colours[1], vmax=top, alpha=abs(heat) / top)
        plt.colorbar(drawn, ax=axes, fraction=0.04).solids.set_alpha(1)
    if region is not None:
        axes.contour(region, levels=[0.5], colors="#00d5ff", linewidths=1)
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_axis_off()


# %% [markdown]
# Two questions go through this page: why is this a nucleus, and why is this a vehicle?

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
show(axes[0], nuclei.image, title="class nucleus", region=nuclei.region)
show(axes[1], streets.image, title="class vehicle", region=streets.region)

# %% [markdown]
# ## Which network layers say what
#
# [`compare_layers`](methods/layers-compared.md) gives one row for every network layer: the share of the
# score that passes there, how much its heatmap resembles the predicted mask, the logits, and the
# edges of the image, and how much it resembles the heatmap of another region.

# %%
compared = sgc.compare_layers(on_nuclei, nuclei.region, "nucleus", "levels")
columns = ["share", "mask_echo", "logit_echo", "edge_echo", "blindness", "inside"]
compared.to_frame()[columns].astype(float).round(2)

# %%
cut = {one.name: one.share for one in compared.cut} | {"biases": compared.residual}
names = [row.name.removesuffix(" relu 2") for row in compared]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for what in ("share", "logit_echo", "blindness"):
    axes[0].plot(names, [getattr(row, what) for row in compared], "o-", label=what)
axes[0].tick_params(axis="x", rotation=45)
axes[0].legend(frameon=False)
axes[1].barh(list(cut), list(cut.values()), color="#555555")
axes[1].set(xlabel="share of the score", title="through the cut")
for place in axes:
    place.spines[["top", "right"]].set_visible(False)

# %%
for row in compared:
    print(f"{row.name:18} {row.why}")
print("Recommended:", ", ".join(row.name for row in compared.recommended))

# %% [markdown]
# The decoder's last three network layers repeat what the network put out. The bottleneck, the usual
# choice, hardly matters *to this question*: most of the score goes through the skips. What is
# recommended is what is left by these numbers, not by its place. This is about one nucleus and one
# network; ask again for another.
#
# ## The extent of a heatmap
#
# The weights are means over all positions, and so a heatmap lights up wherever the feature maps are
# similar, also where $M$ can't see. A heatmap can be [truncated](methods/truncation.md) to what is
# relevant for $M$: to what is not too far away (`distance`), to positions with a gradient (`support`), or to the
# smallest set with a share of the evidence (`mass`). Here at skip 1:

# %%
extents = (None, "distance", "support", ("mass", 0.95))
kept = {
    "all" if extent is None else str(extent): on_nuclei.explain(
        nuclei.region, "nucleus", "skip 1", truncate=extent
    )["skip 1"]
    for extent in extents
}
everything = kept["all"].heatmap.sum()
rows = {
    extent: {
        "positions kept": 1.0 if heatmap.kept is None else heatmap.kept_share,
        "heat kept": heatmap.heatmap.sum() / everything,
        "heat inside M": heatmap.resized()[nuclei.region].sum() / heatmap.resized().sum(),
    }
    for extent, heatmap in kept.items()
}
pd.DataFrame(rows).T.round(4)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for place, extent in zip(axes, ("all", "distance", "support")):
    show(place, nuclei.image, kept[extent], extent, nuclei.region)
    place.set(xlim=(60, 280), ylim=(440, 220))

# %% [markdown]
# Nearly all of the heat lay outside of $M$, on other nuclei, and nearly all of it at positions without any
# gradient, where a small change of the feature maps changes nothing of the score. The distance removes what no image could
# make relevant; the support, what is not relevant in this one. Neither changes a value that stays; the colours
# of the three pictures have scales of their own.
#
# ## Weights at different locations
#
# [`compare_weights`](methods/weights-compared.md) compares the directions of $\alpha$ for several regions, all asked
# about one class: here two groups of vehicles and four places that are none.

# %%
truth = {name: streets.labels == i for i, name in enumerate(streets.classes)}
regions = {
    "car": streets.region,
    "other vehicles": truth["vehicle"] & ~streets.region,
    "road": truth["flat"],
    "buildings": truth["construction"],
    "sky": truth["sky"],
    "people": truth["human"],
}
weights = sgc.compare_weights(on_streets, regions, "vehicle", "bottleneck")
weights.to_frame("cosine").round(2)

# %%
print("Clusters:", weights.clusters())
print("Channels that add the most:", [one.channel for one in weights.top_channels("car", 5)])
print("Among the top 10 of all six:", list(weights.shared_channels(10, share=1.0)))

# %% [markdown]
# The car and the other vehicles use the channels in the same proportions. On the road the direction is nearly the
# opposite: what raises the logit of vehicle there lowers it here. Between people and road, as between buildings
# and sky, the weights make hardly any difference, although these look nothing alike. So a cosine close to 1 says
# that the same channels count, not that the same is seen; and every row is about the logit of *vehicle*, also where
# there is none.
#
# An [atlas](methods/weights-compared.md#all-of-the-image-an-atlas) asks every cell of a grid. Cells that look alike are
# explained by the same channels.

# %%
atlas = sgc.weight_atlas(on_streets, "vehicle", "bottleneck", grid=(16, 32))
figure, axes = plt.subplots(1, 3, figsize=(10, 2), layout="constrained")
show(axes[0], streets.image, title="image")
axes[1].imshow(atlas.colours)
axes[1].set_title("principal components as colours", loc="left", fontsize=9)
axes[2].imshow(atlas.clusters, cmap="tab10", interpolation="nearest")
axes[2].set_title(f"{atlas.clusters.max()} clusters", loc="left", fontsize=9)
for place in axes:
    place.set_axis_off()

# %% [markdown]
# The cells are a partition of the image, and weights are additive: the sum over the atlas is $\alpha$ of the whole image.
# The largest difference, as a share of the largest weight, is

# %%
(whole,) = on_streets.explain(sgc.everywhere(), "vehicle", "bottleneck").values()
print(f"{abs(atlas.weights.sum((0, 1)) - whole.weights).max() / abs(whole.weights).max():.1e}")

# %% [markdown]
# ## Other methods beside it
#
# [Nineteen methods](methods/index.md) answer the same question. Eight of them, on a part of the image around the nucleus:

# %%
part = np.s_[288:384, 118:214]
image, region = nuclei.image[part], nuclei.region[part]
on_part = sgc.Explainer(on_nuclei.network, image, nuclei.axes)
methods = (
    "seg-grad-cam",
    "seg-hires-grad-cam",
    "layer-cam",
    "ablation-cam",
    "lrp",
    "input-x-gradient",
    "occlusion",
    "random-weights",
)
answers = {}
for method in methods:
    explanation = on_part.explain(region, "nucleus", "skip 1", method=method)
    answers[method] = next(iter(explanation.values()))

# %%
figure, axes = plt.subplots(2, 4, figsize=(10, 4.8), layout="constrained")
for place, (method, heatmap) in zip(axes.flat, answers.items()):
    show(place, image, heatmap, f"{method}, {heatmap.name}", region)

# %%
inside = {
    method: {"heat inside M": heatmap.resized()[region].sum() / heatmap.resized().sum()}
    for method, heatmap in answers.items()
}
pd.DataFrame(inside).T.astype(float).round(3)

# %% [markdown]
# And how alike they are, as Spearman's correlation over the pixels:

# %%
pixels = pd.DataFrame({method: heatmap.resized().ravel() for method, heatmap in answers.items()})
pixels.corr("spearman").round(2)

# %% [markdown]
# Methods fall into two groups: those with one weight for every feature map (`seg-grad-cam`, `ablation-cam`,
# `random-weights`), whose maps go beyond the region, and those that look position by position. Heat inside of $M$ is not a
# score for quality: evidence may truly lie outside. Which of them is *right* can't be told here, because nobody knows what this
# network's evidence is. So:
#
# ## A network whose evidence is known
#
# This network is designed, not trained. It has a feature map for bright and one for dark pixels, and the logit of
# class 1 adds up what is bright in 3 × 3 pixels; the dark map is used by nothing. The image has two bright cues
# and a dark one; $M$ is the pixel right beside the first. Only the near cue is evidence: the far one lies where
# $M$ can't see, and the dark one, which lies in sight, is never used.

# %%
module = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))
with torch.no_grad():
    module[0].weight[:] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)  # bright, dark
    module[2].weight.zero_()
    module[2].bias.zero_()
    module[2].weight[1, 0] = 1  # class 1: what is bright in 3 × 3 pixels
cues = {"near": (8, 8), "far": (25, 25), "dark": (9, 10)}
scene = np.zeros((32, 32), np.float32)
scene[cues["near"]] = scene[cues["far"]] = 1
scene[cues["dark"]] = -1
on_scene = sgc.Explainer(sgc.Network.from_module(module), scene)


def heat_at_cues(**options):
    """Heat of the rectifier's heatmap at every cue."""
    (heatmap,) = on_scene.explain(sgc.pixel(8, 9), 1, "1", **options).values()
    return {name: float(heatmap.heatmap[at]) for name, at in cues.items()}


asked = {
    "seg-grad-cam": {},
    "seg-grad-cam, support": {"truncate": "support"},
    "seg-grad-cam, distance": {"truncate": "distance"},
    "seg-hires-grad-cam": {"method": "seg-hires-grad-cam"},
    "layer-cam": {"method": "layer-cam"},
    "ablation-cam": {"method": "ablation-cam"},
    "mean-activation": {"method": "mean-activation"},
}
pd.DataFrame({name: heat_at_cues(**options) for name, options in asked.items()}).T

# %%
assert heat_at_cues()["far"] == heat_at_cues()["near"] > 0
assert heat_at_cues(truncate="support")["far"] == 0

# %% [markdown]
# Seg-Grad-CAM gives the far cue exactly as much as the near one. Truncated to the support it gets exactly zero, and
# nothing else changes. That the dark cue gets nothing, gradients know and the mean activation doesn't.
#
# How often would a *random* direction of weights do as well? For each of 200 seeds: is there heat at the near cue and none
# at the dark one?

# %%
random = [heat_at_cues(method="random-weights", seed=seed) for seed in range(200)]
as_well = [one["near"] > 0 and one["dark"] <= 0 for one in random]
print(f"{np.mean(as_well):.0%} of the random directions")
print("far as bright as near:", all(one["far"] == one["near"] for one in random))

# %% [markdown]
# Two signs have to be right, so that about one in four is to be expected; in a network with more channels
# it is harder to guess. The far cue is as bright as the near one for every direction: what puts it there is the
# feature maps, and one weight for a whole map can't take it away.
#
# **What is shown here, and what is not.** The designed network proves two statements about the method: heat
# can lie where there is no evidence, and truncation to the support removes exactly that. It does not say how often this
# happens to trained networks, nor which method is best for one. For this, trained networks and scenes
# with known evidence are needed.
