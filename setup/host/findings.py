"""What a check says: a sentence, and what to do where something is wrong."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """``remedy`` is empty where all is well; ``serious``: with this no mail host comes up."""

    text: str
    remedy: str = ""
    serious: bool = False
    note: bool = False  # could not be looked at, or is worth knowing; no fault

    @property
    def is_fault(self):
        return bool(self.remedy) and not self.note


def good(text):
    return Finding(text)


def bad(text, remedy, serious=False):
    return Finding(text, remedy, serious)


def note(text, remedy=""):
    return Finding(text, remedy, note=True)


def printed(findings):
    """Print them; returns how many are faults."""
    for finding in findings:
        mark = "fault" if finding.is_fault else " note" if finding.note else "   ok"
        print(f"  {mark}  {finding.text}", flush=True)
        if finding.remedy:
            print(f"         -> {finding.remedy}", flush=True)
    return sum(finding.is_fault for finding in findings)
