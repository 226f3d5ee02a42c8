"""SGPO's adversary, exactly: the worst law of preference margins near the observed one. NumPy and SciPy only.

Start with :func:`adversary`. The same on tensors is in ``slhf.objectives``.
"""

from slhf.robust.adversary import Adversary as Adversary
from slhf.robust.adversary import adversary as adversary
from slhf.robust.adversary import dual_value as dual_value
from slhf.robust.losses import Logistic as Logistic
from slhf.robust.losses import Loss as Loss
from slhf.robust.losses import PiecewiseLinear as PiecewiseLinear
from slhf.robust.losses import tangents as tangents
