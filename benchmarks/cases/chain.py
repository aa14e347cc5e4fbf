"""A chain of stages with one small file each, for commands: tintype status --module chain Last."""

from __future__ import annotations

import luigi

from tintype import Stage

N_STAGES = 20


class Link(Stage):
    """One stage of the chain."""

    layer = "interim"
    number: int = luigi.IntParameter()

    def requires(self) -> list[Link]:
        return [Link(base_dir=self.base_dir, number=self.number - 1)] if self.number else []

    def build(self, staging: object) -> None:
        (staging.files / "number.txt").write_text(str(self.number))  # type: ignore[attr-defined]
        staging.add("number.txt")  # type: ignore[attr-defined]


class Last(luigi.WrapperTask):
    """The whole chain."""

    base_dir: str = luigi.Parameter(default="data")

    def requires(self) -> Link:
        return Link(base_dir=self.base_dir, number=N_STAGES - 1)
