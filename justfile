# `just` lists the commands; `just check` runs every check in the environment you already have.

set positional-arguments

bin := ".venv/bin"
export OMP_NUM_THREADS := "1"

default:
    @just --list

# Make the development environment.
setup:
    python3 -m venv .venv
    {{bin}}/pip install -c constraints.txt -e ".[dev]"

# Every check.
check: style types layers test docs

# The tests; arguments go to pytest, e.g. `just test -k judges`.
test *arguments:
    {{bin}}/pytest -n 2 "$@"

# Style: lint and format, without changing anything.
style:
    {{bin}}/ruff check .
    {{bin}}/ruff format --check .

# Mend what ruff can mend.
fix:
    {{bin}}/ruff check --fix .
    {{bin}}/ruff format .

# Types.
types:
    {{bin}}/pyright

# Arrows between the rooms go one way.
layers:
    {{bin}}/lint-imports

# Build the documentation into site/.
docs:
    {{bin}}/zensical build --clean --strict

# Show the documentation while writing it.
serve:
    {{bin}}/zensical serve

# Side-by-side timings of a training step; benchmarks/README.md says what the peers need.
bench *arguments:
    {{bin}}/python -m benchmarks.step_time "$@"
