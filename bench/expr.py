"""What one condition of three terms costs, warm: microseconds of CPU, and as a ratio of cel-expr-python if that is installed."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from meshplan.compiler.expressions import lower, parse
from meshplan.schemas.expr import holds, load

TEXT = "args.owner == 'acme' && args.count < 10 && args.state in ['open', 'closed']"
ENV = {"args": {"owner": "acme", "count": 3, "state": "open"}, "principal": {"sub": "ann", "teams": ["eng"]}}
ABSENT = {"args": {"owner": "acme", "state": "open"}, "principal": {"sub": "ann", "teams": ["eng"]}}
TARGET_US = 2.0


def microseconds(run: Callable[[], object]) -> float:
    """Best of seven rounds, so that a busy machine disturbs little."""
    rounds = timeit.repeat(run, number=20_000, repeat=7)
    return min(rounds) / 20_000 * 1e6


def theirs() -> float | None:
    try:
        from cel_expr_python import cel
    except ImportError:
        return None
    env = cel.NewEnv(variables={"args": cel.Type.DYN, "principal": cel.Type.DYN})
    program = env.compile(TEXT)
    return microseconds(lambda: program.eval(data=ENV).value())


def main() -> None:
    tree, _ = parse(TEXT)
    assert tree is not None
    ir = lower(tree)
    program = load(ir)
    mine = microseconds(lambda: holds(program, ENV))
    print(f"condition   {TEXT}")
    print(f"evaluate    {mine:.2f} µs   (target {TARGET_US:.0f} µs: {'met' if mine <= TARGET_US else 'MISSED'})")
    print(f"with error  {microseconds(lambda: holds(program, ABSENT)):.2f} µs")
    print(f"load        {microseconds(lambda: load(ir)):.2f} µs")
    if (other := theirs()) is None:
        print("cel-expr-python is not installed: no ratio")
    else:
        print(f"cel-expr    {other:.2f} µs   ratio {other / mine:.1f}")


if __name__ == "__main__":
    main()
