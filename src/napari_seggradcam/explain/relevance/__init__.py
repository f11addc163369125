"""Layer-wise relevance propagation through segmentation networks.

Relevance begins at the logits and is handed down, operation by operation, to what each was
computed from, until it reaches the image. `rules` says in what proportions, `operations` what was
added up, `functions` which function of torch is which operation, `graph` whether everything is
known, `flow` what was conserved, and `propagation` does the whole.
"""

from .flow import Cut
from .propagation import Relevance, conservation, propagate
from .rules import RULES, Composite, Epsilon, Gamma, Rule, ZPlus

__all__ = [
    "RULES",
    "Composite",
    "Cut",
    "Epsilon",
    "Gamma",
    "Relevance",
    "Rule",
    "ZPlus",
    "conservation",
    "propagate",
]
