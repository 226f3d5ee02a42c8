"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter(name="--json", negative=())]
Flag = Annotated[bool, Parameter(negative=())]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())]
Numbers = Annotated[list[float] | None, Parameter(consume_multiple=True, negative=())]
