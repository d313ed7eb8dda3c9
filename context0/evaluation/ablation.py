"""What each arm and each signal gives: the recall without it, with the paired interval of the difference."""

from collections.abc import Iterator, Sequence
from typing import Final, get_args

from context0.evaluation import metrics
from context0.evaluation.recording import SERVED, Case, Variant, ranking
from context0.evaluation.report import APART, Ablated
from context0.memory.fusion import Fusion
from context0.memory.inputs import ArmName
from context0.memory.signals import SIGNALS, SignalName

CUT: Final = 10
_ARMS: Final[tuple[ArmName, ...]] = get_args(ArmName)


def ablation(cases: Sequence[Case], fusion: Fusion = "score") -> tuple[Ablated, ...]:
    """Return one row an arm and signal that counts anywhere, all signals beside the arms, and the other fusion.

    Over the questions of the overall figure. About 0.3 ms a question and row.
    """
    counted = [case for case in cases if case.relevant and case.category not in APART]
    if not counted:
        return ()
    served = _recalls(counted, Variant(fusion=fusion))
    rows = []
    for name, variant in _variants(counted, fusion):
        recalls = _recalls(counted, variant)
        rows.append(
            Ablated(name=name, recall_at_10=sum(recalls) / len(recalls), change=paired(counted, recalls, served))
        )
    return tuple(rows)


def paired(cases: Sequence[Case], recalls: Sequence[float], served: Sequence[float]) -> metrics.Interval:
    """Return the mean difference with its interval, by questions that belong to conversations."""
    conversations = [case.conversation for case in cases]
    differences = [one - other for one, other in zip(recalls, served, strict=True)]
    return metrics.bootstrap_interval(differences, conversations if len(set(conversations)) > 1 else None)


def _recalls(cases: Sequence[Case], variant: Variant) -> list[float]:
    return [metrics.recall_at(ranking(case, variant, CUT), case.relevant, CUT) for case in cases]


def _variants(cases: Sequence[Case], fusion: Fusion) -> Iterator[tuple[str, Variant]]:
    are_alone = cases[0].query.request.arms_only
    arms = [
        name for name in _ARMS if any(name in case.arms and (are_alone or case.voices.profile[name]) for case in cases)
    ]
    if len(arms) > 1:
        for arm in arms:
            yield f"without the {arm} arm", Variant(without=frozenset({arm}), fusion=fusion)
    if not are_alone:
        beside: list[SignalName] = [
            name for name in SIGNALS if name not in _ARMS and any(case.voices.profile[name] for case in cases)
        ]
        for signal in beside:
            yield f"without {signal}", Variant(without=frozenset({signal}), fusion=fusion)
        yield "the arms alone", Variant(without=frozenset(beside), fusion=fusion)
    other: Fusion = "rank" if fusion == SERVED.fusion else SERVED.fusion
    yield f"{other}s fused", Variant(fusion=other)
