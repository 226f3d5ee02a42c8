"""Who answers: roles, causal language models, log-probabilities, sampling, refinement."""

from slhf.policies.causal_lm import ROLES, CausalPolicy
from slhf.policies.chain import Turn, chain, turns
from slhf.policies.decoding import Sampling
from slhf.policies.load import RoleSettings, load_model, load_policy, load_tokenizer
from slhf.policies.merge import merge
from slhf.policies.roles import ChatRoles, PlainRoles, make_roles
from slhf.policies.rollouts import PromptRow, Roller

__all__ = [
    "ROLES",
    "CausalPolicy",
    "ChatRoles",
    "PlainRoles",
    "PromptRow",
    "RoleSettings",
    "Roller",
    "Sampling",
    "Turn",
    "chain",
    "load_model",
    "load_policy",
    "load_tokenizer",
    "make_roles",
    "merge",
    "turns",
]
