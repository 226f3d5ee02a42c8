"""The whole method on the smallest game: three answers that beat each other in a circle.

A Leader picks one of three answers, a Follower sees it and picks a reply. There is no language model
here, only two tables of logits, trained with the very loss that trains language models. At the end they
are compared with the equilibrium, which can be written down.

Run it: python examples/smallest_game.py
"""

from __future__ import annotations

import torch

from slhf.objectives import GameBatch, ResponseBatch, stackelberg_losses

ANSWERS = "ABC"
# P[y, y′] = P(y ≻ y′): A mostly beats B, B mostly beats C, C mostly beats A; not all equally clearly.
P = torch.tensor([[0.5, 0.8, 0.35], [0.2, 0.5, 0.9], [0.65, 0.1, 0.5]])
TAU_LEADER, TAU_FOLLOWER = 0.1, 0.2
# The references both players are paid to stay close to. The Follower's depends on the answer it is shown.
REF_LEADER = torch.tensor([0.5, 0.2, 0.3])
REF_FOLLOWER = torch.tensor([[0.6, 0.2, 0.2], [0.3, 0.3, 0.4], [0.2, 0.7, 0.1]])


def equilibrium() -> tuple[torch.Tensor, torch.Tensor]:
    """Return π* and ω* in closed form; see docs/theory/game.md."""
    weights = REF_FOLLOWER * torch.exp(-P / TAU_FOLLOWER)
    value = -TAU_FOLLOWER * torch.log(weights.sum(dim=1))  # what the Leader keeps of each answer
    leader = REF_LEADER * torch.exp(value / TAU_LEADER)
    return leader / leader.sum(), weights / weights.sum(dim=1, keepdim=True)


def printed_equation_8() -> torch.Tensor:
    """Return the Leader of the paper's Eq. (8), whose value leaves out the Follower's KL."""
    _, follower = equilibrium()
    leader = REF_LEADER * torch.exp((follower * P).sum(dim=1) / TAU_LEADER)
    return leader / leader.sum()


def apart(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the total variation between two distributions."""
    return 0.5 * (first - second).abs().sum().item()


def every_pair(leader_logits: torch.Tensor, follower_logits: torch.Tensor) -> GameBatch:
    """Return all nine (answer, reply) pairs as a batch, each weighted by how likely it is.

    Training samples pairs instead; on average that is the same, and here nothing is left to chance.
    """
    log_leader, log_follower = leader_logits.log_softmax(0), follower_logits.log_softmax(1)
    pairs = [(y, z) for y in range(3) for z in range(3)]
    weight = torch.stack([(log_leader[y] + log_follower[y, z]).exp() for y, z in pairs]).detach()

    def responses(log_probs: list[torch.Tensor], reference: list[torch.Tensor]) -> ResponseBatch:
        return ResponseBatch(
            log_probs=torch.stack(log_probs).unsqueeze(1),  # every answer is one token long
            ref_log_probs=torch.stack(reference).log().unsqueeze(1),
            mask=torch.ones(9, 1),
            truncated=torch.zeros(9),
            importance=9 * weight.unsqueeze(1),  # the loss is a mean over nine rows
        )

    roles = {
        "leader": responses([log_leader[y] for y, _ in pairs], [REF_LEADER[y] for y, _ in pairs]),
        "follower": responses([log_follower[y, z] for y, z in pairs], [REF_FOLLOWER[y, z] for y, z in pairs]),
    }
    return GameBatch(roles, torch.stack([P[y, z] for y, z in pairs]).view(9, 1, 1))


def train(steps: int = 500, kappa: float = 5.0, **options: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Start at the references and follow the loss; return the trained π and ω."""
    leader = REF_LEADER.log().clone().requires_grad_()
    follower = REF_FOLLOWER.log().clone().requires_grad_()
    optimizer = torch.optim.Adam([{"params": [leader]}, {"params": [follower], "lr": 0.02 * kappa}], lr=0.02)
    for _ in range(steps):
        losses, _ = stackelberg_losses(
            every_pair(leader, follower), tau_leader=TAU_LEADER, tau_follower=TAU_FOLLOWER, **options
        )
        optimizer.zero_grad()
        (losses["leader"] + losses["follower"]).backward()
        optimizer.step()
    return leader.detach().softmax(0), follower.detach().softmax(1)


def show(title: str, leader: torch.Tensor, follower: torch.Tensor) -> None:
    """Print both players' probabilities."""
    print(title)
    print("  Leader answers    " + "   ".join(f"{a} {p:.3f}" for a, p in zip(ANSWERS, leader, strict=True)))
    for answer, row in zip(ANSWERS, follower, strict=True):
        print(f"  Follower to {answer}     " + "   ".join(f"{a} {p:.3f}" for a, p in zip(ANSWERS, row, strict=True)))


def main() -> None:
    """Train, compare with the closed form, and show what one missing term does."""
    exact_leader, exact_follower = equilibrium()
    leader, follower = train()
    show("Equilibrium, in closed form", exact_leader, exact_follower)
    show("Trained with the loss", leader, follower)
    print(f"Total variation between the two Leaders: {apart(leader, exact_leader):.4f}\n")
    assert apart(leader, exact_leader) < 0.01

    printed, _ = train(leader_kl_of_follower=False)
    print("Without τ_F ℓ_F in the Leader's signal, as the paper prints it, the Leader ends elsewhere:")
    print(f"  total variation from the equilibrium   {apart(printed, exact_leader):.4f}")
    print(f"  total variation from the paper's Eq. 8 {apart(printed, printed_equation_8()):.4f}")
    assert apart(printed, printed_equation_8()) < 0.01


if __name__ == "__main__":
    main()
