"""One trainer on ``transformers.Trainer``, its arguments and its metrics."""

from slhf.training.arguments import GameArguments
from slhf.training.held_out import HeldOut
from slhf.training.metrics import METRICS
from slhf.training.pair_arguments import PairArguments
from slhf.training.pair_scores import implicit_rewards
from slhf.training.pairs import PairTrainer
from slhf.training.trainer import GameTrainer

__all__ = ["METRICS", "GameArguments", "GameTrainer", "HeldOut", "PairArguments", "PairTrainer", "implicit_rewards"]
