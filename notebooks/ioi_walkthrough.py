# %% [markdown]
# # How a small model finds the indirect object
#
# *When Mary and John went to the store, John gave a drink to* … Mary. Wang et al. (2022) took
# GPT-2 small apart on this sentence and found 26 heads that do it. Here the same questions are
# put to SmolLM2-135M, a Llama-like model of 30 layers with 9 heads each, in the order in which
# a researcher would ask them. Each section says what a paper did, does it, and says what came
# out here and where that differs.
#
# Everything runs on one CPU core in about a minute, without a network. Positive always means
# *supports the answer*. What is called an *effect* was measured by running the model with
# something replaced; a *share* is part of an exact sum; an *estimate* is a gradient's word.

# %%
from pathlib import Path

import pellucid
from pellucid.figures.save import save

FIGURES = Path("ioi_figures")


def keep(figure, name: str):
    """Write one of the seven figures, and show it."""
    save(figure, FIGURES / f"{name}.png")
    return figure


model = pellucid.load("smollm2-135m")
question = pellucid.Contrast(
    clean="When Mary and John went to the store, John gave a drink to",
    corrupted="When Mary and John went to the store, Mary gave a drink to",
    answer=" Mary",
    foil=" John",
)
trace = pellucid.record(model, question)
print(f"logit difference {float(trace.metric_clean):+.2f}, and on the corrupted prompt ", end="")
print(f"{float(trace.metric_corrupted):+.2f}: {float(trace.difference):.2f} between them")

# %% [markdown]
# The two prompts differ in one word, at position 9. Turning it round turns the answer round,
# from +6.12 to -5.49: all that separates the two is who gave. (GPT-2 small: 3.56 on average,
# Wang et al.)
#
# ## 1. Induction
#
# **The papers.** Elhage et al. (2021) explain how two attention heads continue *A B … A* with
# *B*: a *previous-token head* writes into B what stood before it, and an *induction head* in a
# later layer looks, from the second A, for whatever comes after an A. Olsson et al. (2022) find
# such heads in models of every size, forming just when in-context learning does, and show in
# small ones that removing them takes most of it away. Their probe needs no language: random
# tokens, said twice. Nothing but the repetition predicts the second half.
#
# **Run.** Every head gets scores for seven roles, beside the same scores on shuffled sequences;
# the heads that hold a role are then replaced by their mean, beside as many random heads of the
# same layers.

# %%
roles = pellucid.head_roles(model, sequences=2, length=25, nulls=2, controls=2)
print(roles)
keep(roles.plot("induction"), "1-induction")

# %%
heads = [node.name for node in roles.holders("induction")]
composed = pellucid.composition(model, senders="L16H0", receivers=heads, kinds=("k",))
print(composed)

# %% [markdown]
# **Found.** The loss falls from 15.0 to 4.2 nats once the tokens repeat. Eight heads hold the
# role, all in layers 17 to 23 (L18H6 0.83, L17H4 0.71, L17H3 0.68, …), none of the nulls comes
# near 0.4, and without those eight the second half loses 7.7 nats, against 0.3 without random
# heads of the same layers. L16H0 attends to the previous token (0.90), sits just below, and by
# its weights alone feeds the keys of L17H3 and its neighbours at 82 to 85 % of what is
# geometrically possible: the two-step circuit of the papers, seen from behaviour, from ablation
# and from weights.
#
# **Different.** GPT-2 small has its induction heads in layers 5 to 7 of 12, these sit in the
# upper half of 30. 148 heads of 270 rest on the first token here, which is a way of doing
# nothing: a detector that does not set them apart would call most of the model something.
#
# ## 2. The logit lens
#
# **The paper.** nostalgebraist (2020) reads the residual stream after every layer as if it were
# the last: final norm, unembedding, softmax. In GPT-2 a guess appears in the middle layers and
# is then refined.
#
# **Run.** Both prompts side by side, at the position that must answer, after every sublayer.

# %%
lens = pellucid.logit_lens(
    model, question.clean, against=question.corrupted, targets=[" Mary", " John"], positions=-1
)
rank = lens.prompt.target_rank[:, -1, 0]
for i, point in enumerate(lens.points):
    if point.name in ("embed", "M11", "M22", "A23", "M23", "M26", "M28", "A29", "M29"):
        likeliest = lens.prompt.top_tokens[i][-1][0]
        difference = float(lens.logit_difference[i, -1])
        print(f"{point.name:6} {difference:+7.2f}  rank of Mary {int(rank[i]):5}  {likeliest!r}")
print("the two prompts part at", lens.parting("difference")[-1].name)
keep(lens.plot("layers"), "2-logit-lens")

# %% [markdown]
# **Found.** For 23 layers the two prompts look alike through the lens. Then one sublayer, the
# attention of layer 23, throws the difference from -9.4 to +3.1 on one prompt and down on the
# other. That *Mary* comes out on top is the work of the very last MLP: before it, she is still
# at rank 13.
#
# **Different.** In GPT-2 the answer ripens over several layers. Here the middle layers are
# hardly readable (they say a space, or *the*), so the level of the curves before layer 23 means
# little; their parting does. That a token can be read off a stream does not say that the model
# uses it there, which is why the next sections intervene.
#
# ## 3. Patching the residual stream
#
# **The paper.** Meng et al. (2022) run a model on a corrupted prompt and put back the clean
# stream at one layer and one position at a time: where does that restore the answer? (*Causal
# tracing*; with a corrupted prompt made by changing a word instead of adding noise, as Wang et
# al. do, the patched stream stays one that the model knows.)
#
# **Run.** Denoising, every layer, every position from the changed word on (before it there is
# nothing to put back).

# %%
stream = pellucid.patch(
    model, question, sites="resid", direction="denoising", positions=range(9, 14)
)
restored = stream.normalised
for layer in (0, 10, 19, 20, 21, 23, 24, 29):
    print(f"layer {layer:2}: at ' John' {float(restored[0, layer]):5.2f}", end="")
    print(f", at the last token {float(restored[-1, layer]):5.2f}")
words = model.tokenizer(question.clean)["input_ids"]
tokens = [model.tokenizer.decode([word]) for word in words]
keep(stream.plot(tokens=tokens), "3-residual-patching")

# %% [markdown]
# **Found.** Row *resid20* is the stream that layer 20 is given, so what layer 19 has made of
# it. Before layer 19 all of the decision sits at the repeated name. Layers 19 and 20 bring a
# third of it to the last token, layer 23 the rest; from there on it is nowhere else. No other
# position ever holds a tenth of it.
#
# **Different.** Meng et al. ask for facts and find a second place, the MLPs in the middle
# layers at the subject's last token. This question is about the order of names, and it is
# attention that carries it from one place to the other, as in Wang et al.
#
# ## 4. Patching heads
#
# **The paper.** Wang et al. (2022) replace single heads, and follow paths between them. Their
# account of GPT-2: *duplicate-token* and *induction heads* notice at the second John that he
# was there before; *S-inhibition heads* carry this to the end; *name movers* look at the names
# that are not inhibited and copy. *Negative name movers* do the reverse.
#
# **Run.** Noising: each of the 270 heads alone gets what it wrote on the corrupted prompt. Then
# the attention of those that matter most, from the position that answers.

# %%
effects = pellucid.patch(model, question)
table = effects.to_frame().set_index("node")["effect"]
strongest = table.reindex(table.abs().sort_values(ascending=False).index).head(8)
print(strongest.map("{:+.2f}".format).to_string())
keep(effects.plot(), "4-head-patching")

# %%
attention = pellucid.attention(model, question.clean, heads=list(strongest.index))
for name in strongest.index:
    at = 9 if name == "L17H4" else 13
    weight, key = attention.of(name)[at].topk(2)
    read = ", ".join(
        f"{attention.labels[k]!r} at {k} ({w:.2f})"
        for w, k in zip(weight.tolist(), key.tolist(), strict=True)
    )
    print(f"{name:6} from {attention.labels[at]!r} reads {read}")

# %% [markdown]
# **Found.** One head stands out: L23H3, worth 7.08 of the 11.6 between the two prompts. It
# looks from the end at the *second John*, and section 1 found it among the three heads whose
# output circuit suppresses the very token they read: it says "not John". L23H0 does what a name
# mover does, reads *Mary* and raises her, and is worth 1.19. L24H4 reads Mary and suppresses
# her, a negative name mover (-2.14). Upstream stand L17H4, one of the induction heads, which at
# the second John reads the word after the first, and L19H2 and L20H0, which carry the second
# John to the end.
#
# **Different.** The cast is that of the paper, the weights are not. In GPT-2 the answer is
# mostly *moved* (9.9, 10.0 and 9.6 copy Mary) and the other name inhibited on the way; here it
# is mostly reached by pushing the repeated name down, with what McDougall et al. (2023) call
# copy suppression, which in GPT-2 (10.7) works against the answer.
#
# ## 5. Direct logit attribution
#
# **The paper.** Elhage et al. (2021): what every component wrote into the stream is added up,
# so with the final norm's scale held, the logit difference is a sum of *shares*, one a
# component. If the sum does not come out, something was left out (usually the scale).

# %%
direct = pellucid.direct_effects(model, question)
print(direct)
keep(direct.plot(), "5-direct-logit-attribution")

# %% [markdown]
# **Found.** The 301 shares add up to the logit difference of +6.12 to rounding. Heads give +1.6
# and MLPs +4.5, yet it is the heads that *change* with the word (+7.0 of 11.6). MLPs 26 to 29
# add to what is already there. L23H3 writes +2.9 of it, L29H1 +1.7, L24H4 and L29H0 take 1.1
# and 1.0.
#
# **Different.** In GPT-2 small the name movers write most of the answer and MLPs, beside the
# first, matter little. Here the MLPs write three quarters of the difference.
#
# ## 6. Patching against direct effects
#
# **The papers.** A head may act on the logits itself or through others; Wang et al. separate
# the two by path patching. What a patch would do *directly* is the change of a head's share
# between the two prompts: on the diagonal all of a measured effect is direct.

# %%
compared = direct.compare(effects)
print(compared)
keep(compared.plot(), "6-patching-against-direct-effects")

# %% [markdown]
# **Found.** Pearson 0.92: L23H3, L29H1, L29H0 and L24H4 lie on the diagonal and act on the
# logits themselves. Spearman is only 0.18, since most of the 270 heads do nothing in either way
# and their order is noise. L19H2, L20H0 and L17H4 have effects of 1.0 to 1.9 with no direct
# part that would account for them: they act through others, as their place upstream says. L23H0
# does less than it writes (1.2 against 1.8): what comes later makes up for part of it.
#
# **Different.** Little. It is the division of labour of the paper, with fewer heads.
#
# ## 7. The circuit, and how faithful it is
#
# **The papers.** Wang et al. ask three things of a circuit (faithful, complete, minimal) and
# keep 87 % of the logit difference with 26 of 144 heads. Conmy et al. (2023) automate the
# search (ACDC) by removing edges one at a time while the output stays close. Both replace
# everything outside the circuit and measure what is left. *Sufficiency* is what the circuit
# keeps of the difference between the prompts, *comprehensiveness* what is lost without it;
# neither is clipped.
#
# **Run.** The search ranks heads by gradients, and chooses and prunes by measuring. First
# for the one prompt, then for eight others with other names, places and orders.

# %%
one = pellucid.discover(model, question)
(ioi,) = pellucid.tasks("ioi")
batch = ioi(model.tokenizer, 8)
kept = pellucid.faithfulness(model, question, one)
transferred = pellucid.faithfulness(model, batch, one.nodes)
print(one)
print(f"on this prompt: sufficiency {kept.sufficiency:.2f}")
print(f"on eight other prompts: sufficiency {transferred.sufficiency:.2f}, ", end="")
print(f"comprehensiveness {transferred.comprehensiveness:.2f}")

# %%
circuit = pellucid.discover(model, batch)
ranking = pellucid.attribute(model, batch)
order = sorted(
    (node for node in ranking.nodes if node.kind == "head"),
    key=lambda node: -float(ranking.estimate[ranking.nodes.index(node)]),
)
measured = pellucid.faithfulness(model, batch, circuit, curve=order, random_sets=10)
everything = pellucid.faithfulness(model, batch, circuit, over="heads+mlps")
print(circuit)
print(f"sufficiency {measured.sufficiency:.2f}, comprehensiveness ", end="")
print(f"{measured.comprehensiveness:.2f}, more sufficient than ", end="")
print(f"{measured.percentile_same_layers:.0f} % of random sets in the same layers")
print(f"with MLPs replaced too: sufficiency {everything.sufficiency:.2f}")
for size, share in zip(measured.curve_sizes, measured.curve, strict=True):
    print(f"the {size:3} heads ranked highest by the gradient: {share:.2f}")
keep(measured.plot(), "7-faithfulness")

# %% [markdown]
# **Found.** For the one prompt two heads are enough, L23H3 and L29H1 (0.86). On eight other
# prompts these two keep 0.78 and removing them costs 0.60: a circuit of one sentence is partly
# about that sentence. Searched on the eight, the circuit is five heads, L17H4, L20H0, L23H0,
# L23H3 and L29H1: induction, two steps to the end, the name mover and the suppressor. They keep
# 0.97 of the difference, and without them all of it is lost (1.06: it turns a little the other
# way). Taking simply the heads that the estimates rank highest, supporters first, overshoots: eight
# of them keep 1.19 and 256 keep 1.86, because those that oppose the answer come last. A set of
# supporters alone is no circuit, and estimates only rank: what a circuit is worth has to be
# measured.
#
# **Different.** Five heads of 270 against 26 of 144, in part because the search stops at what
# is needed for its target and backups are not looked for; they would show when the primaries
# are removed. And all of this lets the MLPs run freely, as the paper does. With MLPs replaced
# too, the five heads keep nothing: they are the part of the circuit that carries *who*, not all
# of it.
#
# ## What to keep
#
# - One prompt shows a circuit of that prompt. Ask several.
# - A lens shows where something can be read, shares show who wrote it, and only patching shows
#   what  was needed; here they agree on layer 23 and disagree on what comes before it.
# - The parts known from GPT-2 are all found, with other weights: names are *pushed away* here
#   more  than they are moved.
#
# ## Papers
#
# Elhage et al. 2021, A Mathematical Framework for Transformer Circuits. nostalgebraist 2020,
# interpreting GPT: the logit lens. Olsson et al. 2022, In-context Learning and Induction Heads.
# Meng et al. 2022, Locating and Editing Factual Associations in GPT. Wang et al. 2022,
# Interpretability in the Wild. Conmy et al. 2023, Towards Automated Circuit Discovery for
# Mechanistic Interpretability. McDougall et al. 2023, Copy Suppression: Comprehensively
# Understanding an Attention Head.
