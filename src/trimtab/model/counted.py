"""What the judge counted in one look. Made by `analysis`, kept by stores beside the record, read by replays."""

from dataclasses import dataclass
from datetime import datetime

from trimtab.model.judging import JudgeStep
from trimtab.model.scrapes import Scrape


@dataclass(frozen=True, slots=True)
class Counted:
    """Fresh scrapes of both copies, pod by pod, and where the rollout stood; without any, that it stood at a new step."""

    began: datetime
    """`JudgeEvidence.began`: evidence that began anew, as after a clock was set back, has another."""
    step: JudgeStep
    scrapes: tuple[Scrape, ...] = ()
