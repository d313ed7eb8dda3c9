"""How well facts are read and ended by rules: `python -m tests.facts_report` prints the labelled tables' figures."""

from collections import Counter

from context0.memory.rules.facts import decide_extraction
from tests.unit.test_rules_facts import DECISIONS, TABLE, _precision_and_recall
from tests.unit.test_rules_supersede import UPDATES, _counts

_CLASSES = ("none", "simple", "full")


def main() -> None:
    print(f"{len(TABLE)} sentences; precision and recall of the facts that are read")
    for part in ("tuned", "held"):
        precision, recall = _precision_and_recall(part)
        print(f"{part:>8}: {precision:.3f}, {recall:.3f} of {sum(row['part'] == part for row in TABLE)}")
    over, missed = _counts()
    ending = sum(state == "off" for update in UPDATES for *_, state in update["expected"])
    print(f"{len(UPDATES)} update sequences: {over} facts wrongly ended, {missed} of {ending} wrongly left open")
    counts = Counter((row["decision"], decide_extraction(row["text"])) for row in DECISIONS)
    right = sum(count for (wanted, found), count in counts.items() if wanted == found)
    print(f"{len(DECISIONS)} messages: {right / len(DECISIONS):.3f} of the decisions how to read them are right")
    print(f"{'labelled / found':>18}" + "".join(f"{name:>8}" for name in _CLASSES))
    for wanted in _CLASSES:
        print(f"{wanted:>18}" + "".join(f"{counts[wanted, found]:>8}" for found in _CLASSES))


if __name__ == "__main__":
    main()
