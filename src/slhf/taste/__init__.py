"""Whose taste is it? What a user's picks tell about which annotator they are like. NumPy and SciPy only.

Start with :func:`prior`, then :meth:`Taste.picked`.
"""

from slhf.taste.belief import Taste as Taste
from slhf.taste.belief import prior as prior
from slhf.taste.blocks import BlockTaste as BlockTaste
from slhf.taste.blocks import block_prior as block_prior
from slhf.taste.blocks import block_scores as block_scores
from slhf.taste.favourites import favourites as favourites
from slhf.taste.questions import information as information
from slhf.taste.questions import max_min as max_min
from slhf.taste.questions import most_informative as most_informative
